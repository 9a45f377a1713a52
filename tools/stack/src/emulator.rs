//! Starts the emulator of AWS: ministack with the additions of `emulator.py`.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use tokio::{
    process::Command,
    time::{Instant, sleep},
};
use twilio_types::base_url::BaseUrl;

use crate::{
    clock::StackClock,
    process::{Group, log_to, tail},
    stack::Administrator,
};

/// The variable with the file in which emulators note the permissions that are used, as tools/stack/permissions.py describes.
pub const PERMISSIONS: &str = "STACK_PERMISSIONS";

const READY_WITHIN: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(50);

/// A running emulator. Dropping it stops the emulator and the functions that the emulator started.
#[derive(Debug)]
pub struct Emulator {
    _group: Group,
    /// The log of the emulator and the functions.
    pub log: PathBuf,
    /// The endpoint of AWS.
    pub endpoint: String,
    /// The base URL of the deployed HTTP API, whose routes begin at the root.
    pub front_door: String,
    /// The administrator, who has every permission.
    pub administrator: Administrator,
    /// The clock that the emulator and the functions read.
    pub clock: StackClock,
}

/// The ports of an emulator, who calls them, and the emulator's clock.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// The port of AWS.
    pub aws_port: u16,
    /// The port of the deployed HTTP API.
    pub api_port: u16,
    /// The port of CloudFront distributions.
    pub media_port: Option<u16>,
    /// The URL at which a real Twilio account calls the API. The API's port then serves only Twilio's routes.
    pub twilio_calls: Option<&'a BaseUrl>,
    /// This machine's address on Docker's bridge, where functions in containers can also call AWS.
    pub bridge: Option<Ipv4Addr>,
    /// The clock that the emulator and the functions read.
    pub clock: &'a StackClock,
}

impl Emulator {
    /// Starts an emulator without any state and waits until it answers.
    ///
    /// `root` is the checkout, `scratch` a folder for the emulator's log and temporary files.
    pub async fn start(root: &Path, scratch: &Path, settings: Settings<'_>) -> Result<Self> {
        let Settings { aws_port, api_port, media_port, twilio_calls, bridge, clock } = settings;
        let python = root.join(".tools/ministack/bin/python");
        if !python.exists() {
            bail!("{} is missing: `make tools` installs it", python.display());
        }
        let administrator = Administrator::random();
        let log = scratch.join("emulator.log");
        let mut command = Command::new(python);
        command
            .arg(root.join("tools/stack/emulator.py"))
            .args([aws_port, api_port].map(|port| port.to_string()))
            .args(media_port.iter().flat_map(|port| ["--media-port".to_owned(), port.to_string()]))
            .args(twilio_calls.iter().flat_map(|url| ["--public-base-url", url.as_str()]))
            .arg("--permissions")
            .arg(permissions(scratch))
            .args(bridge.iter().flat_map(|address| ["--bridge".to_owned(), address.to_string()]))
            // The functions inherit the emulator's environment, which must not contain this machine's variables.
            .env_clear()
            .envs(["PATH", "SSL_CERT_FILE"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .envs([("HOME", temporary(scratch)?), ("TMPDIR", temporary(scratch)?)])
            .envs(clock.environment())
            .envs(administrator.environment());
        log_to(&mut command, &log)?;
        let mut group = Group::spawn(&mut command)?;
        let endpoint = format!("http://127.0.0.1:{aws_port}");
        wait_until_ready(&mut group, &endpoint, &log).await?;
        let front_door = format!("http://127.0.0.1:{api_port}");
        Ok(Self { _group: group, log, endpoint, front_door, administrator, clock: clock.clone() })
    }
}

/// The file of the permissions that are used: one for all stacks of a test run.
fn permissions(scratch: &Path) -> PathBuf {
    std::env::var_os(PERMISSIONS).map_or_else(|| scratch.join("permissions.jsonl"), PathBuf::from)
}

fn temporary(scratch: &Path) -> Result<PathBuf> {
    let path = scratch.join("tmp");
    fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(path)
}

async fn wait_until_ready(group: &mut Group, endpoint: &str, log: &Path) -> Result<()> {
    let deadline = Instant::now() + READY_WITHIN;
    let client = reqwest::Client::new();
    let url = format!("{endpoint}/_ministack/ready");
    loop {
        if client.get(&url).send().await.is_ok_and(|response| response.status().is_success()) {
            return Ok(());
        }
        if let Some(status) = group.ended()? {
            bail!("the emulator ended ({status}); the end of {}:\n{}", log.display(), tail(log));
        }
        if Instant::now() > deadline {
            bail!("the emulator did not answer within {READY_WITHIN:?}; see {}", log.display());
        }
        sleep(PAUSE).await;
    }
}

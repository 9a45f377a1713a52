//! A second stack beside the one that a test runs in, with a clock that the test moves.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use sandbox::{Config, Sandbox, WhatsAppRules};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    account::TwilioAccount,
    clock::StackClock,
    deploy::{self, BUILT_TEMPLATE, Parameters},
    emulator::{Emulator, Settings},
    media_domain::base_url_parameter,
    plans,
    ports::{Ports, ReservedPort, ReservedPorts},
    run::{AbortOnDrop, SecondAccount, checkout, empty_folder, put_credentials, sandbox_account, serve},
    shell,
    stack::{Outputs, Stack},
    watch::Watch,
};

/// A stack with a clock that can be moved: the emulator, the functions and the sandbox are always in the same time. It runs as
/// long as this value lives.
#[derive(Debug)]
pub struct MovableStack {
    /// The stack's URLs and outputs, and its clock.
    pub stack: Stack,
    /// The base URL of the sandbox of the second account.
    pub second_sandbox_url: Option<String>,
    /// The stack's folder, with the commands in `bin`.
    pub folder: PathBuf,
    template: PathBuf,
    account: TwilioAccount,
    emulator: Emulator,
    _sandbox: JoinSet<io::Result<()>>,
    _second: Option<JoinSet<io::Result<()>>>,
    _watch: Option<AbortOnDrop>,
}

/// What another stack may have differently; `None` is the template's default.
#[derive(Debug, Clone, Copy, Default)]
pub struct StackSettings<'a> {
    /// The send policy as JSON.
    pub send_policy: Option<&'a str>,
    /// What a STOP covers: `all` or `sender`.
    pub opt_out_scope: Option<&'a str>,
    /// The added and removed words for STOP and START as JSON.
    pub opt_out_keywords: Option<&'a str>,
    /// Whether media links are on a domain, which the emulator serves. The first deployment has no key for them.
    pub media_domain: bool,
    /// Further parameters of the template, as `Name=value`.
    pub further: &'a [String],
    /// Whether the sandbox's timeline shows what the system does, and the sandbox sends as the business, as in `make run`.
    pub timeline: bool,
    /// Whether the sandbox has a second account, whose keys are in the stack's secret.
    pub second_account: bool,
}

impl MovableStack {
    /// Starts a stack with the functions that were built for another one, whose folder is `built`. Its logs are in a
    /// folder of this name there.
    pub async fn start(built: &Path, name: &str, settings: &StackSettings<'_>) -> Result<Self> {
        let root = checkout()?;
        let scratch = empty_folder(built.join(name))?;
        let clock = StackClock::movable(root, &scratch).await?;
        let ports = Ports { media: settings.media_domain.then_some(0), ..Ports::FREE };
        let ReservedPorts { api, aws, sandbox, media } = ReservedPorts::new(ports, None)?;
        let (aws_port, api_port) = (aws.release()?, api.release()?);
        let media_port = media.map(ReservedPort::release).transpose()?;
        let of_emulator = Settings { aws_port, api_port, media_port, twilio_calls: None, bridge: None, clock: &clock };
        let emulator = Emulator::start(root, &scratch, of_emulator).await?;
        let sandbox_url = format!("http://127.0.0.1:{}", sandbox.port()?);
        let account = sandbox_account(&sandbox_url, &emulator.front_door)?;
        let template = built.join(BUILT_TEMPLATE);
        let base_url = media_port.map(base_url_parameter);
        let further: Vec<_> = base_url.into_iter().chain(settings.further.iter().cloned()).collect();
        let settings = &StackSettings { further: &further, ..*settings };
        let outputs = deploy(&scratch, &template, &emulator, &account, settings).await?;
        let stack = Stack::new(&emulator, sandbox_url, outputs);
        let second =
            settings.second_account.then(|| SecondAccount::reserve(format!("{}/twilio/inbound", emulator.front_door)));
        let second = second.transpose()?;
        let second_sandbox_url = second.as_ref().map(|second| second.url.clone());
        put_credentials(&stack, &account, second.as_ref()).await?;
        let config = Config::documented(format!("{}/twilio/inbound", emulator.front_door));
        let mut config = Config { rules: WhatsAppRules::lenient(), shared_clock: clock.shared().cloned(), ..config };
        plans::forget_when_set_back(&stack);
        shell::write(&stack, root, &scratch)?;
        if settings.timeline {
            config.business = Some(shell::send_command(&stack, &scratch));
        }
        let beside = second.map(|second| second.serve(&mut config, &stack.sandbox_url)).transpose()?;
        let sandbox_state: Arc<Sandbox> = config.into();
        let watch = if settings.timeline {
            let watched = [&sandbox_state].into_iter().chain(beside.as_ref().map(|beside| &beside.sandbox)).cloned();
            let watch = Watch::open(&stack, &emulator.log, watched.collect()).await?;
            Some(AbortOnDrop(tokio::spawn(watch.run()).abort_handle()))
        } else {
            None
        };
        let serving = serve(&sandbox_state, sandbox)?;
        Ok(Self {
            stack,
            second_sandbox_url,
            folder: scratch,
            template,
            account,
            emulator,
            _sandbox: serving,
            _second: beside.map(|beside| beside.serving),
            _watch: watch,
        })
    }

    /// Updates the stack. A parameter that the settings do not have keeps its value.
    pub async fn update(&mut self, settings: &StackSettings<'_>) -> Result<()> {
        let outputs = deploy(&self.folder, &self.template, &self.emulator, &self.account, settings).await?;
        self.stack.outputs = outputs;
        Ok(())
    }

    /// Moves the clock forward by whole seconds, as soon as no function runs.
    pub async fn advance(&self, by: Duration) -> Result<()> {
        let seconds = u32::try_from(by.as_secs()).context("the clock cannot be moved so far")?;
        self.move_clock(&json!({"advance_seconds": seconds})).await
    }

    /// Sets the clock back to this machine's time, as soon as no function runs.
    pub async fn set_clock_back(&self) -> Result<()> {
        self.move_clock(&json!({"now": true})).await
    }

    async fn move_clock(&self, change: &Value) -> Result<()> {
        let url = format!("{}/sandbox/clock", self.stack.sandbox_url);
        let moved = reqwest::Client::new().post(url).json(change).send().await?;
        ensure!(moved.status().is_success(), "the clock cannot be moved: HTTP status {}", moved.status());
        Ok(())
    }
}

async fn deploy(
    scratch: &Path,
    template: &Path,
    emulator: &Emulator,
    account: &TwilioAccount,
    settings: &StackSettings<'_>,
) -> Result<Outputs> {
    let StackSettings { send_policy, opt_out_scope, opt_out_keywords, further, .. } = *settings;
    let Emulator { endpoint: aws_endpoint, administrator, .. } = emulator;
    let parameters = Parameters {
        template,
        aws_endpoint,
        administrator,
        account,
        send_policy,
        opt_out_scope,
        opt_out_keywords,
        further,
    };
    deploy::deploy(checkout()?, scratch, &parameters).await
}

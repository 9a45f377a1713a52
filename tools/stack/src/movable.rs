//! A second stack beside the one that a test runs in, with a clock that the test moves.

use std::{io, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use sandbox::{Config, WhatsAppRules};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    clock::StackClock,
    deploy::{self, BUILT_TEMPLATE, Parameters},
    emulator::{Emulator, Settings},
    ports::{Ports, ReservedPorts},
    run::{checkout, empty_folder, put_credentials, sandbox_account, serve},
    stack::Stack,
};

/// A stack with a clock that can be moved: the emulator, the functions and the sandbox are always in the same time. It runs as
/// long as this value lives, and has no timeline.
#[derive(Debug)]
pub struct MovableStack {
    /// The stack's URLs and outputs, and its clock.
    pub stack: Stack,
    _emulator: Emulator,
    _sandbox: JoinSet<io::Result<()>>,
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
}

impl MovableStack {
    /// Starts a stack with the functions that were built for another one, whose folder is `built`. Its logs are in a
    /// folder of this name there.
    pub async fn start(built: &Path, name: &str, settings: &StackSettings<'_>) -> Result<Self> {
        let root = checkout()?;
        let scratch = empty_folder(built.join(name))?;
        let clock = StackClock::movable(root, &scratch).await?;
        let ReservedPorts { api, aws, sandbox } = ReservedPorts::new(Ports::FREE, None)?;
        let (aws_port, api_port) = (aws.release()?, api.release()?);
        let of_emulator = Settings { aws_port, api_port, twilio_calls: None, bridge: None, clock: &clock };
        let emulator = Emulator::start(root, &scratch, of_emulator).await?;
        let sandbox_url = format!("http://127.0.0.1:{}", sandbox.port()?);
        let account = sandbox_account(&sandbox_url, &emulator.front_door)?;
        let Emulator { endpoint: aws_endpoint, front_door, administrator, .. } = &emulator;
        let parameters = Parameters {
            template: &built.join(BUILT_TEMPLATE),
            aws_endpoint,
            administrator,
            account: &account,
            send_policy: settings.send_policy,
            opt_out_scope: settings.opt_out_scope,
            opt_out_keywords: settings.opt_out_keywords,
        };
        let outputs = deploy::deploy(root, &scratch, &parameters).await?;
        let stack = Stack::new(&emulator, sandbox_url, outputs);
        put_credentials(&stack, &account).await?;
        let config = Config::documented(format!("{front_door}/twilio/inbound"));
        let config = Config { rules: WhatsAppRules::lenient(), ..config };
        let serving = serve(&config.into(), sandbox)?;
        Ok(Self { stack, _emulator: emulator, _sandbox: serving })
    }

    /// Moves the clock forward by whole seconds, as soon as no function runs.
    pub async fn advance(&self, by: Duration) -> Result<()> {
        let seconds = u32::try_from(by.as_secs()).context("the clock cannot be moved so far")?;
        let held = self.stack.clock.hold().await?;
        let url = format!("{}/sandbox/clock", self.stack.sandbox_url);
        let moved = reqwest::Client::new().post(url).json(&json!({"advance_seconds": seconds})).send().await?;
        ensure!(moved.status().is_success(), "the sandbox's clock cannot be moved: HTTP status {}", moved.status());
        held.advance(seconds)
    }
}

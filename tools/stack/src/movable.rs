//! A second stack beside the one that a test runs in, with a clock that the test moves.

use std::{io, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use sandbox::{Config, Sandbox, WhatsAppRules};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    clock::StackClock,
    deploy::{self, BUILT_TEMPLATE, Parameters},
    emulator::{Emulator, Settings},
    plans,
    ports::{Ports, ReservedPorts},
    run::{AbortOnDrop, checkout, empty_folder, put_credentials, sandbox_account, serve},
    shell,
    stack::Stack,
    watch::Watch,
};

/// A stack with a clock that can be moved: the emulator, the functions and the sandbox are always in the same time. It runs as
/// long as this value lives.
#[derive(Debug)]
pub struct MovableStack {
    /// The stack's URLs and outputs, and its clock.
    pub stack: Stack,
    _emulator: Emulator,
    _sandbox: JoinSet<io::Result<()>>,
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
    /// Whether the sandbox's timeline shows what the system does, and the sandbox sends as the business, as in `make run`.
    pub timeline: bool,
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
        let mut config = Config { rules: WhatsAppRules::lenient(), shared_clock: clock.shared().cloned(), ..config };
        plans::forget_when_set_back(&stack);
        shell::write(&stack, root, &scratch)?;
        if settings.timeline {
            config.business = Some(shell::send_command(&stack, &scratch));
        }
        let sandbox_state: Arc<Sandbox> = config.into();
        let watch = if settings.timeline {
            let watch = Watch::open(&stack, &emulator.log, Arc::clone(&sandbox_state)).await?;
            Some(AbortOnDrop(tokio::spawn(watch.run()).abort_handle()))
        } else {
            None
        };
        let serving = serve(&sandbox_state, sandbox)?;
        Ok(Self { stack, _emulator: emulator, _sandbox: serving, _watch: watch })
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

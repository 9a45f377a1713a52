//! Starts and stops the local stack.

use std::{
    fs, io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use domain::callback_url::CONNECTION_OVERRIDES;
use sandbox::{AllowedHost, Config, Sandbox, SandboxRole, WhatsAppRules};
use secrecy::ExposeSecret as _;
use tokio::task::{AbortHandle, JoinSet};

use crate::{
    account::{ApiKey, TwilioAccount},
    bridge,
    clock::StackClock,
    deploy::{self, BUILT_TEMPLATE, Parameters},
    emulator::{Emulator, Settings},
    functions, plans,
    ports::{Ports, ReservedPort, ReservedPorts},
    progress::Step,
    shell,
    stack::Stack,
    watch::Watch,
};

/// The SID of the sandbox's account, which does not exist at Twilio.
pub const ACCOUNT_SID: &str = "AC00000000000000000000000000000001";
/// The token that the account's webhooks are signed with.
pub const AUTH_TOKEN: &str = "12345678901234567890123456789012";
/// The SID of the API key that authenticates the account's REST requests.
pub const API_KEY_SID: &str = "SK00000000000000000000000000000001";
/// The secret of the API key.
pub const API_KEY_SECRET: &str = "sandbox-secret";
/// The Messaging Service of the account.
pub const MESSAGING_SERVICE_SID: &str = "MG00000000000000000000000000000001";

/// The send policy of the stack. Only the countries that the policy's tests use have rules here. In all other countries
/// marketing needs a consent, as without a policy.
pub const SEND_POLICY: &str = concat!(
    r#"{"countries":{"#,
    // Iceland has quiet hours for all but one minute of the day, the Faroe Islands allow two marketing messages a week, and
    // consents for marketing in Malta expire after 30 days.
    r#""IS":{"consent":{},"quiet_hours":{"from":"00:01","to":"00:00"}},"#,
    r#""FO":{"consent":{},"marketing_cap":{"messages":2,"days":7}},"#,
    r#""MT":{"consent":{"marketing":{"days":30},"utility":{}}}}}"#,
);

/// What a stack is connected to on Twilio's side.
#[derive(Debug, Clone)]
pub enum TwilioSide {
    /// The sandbox, which applies these rules.
    Sandbox(WhatsAppRules),
    /// A real Twilio account. The sandbox then only shows what the system does.
    Account(Box<TwilioAccount>),
}

/// Whose time a stack has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeOfDay {
    /// This machine's.
    Machine,
    /// That of the sandbox, which the page moves: for the functions too. Where that is not possible, this machine's.
    Sandbox,
}

/// A local stack that lives as long as this value.
#[derive(Debug)]
pub struct Running {
    /// The stack's URLs and outputs.
    pub stack: Stack,
    /// The stack's folder: logs, the deployed functions, and the files for `sam local`.
    pub folder: PathBuf,
    /// The file that a shell reads to have `wa` and to connect `wa` and the AWS CLI to the stack; relative to the checkout.
    pub shell: PathBuf,
    // The first of the three to be dropped, because it reads from the emulator and records in the sandbox.
    _watch: AbortOnDrop,
    _emulator: Emulator,
    _sandbox: JoinSet<io::Result<()>>,
}

/// A task that is aborted when its owner is dropped.
#[derive(Debug)]
pub(crate) struct AbortOnDrop(pub(crate) AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Running {
    /// Stops the stack and removes its folder with all logs.
    pub fn discard(self) -> Result<()> {
        let Self { folder, _watch: watch, _emulator: emulator, .. } = self;
        drop(watch);
        drop(emulator);
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))
    }
}

/// The folder of the checkout, from which everything is built.
pub fn checkout() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("the folder of the checkout does not exist")
}

/// Builds, starts and deploys the stack, and prints its progress on the standard error.
pub async fn start(ports: Ports, twilio: TwilioSide, time: TimeOfDay) -> Result<Running> {
    let root = checkout()?;
    let (twilio_calls, bridge) = match &twilio {
        TwilioSide::Sandbox(_) => (None, bridge::address()),
        // Functions in containers run with the sandbox only, never with a real account.
        TwilioSide::Account(account) => (Some(&account.public_base_url), None),
    };
    let ReservedPorts { api, aws, sandbox } = ReservedPorts::new(ports, bridge)?;
    let scratch = empty_folder(root.join(".local").join(aws.port()?.to_string()))?;

    eprintln!("Compiling the functions (this takes some minutes the first time)");
    deploy::compile(root).await?;

    let step = Step::start("sam build");
    deploy::build(root, &scratch).await?;
    step.done();

    let step = Step::start("emulator of AWS");
    let clock = &clock(time, root, &scratch).await;
    let settings = Settings { aws_port: aws.release()?, api_port: api.release()?, twilio_calls, bridge, clock };
    let emulator = Emulator::start(root, &scratch, settings).await?;
    step.done();

    let sandbox_url = format!("http://127.0.0.1:{}", sandbox.port()?);
    let (account, send_policy) = match &twilio {
        TwilioSide::Sandbox(_) => (sandbox_account(&sandbox_url, &emulator.front_door)?, Some(SEND_POLICY)),
        // The default policy, as in a first deployment: marketing needs a consent.
        TwilioSide::Account(account) => (TwilioAccount::clone(account), None),
    };
    let step = Step::start("sam deploy");
    let Emulator { endpoint: aws_endpoint, administrator, .. } = &emulator;
    let template = &scratch.join(BUILT_TEMPLATE);
    let parameters = Parameters {
        template,
        aws_endpoint,
        administrator,
        account: &account,
        send_policy,
        opt_out_scope: None,
        opt_out_keywords: None,
    };
    let outputs = deploy::deploy(root, &scratch, &parameters).await?;
    let stack = Stack::new(&emulator, sandbox_url, outputs);
    put_credentials(&stack, &account).await?;
    step.done();
    // The events in `events/` belong to the sandbox's account.
    if let TwilioSide::Sandbox(_) = &twilio {
        functions::write(&stack, &scratch, bridge).await?;
    }
    let shell = shell::write(&stack, root, &scratch)?;
    plans::forget_when_set_back(&stack);
    let shell = shell.strip_prefix(root).map(PathBuf::from).unwrap_or(shell);
    let (watch, sandbox) = serve_sandbox(&stack, &emulator.log, &scratch, twilio, sandbox, bridge).await?;
    Ok(Running { stack, folder: scratch, shell, _watch: watch, _emulator: emulator, _sandbox: sandbox })
}

async fn clock(time: TimeOfDay, root: &Path, scratch: &Path) -> StackClock {
    if time == TimeOfDay::Machine {
        return StackClock::default();
    }
    StackClock::movable(root, scratch).await.unwrap_or_else(|error| {
        eprintln!("The functions keep this machine's time when the clock is moved on the page: {error:#}");
        StackClock::default()
    })
}

/// Serves the sandbox in this process, and starts the watcher that records in its timeline what the system does.
async fn serve_sandbox(
    stack: &Stack,
    log: &Path,
    folder: &Path,
    twilio: TwilioSide,
    port: ReservedPort,
    bridge: Option<Ipv4Addr>,
) -> Result<(AbortOnDrop, JoinSet<io::Result<()>>)> {
    // With the retries that docs/deploy.md advises: a function that starts while the machine is busy may need them.
    let inbound_url = format!("{}/twilio/inbound{CONNECTION_OVERRIDES}", stack.api_url);
    let config = Config::documented(inbound_url);
    let config = match twilio {
        TwilioSide::Sandbox(rules) => Config { rules, shared_clock: stack.clock.shared().cloned(), ..config },
        TwilioSide::Account(account) => Config {
            account_sid: account.account_sid,
            inbound_url: account.public_base_url.join("/twilio/inbound"),
            role: SandboxRole::Viewer,
            ..config
        },
    };
    let mut config = Config { business: Some(shell::send_command(stack, folder)), ..config };
    config.allowed_hosts.extend(bridge.map(AllowedHost::from));
    let sandbox: Arc<Sandbox> = config.into();
    let watch = Watch::open(stack, log, Arc::clone(&sandbox)).await.context("cannot watch what the system does")?;
    let serving = serve(&sandbox, port)?;
    Ok((AbortOnDrop(tokio::spawn(watch.run()).abort_handle()), serving))
}

/// Serves a sandbox at all addresses of its port.
pub(crate) fn serve(sandbox: &Arc<Sandbox>, port: ReservedPort) -> Result<JoinSet<io::Result<()>>> {
    let mut serving = JoinSet::new();
    for listener in port.into_listeners() {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        serving.spawn(sandbox::serve(Arc::clone(sandbox), listener));
    }
    Ok(serving)
}

/// The sandbox's account.
pub(crate) fn sandbox_account(sandbox_url: &str, api_url: &str) -> Result<TwilioAccount> {
    Ok(TwilioAccount {
        account_sid: ACCOUNT_SID.parse()?,
        auth_token: AUTH_TOKEN.into(),
        api_key: Some(ApiKey { sid: API_KEY_SID.parse()?, secret: API_KEY_SECRET.into() }),
        messaging_service_sid: Some(MESSAGING_SERVICE_SID.parse()?),
        whatsapp_from: None,
        api_base_url: sandbox_url.parse()?,
        public_base_url: api_url.parse()?,
    })
}

pub(crate) fn empty_folder(path: PathBuf) -> Result<PathBuf> {
    if path.exists() {
        fs::remove_dir_all(&path).with_context(|| format!("cannot empty {}", path.display()))?;
    }
    fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(path)
}

/// Puts the account's credentials into the stack's secret, as an operator does after a first deployment.
pub(crate) async fn put_credentials(stack: &Stack, account: &TwilioAccount) -> Result<()> {
    aws_sdk_secretsmanager::Client::new(&stack.aws())
        .put_secret_value()
        .secret_id(&stack.outputs.twilio_secret_arn)
        .secret_string(account.secret().expose_secret())
        .send()
        .await
        .context("cannot put the account's credentials into the secret")?;
    Ok(())
}

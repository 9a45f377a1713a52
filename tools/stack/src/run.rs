//! Starts and stops the local stack.

use std::{
    fs, io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use domain::callback_url::CONNECTION_OVERRIDES;
use sandbox::{AllowedHost, Config, Neighbour, Sandbox, SandboxRole, WhatsAppRules};
use secrecy::ExposeSecret as _;
use tokio::task::{AbortHandle, JoinSet};

use crate::{
    account::{ApiKey, SendGridAccount, TwilioAccount, secret_of},
    bridge,
    clock::StackClock,
    deploy::{self, BUILT_TEMPLATE, Parameters},
    emulator::{Emulator, Settings},
    functions,
    media_domain::LocalMediaDomain,
    plans,
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
/// The Verify service that exists in the sandbox from the start.
pub const VERIFY_SERVICE_SID: &str = "VA00000000000000000000000000000001";

/// A second account of the sandbox, with its own sandbox and page.
#[derive(Debug)]
pub(crate) struct SecondAccount {
    pub(crate) config: Config,
    pub(crate) url: String,
    port: ReservedPort,
}

impl SecondAccount {
    /// On a free port.
    pub(crate) fn reserve(inbound_url: String) -> Result<Self> {
        let port = ReservedPort::free()?;
        let url = format!("http://127.0.0.1:{}", port.port()?);
        Ok(Self { config: Config::second(inbound_url), url, port })
    }

    /// What the stack's secret has of it.
    pub(crate) fn account(&self, first: &TwilioAccount) -> Result<TwilioAccount> {
        let Config { account_sid, auth_token, api_key_sid, api_key_secret, messaging_service_sid, .. } = &self.config;
        Ok(TwilioAccount {
            account_sid: account_sid.clone(),
            auth_token: auth_token.clone(),
            api_key: Some(ApiKey { sid: api_key_sid.parse()?, secret: api_key_secret.clone() }),
            messaging_service_sid: Some(messaging_service_sid.clone()),
            ..first.clone()
        })
    }

    /// Serves its sandbox beside the first one, which hands its calls on.
    pub(crate) fn serve(mut self, first: &mut Config, first_url: &str) -> Result<ServedSandbox> {
        self.config.rules = first.rules.clone();
        self.config.fallback_url = first.fallback_url.as_ref().map(|_| self.config.inbound_url.clone());
        self.config.shared_clock.clone_from(&first.shared_clock);
        self.config.neighbours.push(Neighbour::of(first, first_url));
        self.config.api_url = Some(first_url.to_owned());
        first.neighbours.push(Neighbour::of(&self.config, self.url));
        let sandbox: Arc<Sandbox> = self.config.into();
        let serving = serve(&sandbox, self.port)?;
        Ok(ServedSandbox { sandbox, serving })
    }
}

/// A sandbox that is served as long as this value lives.
#[derive(Debug)]
pub(crate) struct ServedSandbox {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) serving: JoinSet<io::Result<()>>,
}

/// The send policy of the stack. Only the countries that the policy's tests use have rules here. In all other countries
/// marketing needs a consent, as without a policy.
pub const SEND_POLICY: &str = concat!(
    r#"{"countries":{"#,
    // Of Iceland and Ghana, where local time is UTC, one has quiet hours for another hour at any time. The Faroe Islands allow
    // two marketing messages a week, and consents for marketing in Malta expire after 30 days.
    r#""IS":{"consent":{},"quiet_hours":{"from":"00:00","to":"13:00"}},"#,
    r#""GH":{"consent":{},"quiet_hours":{"from":"12:00","to":"01:00"}},"#,
    r#""FO":{"consent":{},"marketing_cap":{"messages":2,"days":7}},"#,
    r#""MT":{"consent":{"marketing":{"days":30},"utility":{}}}}}"#,
);

/// What a stack is connected to on Twilio's side.
#[derive(Debug, Clone)]
pub enum TwilioSide {
    /// The sandbox, which applies these rules. It has no fallback URL, so that a test sees each webhook that failed.
    Sandbox(WhatsAppRules),
    /// The sandbox with a second account beside it, as a deployment with several tenants has it. A webhook that failed is posted
    /// again, to the same URL as the fallback URL, as docs/deploy.md advises.
    TwoAccounts(WhatsAppRules),
    /// A real Twilio account. The sandbox then only shows what the system does.
    Account(Box<TwilioAccount>),
}

impl TwilioSide {
    /// The account that the stack sends from by default, and the stack's send policy.
    fn account(&self, sandbox_url: &str, emulator: &Emulator) -> Result<(TwilioAccount, Option<&'static str>)> {
        Ok(match self {
            Self::Sandbox(_) | Self::TwoAccounts(_) => {
                (sandbox_account(sandbox_url, &emulator.front_door)?, Some(SEND_POLICY))
            }
            // The default policy, as in a first deployment: marketing needs a consent.
            Self::Account(account) => (TwilioAccount::clone(account), None),
        })
    }

    fn second_account(&self, stack: &Stack) -> Result<Option<SecondAccount>> {
        match self {
            Self::TwoAccounts(_) => Ok(Some(SecondAccount::reserve(inbound_url(stack))?)),
            Self::Sandbox(_) | Self::Account(_) => Ok(None),
        }
    }
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
    _second: Option<JoinSet<io::Result<()>>>,
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
        TwilioSide::Sandbox(_) | TwilioSide::TwoAccounts(_) => (None, bridge::address()),
        // Functions in containers run with the sandbox only, never with a real account.
        TwilioSide::Account(account) => (Some(&account.public_base_url), None),
    };
    let ReservedPorts { api, aws, sandbox, media } = ReservedPorts::new(ports, bridge)?;
    let scratch = empty_folder(root.join(".local").join(aws.port()?.to_string()))?;

    build(root, &scratch).await?;

    let step = Step::start("emulator of AWS");
    let clock = &clock(time, root, &scratch).await;
    let (aws_port, api_port) = (aws.release()?, api.release()?);
    let media_port = media.map(ReservedPort::release).transpose()?;
    let settings = Settings { aws_port, api_port, media_port, twilio_calls, bridge, clock };
    let emulator = Emulator::start(root, &scratch, settings).await?;
    step.done();

    let sandbox_url = format!("http://127.0.0.1:{}", sandbox.port()?);
    let (account, send_policy) = twilio.account(&sandbox_url, &emulator)?;
    let step = Step::start("sam deploy");
    let media = media_port.map(LocalMediaDomain::at_port).transpose()?;
    let further = media.as_ref().map(LocalMediaDomain::parameters).transpose()?.unwrap_or_default();
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
        further: &further,
    };
    let outputs = deploy::deploy(root, &scratch, &parameters).await?;
    let stack = Stack::new(&emulator, sandbox_url, outputs);
    let second = twilio.second_account(&stack)?;
    put_credentials(&stack, &account, second.as_ref()).await?;
    if let Some(media) = &media {
        media.put_key(&stack).await?;
    }
    step.done();
    // The events in `events/` belong to the sandbox's account.
    if !matches!(twilio, TwilioSide::Account(_)) {
        functions::write(&stack, &scratch, bridge).await?;
    }
    let shell = shell::write(&stack, root, &scratch)?;
    plans::forget_when_set_back(&stack);
    let shell = shell.strip_prefix(root).map(PathBuf::from).unwrap_or(shell);
    let (watch, sandbox, second) =
        serve_sandbox(&stack, &emulator.log, &scratch, twilio, second, sandbox, bridge).await?;
    Ok(Running {
        stack,
        folder: scratch,
        shell,
        _watch: watch,
        _emulator: emulator,
        _sandbox: sandbox,
        _second: second,
    })
}

/// Compiles the functions, and makes the template with which they are deployed.
async fn build(root: &Path, scratch: &Path) -> Result<()> {
    eprintln!("Compiling the functions (this takes some minutes the first time)");
    deploy::compile(root).await?;
    let step = Step::start("sam build");
    deploy::build(root, scratch).await?;
    step.done();
    Ok(())
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
    second: Option<SecondAccount>,
    port: ReservedPort,
    bridge: Option<Ipv4Addr>,
) -> Result<(AbortOnDrop, JoinSet<io::Result<()>>, Option<JoinSet<io::Result<()>>>)> {
    let events_url = Some(format!("{}/twilio/events", stack.api_url));
    let config = Config { events_url, ..Config::documented(inbound_url(stack)) };
    let config = match twilio {
        TwilioSide::Sandbox(rules) => Config { rules, shared_clock: stack.clock.shared().cloned(), ..config },
        TwilioSide::TwoAccounts(rules) => {
            let fallback_url = Some(config.inbound_url.clone());
            Config { rules, fallback_url, shared_clock: stack.clock.shared().cloned(), ..config }
        }
        TwilioSide::Account(account) => Config {
            account_sid: account.account_sid,
            inbound_url: account.public_base_url.join("/twilio/inbound"),
            role: SandboxRole::Viewer,
            ..config
        },
    };
    let mut config = Config { business: Some(shell::send_command(stack, folder)), ..config };
    config.allowed_hosts.extend(bridge.map(AllowedHost::from));
    let beside = second.map(|second| second.serve(&mut config, &stack.sandbox_url)).transpose()?;
    let sandbox: Arc<Sandbox> = config.into();
    let watched = [&sandbox].into_iter().chain(beside.as_ref().map(|beside| &beside.sandbox)).cloned().collect();
    let watch = Watch::open(stack, log, watched).await.context("cannot watch what the system does")?;
    let serving = serve(&sandbox, port)?;
    Ok((AbortOnDrop(tokio::spawn(watch.run()).abort_handle()), serving, beside.map(|beside| beside.serving)))
}

/// Where people's messages are posted, with the retries that docs/deploy.md advises: a function that starts while the machine
/// is busy may need them.
fn inbound_url(stack: &Stack) -> String {
    format!("{}/twilio/inbound{CONNECTION_OVERRIDES}", stack.api_url)
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
        verify_service_sid: Some(VERIFY_SERVICE_SID.parse()?),
        whatsapp_from: None,
        api_base_url: sandbox_url.parse()?,
        public_base_url: api_url.parse()?,
        sendgrid: Some(SendGridAccount {
            api_key: sandbox::SENDGRID_API_KEY.into(),
            public_key: sandbox::SENDGRID_PUBLIC_KEY.to_owned(),
            api_base_url: sandbox_url.parse()?,
            from: "orders@example.com".to_owned(),
        }),
    })
}

pub(crate) fn empty_folder(path: PathBuf) -> Result<PathBuf> {
    if path.exists() {
        fs::remove_dir_all(&path).with_context(|| format!("cannot empty {}", path.display()))?;
    }
    fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(path)
}

/// Puts the credentials of the accounts into the stack's secret, as an operator does after a first deployment.
pub(crate) async fn put_credentials(
    stack: &Stack,
    account: &TwilioAccount,
    second: Option<&SecondAccount>,
) -> Result<()> {
    let second = second.map(|second| second.account(account)).transpose()?;
    let accounts: Vec<_> = [account].into_iter().chain(&second).collect();
    aws_sdk_secretsmanager::Client::new(&stack.aws())
        .put_secret_value()
        .secret_id(&stack.outputs.twilio_secret_arn)
        .secret_string(secret_of(&accounts).expose_secret())
        .send()
        .await
        .context("cannot put the account's credentials into the secret")?;
    Ok(())
}

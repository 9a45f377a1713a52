//! Starting the local stack, and ending it.

use std::{
    fs, io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use sandbox::{AllowedHost, Config, Sandbox, SandboxRole, WhatsAppRules};
use secrecy::ExposeSecret as _;
use tokio::task::{AbortHandle, JoinSet};

use crate::{
    account::{Account, ApiKey},
    bridge,
    deploy::{self, Parameters},
    emulator::{Emulator, Settings},
    functions,
    ports::{Ports, Reservation, Reserved},
    progress::Step,
    shell,
    stack::Stack,
    watch::Watch,
};

/// The made-up account that the stack and its stand-in for Twilio share.
pub const ACCOUNT_SID: &str = "AC00000000000000000000000000000001";
/// What its webhooks are signed with.
pub const AUTH_TOKEN: &str = "12345678901234567890123456789012";
/// What its REST calls authenticate with.
pub const API_KEY_SID: &str = "SK00000000000000000000000000000001";
/// The key's secret.
pub const API_KEY_SECRET: &str = "sandbox-secret";
/// Its Messaging Service.
pub const MESSAGING_SERVICE_SID: &str = "MG00000000000000000000000000000001";

/// The stack's policy: rules of their own for countries that are small enough to be left to it. Of the others marketing
/// needs a consent, as without any policy.
pub const SEND_POLICY: &str = concat!(
    r#"{"countries":{"#,
    // Iceland is left alone nearly always, the Faroes get two marketing messages a week, and Malta's consents live for
    // thirty days.
    r#""IS":{"consent":{},"quiet_hours":{"from":"00:01","to":"00:00"}},"#,
    r#""FO":{"consent":{},"marketing_cap":{"messages":2,"days":7}},"#,
    r#""MT":{"consent":{"marketing":{"days":30},"utility":{}}}}}"#,
);

/// Who plays Twilio to a stack.
#[derive(Debug, Clone)]
pub enum Twilio {
    /// The sandbox, by these rules.
    Sandbox(WhatsAppRules),
    /// Twilio itself, with this account: the sandbox's page shows what the system does.
    Itself(Box<Account>),
}

/// A local stack that lives as long as this value.
#[derive(Debug)]
pub struct Running {
    /// How to reach it.
    pub stack: Stack,
    /// Its folder: logs, what was deployed, and what `sam local` needs.
    pub folder: PathBuf,
    /// What a shell reads to have `wa`, and to bring it and the AWS command line here; from the checkout.
    pub shell: PathBuf,
    // Ends before what it reads does.
    _watch: AbortOnDrop,
    _emulator: Emulator,
    _sandbox: JoinSet<io::Result<()>>,
}

/// A task that ends with its owner.
#[derive(Debug)]
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Running {
    /// Ends a stack that nobody will have questions about: nothing of it is left.
    pub fn discard(self) -> Result<()> {
        let Self { folder, _watch: watch, _emulator: emulator, .. } = self;
        drop(watch);
        drop(emulator);
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))
    }
}

/// The folder that everything is built from.
pub fn checkout() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("the checkout's folder has gone")
}

/// Builds, starts and deploys everything, and says on the standard error what it is doing.
pub async fn start(ports: Ports, twilio: Twilio) -> Result<Running> {
    let root = checkout()?;
    let (twilio_calls, bridge) = match &twilio {
        Twilio::Sandbox(_) => (None, bridge::address()),
        // No container has to do with a real account.
        Twilio::Itself(account) => (Some(&account.public_base_url), None),
    };
    let Reserved { api, aws, sandbox } = Reserved::new(ports, bridge)?;
    let scratch = empty_folder(root.join(".local").join(aws.port()?.to_string()))?;

    eprintln!("Compiling the functions: the first time this takes some minutes");
    deploy::compile(root).await?;

    let step = Step::start("sam build");
    deploy::build(root, &scratch).await?;
    step.done();

    let step = Step::start("emulator of AWS");
    let settings = Settings { aws_port: aws.release()?, api_port: api.release()?, twilio_calls, bridge };
    let emulator = Emulator::start(root, &scratch, settings).await?;
    step.done();

    let sandbox_url = format!("http://127.0.0.1:{}", sandbox.port()?);
    let (account, send_policy) = match &twilio {
        Twilio::Sandbox(_) => (made_up_account(&sandbox_url, &emulator.front_door)?, Some(SEND_POLICY)),
        // Its policy is the one that a first deployment has: marketing needs a consent.
        Twilio::Itself(account) => (Account::clone(account), None),
    };
    let step = Step::start("sam deploy");
    let Emulator { endpoint, front_door, administrator, .. } = &emulator;
    let parameters = Parameters { aws_endpoint: endpoint, administrator, account: &account, send_policy };
    let outputs = deploy::deploy(root, &scratch, &parameters).await?;
    let stack = Stack {
        api_url: front_door.clone(),
        sandbox_url,
        aws_endpoint: endpoint.clone(),
        administrator: administrator.clone(),
        outputs,
    };
    put_credentials(&stack, &account).await?;
    step.done();
    // The events of `events/` are the made-up account's.
    if let Twilio::Sandbox(_) = &twilio {
        functions::write(&stack, &scratch, bridge).await?;
    }
    let shell = shell::write(&stack, root, &scratch)?;
    let shell = shell.strip_prefix(root).map(PathBuf::from).unwrap_or(shell);
    let (watch, sandbox) = show(&stack, &emulator.log, twilio, sandbox, bridge).await?;
    Ok(Running { stack, folder: scratch, shell, _watch: watch, _emulator: emulator, _sandbox: sandbox })
}

/// The sandbox in this process, and what tells it what the system does.
async fn show(
    stack: &Stack,
    log: &Path,
    twilio: Twilio,
    reservation: Reservation,
    bridge: Option<Ipv4Addr>,
) -> Result<(AbortOnDrop, JoinSet<io::Result<()>>)> {
    let config = Config::documented(format!("{}/twilio/inbound", stack.api_url));
    let config = match twilio {
        Twilio::Sandbox(rules) => Config { rules, ..config },
        Twilio::Itself(account) => Config {
            account_sid: account.account_sid,
            inbound_url: account.public_base_url.join("/twilio/inbound"),
            role: SandboxRole::Viewer,
            ..config
        },
    };
    let mut config = config;
    config.allowed_hosts.extend(bridge.map(AllowedHost::from));
    let sandbox: Arc<Sandbox> = config.into();
    let watch = Watch::open(stack, log, Arc::clone(&sandbox)).await.context("cannot watch what the system does")?;
    let mut serving = JoinSet::new();
    for listener in reservation.into_listeners() {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        serving.spawn(sandbox::serve(Arc::clone(&sandbox), listener));
    }
    Ok((AbortOnDrop(tokio::spawn(watch.run()).abort_handle()), serving))
}

/// The account that the sandbox plays.
fn made_up_account(sandbox_url: &str, api_url: &str) -> Result<Account> {
    Ok(Account {
        account_sid: ACCOUNT_SID.parse()?,
        auth_token: AUTH_TOKEN.into(),
        api_key: Some(ApiKey { sid: API_KEY_SID.parse()?, secret: API_KEY_SECRET.into() }),
        messaging_service_sid: Some(MESSAGING_SERVICE_SID.parse()?),
        whatsapp_from: None,
        api_base_url: sandbox_url.parse()?,
        public_base_url: api_url.parse()?,
    })
}

fn empty_folder(path: PathBuf) -> Result<PathBuf> {
    if path.exists() {
        fs::remove_dir_all(&path).with_context(|| format!("cannot empty {}", path.display()))?;
    }
    fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(path)
}

/// Does what an operator does after a first deployment.
async fn put_credentials(stack: &Stack, account: &Account) -> Result<()> {
    aws_sdk_secretsmanager::Client::new(&stack.aws())
        .put_secret_value()
        .secret_id(&stack.outputs.twilio_secret_arn)
        .secret_string(account.secret().expose_secret())
        .send()
        .await
        .context("cannot put the account's credentials into the secret")?;
    Ok(())
}

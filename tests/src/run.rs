//! Starting the local stack, and ending it.

use std::{
    fs,
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, anyhow};
use sandbox::{Config, Rules, Sandbox};
use tokio::task::AbortHandle;

use crate::{
    deploy::{self, Parameters},
    emulator::Emulator,
    progress::Step,
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

/// Where on this machine the stack's parts are; 0 is any free port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub struct Ports {
    /// The port of the deployed API.
    #[arg(long = "api-port", env = "API_PORT", default_value_t = 8080)]
    pub api: u16,
    /// The port of the emulator of AWS.
    #[arg(long = "aws-port", env = "AWS_PORT", default_value_t = 4566)]
    pub aws: u16,
    /// The port of the stand-in for Twilio, and of its web page.
    #[arg(long = "sandbox-port", env = "SANDBOX_PORT", default_value_t = 8090)]
    pub sandbox: u16,
}

impl Ports {
    /// Any that are free, for a stack that is gone before anybody writes down its address.
    pub const FREE: Self = Self { api: 0, aws: 0, sandbox: 0 };
}

/// A local stack that lives as long as this value.
#[derive(Debug)]
pub struct Running {
    /// How to reach it.
    pub stack: Stack,
    /// The folder of its logs.
    pub logs: PathBuf,
    // Ends before what it reads does.
    _watch: AbortOnDrop,
    _emulator: Emulator,
    _sandbox: AbortOnDrop,
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
        let Self { logs, _watch: watch, _emulator: emulator, .. } = self;
        drop(watch);
        drop(emulator);
        fs::remove_dir_all(&logs).with_context(|| format!("cannot remove {}", logs.display()))
    }
}

/// Builds, starts and deploys everything, and says on the standard error what it is doing. The sandbox goes by
/// the rules.
pub async fn start(ports: Ports, rules: Rules) -> Result<Running> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the checkout's folder has gone")?;
    // All at the same time, so that no two of them are given the same one.
    let [api, aws, sandbox] = [("API_PORT", ports.api), ("AWS_PORT", ports.aws), ("SANDBOX_PORT", ports.sandbox)]
        .map(|(variable, port)| listen(variable, port));
    let (api, aws, sandbox) = (api?, aws?, sandbox?);
    let scratch = empty_folder(root.join(".local").join(aws.local_addr()?.port().to_string()))?;

    eprintln!("Compiling the functions: the first time this takes some minutes");
    deploy::compile(root).await?;

    let step = Step::start("sam build");
    deploy::build(root, &scratch).await?;
    step.done();

    let step = Step::start("emulator of AWS");
    let [api, aws] = [release(api)?, release(aws)?];
    let emulator = Emulator::start(root, &scratch, aws, api).await?;
    step.done();

    let step = Step::start("sam deploy");
    let sandbox_url = format!("http://{}", sandbox.local_addr()?);
    let parameters = Parameters {
        aws_endpoint: &emulator.endpoint,
        public_base_url: &emulator.front_door,
        twilio_api_base_url: &sandbox_url,
        account_sid: ACCOUNT_SID,
        messaging_service_sid: MESSAGING_SERVICE_SID,
        send_policy: SEND_POLICY,
    };
    let outputs = deploy::deploy(root, &scratch, &parameters).await?;
    let stack =
        Stack { api_url: emulator.front_door.clone(), sandbox_url, aws_endpoint: emulator.endpoint.clone(), outputs };
    put_credentials(&stack).await?;
    step.done();
    fs::write(root.join("events/env.json"), serde_json::to_string_pretty(&stack.function_environments())?)
        .context("cannot write events/env.json")?;
    let (watch, sandbox) = show(&stack, &emulator.log, rules, sandbox).await?;
    Ok(Running { stack, logs: scratch, _watch: watch, _emulator: emulator, _sandbox: sandbox })
}

/// The stand-in for Twilio, in this process, and what tells it what the system does.
async fn show(stack: &Stack, log: &Path, rules: Rules, listener: TcpListener) -> Result<(AbortOnDrop, AbortOnDrop)> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let config = Config::documented(format!("{}/twilio/inbound", stack.api_url));
    let sandbox: Arc<Sandbox> = Config { rules, ..config }.into();
    let watch = Watch::open(stack, log, Arc::clone(&sandbox)).await.context("cannot watch what the system does")?;
    let serving = tokio::spawn(sandbox::serve(sandbox, listener)).abort_handle();
    Ok((AbortOnDrop(tokio::spawn(watch.run()).abort_handle()), AbortOnDrop(serving)))
}

fn listen(variable: &'static str, port: u16) -> Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).map_err(|error| {
        let why = if error.kind() == ErrorKind::AddrInUse {
            "is taken".to_owned()
        } else {
            format!("is not to be had ({error})")
        };
        let other = port.saturating_add(1_000);
        anyhow!("port {port} {why}: `make run {variable}={other}` takes another one")
    })
}

/// Frees a port that another process will listen on at once.
fn release(listener: TcpListener) -> Result<u16> {
    let port = listener.local_addr()?.port();
    drop(listener);
    Ok(port)
}

fn empty_folder(path: PathBuf) -> Result<PathBuf> {
    if path.exists() {
        fs::remove_dir_all(&path).with_context(|| format!("cannot empty {}", path.display()))?;
    }
    fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(path)
}

/// Does what an operator does after a first deployment.
async fn put_credentials(stack: &Stack) -> Result<()> {
    let accounts = serde_json::json!({"accounts": {ACCOUNT_SID: {
        "auth_tokens": [AUTH_TOKEN],
        "api_key_sid": API_KEY_SID,
        "api_key_secret": API_KEY_SECRET,
    }}});
    aws_sdk_secretsmanager::Client::new(&stack.aws())
        .put_secret_value()
        .secret_id(&stack.outputs.twilio_secret_arn)
        .secret_string(accounts.to_string())
        .send()
        .await
        .context("cannot put the test account's credentials into the secret")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_says_how_to_choose_another() {
        let taken = listen("API_PORT", 0).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = listen("API_PORT", port).unwrap_err().to_string();
        let other = port.saturating_add(1_000);
        assert_eq!(error, format!("port {port} is taken: `make run API_PORT={other}` takes another one"));
    }
}

//! The command `sandbox`: runs the sandbox alone.

use std::{
    fs,
    io::{self, Write as _},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::Parser;
use sandbox::{
    AllowedHost, BusinessCommand, Config, Neighbour, ORDER_UPDATE_SID, Sandbox, Scenario, WhatsAppRules, serve,
};
use secrecy::ExposeSecret as _;
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};

/// A stand-in for Twilio's WhatsApp and SMS on this machine: an API like Twilio's, and a page with phones.
///
/// It needs no account, and nothing leaves this machine. Twilio's client libraries work with it when their base URL is set to
/// the page's URL. Webhooks are signed with the auth token. Ctrl-C stops it.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  sandbox                                                        the page on http://127.0.0.1:8080
  sandbox --inbound-url http://127.0.0.1:8000/twilio/inbound     posts people's messages to your system
  sandbox --port 8081 --seed 7                                   repeats the same SIDs, losses and delays
  sandbox --scenario tools/sandbox/scenarios/bad-day.json        plays a scenario")]
struct SandboxArguments {
    /// The port to listen on, on this machine only.
    #[arg(long, env = "PORT", default_value_t = 8080)]
    port: u16,
    /// The webhook of your system that people's messages are posted to. Without it they are posted nowhere.
    #[arg(long, env = "INBOUND_URL", value_parser = url)]
    inbound_url: Option<String>,
    /// With the same seed the same calls get the same SIDs, losses and delays. Without it the seed is random.
    #[arg(long, env = "SEED")]
    seed: Option<u64>,
    /// A scenario to play: a JSON file with people and steps.
    #[arg(long, env = "SCENARIO", value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// The command with which the page and scenarios send as the business, as in "wa send": it reads the JSON of a notification
    /// from its standard input. Without it the sandbox creates the messages itself.
    #[arg(long, env = "SEND_COMMAND", value_name = "COMMAND", value_parser = command)]
    send_command: Option<BusinessCommand>,
    /// The port of a second account, with its own page, credentials and senders. Both accounts have one API, as at Twilio.
    #[arg(long, env = "SECOND_PORT", value_name = "PORT")]
    second_port: Option<u16>,
    /// More host names by which callers reach the sandbox, as in 172.17.0.1 for a container. 127.0.0.1, localhost and `[::1]`
    /// are always allowed.
    #[arg(long, env = "ALLOWED_HOSTS", value_name = "HOST", value_delimiter = ',')]
    allowed_hosts: Vec<AllowedHost>,
}

fn url(text: &str) -> Result<String, &'static str> {
    if text.starts_with("http://") || text.starts_with("https://") {
        Ok(text.to_owned())
    } else {
        Err("expected a URL, as in http://127.0.0.1:8000/twilio/inbound")
    }
}

/// A program and its arguments, separated by spaces.
fn command(text: &str) -> Result<BusinessCommand, &'static str> {
    let mut words = text.split_whitespace();
    let program = words.next().ok_or("expected a command, as in: wa send")?;
    Ok(BusinessCommand::new(program, words))
}

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(io::stderr).init();
    let arguments = SandboxArguments::parse();
    let result = Runtime::new().map_err(|error| error.to_string()).and_then(|runtime| {
        let result = runtime.block_on(run(arguments));
        // Without waiting for the streams of open pages, for webhooks and for name look-ups.
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: SandboxArguments) -> Result<(), String> {
    let scenario = arguments.scenario.as_deref().map(read).transpose()?;
    let documented = Config::documented(arguments.inbound_url.unwrap_or_default());
    let mut config = Config { rules: WhatsAppRules::as_whatsapp(), ..documented };
    if let Some(seed) = arguments.seed.or(scenario.as_ref().and_then(|scenario| scenario.seed)) {
        config.seed = seed;
    }
    config.allowed_hosts.extend(arguments.allowed_hosts);
    config.business = arguments.send_command;
    let listener = listen(arguments.port).await?;
    let url = format!("http://{}", listener.local_addr().map_err(|error| error.to_string())?);
    let second = match arguments.second_port {
        Some(port) => Some(second_account(&mut config, &url, port).await?),
        None => None,
    };
    // Before the welcome message, since from then on a signal is expected to end the process properly.
    let mut terminated = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let sandbox = Sandbox::new(config.clone());
    let serving = tokio::spawn(serve(Arc::clone(&sandbox), listener));
    print(&welcome(&url, &config));
    // It ends with this process.
    let _second = second.map(|(second, listener)| tokio::spawn(serve(second, listener)));
    if let Some(scenario) = scenario {
        sandbox::play(&sandbox, scenario);
    }
    tokio::select! {
        served = serving => served.map_err(|error| error.to_string())?.map_err(|error| error.to_string()),
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(|error| error.to_string()),
        _ = terminated.recv() => Ok(()),
    }
}

/// A second account beside the one with this configuration.
async fn second_account(first: &mut Config, url: &str, port: u16) -> Result<(Config, TcpListener), String> {
    let listener = listen(port).await?;
    let second_url = format!("http://{}", listener.local_addr().map_err(|error| error.to_string())?);
    let mut second = Config::second(first.inbound_url.clone());
    second.rules = first.rules.clone();
    second.allowed_hosts.clone_from(&first.allowed_hosts);
    second.neighbours.push(Neighbour::of(first, url));
    second.api_url = Some(url.to_owned());
    first.neighbours.push(Neighbour::of(&second, second_url));
    Ok((second, listener))
}

fn read(path: &Path) -> Result<Scenario, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("SCENARIO {}: {error}", path.display()))?;
    text.parse().map_err(|error| format!("SCENARIO {}: {error}", path.display()))
}

async fn listen(port: u16) -> Result<TcpListener, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => format!("port {port} is in use: choose another one with PORT, as in PORT=8081"),
        _ => format!("cannot listen on port {port} ({error}): choose another one with PORT, as in PORT=8081"),
    })
}

/// What a person needs to use the sandbox.
fn welcome(url: &str, config: &Config) -> String {
    let inbound = if config.inbound_url.is_empty() {
        "nowhere yet: set it with INBOUND_URL, as in INBOUND_URL=http://127.0.0.1:8000/twilio/inbound"
    } else {
        &config.inbound_url
    };
    let others: Vec<_> = config
        .neighbours
        .iter()
        .map(|other| format!("  Second account  {}, its page: {}\n", other.account_sid, other.url))
        .collect();
    let others = others.concat();
    format!(
        "The sandbox is ready: {url}\n\n  \
         Account SID     {}\n  Auth token      {}\n  API key         {}\n  API key secret  {}\n  \
         Sender          {}\n  Service         {}\n  Template        {ORDER_UPDATE_SID} (order_update)\n  \
         Inbound goes to {inbound}\n  Seed            {}\n{others}\nCtrl-C stops it.\n",
        config.account_sid,
        config.auth_token.expose_secret(),
        config.api_key_sid,
        config.api_key_secret.expose_secret(),
        config.sender,
        config.messaging_service_sid,
        config.seed,
    )
}

/// Prints to the standard output, which may be closed.
fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn welcome_names_url_credentials_and_sender() {
        let config = Config::documented(String::new());
        let text = welcome("http://127.0.0.1:8080", &config);
        for part in [
            "http://127.0.0.1:8080",
            "AC0000",
            "12345678",
            "SK0000",
            "sandbox-secret",
            "whatsapp:+1",
            "HX0000",
            "INBOUND_URL",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn bundled_scenarios_are_valid() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        assert!(files.len() >= 3, "{files:?}");
        for file in files {
            read(&file).unwrap();
        }
    }
}

//! Runs the sandbox alone.

use std::{
    fs,
    io::{self, Write as _},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::Parser;
use sandbox::{AllowedHost, Config, ORDER_UPDATE_SID, Rules, Sandbox, Scenario, serve};
use secrecy::ExposeSecret as _;
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};

/// Twilio's side of WhatsApp on this machine: an API that takes messages as Twilio's does, and a page with phones.
///
/// Nothing leaves this machine and no account is needed. Twilio's client libraries work against it with their base URL set to
/// the page's URL; webhooks come signed with the auth token. Ctrl-C ends it.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  sandbox                                                        a conversation on http://127.0.0.1:8080
  sandbox --inbound-url http://127.0.0.1:8000/twilio/inbound     people's messages go to your system
  sandbox --port 8081 --seed 7                                   the same SIDs, losses and delays each time
  sandbox --scenario tools/sandbox/scenarios/bad-day.json        a play that was written down")]
struct Arguments {
    /// The port to listen on, on this machine only.
    #[arg(long, env = "PORT", default_value_t = 8080)]
    port: u16,
    /// Where messages from people go: the webhook of your system. Nowhere without one.
    #[arg(long, env = "INBOUND_URL", value_parser = url)]
    inbound_url: Option<String>,
    /// What chance begins with: the same seed does the same. A new one each time without.
    #[arg(long, env = "SEED")]
    seed: Option<u64>,
    /// A scenario to play, a JSON file: people, and steps one after the other.
    #[arg(long, env = "SCENARIO", value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Names besides 127.0.0.1, localhost and `[::1]` by which callers reach the sandbox, as in 172.17.0.1 for a container.
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

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(io::stderr).init();
    let arguments = Arguments::parse();
    let ended = Runtime::new().map_err(|error| error.to_string()).and_then(|runtime| {
        let ended = runtime.block_on(run(arguments));
        // At once: a page's stream, a webhook or a look-up of a name may still be open.
        runtime.shutdown_background();
        ended
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), String> {
    let scenario = arguments.scenario.as_deref().map(read).transpose()?;
    let documented = Config::documented(arguments.inbound_url.unwrap_or_default());
    let mut config = Config { rules: Rules::as_whatsapp(), ..documented };
    if let Some(seed) = arguments.seed.or(scenario.as_ref().and_then(|scenario| scenario.seed)) {
        config.seed = seed;
    }
    config.allowed_hosts.extend(arguments.allowed_hosts);
    let listener = listen(arguments.port).await?;
    let url = listener.local_addr().map_err(|error| error.to_string())?;
    // Before anybody is told that it is ready, so that no signal ends it the hard way.
    let mut terminated = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let sandbox = Sandbox::new(config.clone());
    let serving = tokio::spawn(serve(Arc::clone(&sandbox), listener));
    say(&welcome(&format!("http://{url}"), &config));
    if let Some(scenario) = scenario {
        sandbox::play(&sandbox, scenario);
    }
    tokio::select! {
        served = serving => served.map_err(|error| error.to_string())?.map_err(|error| error.to_string()),
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(|error| error.to_string()),
        _ = terminated.recv() => Ok(()),
    }
}

fn read(path: &Path) -> Result<Scenario, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("SCENARIO {}: {error}", path.display()))?;
    text.parse().map_err(|error| format!("SCENARIO {}: {error}", path.display()))
}

async fn listen(port: u16) -> Result<TcpListener, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => format!("port {port} is taken: PORT chooses another one, as in PORT=8081"),
        _ => format!("port {port} cannot be listened on ({error}): PORT chooses another one, as in PORT=8081"),
    })
}

/// All that somebody needs who has just started it.
fn welcome(url: &str, config: &Config) -> String {
    let inbound = if config.inbound_url.is_empty() {
        "nowhere yet: INBOUND_URL says where, as in INBOUND_URL=http://127.0.0.1:8000/twilio/inbound"
    } else {
        &config.inbound_url
    };
    format!(
        "The sandbox is ready: {url}\n\n  \
         Account SID     {}\n  Auth token      {}\n  API key         {}\n  API key secret  {}\n  \
         Sender          {}\n  Service         {}\n  Template        {ORDER_UPDATE_SID} (order_update)\n  \
         Inbound goes to {inbound}\n  Seed            {}\n\nCtrl-C ends it.\n",
        config.account_sid,
        config.auth_token.expose_secret(),
        config.api_key_sid,
        config.api_key_secret.expose_secret(),
        config.sender,
        config.messaging_service_sid,
        config.seed,
    )
}

/// Says something to whoever reads along: nobody may.
fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_starts_it_is_told_what_to_use() {
        let config = Config::documented(String::new());
        let told = welcome("http://127.0.0.1:8080", &config);
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
            assert!(told.contains(part), "{part}: {told}");
        }
    }

    #[test]
    fn the_scenarios_that_come_along_are_right() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        assert!(files.len() >= 3, "{files:?}");
        for file in files {
            read(&file).unwrap();
        }
    }
}

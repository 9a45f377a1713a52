//! Runs the sandbox alone.

use clap::Parser;
use sandbox::{Config, serve};
use tokio::net::TcpListener;

/// A stand-in for Twilio's side of WhatsApp.
#[derive(Debug, Parser)]
struct Arguments {
    /// The port to listen on, on this machine only.
    #[arg(long, env = "PORT", default_value_t = 8080)]
    port: u16,
    /// Where messages from people go.
    #[arg(long, env = "INBOUND_URL", default_value = "http://127.0.0.1:8000/twilio/inbound")]
    inbound_url: String,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    tracing_subscriber::fmt().init();
    let arguments = Arguments::parse();
    let listener = TcpListener::bind(("127.0.0.1", arguments.port)).await?;
    tracing::info!(url = %format!("http://{}", listener.local_addr()?), inbound_url = arguments.inbound_url, "sandbox is ready");
    tokio::select! {
        served = serve(Config::documented(arguments.inbound_url), listener) => served,
        interrupted = tokio::signal::ctrl_c() => interrupted,
    }
}

//! Serving a sandbox over HTTP.

use std::{net::Ipv4Addr, sync::Arc};

use axum::middleware::from_fn_with_state;
use tokio::{net::TcpListener, task::AbortHandle};

use crate::{
    access::{self, Access},
    calls,
    config::{Config, SandboxRole},
    control, neighbours, page, products, sendgrid,
    state::Sandbox,
};

/// Serves a sandbox, or a new one with this configuration, until the future is dropped.
pub async fn serve(sandbox: impl Into<Arc<Sandbox>>, listener: TcpListener) -> std::io::Result<()> {
    let sandbox = sandbox.into();
    let address = listener.local_addr()?;
    // A sandbox that is served twice keeps its first URL, which works as well.
    let _ = sandbox.url.set(format!("http://{address}"));
    let access = Arc::new(Access { hosts: sandbox.config.allowed_hosts.clone(), port: address.port() });
    let own = control::routes().merge(page::routes());
    let router = match sandbox.config.role {
        SandboxRole::Twilio => {
            let twilio = products::routes::routes(&sandbox);
            let sendgrid = sendgrid::api::routes().merge(sendgrid::control::routes());
            twilio.layer(from_fn_with_state(Arc::clone(&sandbox), calls::record)).merge(sendgrid).merge(own)
        }
        SandboxRole::Viewer => own,
    };
    let router = router.layer(from_fn_with_state(Arc::clone(&sandbox), neighbours::hand_on));
    // Outermost, so that no route is without it.
    let router = router.layer(from_fn_with_state(access, access::check));
    axum::serve(listener, router.with_state(sandbox)).await
}

/// A sandbox that is served on a free port of this machine until this value is dropped.
#[derive(Debug)]
pub struct SandboxServer {
    /// The sandbox that is served.
    pub sandbox: Arc<Sandbox>,
    /// Where it is served, as in `http://127.0.0.1:54321`.
    pub url: String,
    serving: AbortHandle,
}

impl Drop for SandboxServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Starts a sandbox on a free port of 127.0.0.1, for a test or a benchmark. The configuration may depend on the URL: with
/// `|url| Config::documented(format!("{url}/nowhere"))` people's messages are posted to the sandbox itself, which answers
/// them with 404.
///
/// # Errors
/// Where no port can be listened on.
pub async fn serve_on_free_port(configure: impl FnOnce(&str) -> Config) -> std::io::Result<SandboxServer> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let sandbox = Sandbox::new(configure(&url));
    let serving = tokio::spawn(serve(Arc::clone(&sandbox), listener)).abort_handle();
    Ok(SandboxServer { sandbox, url, serving })
}

//! The ports of this machine at which a stack listens.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

use anyhow::{Result, anyhow};

/// The ports of a stack's parts; 0 is any free port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub struct Ports {
    /// The port of the deployed API.
    #[arg(long = "api-port", env = "API_PORT", default_value_t = 8080)]
    pub api: u16,
    /// The port of the emulator of AWS.
    #[arg(long = "aws-port", env = "AWS_PORT", default_value_t = 4566)]
    pub aws: u16,
    /// The port of the sandbox and its web page.
    #[arg(long = "sandbox-port", env = "SANDBOX_PORT", default_value_t = 8090)]
    pub sandbox: u16,
    /// The port of the media domain. Without it, media links lead to S3.
    #[arg(long = "media-port", env = "MEDIA_PORT")]
    pub media: Option<u16>,
}

impl Ports {
    /// Any free ports, for a stack that runs only as long as one command.
    pub const FREE: Self = Self { api: 0, aws: 0, sandbox: 0, media: None };
}

/// The ports of a stack, reserved until its parts listen on them.
#[derive(Debug)]
pub(crate) struct ReservedPorts {
    pub(crate) api: ReservedPort,
    pub(crate) aws: ReservedPort,
    pub(crate) sandbox: ReservedPort,
    pub(crate) media: Option<ReservedPort>,
}

impl ReservedPorts {
    /// Reserves all ports at the same time, so that two parts never get the same port. With an address `bridge`, the ports
    /// of AWS and the sandbox are reserved there too, for functions in containers.
    pub(crate) fn new(ports: Ports, bridge: Option<Ipv4Addr>) -> Result<Self> {
        Ok(Self {
            api: ReservedPort::new("API_PORT", ports.api, None)?,
            aws: ReservedPort::new("AWS_PORT", ports.aws, bridge)?,
            sandbox: ReservedPort::new("SANDBOX_PORT", ports.sandbox, bridge)?,
            media: ports.media.map(|port| ReservedPort::new("MEDIA_PORT", port, None)).transpose()?,
        })
    }
}

/// A port at the loopback address, and the same port at this machine's address on Docker's bridge.
#[derive(Debug)]
pub(crate) struct ReservedPort {
    loopback: TcpListener,
    bridge: Option<TcpListener>,
}

impl ReservedPort {
    /// Any free port of this machine.
    pub(crate) fn free() -> Result<Self> {
        Self::new("PORT", 0, None)
    }

    fn new(variable: &'static str, port: u16, bridge: Option<Ipv4Addr>) -> Result<Self> {
        let loopback = listen(variable, Ipv4Addr::LOCALHOST, port)?;
        let port = loopback.local_addr()?.port();
        Ok(Self { loopback, bridge: bridge.map(|address| listen(variable, address, port)).transpose()? })
    }

    pub(crate) fn port(&self) -> Result<u16> {
        Ok(self.loopback.local_addr()?.port())
    }

    /// Frees the port for another process, which listens on it immediately.
    pub(crate) fn release(self) -> Result<u16> {
        self.port()
    }

    /// The listeners of a part that this process itself serves.
    pub(crate) fn into_listeners(self) -> impl Iterator<Item = TcpListener> {
        std::iter::once(self.loopback).chain(self.bridge)
    }
}

fn listen(variable: &'static str, address: Ipv4Addr, port: u16) -> Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((address, port))).map_err(|error| {
        let problem = if error.kind() == ErrorKind::AddrInUse {
            "is in use".to_owned()
        } else {
            format!("cannot be used ({error})")
        };
        let other = port.saturating_add(1_000);
        anyhow!("port {port} {problem}: `make run {variable}={other}` uses another port")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_in_use_is_reported_with_how_to_choose_another() {
        let listener = listen("API_PORT", Ipv4Addr::LOCALHOST, 0).unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = listen("API_PORT", Ipv4Addr::LOCALHOST, port).unwrap_err().to_string();
        let other = port.saturating_add(1_000);
        assert_eq!(error, format!("port {port} is in use: `make run API_PORT={other}` uses another port"));
    }

    #[test]
    fn port_for_containers_is_reserved_at_both_addresses() {
        let other_address = Ipv4Addr::new(127, 0, 0, 2);
        let reserved = ReservedPorts::new(Ports::FREE, Some(other_address)).unwrap();
        let listeners = |port: ReservedPort| -> Vec<_> {
            port.into_listeners().map(|listener| listener.local_addr().unwrap()).collect()
        };
        let (api, aws) = (reserved.api.port().unwrap(), reserved.aws.port().unwrap());
        assert_eq!(listeners(reserved.api), [SocketAddr::from((Ipv4Addr::LOCALHOST, api))]);
        assert_eq!(listeners(reserved.aws), [Ipv4Addr::LOCALHOST, other_address].map(|ip| SocketAddr::from((ip, aws))));
    }
}

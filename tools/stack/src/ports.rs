//! Where on this machine a stack listens.

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
    /// The port of the stand-in for Twilio, and of its web page.
    #[arg(long = "sandbox-port", env = "SANDBOX_PORT", default_value_t = 8090)]
    pub sandbox: u16,
}

impl Ports {
    /// Any that are free, for a stack that is gone before anybody writes down its address.
    pub const FREE: Self = Self { api: 0, aws: 0, sandbox: 0 };
}

/// The ports of a stack, held until its parts listen on them.
#[derive(Debug)]
pub(crate) struct Reserved {
    pub(crate) api: Reservation,
    pub(crate) aws: Reservation,
    pub(crate) sandbox: Reservation,
}

impl Reserved {
    /// Reserves all ports at the same time, so that no two parts are given the same one. Functions in containers call AWS
    /// and the sandbox, at the address `bridge` where there is one.
    pub(crate) fn new(ports: Ports, bridge: Option<Ipv4Addr>) -> Result<Self> {
        Ok(Self {
            api: Reservation::new("API_PORT", ports.api, None)?,
            aws: Reservation::new("AWS_PORT", ports.aws, bridge)?,
            sandbox: Reservation::new("SANDBOX_PORT", ports.sandbox, bridge)?,
        })
    }
}

/// A port at the loopback address, and the same port at this machine's address on Docker's bridge.
#[derive(Debug)]
pub(crate) struct Reservation {
    loopback: TcpListener,
    bridge: Option<TcpListener>,
}

impl Reservation {
    fn new(variable: &'static str, port: u16, bridge: Option<Ipv4Addr>) -> Result<Self> {
        let loopback = listen(variable, Ipv4Addr::LOCALHOST, port)?;
        let port = loopback.local_addr()?.port();
        Ok(Self { loopback, bridge: bridge.map(|address| listen(variable, address, port)).transpose()? })
    }

    pub(crate) fn port(&self) -> Result<u16> {
        Ok(self.loopback.local_addr()?.port())
    }

    /// Frees the port, on which another process will listen at once.
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
        let why = if error.kind() == ErrorKind::AddrInUse {
            "is taken".to_owned()
        } else {
            format!("cannot be used ({error})")
        };
        let other = port.saturating_add(1_000);
        anyhow!("port {port} {why}: `make run {variable}={other}` takes another one")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_says_how_to_choose_another() {
        let taken = listen("API_PORT", Ipv4Addr::LOCALHOST, 0).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = listen("API_PORT", Ipv4Addr::LOCALHOST, port).unwrap_err().to_string();
        let other = port.saturating_add(1_000);
        assert_eq!(error, format!("port {port} is taken: `make run API_PORT={other}` takes another one"));
    }

    #[test]
    fn a_port_for_containers_is_reserved_at_both_addresses() {
        let other_address = Ipv4Addr::new(127, 0, 0, 2);
        let reserved = Reserved::new(Ports::FREE, Some(other_address)).unwrap();
        let listeners = |reservation: Reservation| -> Vec<_> {
            reservation.into_listeners().map(|listener| listener.local_addr().unwrap()).collect()
        };
        let (api, aws) = (reserved.api.port().unwrap(), reserved.aws.port().unwrap());
        assert_eq!(listeners(reserved.api), [SocketAddr::from((Ipv4Addr::LOCALHOST, api))]);
        assert_eq!(listeners(reserved.aws), [Ipv4Addr::LOCALHOST, other_address].map(|ip| SocketAddr::from((ip, aws))));
    }
}

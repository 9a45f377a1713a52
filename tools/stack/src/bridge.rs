//! Docker's bridge: where a container reaches this machine, whose loopback addresses are not the container's.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, UdpSocket},
};

/// Docker's own default (dockerd, option `--bridge`).
const INTERFACE: &str = "docker0";
/// The discard service: nothing is sent to it.
const ANY_PORT: u16 = 9;

/// This machine's address on the bridge, or none where Docker has not made it.
pub fn address() -> Option<Ipv4Addr> {
    let network = network(&fs::read_to_string("/proc/net/route").ok()?)?;
    // A connected UDP socket has the address from which the kernel would send there.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    let neighbour = Ipv4Addr::from(u32::from(network).checked_add(2)?);
    socket.connect((neighbour, ANY_PORT)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

/// The first address of the bridge's network, from the kernel's table of routes. Source: Linux, proc(5), `/proc/net/route`.
fn network(routes: &str) -> Option<Ipv4Addr> {
    let route = routes.lines().find_map(|line| line.strip_prefix(INTERFACE)?.strip_prefix(char::is_whitespace))?;
    let destination = u32::from_str_radix(route.split_whitespace().next()?, 16).ok()?;
    // The bytes in the network's order, printed as one number in this machine's.
    Some(Ipv4Addr::from(destination.to_ne_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bridges_network_is_read_from_the_table_of_routes() {
        let bytes = u32::from_ne_bytes([172, 17, 0, 0]);
        let table = format!(
            "Iface\tDestination\tGateway\neth0\t00000000\t010200C0\ndocker01\t00000001\t0\ndocker0\t{bytes:08X}\t0\n"
        );
        assert_eq!(network(&table), Some(Ipv4Addr::new(172, 17, 0, 0)));
        assert_eq!(network("Iface\tDestination\tGateway\neth0\t00000000\t010200C0\n"), None);
    }
}

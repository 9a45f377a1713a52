//! The address of this machine on Docker's bridge, where containers reach it: a container has its own loopback addresses.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, UdpSocket},
};

/// Docker's default bridge (dockerd, option `--bridge`).
const INTERFACE: &str = "docker0";
/// The port of the discard service. Connecting a UDP socket sends nothing.
const ANY_PORT: u16 = 9;

/// This machine's address on the bridge, or none if Docker has not created the bridge.
pub fn address() -> Option<Ipv4Addr> {
    let network = network(&fs::read_to_string("/proc/net/route").ok()?)?;
    // The kernel gives a connected UDP socket the local address from which it would send.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    let neighbour = Ipv4Addr::from(u32::from(network).checked_add(2)?);
    socket.connect((neighbour, ANY_PORT)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

/// The first address of the bridge's network, from the kernel's routing table. Source: Linux, proc(5), `/proc/net/route`.
fn network(routes: &str) -> Option<Ipv4Addr> {
    let route = routes.lines().find_map(|line| line.strip_prefix(INTERFACE)?.strip_prefix(char::is_whitespace))?;
    let destination = u32::from_str_radix(route.split_whitespace().next()?, 16).ok()?;
    // The kernel prints the address, whose bytes are in network order, as a number in this machine's byte order.
    Some(Ipv4Addr::from(destination.to_ne_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_of_the_bridge_is_read_from_the_routing_table() {
        let bytes = u32::from_ne_bytes([172, 17, 0, 0]);
        let table = format!(
            "Iface\tDestination\tGateway\neth0\t00000000\t010200C0\ndocker01\t00000001\t0\ndocker0\t{bytes:08X}\t0\n"
        );
        assert_eq!(network(&table), Some(Ipv4Addr::new(172, 17, 0, 0)));
        assert_eq!(network("Iface\tDestination\tGateway\neth0\t00000000\t010200C0\n"), None);
    }
}

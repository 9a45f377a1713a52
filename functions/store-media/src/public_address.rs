//! Which addresses are public, and a resolver that gives no others.
//!
//! A redirect names a host that another system chose. The function could reach addresses behind the firewall from inside: its own
//! machine, where Lambda's runtime API is, and the networks of the account. So the host is resolved once, each of its addresses
//! is checked, and the connection goes to a checked address: a second look at the name, which could give another address, does not
//! happen.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;

/// A host has an address that is not public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the host has an address that is not public")]
pub(crate) struct NotPublic;

/// Resolves names to public addresses alone.
#[derive(Debug, Clone, Default)]
pub(crate) struct PublicResolver {
    /// The name of the stand-in for Twilio, whose addresses are not checked. None at Twilio itself.
    pub(crate) stand_in: Option<String>,
}

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let is_checked = self.stand_in.as_deref() != Some(name.as_str());
        Box::pin(async move {
            // The port is that of the URL, whatever it is here.
            let found: Vec<SocketAddr> = lookup_host((name.as_str(), 0)).await?.collect();
            if found.is_empty() {
                return Err(io::Error::from(io::ErrorKind::NotFound).into());
            }
            if is_checked && !found.iter().all(|address| is_public(address.ip())) {
                return Err(NotPublic.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the public internet. Source: IANA, "IPv4 Special-Purpose Address Registry" and "IPv6
/// Special-Purpose Address Registry"; AWS's metadata services are at 169.254.169.254 and `fd00:ec2::254`.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// The networks of IPv4 that are not public: the address of each, and the length of its prefix.
const SPECIAL_V4: [([u8; 4], u32); 15] = [
    // This network, private networks, and loopback.
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([172, 16, 0, 0], 12),
    ([192, 168, 0, 0], 16),
    ([127, 0, 0, 0], 8),
    // Shared by the customers of a provider.
    ([100, 64, 0, 0], 10),
    // Link-local, with the metadata services.
    ([169, 254, 0, 0], 16),
    // Protocol assignments, documentation, relays of 6to4, and benchmarks.
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([198, 18, 0, 0], 15),
    // Multicast; reserved, with broadcast.
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    let address = address.to_bits();
    let contains = |(network, prefix): &([u8; 4], u32)| (address ^ u32::from_be_bytes(*network)) >> (32 - prefix) == 0;
    !SPECIAL_V4.iter().any(contains)
}

/// The networks in [`GLOBAL_UNICAST`] that are not public: the first two groups of each, and the length of its prefix.
const SPECIAL_V6: [([u16; 2], u32); 4] = [
    // Protocol assignments, with Teredo.
    ([0x2001, 0], 23),
    // Documentation.
    ([0x2001, 0xdb8], 32),
    ([0x3fff, 0], 20),
    // 6to4, which contains an address of IPv4.
    ([0x2002, 0], 16),
];

/// Only these addresses of IPv6 are public.
const GLOBAL_UNICAST: ([u16; 2], u32) = ([0x2000, 0], 3);

/// An IPv4 address in the form of NAT64 or of a mapped address is checked itself.
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    if let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = address.segments() {
        return is_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    }
    let [first, second, ..] = address.segments();
    let begin = |[first, second]: [u16; 2]| u32::from(first) << 16 | u32::from(second);
    let address = begin([first, second]);
    let contains = |(network, prefix): &([u16; 2], u32)| (address ^ begin(*network)) >> (32 - prefix) == 0;
    contains(&GLOBAL_UNICAST) && !SPECIAL_V6.iter().any(contains)
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use super::*;

    fn is(address: &str) -> bool {
        is_public(address.parse().unwrap())
    }

    #[test]
    fn address_of_a_private_network_or_this_machine_is_not_public() {
        for address in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.1.2.3",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is(address), "{address}");
        }
    }

    #[test]
    fn address_of_the_internet_is_public() {
        for address in [
            "1.1.1.1",
            "52.216.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "223.255.255.255",
            "2600:1f18::1",
            "2001:200::1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
        ] {
            assert!(is(address), "{address}");
        }
    }

    #[tokio::test]
    async fn name_of_this_machine_is_resolved_for_the_stand_in_alone() {
        let resolve = |stand_in: Option<&str>| {
            let resolver = PublicResolver { stand_in: stand_in.map(str::to_owned) };
            async move { resolver.resolve(Name::from_str("localhost").unwrap()).await.map(Iterator::count) }
        };
        assert!(resolve(Some("localhost")).await.unwrap() > 0);
        for other in [None, Some("sandbox")] {
            assert!(resolve(other).await.unwrap_err().is::<NotPublic>());
        }
    }
}

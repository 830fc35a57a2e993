//! Where an address leads: out to the public internet, inside, or to what no fetch may reach at all.
//!
//! One table for everything that fetches: what a provider is asked to fetch, and what the gateway fetches itself. Forms
//! that carry an IPv4 address in an IPv6 one (mapped, NAT64, 6to4, Teredo, ISATAP) are read for what they carry, or count
//! as inside: a translator on the way would turn them into exactly what was to be kept out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an address leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The public internet.
    Public,
    /// This host, a private or special network.
    Inside,
    /// A link-local or metadata address, or one that is no single host: nobody has a reason to fetch there, not even
    /// where the operator named it.
    Never,
}

impl Place {
    /// Where `address` leads.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        let (inside, never) = match address {
            IpAddr::V4(address) => (inside_v4(address), never_v4(address)),
            IpAddr::V6(address) => match carried(address) {
                Some(carried) => (true, never_v4(carried)),
                None => (inside_v6(address), never_v6(address)),
            },
        };
        match address {
            _ if never => Self::Never,
            // Mapped is another spelling of the address itself, not a way there.
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(mapped) => Self::of(IpAddr::V4(mapped)),
                None if inside => Self::Inside,
                None => Self::Public,
            },
            IpAddr::V4(_) if inside => Self::Inside,
            IpAddr::V4(_) => Self::Public,
        }
    }
}

/// Azure's own services in every virtual network.
const AZURE: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);
/// Alibaba Cloud's metadata.
const ALIBABA: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
/// Oracle Cloud's metadata.
const ORACLE: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 192);
/// AWS's metadata over IPv6.
const AWS: Ipv6Addr = Ipv6Addr::new(0xFD00, 0xEC2, 0, 0, 0, 0, 0, 0x254);
/// Google Cloud's metadata over IPv6.
const GOOGLE: Ipv6Addr = Ipv6Addr::new(0xFD20, 0xCE, 0, 0, 0, 0, 0, 0x254);

fn never_v4(address: Ipv4Addr) -> bool {
    let [a, ..] = address.octets();
    a == 0 || a >= 224 || address.is_link_local() || [AZURE, ALIBABA, ORACLE].contains(&address)
}

fn never_v6(address: Ipv6Addr) -> bool {
    let [a, ..] = address.segments();
    (a & 0xFFC0) == 0xFE80
        || address.is_multicast()
        || address.is_unspecified()
        || address == AWS
        || address == GOOGLE
}

/// The IPv4 address that an IPv6 one carries, by whatever form.
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let four = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match (a, b, c, d, e, f) {
        // Mapped, translated (RFC 2765) and compatible; `::` and `::1` are themselves.
        (0, 0, 0, 0, 0, 0xFFFF) | (0, 0, 0, 0, 0xFFFF, 0) => Some(four(g, h)),
        (0, 0, 0, 0, 0, 0) if g != 0 => Some(four(g, h)),
        // NAT64, well-known (RFC 6052) and local (RFC 8215).
        (0x64, 0xFF9B, 0, 0, 0, 0) | (0x64, 0xFF9B, 1, _, _, _) => Some(four(g, h)),
        // 6to4.
        (0x2002, ..) => Some(four(b, c)),
        // Teredo: the client's address, every bit turned.
        (0x2001, 0, ..) => Some(four(!g, !h)),
        // ISATAP, in any prefix (RFC 5214).
        (_, _, _, _, 0 | 0x200, 0x5EFE) => Some(four(g, h)),
        _ => None,
    }
}

/// Whether an IPv4 address is none of the public internet.
pub(crate) fn inside_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || a == 0
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        // Anycast of 6to4 relays, deprecated.
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (18..20).contains(&b))
        || address == AZURE
}

/// Whether an IPv6 address is none of the public internet, or may lead to an IPv4 one that is not.
pub(crate) fn inside_v6(address: Ipv6Addr) -> bool {
    let [a, b, _, _, e, f, ..] = address.segments();
    if let Some(mapped) = address.to_ipv4_mapped() {
        return inside_v4(mapped);
    }
    // Outside 2000::/3 nothing is global unicast; inside it these lead to an IPv4 address, or nowhere.
    (a & 0xE000) != 0x2000
        || a == 0x2002
        || (a == 0x2001 && (b == 0 || b == 0xDB8 || (0x10..0x30).contains(&b)))
        || (a == 0x3FFF && b < 0x1000)
        || (matches!(e, 0 | 0x200) && f == 0x5EFE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        Place::of(text.parse().unwrap())
    }

    #[test]
    fn public_addresses_are_public() {
        for text in [
            "8.8.8.8",
            "1.1.1.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "100.128.0.1",
        ] {
            assert_eq!(place(text), Place::Public, "{text}");
        }
    }

    #[test]
    fn inside_is_inside_in_every_spelling() {
        for text in [
            "127.0.0.1",
            "127.255.255.254",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "100.64.0.1",
            "198.18.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "::1",
            "fc00::1",
            "fd12:3456::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            // Even to a public address: the way there is a translator's.
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::10.0.0.1",
            "2002:0a00:0001::",
            "2001:0:1::f5ff:fffe",
            "2001:db8::1",
            "2620:1::5efe:10.0.0.1",
            "3fff:1::1",
            "2001:20::1",
        ] {
            assert_eq!(place(text), Place::Inside, "{text}");
        }
    }

    #[test]
    fn metadata_and_link_local_are_never_reached() {
        for text in [
            "169.254.169.254",
            "169.254.170.2",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "::",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "::ffff:0:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "2620:1::200:5efe:169.254.169.254",
            // Teredo of 169.254.169.254.
            "2001:0:1::5601:5601",
        ] {
            assert_eq!(place(text), Place::Never, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_carrier_of_an_inside_address_is_public(bits: u32, prefix in 0_u8..7) {
            let v4 = Ipv4Addr::from(bits);
            let (high, low) = ((bits >> 16) as u16, bits as u16);
            // `::1` and its like are themselves.
            proptest::prop_assume!(high != 0 || prefix != 6);
            let v6 = match prefix {
                0 => Ipv6Addr::new(0, 0, 0, 0, 0, 0xFFFF, high, low),
                1 => Ipv6Addr::new(0x64, 0xFF9B, 0, 0, 0, 0, high, low),
                2 => Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                3 => Ipv6Addr::new(0x2001, 0, 1, 2, 3, 4, !high, !low),
                4 => Ipv6Addr::new(0x2620, 1, 2, 3, 0, 0x5EFE, high, low),
                5 => Ipv6Addr::new(0, 0, 0, 0, 0xFFFF, 0, high, low),
                _ => Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
            };
            proptest::prop_assert!(Place::of(v6.into()) >= Place::of(v4.into()));
        }
    }
}

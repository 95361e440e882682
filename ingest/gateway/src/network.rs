//! Networks from which a device may speak.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};

/// A network: an address and how many of its leading bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network such as 10.1.0.0/16 or 2001:db8:1::/48")]
pub struct NoNetwork(String);

const fn most_bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address with only its leading bits; on the right of 128 bits.
fn prefix(address: IpAddr, bits: u8) -> u128 {
    let (value, length) = match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    value.checked_shr(length - u32::from(bits).min(length)).unwrap_or(0)
}

impl Network {
    /// A network that holds no address: what stands for one that cannot be read, because it must not mean every address.
    pub const NONE: Self = Self {
        address: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        bits: u8::MAX,
    };

    /// True when the address is in it. IPv4 addresses that a listener for IPv6 gives count as what they are.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.bits <= most_bits(self.address)
            && address.is_ipv4() == self.address.is_ipv4()
            && prefix(address, self.bits) == prefix(self.address, self.bits)
    }
}

impl FromStr for Network {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let wrong = || NoNetwork(text.to_owned());
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| wrong())?)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits = bits.unwrap_or(most_bits(address));
        if bits > most_bits(address) {
            return Err(wrong());
        }
        // Bits behind the prefix say that somebody meant another one.
        let network = match address {
            IpAddr::V4(whole) => {
                let shift = 32 - u32::from(bits);
                let kept = whole.to_bits().checked_shr(shift).unwrap_or(0).checked_shl(shift);
                IpAddr::V4(kept.unwrap_or(0).into())
            }
            IpAddr::V6(whole) => {
                let shift = 128 - u32::from(bits);
                let kept = whole.to_bits().checked_shr(shift).unwrap_or(0).checked_shl(shift);
                IpAddr::V6(kept.unwrap_or(0).into())
            }
        };
        if network != address {
            return Err(wrong());
        }
        Ok(Self { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(network: &str, address: &str) -> bool {
        let network: Network = network.parse().unwrap();
        network.contains(address.parse().unwrap())
    }

    #[test]
    fn addresses_are_in_their_networks() {
        assert!(holds("10.1.0.0/16", "10.1.255.3") && !holds("10.1.0.0/16", "10.2.0.1"));
        assert!(holds("10.1.0.0/16", "::ffff:10.1.2.3") && !holds("10.1.0.0/16", "2001:db8::1"));
        assert!(holds("0.0.0.0/0", "203.0.113.7") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("2001:db8:1::/48", "2001:db8:1:2::3") && !holds("2001:db8:1::/48", "2001:db8:2::3"));
        assert!(holds("::/0", "2001:db8::1") && holds("192.0.2.7", "192.0.2.7") && !holds("192.0.2.7", "192.0.2.8"));
        assert!(!Network::NONE.contains(IpAddr::from([0, 0, 0, 0])));
    }

    #[test]
    fn texts_that_are_no_network_are_refused() {
        for text in [
            "",
            "10.1",
            "10.1.0.0/33",
            "10.1.0.0/-1",
            "10.1.2.0/16",
            "2001:db8::1/48",
            "::/129",
            "a/8",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
        for text in ["10.1.0.0/16", "2001:db8::/32", "192.0.2.7/32"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
    }
}

//! Frames that no honest kernel would send: requests for connections from anywhere (RFC 9293 §3.1, RFC 1071).

use std::net::Ipv4Addr;

/// The ends of a made-up request for a connection.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Where it pretends to come from.
    pub from: (Ipv4Addr, u16),
    /// Where it goes.
    pub to: (Ipv4Addr, u16),
    /// Its sequence number.
    pub sequence: u32,
}

impl Request {
    /// Returns the Ethernet frame of a SYN segment.
    pub fn frame(&self, source: [u8; 6], destination: [u8; 6]) -> Vec<u8> {
        let mut tcp = Vec::with_capacity(20);
        tcp.extend_from_slice(&self.from.1.to_be_bytes());
        tcp.extend_from_slice(&self.to.1.to_be_bytes());
        tcp.extend_from_slice(&self.sequence.to_be_bytes());
        tcp.extend_from_slice(&[0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0]);
        let mut pseudo = [self.from.0.octets(), self.to.0.octets()].concat();
        pseudo.extend_from_slice(&[0, 6, 0, tcp.len() as u8]);
        let sum = checksum(&[pseudo, tcp.clone()].concat());
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());

        let mut ip = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0];
        ip.extend_from_slice(&self.from.0.octets());
        ip.extend_from_slice(&self.to.0.octets());
        let sum = checksum(&ip);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());

        [&destination[..], &source, &[0x08, 0x00], &ip, &tcp].concat()
    }
}

fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_with_its_checksums_sums_to_nothing() {
        let request = Request {
            from: (Ipv4Addr::new(172, 16, 3, 4), 40000),
            to: (Ipv4Addr::new(10, 0, 0, 2), 80),
            sequence: 0x1234_5678,
        };
        let frame = request.frame([2; 6], [4; 6]);
        assert_eq!(frame.len(), 54);
        assert_eq!(checksum(&frame[14..34]), 0);
        let pseudo = [&frame[26..34], &[0, 6, 0, 20], &frame[34..]].concat();
        assert_eq!(checksum(&pseudo), 0);
    }
}

//! What is read from a received frame before smoltcp sees it.
//!
//! [`classify`] finds out which socket a frame concerns and verifies checksums, those of TCP and UDP unless the device vouches for
//! them; [`read_plain`] does it with few instructions where a frame is as most are. So smoltcp is told to leave checksums alone, but
//! for those of ICMP. What is written into a frame after smoltcp made it is in [`sent_frame`](super::sent_frame).
//! Every length is checked; a frame that is not understood is left to smoltcp or dropped. RFC 791, 8200, 9293, 768.

use super::checksum::{fold, sum_ipv4_header, sum_words};
use super::four_tuple::FourTuple;
use core::ops::Range;
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpAddress, IpEndpoint, IpProtocol, Ipv4Address, Ipv4Packet, Ipv6Packet, TcpOption,
    TcpPacket, TcpSeqNumber, UdpPacket,
};

/// Length of an Ethernet header.
pub(super) const ETHERNET_HEADER: usize = 14;
/// Where the transport header starts in a frame with an IPv4 packet without options.
pub(super) const IPV4_TRANSPORT: usize = ETHERNET_HEADER + 20;
/// Length of a TCP header without options.
pub(super) const TCP_HEADER: usize = 20;
/// The number of the protocol.
pub(super) const TCP: u8 = 6;

/// Whom a received frame concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class<'a> {
    /// A TCP segment.
    Tcp(Segment<'a>),
    /// A UDP datagram to that local end.
    Udp(IpEndpoint),
    /// An answer (or what might be one) of neighbour discovery: packets that wait for it can go.
    Neighbor,
    /// Anything else that smoltcp may understand.
    Other,
    /// Damaged, or nothing that is handled at all.
    Drop,
}

/// The header fields of a TCP segment that matter outside smoltcp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment<'a> {
    /// Who sent it to whom.
    pub tuple: FourTuple,
    /// The SYN flag, without ACK: a connection request.
    pub is_request: bool,
    /// The RST flag.
    pub rst: bool,
    /// The FIN flag.
    pub fin: bool,
    /// The first sequence number.
    pub sequence: TcpSeqNumber,
    /// Sequence numbers that the segment takes: payload, SYN and FIN.
    pub sequence_len: usize,
    /// The acknowledged sequence number, if any.
    pub acknowledgment: Option<TcpSeqNumber>,
    /// The window.
    pub window: u16,
    /// The options, as they are in the header.
    pub options: &'a [u8],
}

impl Segment<'_> {
    /// Returns what is acknowledged selectively, beyond the acknowledged sequence number.
    pub fn selective_acknowledgments(&self) -> impl Iterator<Item = Range<TcpSeqNumber>> {
        let mut options = self.options;
        let mut blocks = [None; 3];
        while !options.is_empty()
            && let Ok((rest, option)) = TcpOption::parse(options)
        {
            if let TcpOption::SackRange(found) = option {
                blocks = found;
            }
            options = rest;
        }
        let blocks = blocks.into_iter().flatten();
        blocks.map(|(start, end)| TcpSeqNumber(start as i32)..TcpSeqNumber(end as i32))
    }
}

/// Reads a TCP segment in an intact IPv4 packet without options and fragments, which nearly every frame is, with as few
/// instructions as that takes. Its checksum is the caller's to trust; any other frame is for [`classify`].
#[inline(always)]
pub(super) fn read_plain(bytes: &[u8]) -> Option<Segment<'_>> {
    const HEADERS: usize = IPV4_TRANSPORT + TCP_HEADER;
    const FIN: u8 = 1;
    const SYN: u8 = 2;
    const RST: u8 = 4;
    const ACK: u8 = 16;
    let header = bytes.first_chunk::<HEADERS>()?;
    let half = |place: usize| u16::from_be_bytes([header[place], header[place + 1]]);
    let word =
        |place: usize| u32::from_be_bytes([header[place], header[place + 1], header[place + 2], header[place + 3]]);
    let (length_byte, flags) = (header[IPV4_TRANSPORT + 12], header[IPV4_TRANSPORT + 13]);
    let start = IPV4_TRANSPORT + usize::from(length_byte >> 4) * 4;
    let end = ETHERNET_HEADER + usize::from(half(ETHERNET_HEADER + 2));
    if header[12..16] != [0x08, 0x00, 0x45, header[15]]
        || header[ETHERNET_HEADER + 9] != TCP
        || half(ETHERNET_HEADER + 6) & 0x3fff != 0
        || !(HEADERS..=end).contains(&start)
        || end > bytes.len()
        || fold(sum_ipv4_header(header)) != 0xffff
    {
        return None;
    }
    let endpoint = |address, port| IpEndpoint::new(Ipv4Address::from_bits(word(address)).into(), half(port));
    Some(Segment {
        tuple: FourTuple {
            local: endpoint(ETHERNET_HEADER + 16, IPV4_TRANSPORT + 2),
            remote: endpoint(ETHERNET_HEADER + 12, IPV4_TRANSPORT),
        },
        is_request: flags & (FIN | SYN | RST | ACK) == SYN,
        rst: flags & RST != 0,
        fin: flags & FIN != 0,
        sequence: TcpSeqNumber(word(IPV4_TRANSPORT + 4) as i32),
        sequence_len: end - start + usize::from(flags & FIN != 0) + usize::from(flags & SYN != 0),
        acknowledgment: (flags & ACK != 0).then(|| TcpSeqNumber(word(IPV4_TRANSPORT + 8) as i32)),
        window: half(IPV4_TRANSPORT + 14),
        options: bytes.get(HEADERS..start).unwrap_or_default(),
    })
}

/// Reads a frame's addresses. `checksum_valid`: the device vouches for the TCP or UDP checksum.
#[inline(never)]
pub(super) fn classify(bytes: &[u8], checksum_valid: bool) -> Class<'_> {
    let Ok(frame) = EthernetFrame::new_checked(bytes) else {
        return Class::Drop;
    };
    match frame.ethertype() {
        EthernetProtocol::Arp => Class::Neighbor,
        EthernetProtocol::Ipv4 => classify_ipv4(frame.payload(), checksum_valid),
        EthernetProtocol::Ipv6 => classify_ipv6(frame.payload(), checksum_valid),
        _ => Class::Drop,
    }
}

fn classify_ipv4(payload: &[u8], checksum_valid: bool) -> Class<'_> {
    let Ok(packet) = Ipv4Packet::new_checked(payload) else {
        return Class::Drop;
    };
    let header_len = usize::from(packet.header_len());
    let is_intact = fold(sum_words(payload.get(..header_len).unwrap_or_default())) == 0xffff;
    if packet.version() != 4 || packet.more_frags() || packet.frag_offset() != 0 || !is_intact {
        return Class::Drop;
    }
    let addresses = (packet.src_addr().into(), packet.dst_addr().into());
    classify_transport(packet.next_header(), packet.payload(), addresses, checksum_valid)
}

fn classify_ipv6(payload: &[u8], checksum_valid: bool) -> Class<'_> {
    let Ok(packet) = Ipv6Packet::new_checked(payload) else {
        return Class::Drop;
    };
    if packet.version() != 6 {
        return Class::Drop;
    }
    const NEIGHBOR_ADVERTISEMENT: u8 = 136;
    const ROUTER_ADVERTISEMENT: u8 = 134;
    let first = packet.payload().first().copied();
    if packet.next_header() == IpProtocol::Icmpv6
        && matches!(first, Some(NEIGHBOR_ADVERTISEMENT | ROUTER_ADVERTISEMENT))
    {
        return Class::Neighbor;
    }
    let addresses = (packet.src_addr().into(), packet.dst_addr().into());
    classify_transport(packet.next_header(), packet.payload(), addresses, checksum_valid)
}

fn classify_transport(
    protocol: IpProtocol,
    payload: &[u8],
    (source, destination): (IpAddress, IpAddress),
    checksum_valid: bool,
) -> Class<'_> {
    match protocol {
        IpProtocol::Tcp => match TcpPacket::new_checked(payload) {
            Ok(packet) if checksum_valid || packet.verify_checksum(&source, &destination) => Class::Tcp(Segment {
                tuple: FourTuple {
                    local: IpEndpoint::new(destination, packet.dst_port()),
                    remote: IpEndpoint::new(source, packet.src_port()),
                },
                is_request: packet.syn() && !packet.ack() && !packet.rst() && !packet.fin(),
                rst: packet.rst(),
                fin: packet.fin(),
                sequence: packet.seq_number(),
                sequence_len: packet.segment_len(),
                acknowledgment: packet.ack().then(|| packet.ack_number()),
                window: packet.window_len(),
                options: payload
                    .get(TCP_HEADER..usize::from(packet.header_len()))
                    .unwrap_or_default(),
            }),
            _ => Class::Drop,
        },
        IpProtocol::Udp => match UdpPacket::new_checked(payload) {
            Ok(packet) if checksum_valid || packet.verify_checksum(&source, &destination) => {
                Class::Udp(IpEndpoint::new(destination, packet.dst_port()))
            }
            _ => Class::Drop,
        },
        _ => Class::Other,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::net::sent_frame::complete_ipv4_header;
    use proptest::prelude::*;
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{EthernetAddress, EthernetRepr, IpRepr, TcpControl, TcpRepr};
    use std::vec;
    use std::vec::Vec;

    /// A connection request.
    pub(in crate::net) fn syn(source: IpAddress, destination: IpAddress, checksums: &ChecksumCapabilities) -> Vec<u8> {
        let tcp = TcpRepr {
            src_port: 4000,
            dst_port: 80,
            control: TcpControl::Syn,
            seq_number: TcpSeqNumber(7),
            ack_number: None,
            window_len: 1000,
            window_scale: None,
            max_seg_size: Some(1460),
            sack_permitted: true,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &[],
        };
        let ip = IpRepr::new(source, destination, IpProtocol::Tcp, tcp.buffer_len(), 64);
        let mut bytes = vec![0; 14 + ip.buffer_len()];
        let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
        let ethertype = match source {
            IpAddress::Ipv4(_) => EthernetProtocol::Ipv4,
            IpAddress::Ipv6(_) => EthernetProtocol::Ipv6,
        };
        EthernetRepr {
            src_addr: EthernetAddress([2; 6]),
            dst_addr: EthernetAddress([4; 6]),
            ethertype,
        }
        .emit(&mut frame);
        ip.emit(frame.payload_mut(), checksums);
        let header_len = ip.header_len();
        let mut packet = TcpPacket::new_unchecked(&mut bytes[14 + header_len..]);
        tcp.emit(&mut packet, &source, &destination, checksums);
        bytes
    }

    /// A connection request to 10.0.0.2:80 from one of 5,000 and more addresses that do not exist.
    pub(in crate::net) fn request_from(number: u32) -> Vec<u8> {
        let source = IpAddress::v4(10, 1, (number >> 8) as u8, number as u8);
        let mut bytes = syn(source, IpAddress::v4(10, 0, 0, 2), &ChecksumCapabilities::default());
        bytes[..6].copy_from_slice(&[2, 0, 0, 0, 0, 2]);
        bytes
    }

    /// Two addresses.
    pub(in crate::net) const V4: (IpAddress, IpAddress) = (IpAddress::v4(10, 0, 0, 1), IpAddress::v4(10, 0, 0, 2));
    /// Two addresses of the other family.
    pub(in crate::net) const V6: (IpAddress, IpAddress) = (
        IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, 1),
        IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, 2),
    );

    #[test]
    fn a_request_is_recognised_in_both_families() {
        for (source, destination) in [V4, V6] {
            let bytes = syn(source, destination, &ChecksumCapabilities::default());
            let Class::Tcp(segment) = classify(&bytes, false) else {
                panic!("not recognised");
            };
            assert!(segment.is_request);
            assert_eq!(segment.tuple.remote, IpEndpoint::new(source, 4000));
            assert_eq!(segment.tuple.local, IpEndpoint::new(destination, 80));
            assert_eq!(segment.sequence_len, 1);
        }
    }

    #[test]
    fn a_wrong_checksum_is_dropped_unless_the_device_vouches_for_it() {
        let mut bytes = syn(V4.0, V4.1, &ChecksumCapabilities::default());
        *bytes.last_mut().unwrap() ^= 1;
        assert_eq!(classify(&bytes, false), Class::Drop);
        assert!(matches!(classify(&bytes, true), Class::Tcp(_)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes: Vec<u8>, ethertype in 0usize..3, checksum_valid: bool) {
            if let Some(place) = bytes.get_mut(12..14) {
                place.copy_from_slice(&[[0x08, 0x00], [0x86, 0xdd], [0x08, 0x06]][ethertype]);
            }
            classify(&bytes, checksum_valid);
            if let Some(segment) = read_plain(&bytes) {
                segment.selective_acknowledgments().for_each(drop);
            }
        }

        #[test]
        fn a_plain_frame_is_read_as_any_other(place in 0usize..62, value: u8, len_bytes in 0usize..70, is_intact: bool) {
            let mut bytes = syn(V4.0, V4.1, &ChecksumCapabilities::default());
            bytes.resize(len_bytes, 0);
            if let Some(byte) = bytes.get_mut(place) {
                *byte = value;
            }
            if is_intact && bytes.len() >= IPV4_TRANSPORT {
                bytes[ETHERNET_HEADER + 10..ETHERNET_HEADER + 12].fill(0);
                complete_ipv4_header(&mut bytes, IPV4_TRANSPORT);
            }
            if let Some(segment) = read_plain(&bytes) {
                assert_eq!(Class::Tcp(segment), classify(&bytes, true));
            }
        }
    }
}

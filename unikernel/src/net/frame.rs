//! What is read from a received frame before smoltcp sees it, and what is written into a frame after smoltcp made it.
//!
//! [`classify`] finds out which socket a frame concerns and verifies checksums, those of TCP and UDP unless the device vouches for
//! them. So smoltcp is told to leave checksums alone, but for those of ICMP.
//! Every length is checked; a frame that is not understood is left to smoltcp or dropped. RFC 791, 8200, 9293, 768.

use super::four_tuple::FourTuple;
use core::ops::Range;
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpAddress, IpEndpoint, IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket,
    TcpSeqNumber, UdpPacket,
};

/// Whom a received frame concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A TCP segment.
    Tcp(Segment),
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
pub(super) struct Segment {
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
    /// What is acknowledged beyond that, as the TCP option has it.
    pub selective_acknowledgments: [Option<(u32, u32)>; 3],
}

impl Segment {
    /// Returns what is acknowledged selectively.
    pub fn selective_acknowledgments(&self) -> impl Iterator<Item = Range<TcpSeqNumber>> {
        let blocks = self.selective_acknowledgments.into_iter().flatten();
        blocks.map(|(start, end)| TcpSeqNumber(start as i32)..TcpSeqNumber(end as i32))
    }
}

/// Reads a frame's addresses. `checksum_valid`: the device vouches for the TCP or UDP checksum.
pub(super) fn classify(bytes: &[u8], checksum_valid: bool) -> Class {
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

fn classify_ipv4(payload: &[u8], checksum_valid: bool) -> Class {
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

fn classify_ipv6(payload: &[u8], checksum_valid: bool) -> Class {
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
) -> Class {
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
                selective_acknowledgments: if usize::from(packet.header_len()) > TCP_HEADER {
                    packet.selective_ack_ranges().unwrap_or_default()
                } else {
                    [None; 3]
                },
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

/// What a frame that smoltcp made is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SentFrame {
    /// It asks for a neighbour's hardware address.
    NeighborRequest,
    /// A TCP segment.
    Segment(SentSegment),
    /// Anything else.
    Other,
}

/// What is read from a TCP segment that smoltcp made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SentSegment {
    /// The first sequence number.
    pub sequence: TcpSeqNumber,
    /// The acknowledgement number.
    pub acknowledgment: TcpSeqNumber,
    /// The window.
    pub window: u16,
    /// The SYN flag.
    pub syn: bool,
    /// The FIN flag.
    pub fin: bool,
    /// Length of the payload.
    pub payload_len_bytes: usize,
}

impl SentSegment {
    /// Returns the sequence numbers that it takes.
    #[inline(always)]
    pub fn sequences(&self) -> Range<TcpSeqNumber> {
        let len = self.payload_len_bytes + usize::from(self.syn) + usize::from(self.fin);
        self.sequence..self.sequence + len
    }

    /// Returns where in the payload a part of the sequence numbers is.
    pub fn payload_of(&self, part: &Range<TcpSeqNumber>) -> Range<usize> {
        let [start, end] = [part.start, part.end].map(|number| (number - self.sequence).min(self.payload_len_bytes));
        start..end
    }

    /// Writes a frame that is like `bytes`, which holds this segment, but has only a part of the sequence numbers: none of them make
    /// an acknowledgement. `target` is as long as the headers and that part of the payload.
    pub fn write_part(&self, part: &Range<TcpSeqNumber>, bytes: &[u8], target: &mut [u8]) {
        let payload = self.payload_of(part);
        let (header, all) = bytes.split_at(bytes.len() - self.payload_len_bytes);
        target[..header.len()].copy_from_slice(header);
        target[header.len()..].copy_from_slice(&all[payload]);
        let mut frame = EthernetFrame::new_unchecked(target);
        let ethertype = frame.ethertype();
        let packet = frame.payload_mut();
        let len_bytes = packet.len();
        let (source, destination, header_len) = if ethertype == EthernetProtocol::Ipv6 {
            let mut packet = Ipv6Packet::new_unchecked(&mut *packet);
            packet.set_payload_len((len_bytes - packet.header_len()) as u16);
            (packet.src_addr().into(), packet.dst_addr().into(), packet.header_len())
        } else {
            let mut packet = Ipv4Packet::new_unchecked(&mut *packet);
            packet.set_total_len(len_bytes as u16);
            let header_len = usize::from(packet.header_len());
            (packet.src_addr().into(), packet.dst_addr().into(), header_len)
        };
        let mut tcp = TcpPacket::new_unchecked(&mut packet[header_len..]);
        tcp.set_seq_number(part.start);
        if part.is_empty() || part.end != self.sequences().end {
            tcp.set_fin(false);
            tcp.set_psh(false);
        }
        tcp.fill_checksum(&source, &destination);
    }
}

const ETHERNET_HEADER: usize = 14;
// smoltcp writes neither IPv4 options nor IPv6 extension headers.
const IPV4_TRANSPORT: usize = ETHERNET_HEADER + 20;
const IPV6_TRANSPORT: usize = ETHERNET_HEADER + 40;
const TCP_HEADER: usize = 20;

/// Returns the protocol number of a packet that smoltcp made, and where its transport header starts.
#[inline(always)]
fn sent_transport(bytes: &[u8]) -> Option<(u8, usize)> {
    match bytes.get(12..14)? {
        [0x08, 0x00] => Some((*bytes.get(ETHERNET_HEADER + 9)?, IPV4_TRANSPORT)),
        [0x86, 0xdd] => Some((*bytes.get(ETHERNET_HEADER + 6)?, IPV6_TRANSPORT)),
        _ => None,
    }
}

/// Reads a frame that smoltcp made.
#[inline(always)]
pub(super) fn read_sent(bytes: &[u8]) -> SentFrame {
    const NEIGHBOR_SOLICITATION: u8 = 135;
    const TCP: u8 = 6;
    const ICMPV6: u8 = 58;
    match sent_transport(bytes) {
        Some((TCP, start)) => match bytes
            .get(start..)
            .and_then(|segment| segment.first_chunk::<TCP_HEADER>())
        {
            Some(header) => SentFrame::Segment(SentSegment {
                sequence: TcpSeqNumber(i32::from_be_bytes([header[4], header[5], header[6], header[7]])),
                acknowledgment: TcpSeqNumber(i32::from_be_bytes([header[8], header[9], header[10], header[11]])),
                window: u16::from_be_bytes([header[14], header[15]]),
                syn: header[13] & 2 != 0,
                fin: header[13] & 1 != 0,
                payload_len_bytes: (bytes.len() - start).saturating_sub(usize::from(header[12] >> 4) * 4),
            }),
            None => SentFrame::Other,
        },
        Some((ICMPV6, start)) if bytes.get(start) == Some(&NEIGHBOR_SOLICITATION) => SentFrame::NeighborRequest,
        None if bytes.get(12..14) == Some(&[0x08, 0x06]) => SentFrame::NeighborRequest,
        _ => SentFrame::Other,
    }
}

/// Prepares a TCP or UDP frame that smoltcp made for a device that completes the checksum: stores the pseudo-header's sum and
/// returns where the transport header starts and where in it the checksum is.
#[inline(always)]
pub(super) fn start_checksum(bytes: &mut [u8]) -> Option<(u16, u16)> {
    let (protocol, start) = sent_transport(bytes)?;
    let checksum_offset = match IpProtocol::from(protocol) {
        IpProtocol::Tcp => 16,
        IpProtocol::Udp => 6,
        _ => return None,
    };
    let transport_len = bytes.len().checked_sub(start)? as u64;
    let first_address = if start == IPV4_TRANSPORT { start - 8 } else { start - 32 };
    // A frame for segmentation may be longer than the sum's length field; each segment's own length replaces it there.
    let sum = fold(u64::from(protocol) + transport_len + sum_words(bytes.get(first_address..start)?));
    let place = start + checksum_offset;
    bytes.get_mut(place..place + 2)?.copy_from_slice(&sum.to_be_bytes());
    Some((start as u16, checksum_offset as u16))
}

/// Completes the header checksum of an IPv4 packet that smoltcp made, for no device does that.
#[inline(always)]
pub(super) fn complete_ipv4_header(bytes: &mut [u8]) {
    if let Some(frame) = bytes.first_chunk_mut::<IPV4_TRANSPORT>()
        && frame[12..14] == [0x08, 0x00]
    {
        let sum = !fold(sum_words(&frame[ETHERNET_HEADER..]));
        frame[ETHERNET_HEADER + 10..ETHERNET_HEADER + 12].copy_from_slice(&sum.to_be_bytes());
    }
}

/// Sums up 32-bit words; folded, that is the sum of their halves.
#[inline(always)]
fn sum_words(bytes: &[u8]) -> u64 {
    let words = bytes.as_chunks().0.iter();
    words.map(|word| u64::from(u32::from_be_bytes(*word))).sum()
}

/// Reduces a sum to 16 bits, carries added again (RFC 1071).
#[inline(always)]
fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{EthernetAddress, EthernetRepr, IpRepr, TcpControl, TcpRepr};
    use std::vec;
    use std::vec::Vec;

    fn syn(source: IpAddress, destination: IpAddress, checksums: &ChecksumCapabilities) -> Vec<u8> {
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

    const V4: (IpAddress, IpAddress) = (IpAddress::v4(10, 0, 0, 1), IpAddress::v4(10, 0, 0, 2));
    const V6: (IpAddress, IpAddress) = (
        IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, 1),
        IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, 2),
    );

    #[test]
    fn a_request_is_recognised_in_both_families() {
        for (source, destination) in [V4, V6] {
            let Class::Tcp(segment) = classify(&syn(source, destination, &ChecksumCapabilities::default()), false)
            else {
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

    #[test]
    fn the_started_checksum_completes_to_the_right_one() {
        for (source, destination) in [V4, V6] {
            let complete = syn(source, destination, &ChecksumCapabilities::default());
            let mut bytes = syn(source, destination, &ChecksumCapabilities::ignored());
            let (start, offset) = start_checksum(&mut bytes).unwrap();
            let (start, place) = (usize::from(start), usize::from(start + offset));
            let mut sum: u32 = bytes[start..]
                .chunks(2)
                .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
                .sum();
            while sum > 0xffff {
                sum = (sum & 0xffff) + (sum >> 16);
            }
            assert_eq!(complete[place..place + 2], (!(sum as u16)).to_be_bytes());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes: Vec<u8>, ethertype in 0usize..3, checksum_valid: bool) {
            if let Some(place) = bytes.get_mut(12..14) {
                place.copy_from_slice(&[[0x08, 0x00], [0x86, 0xdd], [0x08, 0x06]][ethertype]);
            }
            classify(&bytes, checksum_valid);
            read_sent(&bytes);
            start_checksum(&mut bytes);
        }
    }
}

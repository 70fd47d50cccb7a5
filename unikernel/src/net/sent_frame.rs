//! What is read from a frame that smoltcp made, and what is written into it, before it goes to the device.
//!
//! smoltcp leaves checksums alone (see [`frame`](super::frame)): the IPv4 header's is completed here, and those of TCP and UDP are
//! started where the device completes them. Read first: [`read_sent`], [`SentSegment`].

use super::checksum::{fold, native_word, sum_ipv4_header, sum_words};
use super::frame::{ETHERNET_HEADER, IPV4_TRANSPORT, TCP, TCP_HEADER};
use core::ops::Range;
use smoltcp::wire::{EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket, TcpSeqNumber};

// smoltcp writes neither IPv4 options nor IPv6 extension headers.
const IPV6_TRANSPORT: usize = ETHERNET_HEADER + 40;

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

/// Returns the protocol number of a packet that smoltcp made, and where its transport header starts.
#[inline(always)]
pub(super) fn sent_transport(bytes: &[u8]) -> Option<(u8, usize)> {
    match bytes.get(12..14)? {
        [0x08, 0x00] => Some((*bytes.get(ETHERNET_HEADER + 9)?, IPV4_TRANSPORT)),
        [0x86, 0xdd] => Some((*bytes.get(ETHERNET_HEADER + 6)?, IPV6_TRANSPORT)),
        _ => None,
    }
}

/// Reads a frame that smoltcp made, whose transport header is where [`sent_transport`] says.
#[inline(always)]
pub(super) fn read_sent(bytes: &[u8], transport: Option<(u8, usize)>) -> SentFrame {
    const NEIGHBOR_SOLICITATION: u8 = 135;
    const ICMPV6: u8 = 58;
    match transport {
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
pub(super) fn start_checksum(bytes: &mut [u8], (protocol, start): (u8, usize)) -> Option<(u16, u16)> {
    let checksum_offset = match IpProtocol::from(protocol) {
        IpProtocol::Tcp => 16,
        IpProtocol::Udp => 6,
        _ => return None,
    };
    // A frame for segmentation may be longer than the sum's length field; each segment's own length replaces it there.
    let transport_len = fold(bytes.len().checked_sub(start)? as u64);
    let addresses = match start {
        IPV4_TRANSPORT => bytes.first_chunk::<IPV4_TRANSPORT>().map(|header| {
            let word = |place: usize| native_word(header, place);
            word(IPV4_TRANSPORT - 8) + word(IPV4_TRANSPORT - 4)
        })?,
        _ => sum_words(bytes.get(start - 32..start)?),
    };
    let sum = fold(addresses + u64::from(u16::from(protocol).to_be()) + u64::from(transport_len.to_be()));
    let place = start + checksum_offset;
    bytes.get_mut(place..place + 2)?.copy_from_slice(&sum.to_ne_bytes());
    Some((start as u16, checksum_offset as u16))
}

/// Completes the header checksum of an IPv4 packet that smoltcp made, for no device does that. Its transport header is at `start`.
#[inline(always)]
pub(super) fn complete_ipv4_header(bytes: &mut [u8], start: usize) {
    if start == IPV4_TRANSPORT
        && let Some(frame) = bytes.first_chunk_mut::<IPV4_TRANSPORT>()
    {
        let sum = !fold(sum_ipv4_header(frame));
        frame[ETHERNET_HEADER + 10..ETHERNET_HEADER + 12].copy_from_slice(&sum.to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::frame::tests::{V4, V6, syn};
    use proptest::prelude::*;
    use smoltcp::phy::ChecksumCapabilities;
    use std::vec::Vec;

    #[test]
    fn the_started_checksum_completes_to_the_right_one() {
        for (source, destination) in [V4, V6] {
            let complete = syn(source, destination, &ChecksumCapabilities::default());
            let mut bytes = syn(source, destination, &ChecksumCapabilities::ignored());
            let transport = sent_transport(&bytes).unwrap();
            let (start, offset) = start_checksum(&mut bytes, transport).unwrap();
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
        fn no_bytes_make_it_panic(mut bytes: Vec<u8>, ethertype in 0usize..3) {
            if let Some(place) = bytes.get_mut(12..14) {
                place.copy_from_slice(&[[0x08, 0x00], [0x86, 0xdd], [0x08, 0x06]][ethertype]);
            }
            let transport = sent_transport(&bytes);
            read_sent(&bytes, transport);
            if let Some(transport) = transport {
                complete_ipv4_header(&mut bytes, transport.1);
                start_checksum(&mut bytes, transport);
            }
        }
    }
}

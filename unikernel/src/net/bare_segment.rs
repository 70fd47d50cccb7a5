//! TCP segments without payload that are made without a smoltcp socket.
//!
//! They are needed for TIME-WAIT after the socket is gone ([`super::time_wait`]), a FIN that smoltcp has stopped repeating
//! ([`super::fin`]) and probes of a closed window ([`super::closed_window`]). All start from a frame of the same connection, whose
//! addresses they take over.

use alloc::vec;
use alloc::vec::Vec;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, EthernetRepr, IpAddress, IpProtocol, IpRepr, Ipv4Packet, Ipv6Packet, TcpControl,
    TcpPacket, TcpRepr, TcpSeqNumber,
};

/// A segment without payload.
#[derive(Clone, Debug)]
pub(super) struct BareSegment {
    ethernet: EthernetRepr,
    source: IpAddress,
    destination: IpAddress,
    tcp: TcpRepr<'static>,
}

impl BareSegment {
    /// Takes over the addresses, ports and flags of a frame; the sequence number is that of the last thing in it.
    pub fn from_frame(bytes: &[u8]) -> Option<Self> {
        let frame = EthernetFrame::new_checked(bytes).ok()?;
        let (source, destination, segment): (IpAddress, IpAddress, &[u8]) = match frame.ethertype() {
            EthernetProtocol::Ipv4 => {
                let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
                let payload = (packet.next_header() == IpProtocol::Tcp).then(|| packet.payload())?;
                (packet.src_addr().into(), packet.dst_addr().into(), payload)
            }
            EthernetProtocol::Ipv6 => {
                let packet = Ipv6Packet::new_checked(frame.payload()).ok()?;
                let payload = (packet.next_header() == IpProtocol::Tcp).then(|| packet.payload())?;
                (packet.src_addr().into(), packet.dst_addr().into(), payload)
            }
            _ => return None,
        };
        let segment = TcpPacket::new_checked(segment).ok()?;
        let tcp = TcpRepr {
            src_port: segment.src_port(),
            dst_port: segment.dst_port(),
            control: if segment.fin() {
                TcpControl::Fin
            } else {
                TcpControl::None
            },
            seq_number: segment.seq_number() + segment.payload().len(),
            ack_number: Some(segment.ack_number()),
            window_len: segment.window_len(),
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &[],
        };
        let ethernet = EthernetRepr {
            src_addr: frame.src_addr(),
            dst_addr: frame.dst_addr(),
            ethertype: frame.ethertype(),
        };
        Some(BareSegment {
            ethernet,
            source,
            destination,
            tcp,
        })
    }

    /// Puts in another acknowledgement number and another window.
    pub fn update(&mut self, acknowledgment: TcpSeqNumber, window: u16) {
        self.tcp.ack_number = Some(acknowledgment);
        self.tcp.window_len = window;
    }

    /// Turns a segment that was received into one that answers it by an acknowledgement.
    pub fn into_answer(self, sequence: TcpSeqNumber, acknowledgment: TcpSeqNumber) -> Self {
        let ethernet = EthernetRepr {
            src_addr: self.ethernet.dst_addr,
            dst_addr: self.ethernet.src_addr,
            ..self.ethernet
        };
        let tcp = TcpRepr {
            src_port: self.tcp.dst_port,
            dst_port: self.tcp.src_port,
            control: TcpControl::None,
            seq_number: sequence,
            ack_number: Some(acknowledgment),
            window_len: 0,
            ..self.tcp
        };
        BareSegment {
            ethernet,
            source: self.destination,
            destination: self.source,
            tcp,
        }
    }

    /// Returns the complete frame.
    pub fn emit(&self) -> Vec<u8> {
        let ip = IpRepr::new(
            self.source,
            self.destination,
            IpProtocol::Tcp,
            self.tcp.buffer_len(),
            64,
        );
        let checksums = ChecksumCapabilities::default();
        let mut bytes = vec![0; self.ethernet.buffer_len() + ip.buffer_len()];
        let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
        self.ethernet.emit(&mut frame);
        ip.emit(frame.payload_mut(), &checksums);
        let mut packet = TcpPacket::new_unchecked(&mut frame.payload_mut()[ip.header_len()..]);
        self.tcp.emit(&mut packet, &self.source, &self.destination, &checksums);
        bytes
    }
}

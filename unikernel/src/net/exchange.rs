//! The adapter that shows smoltcp a device with at most one frame to receive.
//!
//! It also finishes what smoltcp sends: where the device completes checksums, the pseudo-header's sum is put in place, and it
//! notices when a packet is held back because the neighbour's hardware address is not known, which smoltcp does not report.

use super::bare_segment::BareSegment;
use super::device::{EthernetDevice, TransmitBuffer, TransmitOffload};
use super::recovery::Recovery;
use super::sent_frame::{self, SentFrame, SentSegment};
use alloc::boxed::Box;
use core::num::NonZeroUsize;
use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, PacketMeta, RxToken, TxToken};
use smoltcp::time::Instant;

/// The longest frame that is sent in reply to another while that one is being processed.
const MAX_REPLY_LEN_BYTES: usize = 1514;

/// What became of the frames that smoltcp wanted to send in one call.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent {
    /// Frames queued, not counting those that ask for a neighbour's address.
    pub frames: usize,
    /// The device had no room: try again once it has sent some.
    pub exhausted: bool,
    /// The last TCP segment.
    pub segment: Option<SentSegment>,
    /// The last TCP frame with a FIN, without its payload.
    pub fin: Option<Box<BareSegment>>,
    /// The last packet was held back because its neighbour's hardware address is not known yet.
    pub neighbor_missing: bool,
}

/// smoltcp's view of the device during one call.
pub(super) struct Exchange<'a, D> {
    device: &'a mut D,
    frame: Option<&'a [u8]>,
    /// Whether the device seems to have no room.
    is_full: bool,
    /// What may be left out of TCP segments.
    recovery: Option<&'a Recovery>,
    /// The outcome so far.
    pub sent: Sent,
}

impl<'a, D: EthernetDevice> Exchange<'a, D> {
    /// An exchange that receives nothing.
    pub fn outgoing(device: &'a mut D) -> Self {
        Exchange {
            device,
            frame: None,
            is_full: false,
            recovery: None,
            sent: Sent::default(),
        }
    }

    /// An exchange that receives one frame.
    pub fn incoming(device: &'a mut D, frame: &'a [u8]) -> Self {
        Exchange {
            frame: Some(frame),
            ..Exchange::outgoing(device)
        }
    }

    /// An exchange in which nothing can be sent.
    pub fn full(device: &'a mut D) -> Self {
        Exchange {
            is_full: true,
            ..Exchange::outgoing(device)
        }
    }

    /// Leaves out of TCP segments what is not to be sent again.
    pub fn without_arrived(self, recovery: Option<&'a Recovery>) -> Self {
        Exchange { recovery, ..self }
    }
}

impl<D: EthernetDevice> Device for Exchange<'_, D> {
    type RxToken<'b>
        = FrameReader<'b>
    where
        Self: 'b;
    type TxToken<'b>
        = FrameWriter<'b, D>
    where
        Self: 'b;

    #[inline(always)]
    fn receive(&mut self, _: Instant) -> Option<(FrameReader<'_>, FrameWriter<'_, D>)> {
        let frame = self.frame.take()?;
        let writer = FrameWriter {
            device: self.device,
            sent: &mut self.sent,
            recovery: self.recovery,
            meta: PacketMeta::default(),
        };
        Some((FrameReader(frame), writer))
    }

    #[inline(always)]
    fn transmit(&mut self, _: Instant) -> Option<FrameWriter<'_, D>> {
        if self.is_full || !self.device.can_transmit() {
            self.sent.exhausted = true;
            return None;
        }
        // A writer that is dropped unused means that neighbour discovery is under way.
        self.sent.neighbor_missing = true;
        Some(FrameWriter {
            device: self.device,
            sent: &mut self.sent,
            recovery: self.recovery,
            meta: PacketMeta::default(),
        })
    }

    #[inline(always)]
    fn capabilities(&self) -> DeviceCapabilities {
        let offloads = self.device.offloads();
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.device.max_frame_len_bytes();
        // Received checksums are verified by `frame::classify`, which knows which of them the device vouches for.
        capabilities.checksum.ipv4 = Checksum::None;
        let transport = if offloads.checksum {
            Checksum::None
        } else {
            Checksum::Tx
        };
        capabilities.checksum.tcp = transport;
        capabilities.checksum.udp = transport;
        let segmented = NonZeroUsize::new(self.device.max_segmented_frame_len_bytes());
        // Over IPv6 smoltcp would make frames for segmentation and then drop them as too long.
        capabilities.segmentation.tcpv4 = segmented.filter(|_| offloads.segmentation);
        capabilities
    }
}

/// The received frame.
pub(super) struct FrameReader<'a>(&'a [u8]);

impl RxToken for FrameReader<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

/// The right to send one frame.
pub(super) struct FrameWriter<'a, D> {
    device: &'a mut D,
    sent: &'a mut Sent,
    recovery: Option<&'a Recovery>,
    meta: PacketMeta,
}

impl<D: EthernetDevice> TxToken for FrameWriter<'_, D> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, len_bytes: usize, fill: F) -> R {
        let Some(mut buffer) = self.device.transmit_buffer(len_bytes) else {
            // Only a reply to a received frame gets here, which is not long: it is lost, as if on the wire. There may be no memory.
            self.sent.exhausted = true;
            return fill(&mut [0; MAX_REPLY_LEN_BYTES][..len_bytes]);
        };
        let result = fill(buffer.bytes_mut());
        match self.recovery {
            Some(recovery) => self.send_parts(buffer, recovery),
            None => self.send_here(buffer),
        }
        result
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.meta = meta;
    }
}

impl<D: EthernetDevice> FrameWriter<'_, D> {
    fn send(&mut self, buffer: TransmitBuffer) {
        self.send_here(buffer);
    }

    /// As [`send`](Self::send), without a call: for what nearly every frame takes.
    #[inline(always)]
    fn send_here(&mut self, mut buffer: TransmitBuffer) {
        let bytes = buffer.bytes_mut();
        let transport = sent_frame::sent_transport(bytes);
        let frame = sent_frame::read_sent(bytes, transport);
        self.sent.neighbor_missing = frame == SentFrame::NeighborRequest;
        self.sent.frames += usize::from(!self.sent.neighbor_missing);
        let mut segmented = self.meta.segmentation_offload_size.map(u16::from);
        if let SentFrame::Segment(segment) = frame {
            segmented = segmented.filter(|&len_bytes| segment.payload_len_bytes > usize::from(len_bytes));
            self.sent.segment = Some(segment);
            if segment.fin {
                self.sent.fin = BareSegment::from_frame(bytes).map(Box::new);
            }
        }
        let mut offload = TransmitOffload::default();
        if let Some(transport) = transport {
            sent_frame::complete_ipv4_header(bytes, transport.1);
            if self.device.offloads().checksum {
                offload.checksum = sent_frame::start_checksum(bytes, transport);
                offload.segment_len_bytes = segmented;
            }
        }
        self.device.transmit(buffer, offload);
    }

    /// Sends of a TCP segment what is not to be left out, each part in a frame. What the device has no room for is lost.
    fn send_parts(&mut self, mut buffer: TransmitBuffer, recovery: &Recovery) {
        let bytes = buffer.bytes_mut();
        let SentFrame::Segment(segment) = sent_frame::read_sent(bytes, sent_frame::sent_transport(bytes)) else {
            return self.send(buffer);
        };
        let mut parts = recovery.parts_to_send(&segment).peekable();
        if segment.sequences().is_empty() || parts.peek() == Some(&segment.sequences()) {
            return self.send(buffer);
        }
        // smoltcp has made progress, whatever is left out.
        self.sent.neighbor_missing = false;
        self.sent.frames += 1;
        let acknowledgment = (parts.peek().is_none() && recovery.is_to_convey(&segment)).then(|| recovery.sent_end());
        for part in parts.chain(acknowledgment.map(|end| end..end)) {
            let len_bytes = bytes.len() - segment.payload_len_bytes + segment.payload_of(&part).len();
            if let Some(mut target) = self.device.transmit_buffer(len_bytes) {
                segment.write_part(&part, bytes, target.bytes_mut());
                self.send(target);
            }
        }
    }
}

/// Sends a complete frame that smoltcp did not make; it is lost if the device has no room.
pub(super) fn transmit<D: EthernetDevice>(device: &mut D, frame: &[u8]) {
    if device.can_transmit()
        && let Some(mut buffer) = device.transmit_buffer(frame.len())
    {
        buffer.bytes_mut().copy_from_slice(frame);
        device.transmit(buffer, TransmitOffload::default());
    }
}

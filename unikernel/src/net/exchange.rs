//! The adapter that shows smoltcp a device with at most one frame to receive.
//!
//! It also finishes what smoltcp sends: where the device completes checksums, the pseudo-header's sum is put in place, and it
//! notices when a packet is held back because the neighbour's hardware address is not known, which smoltcp does not report.

use super::bare_segment::BareSegment;
use super::device::{EthernetDevice, TransmitBuffer, TransmitOffload};
use super::frame::{self, SentFrame, SentSegment};
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
    /// The outcome so far.
    pub sent: Sent,
}

impl<'a, D: EthernetDevice> Exchange<'a, D> {
    /// An exchange that receives nothing.
    pub fn outgoing(device: &'a mut D) -> Self {
        Exchange {
            device,
            frame: None,
            sent: Sent::default(),
        }
    }

    /// An exchange that receives one frame.
    pub fn incoming(device: &'a mut D, frame: &'a [u8]) -> Self {
        Exchange {
            device,
            frame: Some(frame),
            sent: Sent::default(),
        }
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

    fn receive(&mut self, _: Instant) -> Option<(FrameReader<'_>, FrameWriter<'_, D>)> {
        let frame = self.frame.take()?;
        let writer = FrameWriter {
            device: self.device,
            sent: &mut self.sent,
            meta: PacketMeta::default(),
        };
        Some((FrameReader(frame), writer))
    }

    fn transmit(&mut self, _: Instant) -> Option<FrameWriter<'_, D>> {
        if !self.device.can_transmit() {
            self.sent.exhausted = true;
            return None;
        }
        // A writer that is dropped unused means that neighbour discovery is under way.
        self.sent.neighbor_missing = true;
        Some(FrameWriter {
            device: self.device,
            sent: &mut self.sent,
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
    meta: PacketMeta,
}

impl<D: EthernetDevice> TxToken for FrameWriter<'_, D> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len_bytes: usize, fill: F) -> R {
        let Some(mut buffer) = self.device.transmit_buffer(len_bytes) else {
            // Only a reply to a received frame gets here, which is not long: it is lost, as if on the wire. There may be no memory.
            self.sent.exhausted = true;
            return fill(&mut [0; MAX_REPLY_LEN_BYTES][..len_bytes]);
        };
        let result = fill(buffer.bytes_mut());
        self.send(buffer);
        result
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.meta = meta;
    }
}

impl<D: EthernetDevice> FrameWriter<'_, D> {
    fn send(self, mut buffer: TransmitBuffer) {
        let bytes = buffer.bytes_mut();
        let frame = frame::read_sent(bytes);
        self.sent.neighbor_missing = frame == SentFrame::NeighborRequest;
        self.sent.frames += usize::from(!self.sent.neighbor_missing);
        if let SentFrame::Segment(segment) = frame {
            self.sent.segment = Some(segment);
            if segment.fin {
                self.sent.fin = BareSegment::from_frame(bytes).map(Box::new);
            }
        }
        frame::complete_ipv4_header(bytes);
        let mut offload = TransmitOffload::default();
        if self.device.offloads().checksum {
            offload.checksum = frame::start_checksum(bytes);
            offload.segment_len_bytes = self.meta.segmentation_offload_size.map(Into::into);
        }
        self.device.transmit(buffer, offload);
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

//! The virtio network card, as the network stack's [`EthernetDevice`].
//!
//! Checksums are left to the device in both directions, and TCP segmentation on transmission where the device offers it.
//! Received frames stay in the buffer that the device wrote; a frame that a device spreads over several buffers is copied into one.
//! The device is notified once for all that was queued since the last time, or when the queue is half full. Reference: VirtIO 1.2,
//! 5.1. Read first: [`VirtioNet`], [`PacketHeader`]. Limits: one pair of queues; no receive-side coalescing.

use super::packet_queue::{Direction, PacketQueue, QUEUE_LEN};
use super::{Device, DeviceType};
use crate::headroom;
use crate::net::{EthernetDevice, Offloads, ReceivedFrame, TransmitBuffer, TransmitOffload};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use virtio_drivers::transport::{SomeTransport, Transport};

const FEATURE_CSUM: u64 = 1 << 0;
const FEATURE_GUEST_CSUM: u64 = 1 << 1;
const FEATURE_MAC: u64 = 1 << 5;
const FEATURE_HOST_TSO4: u64 = 1 << 11;
const FEATURE_MRG_RXBUF: u64 = 1 << 15;
const FEATURE_VERSION_1: u64 = 1 << 32;
const WANTED_FEATURES: u64 =
    FEATURE_CSUM | FEATURE_GUEST_CSUM | FEATURE_MAC | FEATURE_HOST_TSO4 | FEATURE_MRG_RXBUF | FEATURE_VERSION_1;

const RECEIVE_QUEUE: u16 = 0;
const TRANSMIT_QUEUE: u16 = 1;

const MAX_FRAME_LEN_BYTES: usize = 1514;
const MAX_SEGMENTED_FRAME_LEN_BYTES: usize = 65535;
/// A whole frame, its header, and room to start the frame where its 32-bit words are aligned.
const BUFFER_LEN_BYTES: usize = 2048;
const LARGE_BUFFER_LEN_BYTES: usize = 66 * 1024;
/// Large buffers kept for use again.
const LARGE_BUFFER_COUNT: usize = 16;

/// What precedes each frame in a buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct PacketHeader {
    flags: u8,
    segmentation_type: u8,
    header_len_bytes: u16,
    segment_len_bytes: u16,
    checksum_start: u16,
    checksum_offset: u16,
    buffer_count: u16,
}

impl PacketHeader {
    /// The checksum is to be completed from `checksum_start` on.
    const NEEDS_CHECKSUM: u8 = 1;
    /// The checksum has been verified.
    const DATA_VALID: u8 = 2;
    const SEGMENT_TCP_IPV4: u8 = 1;
    /// Length with the number of buffers, and without it on old devices.
    const LEN_BYTES: usize = 12;
    const OLD_LEN_BYTES: usize = 10;

    fn encode(self) -> [u8; Self::LEN_BYTES] {
        let [header_len_0, header_len_1] = self.header_len_bytes.to_le_bytes();
        let [segment_len_0, segment_len_1] = self.segment_len_bytes.to_le_bytes();
        let [start_0, start_1] = self.checksum_start.to_le_bytes();
        let [offset_0, offset_1] = self.checksum_offset.to_le_bytes();
        let [count_0, count_1] = self.buffer_count.to_le_bytes();
        [
            self.flags,
            self.segmentation_type,
            header_len_0,
            header_len_1,
            segment_len_0,
            segment_len_1,
            start_0,
            start_1,
            offset_0,
            offset_1,
            count_0,
            count_1,
        ]
    }

    /// Returns the header of a frame that leaves work to the device.
    fn for_offload(offload: TransmitOffload, frame: &[u8]) -> Self {
        let Some((start, offset)) = offload.checksum else {
            return PacketHeader::default();
        };
        let mut header = PacketHeader {
            flags: Self::NEEDS_CHECKSUM,
            checksum_start: start,
            checksum_offset: offset,
            ..PacketHeader::default()
        };
        if let Some(segment_len_bytes) = offload.segment_len_bytes {
            const DATA_OFFSET: usize = 12;
            let data_offset = frame.get(usize::from(start) + DATA_OFFSET).map_or(5, |byte| byte >> 4);
            header.segmentation_type = Self::SEGMENT_TCP_IPV4;
            header.header_len_bytes = start + u16::from(data_offset) * 4;
            header.segment_len_bytes = segment_len_bytes;
        }
        header
    }
}

/// The driver.
pub struct VirtioNet {
    transport: SomeTransport<'static>,
    receive: PacketQueue,
    transmit: PacketQueue,
    mac: [u8; 6],
    offloads: Offloads,
    verifies_checksums: bool,
    header_len_bytes: usize,
    /// Buffers for frames of ordinary length that are in nobody's hands.
    free: Vec<Box<[u8]>>,
    /// Buffers for frames to be cut into segments.
    free_large: Vec<Box<[u8]>>,
}

impl VirtioNet {
    /// Starts the driver on the machine's first network card.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn open() -> Result<Self, &'static str> {
        let Device {
            mut transport,
            has_interrupt,
        } = super::take(DeviceType::Network).ok_or("the machine has no virtio network card")?;
        if !has_interrupt {
            return Err("the network card has no interrupt");
        }
        if !headroom::allows((QUEUE_LEN + 1) * BUFFER_LEN_BYTES + LARGE_BUFFER_LEN_BYTES) {
            return Err("too little memory is left for the network card's buffers");
        }
        let features = super::negotiate(&mut transport, WANTED_FEATURES);
        let has = |feature| features & feature != 0;
        let mac = if has(FEATURE_MAC) {
            transport
                .read_config_space::<[u8; 6]>(0)
                .map_err(|_| "the network card tells no address")?
        } else {
            // Locally administered; a card without an address of its own is the only one on its wire that we know of.
            [0x02, 0, 0, 0, 0, 1]
        };
        let no_queue = "the network card's queues cannot be set up";
        let receive = PacketQueue::new(&mut transport, RECEIVE_QUEUE, Direction::Receive).ok_or(no_queue)?;
        let transmit = PacketQueue::new(&mut transport, TRANSMIT_QUEUE, Direction::Transmit).ok_or(no_queue)?;
        transport.finish_init();
        let has_buffer_count = has(FEATURE_VERSION_1) || has(FEATURE_MRG_RXBUF);
        let mut device = VirtioNet {
            transport,
            receive,
            transmit,
            mac,
            offloads: Offloads {
                checksum: has(FEATURE_CSUM),
                segmentation: has(FEATURE_CSUM) && has(FEATURE_HOST_TSO4),
            },
            verifies_checksums: has(FEATURE_GUEST_CSUM),
            header_len_bytes: if has_buffer_count {
                PacketHeader::LEN_BYTES
            } else {
                PacketHeader::OLD_LEN_BYTES
            },
            free: Vec::with_capacity(QUEUE_LEN),
            free_large: Vec::with_capacity(LARGE_BUFFER_COUNT),
        };
        for _ in 0..QUEUE_LEN {
            device.post_receive_buffer(vec![0; BUFFER_LEN_BYTES].into());
        }
        // A frame of any length can be sent from then on, if only one after the other, however little memory is left.
        has_buffer(&mut device.free, BUFFER_LEN_BYTES);
        has_buffer(&mut device.free_large, LARGE_BUFFER_LEN_BYTES);
        device.receive.notify(&mut device.transport);
        Ok(device)
    }

    #[inline(always)]
    fn post_receive_buffer(&mut self, buffer: Box<[u8]>) {
        let len_bytes = buffer.len();
        if len_bytes == BUFFER_LEN_BYTES
            && let Err(buffer) = self.receive.post(buffer, len_bytes)
        {
            self.free.push(buffer);
        }
    }

    /// Takes back what the device has sent.
    #[inline(never)]
    fn reclaim(&mut self) {
        while let Some((buffer, _)) = self.transmit.take() {
            if buffer.len() == BUFFER_LEN_BYTES {
                if self.free.len() < QUEUE_LEN {
                    self.free.push(buffer);
                }
            } else if self.free_large.len() < LARGE_BUFFER_COUNT {
                self.free_large.push(buffer);
            }
        }
    }

    /// Appends the further buffers of a frame to its first.
    fn join(&mut self, first: &[u8], further_count: u16) -> Box<[u8]> {
        let mut joined = first.to_vec();
        for _ in 0..further_count {
            let Some((buffer, len_bytes)) = self.receive.take() else {
                break;
            };
            joined.extend_from_slice(&buffer[..len_bytes]);
            self.post_receive_buffer(buffer);
        }
        joined.into()
    }
}

impl EthernetDevice for VirtioNet {
    fn mac_address(&self) -> [u8; 6] {
        self.mac
    }

    fn max_frame_len_bytes(&self) -> usize {
        MAX_FRAME_LEN_BYTES
    }

    fn max_segmented_frame_len_bytes(&self) -> usize {
        MAX_SEGMENTED_FRAME_LEN_BYTES
    }

    fn offloads(&self) -> Offloads {
        self.offloads
    }

    fn receive(&mut self) -> Option<ReceivedFrame> {
        loop {
            let (buffer, len_bytes) = self.receive.take()?;
            let start = self.header_len_bytes;
            if len_bytes <= start {
                self.post_receive_buffer(buffer);
                continue;
            }
            let is_vouched_for = buffer[0] & (PacketHeader::NEEDS_CHECKSUM | PacketHeader::DATA_VALID) != 0;
            let checksum_valid = self.verifies_checksums && is_vouched_for;
            let buffer_count = match start {
                PacketHeader::LEN_BYTES => u16::from_le_bytes([buffer[10], buffer[11]]),
                _ => 1,
            };
            if buffer_count > 1 {
                let joined = self.join(&buffer[..len_bytes], buffer_count - 1);
                self.post_receive_buffer(buffer);
                let len_bytes = joined.len() - start;
                return Some(ReceivedFrame {
                    buffer: joined,
                    start,
                    len_bytes,
                    checksum_valid,
                });
            }
            return Some(ReceivedFrame {
                buffer,
                start,
                len_bytes: len_bytes - start,
                checksum_valid,
            });
        }
    }

    #[inline(always)]
    fn recycle(&mut self, frame: ReceivedFrame) {
        self.post_receive_buffer(frame.buffer);
    }

    #[inline(always)]
    fn can_transmit(&mut self) -> bool {
        if self.free.is_empty() || self.free_large.is_empty() || !self.transmit.has_room() {
            self.reclaim();
        }
        self.transmit.has_room()
            && has_buffer(&mut self.free, BUFFER_LEN_BYTES)
            && has_buffer(&mut self.free_large, LARGE_BUFFER_LEN_BYTES)
    }

    #[inline(always)]
    fn transmit_buffer(&mut self, len_bytes: usize) -> Option<TransmitBuffer> {
        // Whoever only answers, as to pings, asks for nothing but buffers.
        if !self.transmit.has_room() {
            self.reclaim();
        }
        if !self.transmit.has_room() {
            return None;
        }
        let start = self.header_len_bytes;
        let (free, buffer_len_bytes) = if start + len_bytes <= BUFFER_LEN_BYTES {
            (&mut self.free, BUFFER_LEN_BYTES)
        } else {
            (&mut self.free_large, LARGE_BUFFER_LEN_BYTES)
        };
        if start + len_bytes > buffer_len_bytes {
            return None;
        }
        if !has_buffer(free, buffer_len_bytes) {
            return None;
        }
        Some(TransmitBuffer {
            buffer: free.pop()?,
            start,
            len_bytes,
        })
    }

    #[inline(always)]
    fn transmit(&mut self, mut packet: TransmitBuffer, offload: TransmitOffload) {
        let header = PacketHeader::for_offload(offload, packet.bytes_mut()).encode();
        // Copies of a length that the compiler knows are no calls.
        let (old, count) = header.split_at(PacketHeader::OLD_LEN_BYTES);
        packet.buffer[..PacketHeader::OLD_LEN_BYTES].copy_from_slice(old);
        if packet.start == PacketHeader::LEN_BYTES {
            packet.buffer[PacketHeader::OLD_LEN_BYTES..PacketHeader::LEN_BYTES].copy_from_slice(count);
        }
        let len_bytes = packet.start + packet.len_bytes;
        // Without room the frame is lost, as on a wire; `transmit_buffer` has seen to it that there is.
        let _ = self.transmit.post(packet.buffer, len_bytes);
        if self.transmit.unnotified_count() >= QUEUE_LEN / 2 {
            self.transmit.notify(&mut self.transport);
        }
    }

    fn flush(&mut self) {
        self.receive.notify(&mut self.transport);
        self.transmit.notify(&mut self.transport);
    }

    fn arm_interrupt(&mut self) -> bool {
        self.receive.arm_interrupt()
    }

    fn disarm_interrupt(&mut self) {
        self.receive.disarm_interrupt();
    }
}

/// Tells whether a list has a buffer, for which it may take memory.
#[inline(always)]
fn has_buffer(list: &mut Vec<Box<[u8]>>, len_bytes: usize) -> bool {
    !list.is_empty() || add_buffer(list, len_bytes)
}

/// Adds a buffer to a list and tells whether there was memory for it.
#[cold]
fn add_buffer(list: &mut Vec<Box<[u8]>>, len_bytes: usize) -> bool {
    // The lists have room from the start.
    new_buffer(len_bytes).map(|buffer| list.push(buffer)).is_some()
}

fn new_buffer(len_bytes: usize) -> Option<Box<[u8]>> {
    if len_bytes > BUFFER_LEN_BYTES && !headroom::allows(len_bytes) {
        return None;
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len_bytes).ok()?;
    bytes.resize(len_bytes, 0);
    Some(bytes.into_boxed_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segmented_frame_tells_where_its_headers_end() {
        let mut frame = [0; 100];
        frame[12..14].copy_from_slice(&[0x08, 0x00]);
        frame[34 + 12] = 8 << 4;
        let offload = TransmitOffload {
            checksum: Some((34, 16)),
            segment_len_bytes: Some(1448),
        };
        let header = PacketHeader::for_offload(offload, &frame);
        assert_eq!(
            (header.segmentation_type, header.header_len_bytes),
            (PacketHeader::SEGMENT_TCP_IPV4, 66)
        );
        assert_eq!(&header.encode()[..10], &[1, 1, 66, 0, 0xa8, 5, 34, 0, 16, 0]);
    }

    #[test]
    fn a_complete_frame_has_an_empty_header() {
        assert_eq!(
            PacketHeader::for_offload(TransmitOffload::default(), &[]).encode(),
            [0; 12]
        );
    }
}

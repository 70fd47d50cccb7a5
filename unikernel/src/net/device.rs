//! The border to the network card.
//!
//! Buffers change hands instead of being lent: the device gives out a received frame and gets it back to receive into again; it
//! gives out an empty transmit buffer and gets it back filled. So a frame is processed in the memory that the device wrote, the
//! device stays free to transmit meanwhile, and none of this needs unsafe code.

use alloc::boxed::Box;

/// A frame that has arrived.
#[derive(Debug)]
pub struct ReceivedFrame {
    /// The device's buffer.
    pub buffer: Box<[u8]>,
    /// Where the frame starts in it.
    pub start: usize,
    /// Length of the frame.
    pub len_bytes: usize,
    /// The device, or the host behind it, vouches for the TCP or UDP checksum.
    pub checksum_valid: bool,
}

impl ReceivedFrame {
    /// Returns the frame's bytes.
    #[inline(always)]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.start + self.len_bytes]
    }
}

/// A buffer for a frame to send.
#[derive(Debug)]
pub struct TransmitBuffer {
    /// The device's buffer.
    pub buffer: Box<[u8]>,
    /// Where the frame starts in it; what comes before is the device's.
    pub start: usize,
    /// Length of the frame.
    pub len_bytes: usize,
}

impl TransmitBuffer {
    /// Returns the place of the frame.
    #[inline(always)]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..self.start + self.len_bytes]
    }
}

/// What is left for the device to do with a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransmitOffload {
    /// Where the transport header starts in the frame and where in that header the checksum is, which so far sums up only the
    /// pseudo-header; `None` if the frame is complete.
    pub checksum: Option<(u16, u16)>,
    /// Payload bytes of each TCP segment to cut the frame into; `None` if it is one segment.
    pub segment_len_bytes: Option<u16>,
}

/// What a device can do on transmission.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// It completes TCP and UDP checksums.
    pub checksum: bool,
    /// It cuts TCP over IPv4 into segments.
    pub segmentation: bool,
}

/// A network card.
pub trait EthernetDevice {
    /// Returns the card's address.
    fn mac_address(&self) -> [u8; 6];

    /// Returns the longest frame, header included, without checksum: 1514 for plain Ethernet.
    fn max_frame_len_bytes(&self) -> usize;

    /// Returns what it can do.
    fn offloads(&self) -> Offloads;

    /// Returns the longest TCP frame that [`transmit`](Self::transmit) takes to cut into segments.
    fn max_segmented_frame_len_bytes(&self) -> usize {
        self.max_frame_len_bytes()
    }

    /// Takes the next frame that has arrived.
    fn receive(&mut self) -> Option<ReceivedFrame>;

    /// Gives the buffer of a received frame back.
    fn recycle(&mut self, frame: ReceivedFrame);

    /// Tells whether a frame of any length can be queued now.
    fn can_transmit(&mut self) -> bool;

    /// Takes a buffer for a frame of that length; `None` if [`can_transmit`](Self::can_transmit) is false.
    fn transmit_buffer(&mut self, len_bytes: usize) -> Option<TransmitBuffer>;

    /// Queues a filled buffer. The device is told at [`flush`](Self::flush) or when its queue is half full.
    fn transmit(&mut self, buffer: TransmitBuffer, offload: TransmitOffload);

    /// Tells the device about everything queued since the last time.
    fn flush(&mut self);

    /// Asks for an interrupt when the next frame arrives; false if one is there already.
    fn arm_interrupt(&mut self) -> bool;

    /// Says that interrupts are not needed until [`arm_interrupt`](Self::arm_interrupt).
    fn disarm_interrupt(&mut self);
}

//! virtio-console with several ports: the three standard streams, each a stream of its own on the host.
//!
//! The host gives the ports names; those that we know are `wasmetal.stdin`, `wasmetal.stdout` and `wasmetal.stderr`. Which port
//! is which is found out by messages on the control queues, once, when the driver starts. A port that the host closes is the end
//! of standard input.
//!
//! A notification costs a virtual machine far more than a small write, so small writes to standard output that follow each other
//! closely are merged: they are held back until a buffer is full, some time has passed, something goes to standard error, input
//! is asked for, or the program waits or ends. A write after a pause goes out at once, and on a terminal each does. Limits: the
//! first four ports; what is held back while the program computes without a call waits for its next one.
//! Reference: VirtIO 1.2, 5.3.

use super::transmit_queue::{QUEUE_LEN, TransmitQueue};
use super::{Device, DeviceType, KernelHal};
use crate::arch::cpu;
use crate::platform::{OutputStream, StdinRead};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use virtio_drivers::queue::{OwningQueue, VirtQueue};
use virtio_drivers::transport::{SomeTransport, Transport};

const FEATURE_MULTIPORT: u64 = 1 << 1;
const FEATURE_VERSION_1: u64 = 1 << 32;
const CONFIG_MAX_PORTS: usize = 4;
const PORT_COUNT: u32 = 4;

const CONTROL_RECEIVE_QUEUE: u16 = 2;
const CONTROL_TRANSMIT_QUEUE: u16 = 3;
/// As long as the queues for sending, so that they share their code.
const CONTROL_QUEUE_LEN: usize = QUEUE_LEN;
const CONTROL_BUFFER_LEN_BYTES: usize = 64;
const STDIN_QUEUE_LEN: usize = 4;
const STDIN_BUFFER_LEN_BYTES: usize = 4096;
const STDOUT_BUFFER_LEN_BYTES: usize = 8192;
const STDERR_BUFFER_LEN_BYTES: usize = 512;
/// Writes closer to each other than this are merged: a millisecond at most, in ticks of a counter of 1 GHz or more.
const MERGE_TICKS: u64 = 1_000_000;

/// Control messages: who sends them, and what their value means.
mod event {
    /// We: the driver runs (1).
    pub(super) const DEVICE_READY: u16 = 0;
    /// The device: there is a port of this number.
    pub(super) const PORT_ADD: u16 = 1;
    /// We: the port can be used (1).
    pub(super) const PORT_READY: u16 = 3;
    /// Both: the other end of the port is open (1) or closed (0).
    pub(super) const PORT_OPEN: u16 = 6;
    /// The device: the port's name follows.
    pub(super) const PORT_NAME: u16 = 7;
}

/// Head of a control message.
#[derive(Clone, Copy)]
struct Control {
    port: u32,
    event: u16,
    value: u16,
}

impl Control {
    const LEN_BYTES: usize = 8;

    fn encode(self) -> [u8; Self::LEN_BYTES] {
        let mut bytes = [0; Self::LEN_BYTES];
        bytes[..4].copy_from_slice(&self.port.to_le_bytes());
        bytes[4..6].copy_from_slice(&self.event.to_le_bytes());
        bytes[6..].copy_from_slice(&self.value.to_le_bytes());
        bytes
    }

    /// Splits a message into its head and what follows.
    fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = bytes.split_first_chunk::<{ Self::LEN_BYTES }>()?;
        let [a, b, c, d, e, f, g, h] = *head;
        let control = Control {
            port: u32::from_le_bytes([a, b, c, d]),
            event: u16::from_le_bytes([e, f]),
            value: u16::from_le_bytes([g, h]),
        };
        Some((control, rest))
    }
}

type ReceiveQueue = OwningQueue<KernelHal, STDIN_QUEUE_LEN, STDIN_BUFFER_LEN_BYTES>;

/// A queue of a port, boxed: it is large, and what holds it is moved about on small stacks.
type DataQueue<const LEN: usize> = Option<Box<VirtQueue<KernelHal, LEN>>>;

/// The queues of a port that is not known by name yet.
#[derive(Default)]
struct Port {
    receive: DataQueue<STDIN_QUEUE_LEN>,
    transmit: DataQueue<QUEUE_LEN>,
    is_open: bool,
}

/// Standard input.
struct Stdin {
    port: u32,
    queue: ReceiveQueue,
    /// What has arrived and was not read yet.
    buffered: VecDeque<u8>,
}

/// The driver.
pub struct Console {
    transport: SomeTransport<'static>,
    has_interrupt: bool,
    control_receive: OwningQueue<KernelHal, CONTROL_QUEUE_LEN, CONTROL_BUFFER_LEN_BYTES>,
    control_transmit: TransmitQueue,
    ports: [Port; PORT_COUNT as usize],
    stdin: Option<Stdin>,
    stdout: Option<TransmitQueue>,
    stderr: Option<TransmitQueue>,
    held: HeldOutput,
}

/// What was written to standard output and is held back.
struct HeldOutput {
    bytes: Vec<u8>,
    /// When something was last sent.
    sent_ticks: u64,
    /// Whether anything is held back at all.
    is_enabled: bool,
}

impl Console {
    /// Starts the driver, if the machine has such a device with several ports.
    ///
    /// On an interactive standard output nothing is held back.
    pub fn open(is_interactive: bool) -> Option<Self> {
        let Device {
            transport,
            has_interrupt,
        } = super::take(DeviceType::Console)?;
        let mut console = Self::negotiate(transport, has_interrupt)?;
        console.held.is_enabled = !is_interactive;
        console.send(Control {
            port: 0,
            event: event::DEVICE_READY,
            value: 1,
        });
        // The device answers a message before it is done with it, so that after each flush all answers are there.
        console.control_transmit.flush(&mut console.transport);
        while console.process_control() {
            console.control_transmit.flush(&mut console.transport);
        }
        Some(console)
    }

    fn negotiate(mut transport: SomeTransport<'static>, has_interrupt: bool) -> Option<Self> {
        let features = super::negotiate(&mut transport, FEATURE_VERSION_1 | FEATURE_MULTIPORT);
        if features & FEATURE_MULTIPORT == 0 {
            return None;
        }
        let port_count = transport
            .read_config_space::<u32>(CONFIG_MAX_PORTS)
            .ok()?
            .min(PORT_COUNT);
        let control_receive = VirtQueue::new(&mut transport, CONTROL_RECEIVE_QUEUE, false, false).ok()?;
        let control_transmit = new_queue(&mut transport, CONTROL_TRANSMIT_QUEUE)?;
        let mut ports: [Port; PORT_COUNT as usize] = Default::default();
        for (number, port) in (0..port_count).zip(&mut ports) {
            let queue_index = receive_queue_index(number);
            port.receive = new_queue(&mut transport, queue_index);
            port.transmit = new_queue(&mut transport, queue_index + 1);
        }
        transport.finish_init();
        let console = Console {
            control_receive: OwningQueue::new(control_receive).ok()?,
            control_transmit: TransmitQueue::new(control_transmit, CONTROL_TRANSMIT_QUEUE, CONTROL_BUFFER_LEN_BYTES)?,
            transport,
            has_interrupt,
            ports,
            stdin: None,
            stdout: None,
            stderr: None,
            held: HeldOutput {
                bytes: Vec::new(),
                sent_ticks: 0,
                is_enabled: false,
            },
        };
        Some(console)
    }

    fn send(&mut self, message: Control) {
        self.control_transmit.write(&mut self.transport, &message.encode());
    }

    /// Takes the control messages that have arrived and answers them; tells whether there were any.
    fn process_control(&mut self) -> bool {
        let mut is_any = false;
        loop {
            let mut message = [0; CONTROL_BUFFER_LEN_BYTES];
            let taken = self.control_receive.poll(&mut self.transport, |bytes| {
                message[..bytes.len()].copy_from_slice(bytes);
                Ok(Some(bytes.len()))
            });
            let Ok(Some(len_bytes)) = taken else { return is_any };
            is_any = true;
            if let Some((control, rest)) = Control::decode(&message[..len_bytes]) {
                self.answer(control, rest);
            }
        }
    }

    fn answer(&mut self, Control { port, event, value }: Control, rest: &[u8]) {
        if port >= PORT_COUNT {
            return;
        }
        match event {
            event::PORT_ADD => self.send(Control {
                port,
                event: event::PORT_READY,
                value: 1,
            }),
            event::PORT_OPEN => self.ports[port as usize].is_open = value != 0,
            event::PORT_NAME => self.name_port(port, rest.trim_ascii_end()),
            _ => {}
        }
    }

    fn name_port(&mut self, port: u32, name: &[u8]) {
        let queues = &mut self.ports[port as usize];
        let transmit_index = receive_queue_index(port) + 1;
        match name.strip_suffix(b"\0").unwrap_or(name) {
            b"wasmetal.stdin" => {
                let Some(Ok(queue)) = queues.receive.take().map(|queue| OwningQueue::new(*queue)) else {
                    return;
                };
                self.stdin = Some(Stdin {
                    port,
                    queue,
                    buffered: VecDeque::new(),
                });
                self.transport.notify(receive_queue_index(port));
            }
            b"wasmetal.stdout" => {
                let queue = queues.transmit.take();
                self.stdout =
                    queue.and_then(|queue| TransmitQueue::new(queue, transmit_index, STDOUT_BUFFER_LEN_BYTES));
            }
            b"wasmetal.stderr" => {
                let queue = queues.transmit.take();
                self.stderr =
                    queue.and_then(|queue| TransmitQueue::new(queue, transmit_index, STDERR_BUFFER_LEN_BYTES));
            }
            _ => return,
        }
        self.send(Control {
            port,
            event: event::PORT_OPEN,
            value: 1,
        });
    }

    /// Sends bytes to a stream; `false` if the stream has no port here.
    pub fn write(&mut self, stream: OutputStream, bytes: &[u8]) -> bool {
        if stream == OutputStream::Stdout && self.stdout.is_some() && self.hold(bytes) {
            return true;
        }
        self.release();
        let queue = match stream {
            OutputStream::Stdout => &mut self.stdout,
            OutputStream::Stderr => &mut self.stderr,
        };
        let Some(queue) = queue else { return false };
        queue.write(&mut self.transport, bytes);
        true
    }

    /// Holds output back if that is of use; `false` if it is to be sent.
    fn hold(&mut self, bytes: &[u8]) -> bool {
        let held = &mut self.held;
        let now_ticks = cpu::time_stamp();
        if !held.is_enabled
            || held.bytes.len() + bytes.len() > STDOUT_BUFFER_LEN_BYTES
            || now_ticks.saturating_sub(held.sent_ticks) > MERGE_TICKS
        {
            held.sent_ticks = now_ticks;
            return false;
        }
        held.bytes.extend_from_slice(bytes);
        true
    }

    /// Sends what is held back.
    fn release(&mut self) {
        if let Some(queue) = &mut self.stdout
            && !self.held.bytes.is_empty()
        {
            queue.write(&mut self.transport, &self.held.bytes);
            self.held.bytes.clear();
        }
    }

    /// Takes what has arrived on standard input; `None` if that has no port here.
    pub fn read_stdin(&mut self, buffer: &mut [u8]) -> Option<StdinRead> {
        self.release();
        self.receive_stdin()?;
        let stdin = self.stdin.as_mut()?;
        let count = buffer.len().min(stdin.buffered.len());
        if count == 0 {
            let is_open = self.ports[stdin.port as usize].is_open;
            return Some(if is_open { StdinRead::Pending } else { StdinRead::End });
        }
        for (to, from) in buffer.iter_mut().zip(stdin.buffered.drain(..count)) {
            *to = from;
        }
        Some(StdinRead::Bytes(count))
    }

    /// Tells whether reading standard input would not wait; `None` if that has no port here.
    pub fn is_stdin_ready(&mut self) -> Option<bool> {
        self.receive_stdin()?;
        let stdin = self.stdin.as_ref()?;
        Some(!stdin.buffered.is_empty() || !self.ports[stdin.port as usize].is_open)
    }

    /// Moves one buffer's worth of input to where it is read from, once that is empty.
    fn receive_stdin(&mut self) -> Option<()> {
        // The state of the port first: what the host sent before it closed the port is in the queue by then.
        self.process_control();
        let stdin = self.stdin.as_mut()?;
        if stdin.buffered.is_empty() {
            let buffered = &mut stdin.buffered;
            let _ = stdin.queue.poll(&mut self.transport, |bytes| {
                buffered.extend(bytes);
                Ok(Some(()))
            });
        }
        Some(())
    }

    /// Sees that nothing written is held back, without waiting for it.
    pub fn kick(&mut self) {
        self.release();
        for queue in [&mut self.stdout, &mut self.stderr].into_iter().flatten() {
            queue.kick(&mut self.transport);
        }
    }

    /// Waits until the host has taken everything written.
    pub fn flush(&mut self) {
        self.release();
        for queue in [&mut self.stdout, &mut self.stderr].into_iter().flatten() {
            queue.flush(&mut self.transport);
        }
    }

    /// Tells whether descriptor 0, 1 or 2 has a port here.
    pub fn has_port(&self, fd: u32) -> bool {
        match fd {
            0 => self.stdin.is_some(),
            1 => self.stdout.is_some(),
            _ => self.stderr.is_some(),
        }
    }

    /// Tells whether new input ends a halt.
    pub fn has_interrupt(&self) -> bool {
        self.has_interrupt
    }
}

fn new_queue<const LEN: usize>(transport: &mut SomeTransport<'static>, index: u16) -> DataQueue<LEN> {
    VirtQueue::new(transport, index, false, false).ok().map(Box::new)
}

/// Returns the index of a port's receive queue; its transmit queue comes next. Queues 2 and 3 are those of the control messages.
fn receive_queue_index(port: u32) -> u16 {
    if port == 0 { 0 } else { 2 + 2 * port as u16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_of_ports_leave_room_for_the_control_queues() {
        assert_eq!([0, 1, 2].map(receive_queue_index), [0, 4, 6]);
    }

    #[test]
    fn control_messages_round_trip() {
        let mut bytes = Control {
            port: 2,
            event: event::PORT_NAME,
            value: 1,
        }
        .encode()
        .to_vec();
        bytes.extend(b"name");
        let (control, rest) = Control::decode(&bytes).unwrap();
        assert_eq!(
            (control.port, control.event, control.value, rest),
            (2, event::PORT_NAME, 1, &b"name"[..])
        );
        assert!(Control::decode(&bytes[..7]).is_none());
    }
}

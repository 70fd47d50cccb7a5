//! Frames as an attacker would make them: right in most places, wrong in a few.
//!
//! [`Attacker::frame`] builds an Ethernet frame of some protocol, or answers one that the victim sent, so that handshakes are
//! completed and segments meet live connections; then it damages some of them, with checksums made right again or not. RFC 791,
//! 826, 2131, 4443, 4861, 8200, 9293, 768, 1035.

use arbitrary::{Result, Unstructured};

/// Ports of the victim on which something listens, or may.
const PORTS: [u16; 6] = [80, 9000, 68, 53, 81, 49152];

/// Last byte of the attacker's addresses: 10.0.0.9 and fd00::9.
const HOST: u8 = 9;

const ETHERNET_LEN: usize = 14;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// Who sends the frames, and what it has seen of the victim's.
#[derive(Debug, Default)]
pub struct Attacker {
    /// Frames of the victim for the attacker that are not answered yet.
    seen: Vec<Vec<u8>>,
}

impl Attacker {
    /// Looks at a frame of the victim; keeps the last few that are TCP for the attacker.
    pub fn observe(&mut self, frame: &[u8]) {
        if Tcp::find(frame).is_some_and(|tcp| frame[tcp.destination_end - 1] == HOST) {
            if self.seen.len() == 8 {
                self.seen.remove(0);
            }
            self.seen.push(frame.to_vec());
        }
    }

    /// Makes the next frame.
    ///
    /// # Errors
    /// Where the choices run out.
    pub fn frame(&mut self, choices: &mut Unstructured<'_>) -> Result<Vec<u8>> {
        let mut frame = match choices.int_in_range(0..=9)? {
            0 => arp(choices)?,
            1 => ip(choices, ICMP, ICMPV6, icmp)?,
            2 => neighbor_discovery(choices)?,
            3 | 4 => ip(choices, UDP, UDP, udp)?,
            5 | 6 => ip(choices, TCP, TCP, tcp)?,
            7 => noise(choices)?,
            _ => match self.seen.pop() {
                Some(seen) => answer(choices, &seen)?,
                None => ip(choices, TCP, TCP, request)?,
            },
        };
        refresh_checksums(&mut frame);
        damage(choices, &mut frame)?;
        Ok(frame)
    }
}

/// Where the TCP header of a frame is.
struct Tcp {
    start: usize,
    /// Where the destination address ends.
    destination_end: usize,
}

impl Tcp {
    fn find(frame: &[u8]) -> Option<Tcp> {
        let (start, destination_end) = match frame.get(12..14)? {
            [0x08, 0x00] if *frame.get(23)? == TCP => (34, 34),
            [0x86, 0xdd] if *frame.get(20)? == TCP => (54, 54),
            _ => return None,
        };
        (frame.len() >= start + 20).then_some(Tcp { start, destination_end })
    }
}

fn ethernet(ethertype: u16) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, HOST];
    frame.extend(ethertype.to_be_bytes());
    frame
}

/// Makes an IP packet of either version, now and then with options or extension headers, or as a fragment.
fn ip(
    choices: &mut Unstructured<'_>,
    protocol_v4: u8,
    protocol_v6: u8,
    payload: fn(&mut Unstructured<'_>) -> Result<Vec<u8>>,
) -> Result<Vec<u8>> {
    if choices.arbitrary()? {
        let payload = payload(choices)?;
        return ip_v4(choices, protocol_v4, &payload);
    }
    let payload = payload(choices)?;
    ip_v6(choices, protocol_v6, &payload)
}

fn ip_v4(choices: &mut Unstructured<'_>, protocol: u8, payload: &[u8]) -> Result<Vec<u8>> {
    let option_words = if choices.ratio(1, 8)? {
        choices.int_in_range(1..=10)?
    } else {
        0
    };
    let fragment: u16 = if choices.ratio(1, 16)? { choices.arbitrary()? } else { 0 };
    let len = (20 + option_words * 4 + payload.len()) as u16;
    let mut frame = ethernet(0x0800);
    frame.extend([0x45 + option_words as u8, 0]);
    frame.extend(len.to_be_bytes());
    frame.extend([0, 7]);
    frame.extend(fragment.to_be_bytes());
    frame.extend([64, protocol, 0, 0, 10, 0, 0, HOST]);
    frame.extend(*choices.choose(&[[10, 0, 0, 2], [10, 0, 0, 2], [255; 4], [224, 0, 0, 1], [10, 0, 0, 255]])?);
    frame.extend(choices.bytes(option_words * 4)?);
    frame.extend(payload);
    Ok(frame)
}

fn ip_v6(choices: &mut Unstructured<'_>, protocol: u8, payload: &[u8]) -> Result<Vec<u8>> {
    let mut extensions = Vec::new();
    let mut first = protocol;
    if choices.ratio(1, 8)? {
        first = *choices.choose(&[0, 43, 44, 60])?;
        extensions.extend([protocol, choices.int_in_range(0..=2)?]);
        extensions.extend(choices.bytes(6)?);
    }
    let mut frame = ethernet(0x86dd);
    frame.extend([0x60, 0, 0, 0]);
    frame.extend(((extensions.len() + payload.len()) as u16).to_be_bytes());
    frame.extend([first, 255]);
    frame.extend(address_v6(HOST));
    frame.extend(address_v6(2));
    frame.extend(extensions);
    frame.extend(payload);
    Ok(frame)
}

fn address_v6(host: u8) -> [u8; 16] {
    let mut address = [0; 16];
    (address[0], address[15]) = (0xfd, host);
    address
}

fn payload(choices: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let len = *choices.choose(&[0usize, 1, 7, 40, 1000, 1440])?;
    Ok(vec![choices.arbitrary()?; len])
}

fn ports(choices: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let source: u16 = *choices.choose(&[53, 67, 0, 1000, 1001, 1002])?;
    let destination: u16 = *choices.choose(&PORTS)?;
    Ok([source.to_be_bytes(), destination.to_be_bytes()].concat())
}

/// A connection request as every client makes it.
fn request(choices: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let source: u16 = choices.int_in_range(1024..=9999)?;
    let mut segment = [source.to_be_bytes(), 80u16.to_be_bytes()].concat();
    segment.extend(choices.arbitrary::<u32>()?.to_be_bytes());
    segment.extend([0, 0, 0, 0, 0x60, 0x02, 0xff, 0xff, 0, 0, 0, 0, 2, 4]);
    segment.extend(choices.choose(&[1460u16, 536, 1, 0])?.to_be_bytes());
    Ok(segment)
}

/// Any segment: flags, window and options of all kinds.
fn tcp(choices: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut segment = ports(choices)?;
    segment.extend(choices.bytes(8)?);
    let option_words = choices.int_in_range(0..=10u8)?;
    let flags = if choices.arbitrary()? {
        choices.arbitrary()?
    } else {
        *choices.choose(&[0x02, 0x12, 0x10, 0x04, 0x11, 0x18])?
    };
    segment.extend([(5 + option_words) << 4, flags]);
    segment.extend(choices.choose(&[0u16, 1, 1000, 0xffff])?.to_be_bytes());
    segment.extend([0; 4]);
    segment.extend(choices.bytes(usize::from(option_words) * 4)?);
    segment.extend(payload(choices)?);
    Ok(segment)
}

/// A datagram: noise, or the start of a DNS or DHCP answer with noise behind it.
fn udp(choices: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut body = match choices.int_in_range(0..=2)? {
        0 => payload(choices)?,
        1 => {
            let mut dns = choices.bytes(2)?.to_vec();
            dns.extend([0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0]);
            dns.extend(b"\x04name\x04test\0\0\x01\0\x01\xc0\x0c\0\x05\0\x01\0\0\0\x09\0\x02\xc0");
            dns
        }
        _ => {
            let mut dhcp = vec![2, 1, 6, 0];
            dhcp.extend(choices.bytes(4)?);
            dhcp.resize(236, 0);
            dhcp[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 2]);
            dhcp.extend([
                0x63,
                0x82,
                0x53,
                0x63,
                53,
                1,
                choices.int_in_range(1..=8)?,
                54,
                4,
                10,
                0,
                0,
                HOST,
            ]);
            dhcp
        }
    };
    let tail_len = choices.int_in_range(0..=32usize)?;
    body.extend(choices.bytes(tail_len)?);
    let mut datagram = ports(choices)?;
    datagram.extend((8 + body.len() as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(body);
    Ok(datagram)
}

fn icmp(choices: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let kind = *choices.choose(&[8, 0, 3, 5, 11, 12, 1, 2, 4, 128, 129, 130, 143])?;
    let mut message = vec![kind, choices.int_in_range(0..=15)?, 0, 0];
    message.extend(choices.bytes(4)?);
    message.extend(payload(choices)?);
    Ok(message)
}

fn neighbor_discovery(choices: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut message = vec![choices.int_in_range(133..=137)?, 0, 0, 0];
    message.extend(choices.bytes(4)?);
    message.extend(address_v6(*choices.choose(&[1, 2, HOST])?));
    for _ in 0..choices.int_in_range(0..=4)? {
        message.extend([choices.int_in_range(0..=6u8)?, choices.int_in_range(0..=4u8)?]);
        message.extend(choices.bytes(6)?);
    }
    ip_v6(choices, ICMPV6, &message)
}

fn arp(choices: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut frame = ethernet(0x0806);
    frame.extend([0, 1, 8, 0, 6, 4, 0, choices.int_in_range(0..=3)?]);
    frame.extend([2, 0, 0, 0, 0, HOST, 10, 0, 0, *choices.choose(&[HOST, 1, 2, 255])?]);
    frame.extend([2, 0, 0, 0, 0, 2, 10, 0, 0, 2]);
    Ok(frame)
}

fn noise(choices: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut frame = ethernet(*choices.choose(&[0x0800, 0x86dd, 0x0806, 0x8100, 0])?);
    let len = choices.int_in_range(0..=80usize)?;
    frame.extend(choices.bytes(len)?);
    Ok(frame)
}

/// Answers a segment of the victim, in the place of the peer: acknowledges it, or sends what overlaps, leaves gaps, or ends.
fn answer(choices: &mut Unstructured<'_>, seen: &[u8]) -> Result<Vec<u8>> {
    let Some(Tcp { start, .. }) = Tcp::find(seen) else {
        return noise(choices);
    };
    let word = |at: usize| u32::from_be_bytes([seen[at], seen[at + 1], seen[at + 2], seen[at + 3]]);
    let (sequence, acknowledgment, flags) = (word(start + 4), word(start + 8), seen[start + 13]);
    let header_len = usize::from(seen[start + 12] >> 4) * 4;
    let carried =
        seen.len().saturating_sub(start + header_len) as u32 + u32::from(flags & 1) + u32::from(flags >> 1 & 1);
    let shift = *choices.choose(&[0, 0, 0, 0, 1, 10, 2000, u32::MAX, u32::MAX - 20])?;
    let mut segment = [&seen[start + 2..start + 4], &seen[start..start + 2]].concat();
    segment.extend(acknowledgment.wrapping_add(shift).to_be_bytes());
    segment.extend(sequence.wrapping_add(carried).to_be_bytes());
    segment.extend([0x50, *choices.choose(&[0x10, 0x10, 0x18, 0x18, 0x11, 0x14])?]);
    segment.extend(choices.choose(&[0xffffu16, 0xffff, 1000, 1, 0])?.to_be_bytes());
    segment.extend([0; 4]);
    segment.extend(payload(choices)?);
    if seen[12] == 0x08 {
        ip_v4(choices, TCP, &segment)
    } else {
        ip_v6(choices, TCP, &segment)
    }
}

/// Changes, cuts or lengthens about every third frame; half of those get right checksums.
fn damage(choices: &mut Unstructured<'_>, frame: &mut Vec<u8>) -> Result<()> {
    if !choices.ratio(1, 3)? {
        return Ok(());
    }
    for _ in 0..choices.int_in_range(0..=3)? {
        let place = choices.choose_index(frame.len().min(80))?;
        frame[place] = choices.arbitrary()?;
    }
    match choices.int_in_range(0..=5)? {
        0 => frame.truncate(choices.choose_index(frame.len())?),
        1 => frame.extend(vec![0; *choices.choose(&[1, 46, 600])?]),
        _ => {}
    }
    if choices.arbitrary()? {
        refresh_checksums(frame);
    }
    Ok(())
}

/// Makes the checksums of IP and of what it carries right, as far as the frame can be understood.
fn refresh_checksums(frame: &mut [u8]) {
    let (header_end, protocol, mut sum) = match frame.get(12..14) {
        Some([0x08, 0x00]) if frame.len() >= 34 => {
            let header_end = ETHERNET_LEN + usize::from(frame[ETHERNET_LEN] & 15) * 4;
            if (34..=frame.len()).contains(&header_end) {
                frame[24..26].fill(0);
                let checksum = !fold(sum_of(&frame[ETHERNET_LEN..header_end]));
                frame[24..26].copy_from_slice(&checksum.to_be_bytes());
            }
            (header_end, frame[23], sum_of(&frame[26..34]))
        }
        Some([0x86, 0xdd]) if frame.len() >= 54 => (54, frame[20], sum_of(&frame[22..54])),
        _ => return,
    };
    let place = match protocol {
        TCP => 16,
        UDP => 6,
        ICMP | ICMPV6 => 2,
        _ => return,
    };
    let Some(body) = frame.get_mut(header_end..).filter(|body| body.len() >= place + 2) else {
        return;
    };
    sum = if protocol == ICMP {
        0
    } else {
        sum + u32::from(protocol) + body.len() as u32
    };
    body[place..place + 2].fill(0);
    let checksum = !fold(sum + sum_of(body));
    body[place..place + 2].copy_from_slice(&checksum.to_be_bytes());
}

fn sum_of(bytes: &[u8]) -> u32 {
    bytes
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])))
        .sum()
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

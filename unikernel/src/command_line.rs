//! The kernel command line: options, then `--`, then the program's arguments.
//!
//! ```text
//! ip=10.0.0.2/24 gateway=10.0.0.1 dns=10.0.0.1 env.NAME=VALUE mount=TAG:/data log=debug tty=12 clock=host -- ARG…
//! ```
//!
//! `mount=TAG:GUEST` and `mount=TAG:GUEST:ro`: the program finds the shared folder whose virtio-9p device has the mount tag TAG as
//! the preopened directory GUEST; with `:ro` it cannot write there.
//!
//! `arg=TEXT` is an argument too. QEMU's `microvm` adds words of its own at the end, so arguments cannot come last there; `--` is
//! for other loaders.
//!
//! A loader's command line may be too short for arguments and variables. The words of a boot module (QEMU's `-initrd FILE`, GRUB's
//! `module2 FILE`) are read like those of the line, and before them; that is how `wasmetal run` passes all of them.
//!
//! Words are separated by blanks. Between double quotes blanks belong to the word, and a backslash takes the next character as it
//! is; quotes may begin within a word (`env.GREETING="good day"`). Unknown options are ignored: other boot loaders' and other
//! drivers' words share the line. Values baked into the image are the defaults of all of these.

use abi::configuration::{self, Tag};
use alloc::vec::Vec;

/// Which messages of the kernel are written; each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum LogLevel {
    /// None.
    Off = 0,
    /// What failed.
    Error = 1,
    /// What is done.
    Debug = 2,
}

/// A memory-mapped virtio device that the machine announces on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MmioDevice {
    /// Guest-physical address of its registers.
    pub address: u64,
    /// Their length in bytes.
    pub len_bytes: u64,
    /// Its input of the I/O APICs.
    pub interrupt: u32,
}

/// A device that the program finds as a directory: `mount=TAG:GUEST[:ro]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The name that the machine gives the device.
    pub tag: Vec<u8>,
    /// The directory's path for the program.
    pub guest_path: Vec<u8>,
    /// The program may not write there.
    pub is_read_only: bool,
}

impl Mount {
    /// Parses a word `mount=TAG:GUEST[:ro]`; the path may contain colons.
    pub fn parse(word: &[u8]) -> Option<Mount> {
        let value = word.strip_prefix(b"mount=")?;
        let separator = value.iter().position(|&byte| byte == b':')?;
        let (tag, rest) = (&value[..separator], &value[separator + 1..]);
        let (guest_path, is_read_only) = match rest.strip_suffix(b":ro") {
            Some(guest_path) => (guest_path, true),
            None => (rest, false),
        };
        Some(Mount {
            tag: tag.to_vec(),
            guest_path: guest_path.to_vec(),
            is_read_only,
        })
    }
}

/// Everything the command line and the baked configuration say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The program's arguments, its name first.
    pub arguments: Vec<Vec<u8>>,
    /// The environment, `NAME=VALUE` each.
    pub environment: Vec<Vec<u8>>,
    /// Which messages the kernel writes.
    pub log_level: LogLevel,
    /// The words that configure the network: `ip=`, `gateway=`, `dns=`, `listen=`. The baked ones come first, and later ones win.
    pub network: Vec<Vec<u8>>,
    /// The words that name directories to mount, `mount=`, unparsed: only a program that opens files has a parser of them. Those of
    /// the command line replace the baked ones.
    pub mounts: Vec<Vec<u8>>,
    /// `tty=`: which of descriptors 0, 1 and 2 the host has connected to a terminal, where the device does not tell.
    pub terminals: [bool; 3],
    /// `clock=host`: the host answers at the second serial port with its time.
    pub has_host_clock: bool,
    /// `virtio_mmio.device=`: devices that only the command line tells of.
    pub mmio_devices: Vec<MmioDevice>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            arguments: Vec::new(),
            environment: Vec::new(),
            log_level: LogLevel::Error,
            network: Vec::new(),
            mounts: Vec::new(),
            terminals: [false; 3],
            has_host_clock: false,
            mmio_devices: Vec::new(),
        }
    }
}

impl Options {
    /// Reads the baked configuration, then the lines that the loader passes, which override it.
    ///
    /// Arguments after `--`, which ends at its line's end, replace the baked ones but for the program's name.
    pub fn parse(configuration: &[u8], lines: &[&[u8]]) -> Self {
        let mut options = Options::default();
        for (tag, value) in configuration::records(configuration) {
            match tag {
                Tag::Argument => options.arguments.push(value.to_vec()),
                Tag::Environment => options.set_environment(value.to_vec()),
                Tag::KernelOption => options.apply_word(value),
                Tag::StackSize | Tag::LinearMemorySize => {}
            }
        }
        // What a line names replaces a baked list rather than adding to it.
        let mut named = Options::default();
        for line in lines {
            let mut words = Words(line);
            for word in words.by_ref().take_while(|word| word != b"--") {
                match word.strip_prefix(b"env.") {
                    Some(variable) => options.set_environment(variable.to_vec()),
                    None if word.starts_with(b"log=") => options.apply_word(&word),
                    None => named.apply_word(&word),
                }
            }
            named.arguments.extend(words);
        }
        options.override_with(named);
        options
    }

    fn override_with(&mut self, named: Options) {
        // Lists are replaced, not added to.
        for list in [&b"dns="[..], b"listen="] {
            if named.network.iter().any(|word| word.starts_with(list)) {
                self.network.retain(|word| !word.starts_with(list));
            }
        }
        self.network.extend(named.network);
        if !named.mounts.is_empty() {
            self.mounts = named.mounts;
        }
        self.terminals = named.terminals;
        self.has_host_clock = named.has_host_clock;
        self.mmio_devices.extend(named.mmio_devices);
        if !named.arguments.is_empty() {
            self.arguments.truncate(1);
            if self.arguments.is_empty() {
                self.arguments.push(b"main.wasm".to_vec());
            }
            self.arguments.extend(named.arguments);
        }
    }

    fn apply_word(&mut self, word: &[u8]) {
        let Some(separator) = word.iter().position(|&byte| byte == b'=') else {
            return;
        };
        let (name, value) = (&word[..separator], &word[separator + 1..]);
        match name {
            b"ip" | b"gateway" | b"dns" | b"listen" => self.network.push(word.to_vec()),
            b"log" => {
                self.log_level = match value {
                    b"off" => LogLevel::Off,
                    b"debug" => LogLevel::Debug,
                    _ => LogLevel::Error,
                }
            }
            b"arg" => self.arguments.push(value.to_vec()),
            b"mount" => self.mounts.push(word.to_vec()),
            b"tty" => self.terminals = [b'0', b'1', b'2'].map(|digit| value.contains(&digit)),
            b"clock" => self.has_host_clock = value == b"host",
            b"virtio_mmio.device" => self.mmio_devices.extend(parse_mmio_device(value)),
            _ => {}
        }
    }

    /// Adds a variable, in place of one of the same name.
    fn set_environment(&mut self, variable: Vec<u8>) {
        let name = |text: &[u8]| text.iter().position(|&byte| byte == b'=').map_or(text.len(), |end| end);
        let new_name = &variable[..name(&variable)];
        self.environment.retain(|old| &old[..name(old)] != new_name);
        self.environment.push(variable);
    }
}

/// Parses `SIZE@ADDRESS:INTERRUPT`, the form Linux has, with `K` and `M` after a size; more after a second colon is ignored.
fn parse_mmio_device(value: &[u8]) -> Option<MmioDevice> {
    let mut fields = value.split(|byte| b"@:".contains(byte));
    Some(MmioDevice {
        len_bytes: parse_size(fields.next()?)?,
        address: parse_number(fields.next()?)?,
        interrupt: u32::try_from(parse_number(fields.next()?)?).ok()?,
    })
}

fn parse_size(text: &[u8]) -> Option<u64> {
    let (digits, unit) = match text {
        [digits @ .., b'K' | b'k'] => (digits, 1024),
        [digits @ .., b'M' | b'm'] => (digits, 1024 * 1024),
        _ => (text, 1),
    };
    parse_number(digits)?.checked_mul(unit)
}

fn parse_number(text: &[u8]) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix(b"0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let add = |number: u64, &byte: &u8| {
        let digit = char::from(byte).to_digit(radix)?;
        number.checked_mul(u64::from(radix))?.checked_add(u64::from(digit))
    };
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0, add)
}

/// Splits a line into words.
struct Words<'a>(&'a [u8]);

impl Iterator for Words<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let start = self.0.iter().position(|byte| !byte.is_ascii_whitespace())?;
        let mut bytes = self.0[start..].iter();
        let mut word = Vec::new();
        let mut is_quoted = false;
        while let Some(&byte) = bytes.next() {
            match byte {
                b'"' => is_quoted = !is_quoted,
                b'\\' if is_quoted => word.extend(bytes.next()),
                _ if byte.is_ascii_whitespace() && !is_quoted => break,
                _ => word.push(byte),
            }
        }
        self.0 = bytes.as_slice();
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baked() -> Vec<u8> {
        let mut bytes = Vec::new();
        configuration::write_record(&mut bytes, Tag::Argument, b"app.wasm");
        configuration::write_record(&mut bytes, Tag::Argument, b"baked");
        configuration::write_record(&mut bytes, Tag::Environment, b"A=1");
        configuration::write_record(&mut bytes, Tag::Environment, b"B=2");
        configuration::write_record(&mut bytes, Tag::KernelOption, b"log=debug");
        configuration::write_record(&mut bytes, Tag::KernelOption, b"dns=1.1.1.1");
        bytes
    }

    #[test]
    fn baked_values_hold_where_the_command_line_is_silent() {
        let options = Options::parse(&baked(), &[b"console=ttyS0 quiet"]);
        assert_eq!(options.arguments, [b"app.wasm".to_vec(), b"baked".to_vec()]);
        assert_eq!(options.environment, [b"A=1".to_vec(), b"B=2".to_vec()]);
        assert_eq!(options.log_level, LogLevel::Debug);
    }

    #[test]
    fn the_command_line_overrides_baked_values() {
        let line = br#"log=off env.A="good day" dns=8.8.8.8 ip=dhcp -- one "two words" "" "quo\"te""#;
        let options = Options::parse(&baked(), &[line]);
        let expected: [&[u8]; 5] = [b"app.wasm", b"one", b"two words", b"", b"quo\"te"];
        assert_eq!(options.arguments, expected);
        assert_eq!(options.environment, [b"B=2".to_vec(), b"A=good day".to_vec()]);
        assert_eq!(options.log_level, LogLevel::Off);
        assert_eq!(options.network, [b"dns=8.8.8.8".to_vec(), b"ip=dhcp".to_vec()]);
    }

    #[test]
    fn arguments_may_be_words_before_others() {
        let options = Options::parse(
            &baked(),
            &[br#""arg=two words" arg="#, b"virtio_mmio.device=512@0xfeb00e00:12"],
        );
        assert_eq!(
            options.arguments,
            [b"app.wasm".to_vec(), b"two words".to_vec(), Vec::new()]
        );
        assert_eq!(options.mmio_devices.len(), 1);
    }

    #[test]
    fn terminals_are_the_descriptors_that_are_named() {
        assert_eq!(Options::parse(b"", &[b"tty=20"]).terminals, [true, false, true]);
        assert_eq!(Options::parse(b"", &[b"-- tty=1"]).terminals, [false; 3]);
    }

    #[test]
    fn mmio_devices_are_read_in_the_form_that_linux_has() {
        let options = Options::parse(
            b"",
            &[b"virtio_mmio.device=512@0xfeb00e00:12 virtio_mmio.device=4K@0xd0000000:5:0"],
        );
        let expected =
            [(0xfeb0_0e00, 512, 12), (0xd000_0000, 4096, 5)].map(|(address, len_bytes, interrupt)| MmioDevice {
                address,
                len_bytes,
                interrupt,
            });
        assert_eq!(options.mmio_devices, expected);
        assert_eq!(
            Options::parse(b"", &[b"virtio_mmio.device=x@y virtio_mmio.device="]).mmio_devices,
            []
        );
    }

    #[test]
    fn mounts_name_a_tag_a_path_and_whether_it_is_read_only() {
        let mount = |tag: &[u8], guest_path: &[u8], is_read_only| Mount {
            tag: tag.to_vec(),
            guest_path: guest_path.to_vec(),
            is_read_only,
        };
        let mut baked = Vec::new();
        configuration::write_record(&mut baked, Tag::KernelOption, b"mount=a:/baked");
        let mounts = |line| {
            let words = Options::parse(&baked, &[line]).mounts;
            words.iter().map(|word| Mount::parse(word)).collect::<Vec<_>>()
        };
        assert_eq!(mounts(b""), [Some(mount(b"a", b"/baked", false))]);
        let line = br#"mount=dir0:/ "mount=dir1:with blank:and colon:ro" mount=x mount="#;
        let read_only = mount(b"dir1", b"with blank:and colon", true);
        assert_eq!(
            mounts(line),
            [Some(mount(b"dir0", b"/", false)), Some(read_only), None, None]
        );
    }

    #[test]
    fn unfinished_quotes_and_escapes_end_with_the_line() {
        let options = Options::parse(b"", &[br#"-- "a b\"#, b"arg=c"]);
        assert_eq!(
            options.arguments,
            [b"main.wasm".to_vec(), b"a b".to_vec(), b"c".to_vec()]
        );
    }
}

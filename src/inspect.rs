//! What an image tells about itself: read back from the file alone, for `wasmetal inspect` and for tests.
//!
//! Everything comes from sections that the linker writes and the loader does not load ([`abi::symbols`] names them), so the
//! program's own bytes are not searched. Read first: [`ImageReport`]. Any bytes are an answer or a [`ReportError`].

use crate::memory_floor::MemoryFloor;
use abi::baked_tree::BakedTree;
use abi::configuration::{Tag, records};
use abi::symbols;
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::{LittleEndian, Object, ObjectSection, elf};

/// What an image is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageReport {
    /// Version of the agreement between compiler and kernel.
    pub abi_version: u32,
    /// Virtual address of the first instruction.
    pub entry: u64,
    /// Boot protocols that the image announces.
    pub boot_protocols: Vec<&'static str>,
    /// The least RAM in which it starts; `image_bytes` is what a loader puts into memory, zero-initialised bytes included.
    pub memory_floor: MemoryFloor,
    /// The sections, in the file's order.
    pub sections: Vec<SectionReport>,
    /// Who takes the loaded bytes.
    pub contents: Vec<SizeReport>,
    /// Symbols of the module's imports.
    pub imports: Vec<String>,
    /// Arguments baked in.
    pub arguments: Vec<Vec<u8>>,
    /// Environment variables baked in, `NAME=VALUE`.
    pub environment: Vec<Vec<u8>>,
    /// Size of the program's stack in bytes, if set.
    pub stack_size_bytes: Option<u64>,
    /// Words of the kernel command line baked in.
    pub kernel_options: Vec<String>,
    /// Guest paths of the folders baked in.
    pub baked_folders: Vec<Vec<u8>>,
}

/// A section of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionReport {
    /// Name.
    pub name: String,
    /// Virtual address; 0 for a section that is not loaded.
    pub address: u64,
    /// Size in bytes.
    pub size_bytes: u64,
    /// `r--`, `r-x` or `rw-`; empty for a section that is not loaded.
    pub permissions: &'static str,
}

/// What one input or blob takes of one section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SizeReport {
    /// The section of the image.
    pub section: String,
    /// Address of the first byte.
    pub address: u64,
    /// Size in bytes.
    pub size_bytes: u64,
    /// The input, or the symbol of what the linker was given as bytes.
    pub owner: String,
}

/// Why a file is no image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The file is no 64-bit ELF file.
    #[error("not an image: no ELF file for x86-64 ({0})")]
    NotElf(String),
    /// An ELF file of other origin.
    #[error("not an image of wasmetal: the section `{0}` is missing")]
    NotOurs(&'static str),
    /// A section contradicts its format.
    #[error("malformed section `{0}`")]
    Malformed(&'static str),
}

type ImageFile<'data> = ElfFile64<'data, LittleEndian>;

impl ImageReport {
    /// Reads the report of an image.
    ///
    /// # Errors
    /// If the file is none.
    pub fn read(image: &[u8]) -> Result<ImageReport, ReportError> {
        let file = ElfFile64::<LittleEndian>::parse(image).map_err(|error| ReportError::NotElf(error.to_string()))?;
        let abi_version = section_data(&file, symbols::ABI_VERSION_SECTION)
            .ok_or(ReportError::NotOurs(symbols::ABI_VERSION_SECTION))?
            .try_into()
            .map_err(|_| ReportError::Malformed(symbols::ABI_VERSION_SECTION))?;
        let header = file.elf_header();
        if header.e_type(LittleEndian) != elf::ET_EXEC {
            return Err(ReportError::NotElf("an object that is not linked yet".to_owned()));
        }
        let mut report = ImageReport {
            abi_version: u32::from_le_bytes(abi_version),
            entry: file.entry(),
            boot_protocols: boot_protocols(&file),
            sections: file.sections().map(|section| report_section(&section)).collect(),
            contents: read_contents(&file)?,
            imports: read_imports(&file),
            ..ImageReport::default()
        };
        report.read_baked(&file, loaded_bytes(&file))?;
        Ok(report)
    }

    /// Reads the configuration and the file tree, whose places the list of contents tells.
    fn read_baked(&mut self, file: &ImageFile<'_>, loaded_bytes: u64) -> Result<(), ReportError> {
        let mut linear_memory_bytes = 0;
        let malformed = ReportError::Malformed(symbols::CONTENTS_SECTION);
        let configuration = self.blob(file, symbols::CONFIGURATION).ok_or(malformed.clone())?;
        for (tag, value) in records(configuration) {
            match tag {
                Tag::Argument => self.arguments.push(value.to_vec()),
                Tag::Environment => self.environment.push(value.to_vec()),
                Tag::StackSize => self.stack_size_bytes = value.try_into().ok().map(u64::from_le_bytes),
                Tag::LinearMemorySize => linear_memory_bytes = value.try_into().map_or(0, u64::from_le_bytes),
                Tag::KernelOption => self.kernel_options.push(String::from_utf8_lossy(value).into_owned()),
            }
        }
        self.memory_floor = MemoryFloor::new(loaded_bytes, self.stack_size_bytes, linear_memory_bytes);
        let tree = self
            .blob(file, symbols::BAKED_TREE)
            .and_then(BakedTree::new)
            .ok_or(malformed)?;
        self.baked_folders = tree.preopens().map(|preopen| preopen.guest_path.to_vec()).collect();
        Ok(())
    }

    /// Returns the bytes of a blob; none if the image has no such blob.
    fn blob<'data>(&self, file: &ImageFile<'data>, symbol: &str) -> Option<&'data [u8]> {
        let Some(place) = self.contents.iter().find(|content| content.owner == symbol) else {
            return Some(&[]);
        };
        let section = file.section_by_name(&place.section)?;
        section.data_range(place.address, place.size_bytes).ok()?
    }
}

fn section_data<'data>(file: &ImageFile<'data>, name: &str) -> Option<&'data [u8]> {
    file.section_by_name(name)?.data().ok()
}

fn boot_protocols(file: &ImageFile<'_>) -> Vec<&'static str> {
    let known = [
        (symbols::PVH_NOTE_SECTION, "PVH"),
        (symbols::MULTIBOOT2_SECTION, "multiboot2"),
    ];
    known
        .into_iter()
        .filter(|(section, _)| file.section_by_name(section).is_some())
        .map(|(_, name)| name)
        .collect()
}

fn loaded_bytes(file: &ImageFile<'_>) -> u64 {
    let headers = file.elf_program_headers().iter();
    let loaded = headers.filter(|header| header.p_type(LittleEndian) == elf::PT_LOAD);
    loaded.fold(0, |sum, header| sum.saturating_add(header.p_memsz(LittleEndian)))
}

fn report_section<'data>(section: &impl ObjectSection<'data>) -> SectionReport {
    let permissions = match section.flags() {
        object::SectionFlags::Elf { sh_flags } if sh_flags & u64::from(elf::SHF_ALLOC) == 0 => "",
        object::SectionFlags::Elf { sh_flags } if sh_flags & u64::from(elf::SHF_EXECINSTR) != 0 => "r-x",
        object::SectionFlags::Elf { sh_flags } if sh_flags & u64::from(elf::SHF_WRITE) != 0 => "rw-",
        _ => "r--",
    };
    SectionReport {
        name: section.name().unwrap_or("?").to_owned(),
        address: section.address(),
        size_bytes: section.size(),
        permissions,
    }
}

fn read_contents(file: &ImageFile<'_>) -> Result<Vec<SizeReport>, ReportError> {
    let malformed = || ReportError::Malformed(symbols::CONTENTS_SECTION);
    let bytes = section_data(file, symbols::CONTENTS_SECTION).ok_or(ReportError::NotOurs(symbols::CONTENTS_SECTION))?;
    let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
    text.lines()
        .map(|line| parse_content(line).ok_or_else(malformed))
        .collect()
}

/// Parses `<section> TAB <address> TAB <size> TAB <owner>`, numbers in hexadecimal.
fn parse_content(line: &str) -> Option<SizeReport> {
    let mut fields = line.splitn(4, '\t');
    Some(SizeReport {
        section: fields.next()?.to_owned(),
        address: u64::from_str_radix(fields.next()?, 16).ok()?,
        size_bytes: u64::from_str_radix(fields.next()?, 16).ok()?,
        owner: fields.next()?.to_owned(),
    })
}

fn read_imports(file: &ImageFile<'_>) -> Vec<String> {
    let bytes = section_data(file, symbols::IMPORTS_SECTION).unwrap_or_default();
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UnikernelBuilder;

    fn image() -> Vec<u8> {
        let wasm = wat::parse_str(
            r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
                 (func (export "_start") (call 0 (i32.const 0))))"#,
        )
        .unwrap();
        let builder = UnikernelBuilder::new()
            .name("tiny")
            .argument("first")
            .argument("second");
        let builder = builder
            .environment_variable("A", "1=2")
            .stack_size_bytes(65536)
            .kernel_option("log=debug");
        builder.build(&wasm).unwrap().image
    }

    #[test]
    fn a_report_repeats_what_was_baked_in() {
        let report = ImageReport::read(&image()).unwrap();
        assert_eq!(report.abi_version, abi::ABI_VERSION);
        assert_eq!(report.boot_protocols, ["PVH", "multiboot2"]);
        assert_eq!(report.imports, ["wasi_snapshot_preview1.proc_exit"]);
        assert_eq!(report.arguments, [b"first".to_vec(), b"second".to_vec()]);
        assert_eq!(report.environment, [b"A=1=2".to_vec()]);
        assert_eq!(report.stack_size_bytes, Some(65536));
        let floor = report.memory_floor;
        assert_eq!((floor.stack_bytes, floor.linear_memory_bytes), (65536, 0));
        assert_eq!(report.kernel_options, ["log=debug"]);
        assert!(
            report
                .contents
                .iter()
                .any(|content| content.owner == "tiny" && content.section == ".text")
        );
    }

    #[test]
    fn other_files_are_refused() {
        assert!(matches!(ImageReport::read(b""), Err(ReportError::NotElf(_))));
        assert!(matches!(
            ImageReport::read(b"\0asm\x01\0\0\0"),
            Err(ReportError::NotElf(_))
        ));
    }

    #[test]
    fn damaged_images_do_not_panic() {
        let image = image();
        for position in (0..image.len()).step_by(61) {
            let mut damaged = image.clone();
            damaged[position] ^= 0xff;
            let _ = ImageReport::read(&damaged);
            let _ = ImageReport::read(&image[..position]);
        }
    }
}

//! The image of a self-checking program, and the place in it of the number that selects a command.
//!
//! The number is a global of the program. Its symbol leads to the bytes in the file, which are changed there: so every command
//! of a program runs in the very same code, linked once.
//!
//! Read first: [`TestImage`].

use fixtures::self_check::{Command, Ending, HOST_MODULE, NO_SELECTION, NUMBER_OF, REFERENCE_OF, SELECTION, SelfCheck};
use object::write::{Object as NewObject, StandardSection, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, Object, ObjectSegment, ObjectSymbol, SymbolFlags, SymbolKind, SymbolScope,
};
use wasmetal::{BoundsChecks, UnikernelBuilder};

/// `mov rax, rdi; ret`: a reference is its number.
const IDENTITY: &[u8] = &[0x48, 0x89, 0xf8, 0xc3];

/// RAM beyond what the image needs: for the kernel, and for memories to grow.
const MEMORY_MARGIN_BYTES: u64 = 256 << 20;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The module needs what is not supported.
    #[error("unsupported feature: {0}")]
    Unsupported(String),
    /// The module should have become an image.
    #[error("{0}")]
    Build(String),
    /// The number that selects a command is not where its symbol says.
    #[error("the image has no symbol `{0}` in its data")]
    NoSelection(String),
}

/// A bootable program.
#[derive(Clone, Debug)]
pub struct TestImage {
    /// The file, with no command selected.
    pub bytes: Vec<u8>,
    /// Where the number lies in the file; `None` if no command of the program is ever selected.
    selection: Option<usize>,
    /// RAM of the machine in bytes.
    pub memory_bytes: u64,
}

impl TestImage {
    /// Compiles and links a program.
    ///
    /// # Errors
    /// [`ImageError::Unsupported`] if it needs what the compiler says it does not support.
    pub fn new(program: &SelfCheck, bounds_checks: BoundsChecks) -> Result<TestImage, ImageError> {
        let mut builder = UnikernelBuilder::new().symbols(true).bounds_checks(bounds_checks);
        if program.uses_host_references {
            builder = builder.link_object("host references", host_references());
        }
        let unikernel = builder.build(&program.module).map_err(build_error)?;
        let is_selected = |command: &Command| command.ending != Ending::Return;
        let selection = match program.commands.iter().any(is_selected) {
            true => Some(find_selection(&unikernel.image)?),
            false => None,
        };
        Ok(TestImage {
            bytes: unikernel.image,
            selection,
            memory_bytes: unikernel
                .memory_floor
                .machine_bytes()
                .saturating_add(MEMORY_MARGIN_BYTES),
        })
    }

    /// Returns the file with a command selected; the command does not return.
    pub fn with_selection(&self, command: usize) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        if let Some(selection) = self.selection {
            bytes[selection..][..4].copy_from_slice(&(command as i32).to_le_bytes());
        }
        bytes
    }
}

fn build_error(error: wasmetal::Error) -> ImageError {
    if let wasmetal::ErrorKind::Compile(error) = error.kind()
        && let wasm2obj::ErrorKind::Unsupported { feature, .. } = error.kind()
    {
        return ImageError::Unsupported(feature.clone());
    }
    ImageError::Build(error.to_string())
}

fn find_selection(image: &[u8]) -> Result<usize, ImageError> {
    let symbol = abi::symbols::export(SELECTION);
    let find = || {
        let file = object::File::parse(image).ok()?;
        let address = file.symbol_by_name(&symbol)?.address();
        let segment = file
            .segments()
            .find(|segment| (segment.address()..segment.address() + segment.size()).contains(&address))?;
        let offset = usize::try_from(segment.file_range().0 + (address - segment.address())).ok()?;
        (image.get(offset..)?.get(..4)? == NO_SELECTION.to_le_bytes()).then_some(offset)
    };
    find().ok_or(ImageError::NoSelection(symbol))
}

/// Returns an object with the functions that make external references.
fn host_references() -> Vec<u8> {
    let mut object = NewObject::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
    let section = object.section_id(StandardSection::Text);
    let value = object.append_section_data(section, IDENTITY, 16);
    for name in [REFERENCE_OF, NUMBER_OF] {
        object.add_symbol(Symbol {
            name: format!("{HOST_MODULE}.{name}").into_bytes(),
            value,
            size: IDENTITY.len() as u64,
            kind: SymbolKind::Text,
            scope: SymbolScope::Linkage,
            weak: false,
            section: SymbolSection::Section(section),
            flags: SymbolFlags::None,
        });
    }
    object.write().expect("an object with one section can be written")
}

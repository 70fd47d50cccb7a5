//! An `ar` archive: which member defines which symbol.
//!
//! The archive's own symbol index answers that (`ar s`, and every archive that rustc writes has one); without an index the
//! members themselves are scanned. Members that are not ELF objects are never asked for. Thin archives, whose members are other
//! files, are refused: the linker opens no files.

use std::collections::{HashMap, HashSet};

use object::elf;
use object::read::archive::{ArchiveFile, ArchiveMember, ArchiveOffset};
use object::read::elf::Sym as _;

use crate::error::{Error, ErrorKind};
use crate::object_file::{ObjectFile, SymbolPlace};

/// An archive and what has been taken from it.
#[derive(Debug)]
pub(crate) struct Archive<'a> {
    name: &'a str,
    bytes: &'a [u8],
    file: ArchiveFile<'a>,
    /// The member that defines a symbol first.
    definitions: HashMap<&'a [u8], MemberKey>,
    /// The members, if they had to be scanned.
    scanned: Vec<Member<'a>>,
    taken: HashSet<MemberKey>,
}

/// A member, by what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum MemberKey {
    /// Offset of its header, which the symbol index gives.
    Offset(u64),
    /// Position among the scanned members.
    Scanned(usize),
}

/// Name and bytes of a member.
type Member<'a> = (String, &'a [u8]);

/// Tells whether the bytes begin like an archive.
pub(crate) fn is_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(&object::archive::MAGIC) || bytes.starts_with(&object::archive::THIN_MAGIC)
}

impl<'a> Archive<'a> {
    pub(crate) fn parse(name: &'a str, bytes: &'a [u8]) -> Result<Self, Error> {
        let file = ArchiveFile::parse(bytes).map_err(|_| malformed(name, "archive header"))?;
        if file.is_thin() {
            return Err(malformed(
                name,
                "archive: it is a thin one, whose members are other files",
            ));
        }
        let symbols = file.symbols().map_err(|_| malformed(name, "archive symbol index"))?;
        let (definitions, scanned, taken) = Default::default();
        let mut archive = Archive {
            name,
            bytes,
            file,
            definitions,
            scanned,
            taken,
        };
        match symbols {
            Some(symbols) => {
                for symbol in symbols {
                    let symbol = symbol.map_err(|_| malformed(name, "archive symbol index"))?;
                    let key = MemberKey::Offset(symbol.offset().0);
                    archive.definitions.entry(symbol.name()).or_insert(key);
                }
            }
            None => archive.scan_members()?,
        }
        Ok(archive)
    }

    fn scan_members(&mut self) -> Result<(), Error> {
        for member in self.file.members() {
            let (name, bytes) = self.read_member(member)?;
            if !bytes.starts_with(&elf::ELFMAG) {
                continue;
            }
            let object = ObjectFile::parse(name, bytes)?;
            let key = MemberKey::Scanned(self.scanned.len());
            for (index, symbol) in object.symbols.enumerate() {
                let place = object.symbol_place(index.0, symbol)?;
                if !symbol.is_local() && matches!(place, SymbolPlace::Section(_) | SymbolPlace::Absolute) {
                    self.definitions.entry(object.symbol_name(symbol)?).or_insert(key);
                }
            }
            self.scanned.push((object.name, bytes));
        }
        Ok(())
    }

    /// Returns the archive's name.
    pub(crate) fn name(&self) -> &'a str {
        self.name
    }

    /// Returns name and bytes of the member that defines `symbol`, unless there is none or it was taken before.
    pub(crate) fn take_member(&mut self, symbol: &[u8]) -> Result<Option<Member<'a>>, Error> {
        let Some(&key) = self.definitions.get(symbol) else {
            return Ok(None);
        };
        if !self.taken.insert(key) {
            return Ok(None);
        }
        match key {
            MemberKey::Offset(offset) => self.read_member(self.file.member(ArchiveOffset(offset))).map(Some),
            MemberKey::Scanned(position) => Ok(self.scanned.get(position).cloned()),
        }
    }

    fn read_member(&self, member: object::read::Result<ArchiveMember<'a>>) -> Result<Member<'a>, Error> {
        let member = member.map_err(|_| malformed(self.name, "archive member"))?;
        let bytes = member
            .data(self.bytes)
            .map_err(|_| malformed(self.name, "archive member"))?;
        Ok((
            format!("{}({})", self.name, String::from_utf8_lossy(member.name())),
            bytes,
        ))
    }
}

fn malformed(input: &str, part: &'static str) -> Error {
    ErrorKind::Malformed {
        input: input.to_owned(),
        part,
    }
    .into()
}

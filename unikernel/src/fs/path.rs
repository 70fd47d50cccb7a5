//! From a path to a node: components, `.` and `..`, symbolic links, trailing slashes.
//!
//! Resolution starts at the directory of a descriptor and never leaves it: `..` above it, an absolute path and a symbolic link to
//! one are refused ([`Error::NotPermitted`], as Wasmtime does). The directories passed are kept on a stack, so `..` needs no
//! parent links and cannot be misled by them. Read first: [`resolve`], [`Resolved`].

use super::{Error, FileSystem, Found, NodeId, NodeKind};
use alloc::vec::Vec;

/// The longest path, symbolic links expanded, in bytes.
pub const MAX_PATH_BYTES: usize = 64 * 1024;

/// Symbolic links followed for one path, as Linux has it.
const MAX_SYMLINKS: u32 = 40;

/// What to do with a symbolic link at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinalSymlink {
    /// Go on to its target.
    Follow,
    /// The link itself is meant, unless a slash follows it.
    Keep,
    /// The link itself is meant in any case: the entry is to be made, moved or removed.
    Entry,
}

impl FinalSymlink {
    fn is_followed(self, trailing_slash: bool) -> bool {
        match self {
            FinalSymlink::Follow => true,
            FinalSymlink::Keep => trailing_slash,
            FinalSymlink::Entry => false,
        }
    }
}

/// Where a path leads.
#[derive(Debug)]
pub struct Resolved {
    /// The directory that holds the last component.
    pub directory: NodeId,
    /// The last component; `None` if the path ends in `.` or `..` and so names a directory by itself.
    pub name: Option<Vec<u8>>,
    /// What is there.
    pub found: Option<Found>,
    /// The path ends in a slash: only a directory is meant.
    pub trailing_slash: bool,
}

impl Resolved {
    /// Returns the node, which must exist (and be a directory after a trailing slash).
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotDirectory`].
    pub fn existing(&self) -> Result<Found, Error> {
        let found = self.found.ok_or(Error::NotFound)?;
        if self.trailing_slash && found.kind != NodeKind::Directory {
            return Err(Error::NotDirectory);
        }
        Ok(found)
    }
}

/// Resolves `path` below `base`. All but the last component must exist.
///
/// # Errors
/// [`Error::NotFound`] (also for an empty path), [`Error::NotDirectory`], [`Error::NotPermitted`] if it leaves `base`,
/// [`Error::SymlinkLoop`], [`Error::NameTooLong`], [`Error::Invalid`] for a zero byte, and what the file system reports.
pub fn resolve(
    system: &mut dyn FileSystem,
    base: NodeId,
    path: &[u8],
    final_symlink: FinalSymlink,
) -> Result<Resolved, Error> {
    if path.is_empty() {
        return Err(Error::NotFound);
    }
    if path.len() > MAX_PATH_BYTES {
        return Err(Error::NameTooLong);
    }
    if path.contains(&0) {
        return Err(Error::Invalid);
    }
    let mut walk = Walk {
        system,
        base,
        parents: Vec::new(),
        current: base,
        symlinks_left: MAX_SYMLINKS,
    };
    let mut expanded = Vec::new();
    let mut outcome = walk.follow(path, final_symlink, &mut expanded)?;
    loop {
        match outcome {
            Outcome::Done(resolved) => return Ok(resolved),
            Outcome::Symlink => {
                let path = core::mem::take(&mut expanded);
                outcome = walk.follow(&path, final_symlink, &mut expanded)?;
            }
        }
    }
}

enum Outcome {
    Done(Resolved),
    /// A symbolic link was met; what is left to walk from the current directory is in `expanded`.
    Symlink,
}

struct Walk<'a> {
    system: &'a mut dyn FileSystem,
    base: NodeId,
    /// The directories between the base and `current`, the base included, `current` not.
    parents: Vec<NodeId>,
    current: NodeId,
    symlinks_left: u32,
}

impl Walk<'_> {
    fn follow(&mut self, path: &[u8], final_symlink: FinalSymlink, expanded: &mut Vec<u8>) -> Result<Outcome, Error> {
        if path.first() == Some(&b'/') {
            return Err(Error::NotPermitted);
        }
        let trailing_slash = path.last() == Some(&b'/');
        let mut rest = path;
        loop {
            let (component, after) = split_component(rest);
            let is_last = after.is_empty();
            match component {
                b"" | b"." => {}
                b".." => self.ascend()?,
                name => {
                    let found = match self.system.lookup(self.current, name) {
                        Ok(found) => Some(found),
                        Err(Error::NotFound) if is_last => None,
                        Err(error) => return Err(error),
                    };
                    if let Some(found) = found
                        && found.kind == NodeKind::Symlink
                        && (!is_last || final_symlink.is_followed(trailing_slash))
                    {
                        self.expand(found.id, after, trailing_slash && is_last, expanded)?;
                        return Ok(Outcome::Symlink);
                    }
                    if is_last {
                        return Ok(Outcome::Done(Resolved {
                            directory: self.current,
                            name: Some(copy(name)?),
                            found,
                            trailing_slash,
                        }));
                    }
                    self.descend(found)?;
                }
            }
            if is_last {
                return Ok(Outcome::Done(Resolved {
                    directory: self.current,
                    name: None,
                    found: Some(Found {
                        id: self.current,
                        kind: NodeKind::Directory,
                    }),
                    trailing_slash,
                }));
            }
            rest = after;
        }
    }

    fn ascend(&mut self) -> Result<(), Error> {
        debug_assert!(self.current == self.base || !self.parents.is_empty());
        self.current = self.parents.pop().ok_or(Error::NotPermitted)?;
        Ok(())
    }

    fn descend(&mut self, found: Option<Found>) -> Result<(), Error> {
        let found = found.ok_or(Error::NotFound)?;
        if found.kind != NodeKind::Directory {
            return Err(Error::NotDirectory);
        }
        self.parents.try_reserve(1).map_err(|_| Error::NoMemory)?;
        self.parents.push(self.current);
        self.current = found.id;
        Ok(())
    }

    /// Puts the link's target and what follows it into `expanded`.
    fn expand(
        &mut self,
        link: NodeId,
        after: &[u8],
        trailing_slash: bool,
        expanded: &mut Vec<u8>,
    ) -> Result<(), Error> {
        self.symlinks_left = self.symlinks_left.checked_sub(1).ok_or(Error::SymlinkLoop)?;
        expanded.clear();
        self.system.read_link(link, expanded)?;
        if expanded.is_empty() {
            return Err(Error::NotFound);
        }
        if expanded.len() + after.len() + 1 > MAX_PATH_BYTES {
            return Err(Error::NameTooLong);
        }
        expanded.try_reserve(after.len() + 1).map_err(|_| Error::NoMemory)?;
        if trailing_slash || !after.is_empty() {
            expanded.push(b'/');
        }
        expanded.extend_from_slice(after);
        Ok(())
    }
}

/// Splits off the first component. What follows starts without slashes: it is empty exactly if the component is the last one.
fn split_component(path: &[u8]) -> (&[u8], &[u8]) {
    let end = path.iter().position(|&byte| byte == b'/').unwrap_or(path.len());
    let (component, mut after) = path.split_at(end);
    while let [b'/', rest @ ..] = after {
        after = rest;
    }
    (component, after)
}

fn copy(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    out.try_reserve_exact(bytes.len()).map_err(|_| Error::NoMemory)?;
    out.extend_from_slice(bytes);
    Ok(out)
}

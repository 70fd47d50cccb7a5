//! Reads a folder of the host into the tree of files that travels in an image.
//!
//! The only code of the library that touches the file system, and only when called: the builder takes a finished tree. Symbolic
//! links stay links (their targets are checked when the program follows them, within its sandbox); other special files are
//! refused, since nothing sensible can become of them. Times of modification are kept, so an unchanged folder gives an
//! unchanged image.

use abi::baked_tree::{Builder, DirectoryId, EncodeError};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Why a folder cannot be baked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BakeError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The path is no folder.
    #[error("{} is not a folder", .0.display())]
    NotFolder(PathBuf),
    /// A socket, pipe or device.
    #[error("{} is neither a file, a folder nor a symbolic link", .0.display())]
    SpecialFile(PathBuf),
    /// The tree refuses an entry.
    #[error("cannot bake {}: {source}", .path.display())]
    Encode {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: EncodeError,
    },
}

/// Adds the folder `host`, with all it contains, as the preopened directory `guest`.
///
/// # Errors
/// If anything in it cannot be read or is a special file, or `guest` is taken.
pub fn bake_folder(tree: &mut Builder, host: &Path, guest: &[u8]) -> Result<(), BakeError> {
    let metadata = fs::metadata(host).map_err(reading(host))?;
    if !metadata.is_dir() {
        return Err(BakeError::NotFolder(host.to_owned()));
    }
    let root = tree.add_preopen(guest, mtime_ns(&metadata)).map_err(encoding(host))?;
    let mut pending = vec![(host.to_owned(), root)];
    while let Some((folder, directory)) = pending.pop() {
        for entry in fs::read_dir(&folder).map_err(reading(&folder))? {
            let path = entry.map_err(reading(&folder))?.path();
            if let Some(subdirectory) = add_entry(tree, directory, &path)? {
                pending.push((path, subdirectory));
            }
        }
    }
    Ok(())
}

/// Adds one entry; returns the directory if it is one, whose contents are still to be added.
fn add_entry(tree: &mut Builder, parent: DirectoryId, path: &Path) -> Result<Option<DirectoryId>, BakeError> {
    let metadata = fs::symlink_metadata(path).map_err(reading(path))?;
    let name = path.file_name().unwrap_or_default().as_bytes();
    let kind = metadata.file_type();
    if kind.is_dir() {
        let directory = tree
            .add_directory(parent, name, mtime_ns(&metadata))
            .map_err(encoding(path))?;
        return Ok(Some(directory));
    }
    let added = if kind.is_file() {
        tree.add_file(
            parent,
            name,
            fs::read(path).map_err(reading(path))?,
            mtime_ns(&metadata),
        )
    } else if kind.is_symlink() {
        let target = fs::read_link(path).map_err(reading(path))?;
        tree.add_symlink(parent, name, target.as_os_str().as_bytes(), mtime_ns(&metadata))
    } else {
        return Err(BakeError::SpecialFile(path.to_owned()));
    };
    added.map_err(encoding(path))?;
    Ok(None)
}

/// Returns the time of the last modification in nanoseconds since 1970, and 0 for earlier ones.
fn mtime_ns(metadata: &fs::Metadata) -> u64 {
    let since_epoch = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since_epoch.map_or(0, |duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

fn reading(path: &Path) -> impl FnOnce(io::Error) -> BakeError {
    move |source| BakeError::Read {
        path: path.to_owned(),
        source,
    }
}

fn encoding(path: &Path) -> impl FnOnce(EncodeError) -> BakeError {
    move |source| BakeError::Encode {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::baked_tree::{BakedTree, NodeKind};

    fn encode(folder: &Path) -> Vec<u8> {
        let mut tree = Builder::new();
        bake_folder(&mut tree, folder, b"/data").unwrap();
        tree.encode().unwrap()
    }

    #[test]
    fn files_folders_and_links_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        fs::write(folder.path().join("sub/file"), "contents").unwrap();
        std::os::unix::fs::symlink("sub/file", folder.path().join("link")).unwrap();
        let bytes = encode(folder.path());
        let tree = BakedTree::new(&bytes).unwrap();
        let contents: Vec<_> = (0..tree.node_count()).filter_map(|node| tree.node(node)).collect();
        assert!(
            contents
                .iter()
                .any(|node| node.name == b"file" && node.kind == NodeKind::File(b"contents"))
        );
        assert!(
            contents
                .iter()
                .any(|node| node.name == b"link" && node.kind == NodeKind::Symlink(b"sub/file"))
        );
        assert_eq!(bytes, encode(folder.path()));
    }

    #[test]
    fn what_is_no_folder_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let mut tree = Builder::new();
        assert!(matches!(
            bake_folder(&mut tree, &file, b"/"),
            Err(BakeError::NotFolder(_))
        ));
        let missing = folder.path().join("missing");
        let message = bake_folder(&mut tree, &missing, b"/").unwrap_err().to_string();
        assert!(
            message.starts_with(&format!("cannot read {}", missing.display())),
            "{message}"
        );
    }
}

//! The meaning of `--dir`: which folder of the host is shared, under which path, and whether the program may write there.

use super::flags::RunFlags;
use crate::vm::share::SharedFolder;
use anyhow::{Context, bail};
use std::fs;
use std::path::Path;

const READ_ONLY_SUFFIX: &str = ":ro";

/// Returns the folders that `run` shares.
pub fn shared_folders(flags: &RunFlags) -> anyhow::Result<Vec<SharedFolder>> {
    flags.dir.iter().map(|text| shared_folder(text)).collect()
}

/// Parses `HOST[::GUEST][:ro]` and finds the folder.
fn shared_folder(text: &str) -> anyhow::Result<SharedFolder> {
    let (text, is_read_only) = match text.strip_suffix(READ_ONLY_SUFFIX) {
        // Of `folder::ro`, the last part is the guest's path.
        Some(shorter) if !shorter.ends_with(':') => (shorter, true),
        _ => (text, false),
    };
    let (host, guest) = text.split_once("::").unwrap_or((text, text));
    let path = fs::canonicalize(host).with_context(|| format!("--dir {text}: cannot share {host}"))?;
    if !path.is_dir() {
        bail!("--dir {text}: {host} is not a folder");
    }
    if Path::to_str(&path).is_none() {
        bail!("--dir {text}: the path of the folder, {}, is not UTF-8", path.display());
    }
    Ok(SharedFolder {
        host: path,
        guest: guest.to_owned(),
        is_read_only,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guest_path_is_the_host_path_unless_another_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let host = folder.path().to_str().unwrap();
        let parts = |suffix: &str| {
            let shared = shared_folder(&format!("{host}{suffix}")).unwrap();
            (shared.guest, shared.is_read_only)
        };
        assert_eq!(parts(""), (host.to_owned(), false));
        assert_eq!(parts(":ro"), (host.to_owned(), true));
        assert_eq!(parts("::/data"), ("/data".to_owned(), false));
        assert_eq!(parts("::/data:ro"), ("/data".to_owned(), true));
        assert_eq!(parts("::ro"), ("ro".to_owned(), false));
    }

    #[test]
    fn what_is_no_folder_is_refused_by_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        assert!(
            shared_folder(path)
                .unwrap_err()
                .to_string()
                .ends_with("is not a folder")
        );
        assert!(shared_folder("absent::/x").unwrap_err().to_string().contains("absent"));
    }
}

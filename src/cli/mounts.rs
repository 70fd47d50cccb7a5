//! The meaning of `--dir` and `--volume`: which folder or file of the host, under which path the program finds it, and whether it
//! may write there.

use super::flags::RunFlags;
use crate::vm::mount::Mount;
use anyhow::{Context, bail};
use std::fs;
use std::path::Path;

const READ_ONLY_SUFFIX: &str = ":ro";
/// Where the program finds a volume unless another path is given.
const DEFAULT_VOLUME_PATH: &str = "/data";

/// Returns the folders that `run` shares.
pub fn shared_folders(flags: &RunFlags) -> anyhow::Result<Vec<Mount>> {
    flags.dir.iter().map(|text| shared_folder(text)).collect()
}

/// Returns the disks that `run` attaches.
pub fn disks(flags: &RunFlags) -> anyhow::Result<Vec<Mount>> {
    flags.volume.iter().map(|text| disk(text)).collect()
}

fn shared_folder(text: &str) -> anyhow::Result<Mount> {
    let parts = Parts::parse(text);
    let (text, host) = (parts.paths, parts.host);
    let path = fs::canonicalize(host).with_context(|| format!("--dir {text}: cannot share {host}"))?;
    if !path.is_dir() {
        bail!("--dir {text}: {host} is not a folder");
    }
    if Path::to_str(&path).is_none() {
        bail!("--dir {text}: the path of the folder, {}, is not UTF-8", path.display());
    }
    Ok(Mount {
        host: path,
        guest: parts.guest.unwrap_or(host).to_owned(),
        is_read_only: parts.is_read_only,
    })
}

fn disk(text: &str) -> anyhow::Result<Mount> {
    let parts = Parts::parse(text);
    let (text, file) = (parts.paths, parts.host);
    let path = fs::canonicalize(file)
        .with_context(|| format!("--volume {text}: cannot open {file}; `wasmetal volume create {file}` makes one"))?;
    if Path::to_str(&path).is_none() {
        bail!(
            "--volume {text}: the path of the file, {}, is not UTF-8",
            path.display()
        );
    }
    Ok(Mount {
        host: path,
        guest: parts.guest.unwrap_or(DEFAULT_VOLUME_PATH).to_owned(),
        is_read_only: parts.is_read_only,
    })
}

/// `HOST[::GUEST][:ro]`, taken apart.
struct Parts<'a> {
    /// The text without `:ro`.
    paths: &'a str,
    host: &'a str,
    guest: Option<&'a str>,
    is_read_only: bool,
}

impl<'a> Parts<'a> {
    fn parse(text: &'a str) -> Self {
        let (paths, is_read_only) = match text.strip_suffix(READ_ONLY_SUFFIX) {
            // Of `folder::ro`, the last part is the guest's path.
            Some(shorter) if !shorter.ends_with(':') => (shorter, true),
            _ => (text, false),
        };
        let (host, guest) = match paths.split_once("::") {
            Some((host, guest)) => (host, Some(guest)),
            None => (paths, None),
        };
        Parts {
            paths,
            host,
            guest,
            is_read_only,
        }
    }
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

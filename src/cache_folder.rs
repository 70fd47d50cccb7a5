//! Where this command keeps what only saves time: `wasmetal` in the user's cache folder.

use std::env;
use std::path::PathBuf;

/// Returns the folder, which need not exist; `None` where the host has no place for it.
pub fn cache_folder() -> Option<PathBuf> {
    let folder = match env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => env::home_dir()?.join(".cache"),
    };
    Some(folder.join("wasmetal"))
}

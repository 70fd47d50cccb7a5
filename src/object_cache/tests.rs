//! Entries are found again, told apart, and never trusted.

use super::*;
use std::time::Duration;
use wasm2obj::OptLevel;

/// A module that is large enough to be kept, and compiles in no time.
fn module(byte: char) -> Vec<u8> {
    let data = byte.to_string().repeat(MINIMUM_MODULE_LEN_BYTES);
    wat::parse_str(format!(
        r#"(module (memory 2) (data (i32.const 0) "{data}") (func (export "_start")))"#
    ))
    .unwrap()
}

fn options(opt_level: OptLevel) -> CompileOptions {
    CompileOptions {
        opt_level,
        ..CompileOptions::default()
    }
}

/// A cache in a folder that vanishes with it.
struct Place {
    folder: tempfile::TempDir,
    cache: ObjectCache,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let cache = ObjectCache::new(folder.path().join("made/when/needed"));
        Place { folder, cache }
    }

    fn entries(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.cache.folder).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    fn compile(&self, wasm: &[u8], options: &CompileOptions) -> Vec<u8> {
        self.cache.compile(wasm, options).unwrap()
    }

    /// Puts other contents into an entry, so that it can be told whether it is used.
    fn plant(&self, wasm: &[u8], options: &CompileOptions) {
        let path = self.cache.folder.join(entry_name(wasm, options).unwrap());
        self.cache.store(&path, b"planted").unwrap();
    }
}

#[test]
fn a_module_is_compiled_once_for_each_set_of_options() {
    let place = Place::new();
    let (speed, none) = (options(OptLevel::Speed), options(OptLevel::None));
    let object = place.compile(&module('a'), &speed);
    assert_eq!(object, wasm2obj::compile(&module('a'), &speed).unwrap().bytes);
    assert_eq!(place.compile(&module('a'), &speed), object);
    assert_eq!(place.entries().len(), 1);
    place.plant(&module('a'), &speed);
    assert_eq!(place.compile(&module('a'), &speed), b"planted");
    assert_ne!(place.compile(&module('a'), &none), b"planted");
    assert_ne!(place.compile(&module('b'), &speed), b"planted");
    assert_eq!(place.entries().len(), 3);
}

#[test]
fn damaged_entries_are_replaced() {
    let place = Place::new();
    let options = options(OptLevel::Speed);
    let object = place.compile(&module('a'), &options);
    let path = place.entries().remove(0);
    let entry = fs::read(&path).unwrap();
    let mut damaged: Vec<Vec<u8>> = [0, 1, 31, 32, 33, entry.len() - 1]
        .map(|len| entry[..len].to_vec())
        .into();
    damaged.push([&entry[..], b"x"].concat());
    for position in [0, entry.len() / 2, entry.len() - 33, entry.len() - 32, entry.len() - 1] {
        damaged.push(entry.clone());
        damaged.last_mut().unwrap()[position] ^= 0x10;
    }
    for bytes in damaged {
        fs::write(&path, bytes).unwrap();
        assert!(place.compile(&module('a'), &options) == object);
        assert!(fs::read(&path).unwrap() == entry);
    }
}

#[test]
fn a_folder_that_cannot_be_used_is_no_error() {
    let place = Place::new();
    let file = place.folder.path().join("file");
    fs::write(&file, "").unwrap();
    let cache = ObjectCache::new(file.join("inside"));
    assert!(cache.compile(&module('a'), &options(OptLevel::Speed)).is_ok());
}

#[test]
fn entries_that_were_not_used_for_the_longest_time_go() {
    let mut place = Place::new();
    let options = options(OptLevel::Speed);
    for (age_s, letter) in [(30, 'a'), (20, 'b'), (10, 'c')] {
        place.plant(&module(letter), &options);
        let path = place.cache.folder.join(entry_name(&module(letter), &options).unwrap());
        let time = SystemTime::now() - Duration::from_secs(age_s);
        File::options()
            .append(true)
            .open(path)
            .unwrap()
            .set_modified(time)
            .unwrap();
    }
    assert_eq!(place.compile(&module('a'), &options), b"planted");
    place.cache = place.cache.clone().capacity_bytes(3 * (7 + 32));
    place.plant(&module('d'), &options);
    let is_kept = |letter| {
        place
            .cache
            .folder
            .join(entry_name(&module(letter), &options).unwrap())
            .exists()
    };
    assert_eq!(['a', 'b', 'c', 'd'].map(is_kept), [true, false, true, true]);
}

#[test]
fn small_modules_and_those_for_this_machine_are_not_kept() {
    let native = CompileOptions {
        cpu: Cpu::Native,
        ..CompileOptions::default()
    };
    assert_eq!(entry_name(&module('a'), &native), None);
    assert_eq!(entry_name(b"\0asm\x01\0\0\0", &CompileOptions::default()), None);
}

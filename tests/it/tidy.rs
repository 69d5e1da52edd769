//! Holds every source file to the project's habits: it says what it is for, has a name of its own, and is safe.

use std::path::Path;

use crate::source;

/// Folders of Rust files.
const FOLDERS: [&str; 2] = ["src", "tests"];
/// Where calls that the compiler cannot check may stand: the driver's and the kernel's raw calls, and the mock of a C library.
const UNSAFE: [&str; 3] = ["src/collect/raw.rs", "src/collect/raw", "tests/nvml_mock"];
/// Names that say nothing about what is in a file.
const EMPTY_NAMES: [&str; 8] = ["util", "utils", "common", "helper", "helpers", "manager", "misc", "mod"];

fn files() -> Vec<std::path::PathBuf> {
    FOLDERS.into_iter().flat_map(source::rust_files).collect()
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    let silent: Vec<_> = files().into_iter().filter(|file| !source::read(file).starts_with("//! ")).collect();
    assert!(silent.is_empty(), "these do not open with `//! `: {silent:?}");
}

#[test]
fn every_file_has_a_name_that_says_something() {
    let says_nothing = |file: &Path| file.with_extension("").iter().any(|p| EMPTY_NAMES.iter().any(|name| p == *name));
    let empty: Vec<_> = files().into_iter().filter(|file| says_nothing(file)).collect();
    assert!(empty.is_empty(), "{empty:?}");
}

#[test]
fn unchecked_code_stays_in_its_place() {
    let is_allowed = |file: &Path| UNSAFE.iter().any(|place| file.starts_with(place));
    let wrong: Vec<_> = files()
        .into_iter()
        .filter(|file| !is_allowed(file) && source::tokens(&source::read(file)).contains(&"unsafe"))
        .collect();
    assert!(wrong.is_empty(), "`unsafe` outside {UNSAFE:?}: {wrong:?}");
}

#[test]
fn every_unchecked_call_says_why_it_is_sound() {
    for file in files().into_iter().filter(|file| UNSAFE.iter().any(|place| file.starts_with(place))) {
        let code = source::read(&file);
        let blocks = code.matches("unsafe {").count();
        let reasons = code.matches("// SAFETY:").count();
        assert!(reasons >= blocks, "{}: {blocks} unsafe blocks, {reasons} SAFETY comments", file.display());
    }
}

#[test]
fn the_manifest_states_edition_compiler_and_licence() {
    let manifest: toml::Table = source::read("Cargo.toml").parse().unwrap();
    let package = manifest["package"].as_table().unwrap();
    assert_eq!(package["edition"].as_str(), Some("2024"));
    assert_eq!(package["license"].as_str(), Some("MIT OR Apache-2.0"));
    assert!(package["rust-version"].as_str().is_some_and(|version| version.starts_with("1.")));
    for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
        assert!(source::read(licence).contains("the supertop authors"), "{licence} names who holds the rights");
    }
}

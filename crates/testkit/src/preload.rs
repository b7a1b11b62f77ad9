//! Libraries that take the place of a function of the C library in a process of a test.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Compiles a library.
///
/// # Panics
/// Without a C compiler. Whoever builds Rust has one, to link with.
pub(crate) fn library(directory: &Path, name: &str, text: &str) -> PathBuf {
    let source = directory.join(format!("{name}.c"));
    std::fs::write(&source, text).expect("a file");
    let library = directory.join(format!("{name}.so"));
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl");
    assert!(compiler.status().expect("a C compiler").success());
    library
}

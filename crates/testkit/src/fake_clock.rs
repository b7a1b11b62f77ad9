//! A wall clock that a test sets, for a server that reads it through the C library.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// A clock in a file. Faketime would do, but for servers whose allocator reads the clock, too.
pub struct FakeClock {
    library: PathBuf,
    file: PathBuf,
}

// === impl FakeClock ===

impl FakeClock {
    /// A clock that shows the true time, with its files in `directory`.
    ///
    /// # Panics
    /// Without a C compiler. Whoever builds Rust has one, to link with.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        let source = directory.join("fake_clock.c");
        std::fs::write(&source, include_str!("fake_clock.c")).expect("a file");
        let library = directory.join("fake_clock.so");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source);
        assert!(compiler.status().expect("a C compiler").success());
        let clock = Self { library, file: directory.join("clock") };
        clock.set(0);
        clock
    }

    /// It shows so many seconds more than the machine's clock, or less.
    pub fn set(&self, ahead: i64) {
        std::fs::write(&self.file, ahead.to_le_bytes()).expect("a file");
    }

    /// What has to be in the environment of a process that goes by it.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, &Path); 2] {
        [("LD_PRELOAD", &self.library), ("FAKE_CLOCK", &self.file)]
    }
}

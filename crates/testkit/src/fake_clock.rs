//! A wall clock that a test sets, for a server that reads it through the C library.

use std::path::{Path, PathBuf};

use crate::preload;

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
    /// Without a C compiler.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        let library = preload::library(directory, "fake_clock", include_str!("fake_clock.c"));
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

//! A host name whose addresses a test sets and changes, as a managed service does in a failover.

use std::path::{Path, PathBuf};

use crate::preload;

/// The name, and its addresses in a file.
pub struct FakeName {
    library: PathBuf,
    file: PathBuf,
}

// === impl FakeName ===

impl FakeName {
    /// The name that has them.
    pub const HOST: &str = "host.test";

    /// A name that stands for `addresses`, which blanks are between, with its files in `directory`.
    ///
    /// # Panics
    /// Without a C compiler.
    #[must_use]
    pub fn new(directory: &Path, addresses: &str) -> Self {
        let library = preload::library(directory, "fake_name", include_str!("fake_name.c"));
        let name = Self { library, file: directory.join("address") };
        name.set(addresses);
        name
    }

    /// It stands for other addresses from now on.
    pub fn set(&self, addresses: &str) {
        std::fs::write(&self.file, addresses).expect("a file");
    }

    /// What has to be in the environment of a process that knows it.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, &str); 2] {
        let [library, file] =
            [&self.library, &self.file].map(|path| path.to_str().expect("a text"));
        [("LD_PRELOAD", library), ("FAKE_NAME", file)]
    }
}

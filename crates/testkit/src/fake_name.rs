//! A host name whose address a test changes, as a managed service does in a failover.

use std::path::{Path, PathBuf};

use crate::preload;

/// The name, and its address in a file.
pub struct FakeName {
    library: PathBuf,
    file: PathBuf,
}

// === impl FakeName ===

impl FakeName {
    /// The name that has an address.
    pub const HOST: &str = "redis.test";

    /// A name that stands for `address`, with its files in `directory`.
    ///
    /// # Panics
    /// Without a C compiler.
    #[must_use]
    pub fn new(directory: &Path, address: &str) -> Self {
        let library = preload::library(directory, "fake_name", include_str!("fake_name.c"));
        let name = Self { library, file: directory.join("address") };
        name.set(address);
        name
    }

    /// It stands for another address from now on.
    pub fn set(&self, address: &str) {
        std::fs::write(&self.file, address).expect("a file");
    }

    /// What has to be in the environment of a process that knows it.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, &str); 2] {
        let [library, file] =
            [&self.library, &self.file].map(|path| path.to_str().expect("a text"));
        [("LD_PRELOAD", library), ("FAKE_NAME", file)]
    }
}

//! The demo's own directory: Redis's files, the workers' configuration and their logs.
//!
//! It is removed at the end, on every path, unless the logs are worth a look.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use uuid::Uuid;

/// A fresh directory that nobody else may enter. It is removed when dropped.
pub(super) struct Directory {
    path: PathBuf,
    is_kept: bool,
}

// === impl Directory ===

impl Directory {
    /// Makes it where the system keeps such directories.
    pub(super) fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("evertoken-demo-{}", Uuid::new_v4().simple()));
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path, is_kept: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves it where it is, and tells where that is.
    pub(super) fn keep(&mut self) -> &Path {
        self.is_kept = true;
        &self.path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if !self.is_kept {
            // It lies in a place that the system cleans: what cannot be removed may stay.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

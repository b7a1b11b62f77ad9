//! Which workers live, as they tell of themselves: a file of each, in a directory of their own.

use std::{fs, io::Write, os::unix::fs::DirBuilderExt};

use super::files::Files;
use crate::Worker;

/// Where they lie in the store's directory.
const FOLDER: &str = "workers";

// === impl Files ===

impl Files {
    /// Writes what `worker` tells of itself, and reads what all tell. Nothing depends on it: what cannot be
    /// written or read is left out.
    pub(super) fn exchange_workers(&self, worker: &Worker) -> Vec<Worker> {
        let folder = self.path().join(FOLDER);
        let _ = fs::DirBuilder::new().mode(0o700).create(&folder);
        let text = serde_json::to_string(worker).unwrap_or_default();
        let (new, file) = (folder.join(format!(".{}", worker.holder)), folder.join(&worker.holder));
        let written = fs::File::create(&new)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .and_then(|()| fs::rename(&new, &file));
        let others = fs::read_dir(&folder).into_iter().flatten().flatten();
        let read = |entry: fs::DirEntry| {
            let text = fs::read_to_string(entry.path()).ok()?;
            serde_json::from_str(&text).ok()
        };
        let mut all: Vec<Worker> = others.filter_map(read).collect();
        if written.is_err() {
            all.push(worker.clone());
        }
        all
    }

    /// Takes away what these workers told.
    pub(super) fn remove_workers(&self, holders: &[String]) {
        for holder in holders.iter().filter(|holder| uuid::Uuid::parse_str(holder).is_ok()) {
            let _ = fs::remove_file(self.path().join(FOLDER).join(holder));
        }
    }
}

//! What one server does not do, as far as it is known.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::Lack;

/// A set of lacks. What is refused for the first time is added while the connection is in use.
#[derive(Debug, Default)]
pub(super) struct Lacking(AtomicU8);

// === impl Lacking ===

impl Lacking {
    /// A server of which as good as nothing may be asked.
    pub(super) fn everything() -> Self {
        let lacking = Self::default();
        Lack::ALL.into_iter().for_each(|lack| lacking.add(lack));
        lacking
    }

    pub(super) fn has(&self, lack: Lack) -> bool {
        self.0.load(Ordering::Relaxed) & bit(lack) != 0
    }

    pub(super) fn add(&self, lack: Lack) {
        self.0.fetch_or(bit(lack), Ordering::Relaxed);
    }

    pub(super) fn all(&self) -> Vec<Lack> {
        Lack::ALL.into_iter().filter(|lack| self.has(*lack)).collect()
    }
}

fn bit(lack: Lack) -> u8 {
    1 << lack as u8
}

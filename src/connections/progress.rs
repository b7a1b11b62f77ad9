//! How far a connection is: what bounds its time, and what it may be closed for.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    task::{Context, Waker},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use super::{HEADERS_WITHIN, Limits};
use crate::clock;

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// A request is awaited that was not there yet, or that is not there as a whole.
    Asking,
    /// A request is being answered.
    Answering,
    /// The answer is complete, and not yet handed over as a whole.
    Answered,
    /// All that was asked is answered.
    Idle,
}

/// How far a connection is, for all who have to do with it.
#[derive(Debug)]
pub(super) struct Progress {
    opened: Instant,
    /// What it is at in the lowest two bits, and since when: ms from `opened`.
    now: AtomicU64,
    stays: AtomicBool,
    is_to_leave: AtomicBool,
    task: AtomicWaker,
}

// === impl Progress ===

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            opened: clock::now(),
            now: AtomicU64::new(At::Asking as u64),
            stays: AtomicBool::new(false),
            is_to_leave: AtomicBool::new(false),
            task: AtomicWaker::new(),
        }
    }

    pub(super) fn opened(&self) -> Instant {
        self.opened
    }

    /// From now on it is at this.
    pub(super) fn is_at(&self, at: At) {
        let since = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.now.store(since << 2 | at as u64, Ordering::Relaxed);
    }

    /// What it is at, and since when.
    pub(super) fn at(&self) -> (At, Instant) {
        let now = self.now.load(Ordering::Relaxed);
        let at = match now & 3 {
            0 => At::Asking,
            1 => At::Answering,
            2 => At::Answered,
            _ => At::Idle,
        };
        (at, self.opened + Duration::from_millis(now >> 2))
    }

    /// When it has taken as long as it may.
    pub(super) fn ends(&self, limits: &Limits) -> Instant {
        let (at, since) = self.at();
        since
            + match at {
                At::Asking => HEADERS_WITHIN,
                At::Answering | At::Answered => limits.answered_within,
                At::Idle => limits.idle.unwrap_or_default(),
            }
    }

    /// What it is told has no end.
    pub(super) fn stays(&self) {
        self.stays.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_to_stay(&self) -> bool {
        self.stays.load(Ordering::Relaxed)
    }

    /// Asks it to end after what it is at.
    pub(super) fn leave(&self) {
        self.is_to_leave.store(true, Ordering::Release);
        self.task.wake();
    }

    /// Whether it is to end after what it is at. Who asks is woken when that changes.
    pub(super) fn is_to_leave(&self, context: &Context<'_>) -> bool {
        let waker: &Waker = context.waker();
        self.task.register(waker);
        self.is_to_leave.load(Ordering::Acquire)
    }
}

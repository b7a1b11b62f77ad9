//! `GET /events`: what the board knows, and then each change, as server-sent events for the page.
//!
//! A change is written down once for all streams, once a second at the most. A stream that falls behind
//! is told everything anew; nothing is kept for it.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    http::{HeaderName, StatusCode, header},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::stream;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, broadcast},
    time::{Instant, sleep, timeout_at},
};

use super::connections::Stay;
use crate::{
    board::{Board, Told},
    clock,
};

/// Streams at once.
const STREAMS: usize = 100;

/// The shortest time between two changes.
const APART: Duration = Duration::from_secs(1);

/// A comment after so long without a change, so that nothing on the way takes the stream for dead.
const COMMENT: Duration = Duration::from_secs(15);

/// How long a stream lives. The page opens another one.
const LIFE: Duration = Duration::from_secs(3600);

/// Changes that a stream may be behind.
const BEHIND: usize = 8;

/// What is said when there are too many.
const FULL: &str =
    "too many pages look at this worker (100): close some, or look at another worker\n";

/// Writes changes down for all streams.
pub(super) struct Events {
    board: Arc<Board>,
    places: Arc<Semaphore>,
    changes: broadcast::Sender<Frame>,
    /// The last one, and when it was written down: its time must be right for whoever gets it.
    whole: Mutex<Option<(Instant, Frame)>>,
}

/// One event, as it is sent.
#[derive(Clone)]
struct Frame {
    version: u64,
    data: Arc<str>,
}

/// One stream.
struct Stream {
    events: Arc<Events>,
    changes: broadcast::Receiver<Frame>,
    /// What was sent brings the page to this version; none was sent yet.
    version: Option<u64>,
    ends: Instant,
    _place: OwnedSemaphorePermit,
}

// === impl Frame ===

impl Frame {
    fn new(told: &Told) -> Self {
        // Texts and numbers: there is nothing that cannot be written.
        let data = serde_json::to_string(told).unwrap_or_default().into();
        Self { version: told.version, data }
    }

    fn event(&self, name: &str) -> Event {
        Event::default().event(name).id(self.version.to_string()).data(&*self.data)
    }
}

// === impl Events ===

impl Events {
    pub(super) fn new(board: Arc<Board>) -> Self {
        Self {
            board,
            places: Arc::new(Semaphore::new(STREAMS)),
            changes: broadcast::channel(BEHIND).0,
            whole: Mutex::default(),
        }
    }

    /// Sends each change to the streams that are open, for ever.
    pub(super) async fn run(&self) -> Infallible {
        let mut versions = self.board.versions();
        let mut sent = *versions.borrow_and_update();
        loop {
            // The board outlives this.
            let _ = versions.changed().await;
            if 0 < self.changes.receiver_count()
                && let Some(told) = self.board.changes(sent)
            {
                sent = told.version;
                let _ = self.changes.send(Frame::new(&told));
            } else {
                // Whoever comes later begins with everything.
                sent = *versions.borrow_and_update();
            }
            sleep(APART).await;
        }
    }

    /// A new stream, if there is a place for it.
    pub(super) fn open(self: Arc<Self>, stay: &Stay) -> Response {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return (StatusCode::SERVICE_UNAVAILABLE, FULL).into_response();
        };
        stay.stays();
        let stream = Stream {
            changes: self.changes.subscribe(),
            events: self,
            version: None,
            ends: clock::now() + LIFE,
            _place: place,
        };
        let events = stream::unfold(stream, async |mut stream| {
            let event = stream.next().await?;
            Some((Ok::<_, Infallible>(event), stream))
        });
        let alive = KeepAlive::new().interval(COMMENT).text("still here");
        let unbuffered = (HeaderName::from_static("x-accel-buffering"), "no");
        ([unbuffered, (header::CACHE_CONTROL, "no-store")], Sse::new(events).keep_alive(alive))
            .into_response()
    }

    /// Everything, written down once for all who ask meanwhile.
    fn whole(&self) -> Frame {
        let mut last = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        let version = *self.board.versions().borrow();
        match &*last {
            Some((at, frame)) if frame.version == version && at.elapsed() < APART => frame.clone(),
            _ => {
                let frame = Frame::new(&self.board.whole());
                // Of many credentials it takes much memory: it is kept for a crowd alone.
                *last = (1 < self.changes.receiver_count()).then(|| (clock::now(), frame.clone()));
                frame
            }
        }
    }
}

// === impl Stream ===

impl Stream {
    async fn next(&mut self) -> Option<Event> {
        let Some(version) = self.version else { return Some(self.everything()) };
        loop {
            match timeout_at(self.ends, self.changes.recv()).await.ok()? {
                // It is in what was sent already.
                Ok(frame) if frame.version <= version => {}
                Ok(frame) => {
                    self.version = Some(frame.version);
                    return Some(frame.event("change"));
                }
                Err(broadcast::error::RecvError::Lagged(_)) => return Some(self.everything()),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    fn everything(&mut self) -> Event {
        // What was written down before is in it.
        self.changes = self.changes.resubscribe();
        let frame = self.events.whole();
        self.version = Some(frame.version);
        frame.event("whole")
    }
}

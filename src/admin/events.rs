//! `GET /events`: what the board knows, and then each change, as server-sent events for the page.
//!
//! All streams go on at the same beat, once a second at the most, so that a change is written down once
//! for all that have come as far. Of a stream no more is kept than how far it has come: one that is slow
//! is told less often, and of what changed twice only the latest.

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
use futures_util::{StreamExt, stream};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, sleep, timeout_at},
};

use crate::{
    board::{Board, Told},
    clock,
    connections::Stay,
};

/// Streams at once.
const STREAMS: usize = 100;

/// The shortest time between two changes.
const APART: Duration = Duration::from_secs(1);

/// A comment after so long without a change, so that nothing on the way takes the stream for dead.
const COMMENT: Duration = Duration::from_secs(15);

/// How long a stream lives. The page opens another one.
const LIFE: Duration = Duration::from_secs(3600);

/// Credentials in one event: what a stream holds in memory, and the listener's buffer with it.
const PIECE: usize = 200;

/// What is said when there are too many.
const FULL: &str =
    "too many pages look at this worker (100): close some, or look at another worker\n";

/// What all streams share.
pub(super) struct Events {
    board: Arc<Board>,
    places: Arc<Semaphore>,
    /// The version of the board to which streams are told now.
    beat: watch::Sender<u64>,
    last: Mutex<Option<Written>>,
}

/// One event, as it is sent.
#[derive(Clone)]
struct Frame {
    name: &'static str,
    version: u64,
    data: Arc<str>,
}

/// What was written down last: for whom, and when, as its time must be right for whoever gets it.
struct Written {
    from: Option<u64>,
    beat: u64,
    at: Instant,
    frame: Frame,
}

/// One stream.
struct Stream {
    events: Arc<Events>,
    beat: watch::Receiver<u64>,
    /// How far it has come; `None` before anything was sent.
    version: Option<u64>,
    ends: Instant,
    _place: OwnedSemaphorePermit,
}

// === impl Frame ===

impl Frame {
    fn new(told: &Told) -> Self {
        let name = if told.is_whole { "whole" } else { "change" };
        // Texts and numbers: there is nothing that cannot be written.
        let data = serde_json::to_string(told).unwrap_or_default().into();
        Self { name, version: told.version, data }
    }

    fn event(&self) -> Event {
        Event::default().event(self.name).id(self.version.to_string()).data(&*self.data)
    }
}

// === impl Events ===

impl Events {
    pub(super) fn new(board: Arc<Board>) -> Self {
        let beat = watch::Sender::new(*board.versions().borrow());
        Self { board, places: Arc::new(Semaphore::new(STREAMS)), beat, last: Mutex::default() }
    }

    /// Gives the beat, for ever.
    pub(super) async fn run(&self) -> Infallible {
        let mut versions = self.board.versions();
        loop {
            // The board outlives this.
            let _ = versions.changed().await;
            self.beat.send_replace(*versions.borrow_and_update());
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
            beat: self.beat.subscribe(),
            events: self,
            version: None,
            ends: clock::now() + LIFE,
            _place: place,
        };
        let events = stream::unfold(stream, async |mut stream| {
            let event = stream.next().await?;
            Some((Ok::<_, Infallible>(event), stream))
        });
        let (stay, mut events) = (stay.clone(), Box::pin(events));
        // It is asked for more when the client has taken what there was.
        let events = stream::poll_fn(move |context| {
            stay.takes();
            events.poll_next_unpin(context)
        });
        let alive = KeepAlive::new().interval(COMMENT).text("still here");
        let unbuffered = (HeaderName::from_static("x-accel-buffering"), "no");
        ([unbuffered, (header::CACHE_CONTROL, "no-store")], Sse::new(events).keep_alive(alive))
            .into_response()
    }

    /// What comes next for a stream that has come as far as `from`.
    fn frame(&self, from: Option<u64>) -> Frame {
        let beat = *self.beat.borrow();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = &*last
            && (last.from, last.beat) == (from, beat)
            && last.at.elapsed() < APART
        {
            return last.frame.clone();
        }
        let frame = Frame::new(&self.board.told(from, beat, PIECE));
        *last = Some(Written { from, beat, at: clock::now(), frame: frame.clone() });
        frame
    }
}

// === impl Stream ===

impl Stream {
    async fn next(&mut self) -> Option<Event> {
        let version = self.version;
        let is_ahead = |beat: &u64| version.is_none_or(|version| version < *beat);
        timeout_at(self.ends, self.beat.wait_for(is_ahead)).await.ok()?.ok()?;
        let frame = self.events.frame(version);
        self.version = Some(frame.version);
        Some(frame.event())
    }
}

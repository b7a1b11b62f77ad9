//! Where tokens stand: in Redis, or in a directory of this machine.

use std::{sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt};
use redis::aio::PubSubSink;
use tokio::time::{interval, timeout};

use super::files::Files;
use crate::{
    CredentialId, Keys, ReadError, Reader, RedisUrl, ReportError, Reporter, StoreUrl, Token,
    messages::Changed, redis::listen,
};

/// How often the connection on which messages are heard is used, so that nobody on the way takes it for
/// idle, and one that is lost without a word is noticed; and how long an answer may take.
const PING: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(5));

/// Where tokens stand. Clones share their connections.
#[derive(Clone)]
pub(super) enum Source {
    Redis(Arc<Redis>),
    Files(Files),
}

/// A Redis, and the channel on which changes are told.
pub(super) struct Redis {
    reader: Reader,
    reporter: Reporter,
    url: RedisUrl,
    channel: String,
}

/// A token that stands, and how long it still does.
pub(super) struct Stood {
    pub(super) token: Token,
    pub(super) remaining: Duration,
}

// === impl Source ===

impl Source {
    pub(super) fn new(url: StoreUrl, prefix: &str) -> Self {
        match url {
            StoreUrl::File(path) => Self::Files(Files::new(&path)),
            StoreUrl::Redis(url) => Self::Redis(Arc::new(Redis {
                reader: Reader::new(url.clone(), prefix),
                reporter: Reporter::new(url.clone(), prefix),
                url,
                channel: Keys::new(prefix).changed_channel(),
            })),
        }
    }

    /// A token is read again after this time at the latest. A file costs next to nothing, and nobody
    /// tells that it has changed.
    pub(super) fn pace(&self) -> Duration {
        match self {
            Self::Redis(_) => Duration::from_secs(5),
            Self::Files(_) => Duration::from_secs(1),
        }
    }

    pub(super) async fn read(&self, id: &CredentialId) -> Result<Option<Stood>, ReadError> {
        let found = match self {
            Self::Redis(redis) => redis.reader.get_with_life(id).await?,
            Self::Files(files) => files.read(id).await?,
        };
        Ok(found.map(|(token, remaining)| Stood { token, remaining }))
    }

    pub(super) async fn report(&self, id: &CredentialId, token: &Token) -> Result<(), ReportError> {
        match self {
            Self::Redis(redis) => redis.reporter.report(id, token).await,
            Self::Files(files) => files.report(id, token).await,
        }
    }

    /// What is told of tokens that have changed, until the connection ends; `None` where nothing can be
    /// heard now.
    pub(super) async fn changes(&self) -> Option<impl Stream<Item = CredentialId> + use<>> {
        let Self::Redis(redis) = self else { return None };
        let (sink, messages) = listen(&redis.url, &redis.channel).await.ok()?.split();
        let ids = messages.filter_map(|message| {
            let changed = serde_json::from_slice::<Changed>(message.get_payload_bytes());
            std::future::ready(changed.ok().map(|changed| changed.id))
        });
        Some(ids.take_until(Box::pin(until_silent(sink))))
    }

    /// Where nothing is ever told.
    pub(super) fn is_mute(&self) -> bool {
        matches!(self, Self::Files(_))
    }
}

/// Ends when nothing answers any more. A refusal is an answer, too.
async fn until_silent(mut sink: PubSubSink) {
    let mut pings = interval(PING.0);
    loop {
        pings.tick().await;
        match timeout(PING.1, sink.ping::<redis::Value>()).await {
            Ok(Err(error)) if error.is_io_error() => return,
            Ok(_) => {}
            Err(_late) => return,
        }
    }
}

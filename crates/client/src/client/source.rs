//! Where tokens stand: a Redis server, or a directory of this machine.

use std::{path::Path, sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt};
use redis::{RedisResult, aio::PubSubSink};
use tokio::time::{interval, timeout};

use super::files::Files;
use crate::{
    CredentialId, Keys, ReadError, Reader, RedisFailure, ReportError, Reporter, Token,
    messages::Changed,
};

/// How often the connection on which messages are heard is used, so that nobody on the way takes it for
/// idle, and one that is lost without a word is noticed; and how long an answer may take.
const PING: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(5));

/// Where tokens stand. Clones share their connections.
#[derive(Clone)]
pub(super) enum Source {
    Redis(Arc<Server>),
    Files(Files),
}

/// A Redis server, and the channel on which changes are told.
pub(super) struct Server {
    reader: Reader,
    reporter: Reporter,
    redis: redis::Client,
    channel: String,
}

/// A token that stands, and how long it still does.
pub(super) struct Stood {
    pub(super) token: Token,
    pub(super) remaining: Duration,
}

// === impl Source ===

impl Source {
    pub(super) fn open(url: &str, prefix: &str) -> Result<Self, RedisFailure> {
        if let Some(path) = url.strip_prefix("file:") {
            return Ok(Self::Files(Files::new(Path::new(path))));
        }
        #[cfg(feature = "tls")]
        // An error says that the process has a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let redis = redis::Client::open(url).map_err(|error| RedisFailure::of(&error))?;
        Ok(Self::redis(redis, prefix))
    }

    pub(super) fn redis(redis: redis::Client, prefix: &str) -> Self {
        Self::Redis(Arc::new(Server {
            reader: Reader::new(redis.clone(), prefix),
            reporter: Reporter::new(redis.clone(), prefix),
            redis,
            channel: Keys::new(prefix).changed_channel(),
        }))
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
            Self::Redis(server) => server.reader.get_with_life(id).await?,
            Self::Files(files) => files.read(id).await?,
        };
        Ok(found.map(|(token, remaining)| Stood { token, remaining }))
    }

    pub(super) async fn report(&self, id: &CredentialId, token: &Token) -> Result<(), ReportError> {
        match self {
            Self::Redis(server) => server.reporter.report(id, token).await,
            Self::Files(files) => files.report(id, token).await,
        }
    }

    /// What is told of tokens that have changed, until the connection ends; `None` where nothing can be
    /// heard now.
    pub(super) async fn changes(&self) -> Option<impl Stream<Item = CredentialId> + use<>> {
        let Self::Redis(server) = self else { return None };
        let connect = async {
            let mut heard = server.redis.get_async_pubsub().await?;
            heard.subscribe(&server.channel).await?;
            RedisResult::Ok(heard.split())
        };
        let (sink, messages) = timeout(PING.1, connect).await.ok()?.ok()?;
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

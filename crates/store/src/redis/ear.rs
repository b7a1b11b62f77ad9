//! Hears messages where they do not come on the connection of the answers: RESP2.

use std::time::Duration;

use futures_util::StreamExt;
use redis::{
    Client, Msg, PushInfo, PushKind, RedisResult, Value,
    aio::{PubSubSink, PubSubStream},
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{interval, timeout},
};

use super::connect::{Channels, RESPONSE_TIMEOUT};

/// How often the connection is used, so that nobody on the way takes it for idle, and one that is lost
/// without a word is noticed. Proxies and clouds cut after a minute or more.
const PING: Duration = Duration::from_secs(20);

/// A second connection, on which messages are heard until it is dropped. It has one task.
pub(super) struct Ear(JoinSet<()>);

// === impl Ear ===

impl Ear {
    /// Listens to the channels.
    pub(super) async fn open(client: &Client, channels: &Channels) -> RedisResult<Self> {
        let mut heard = client.get_async_pubsub().await?;
        heard.subscribe(&channels.names[..]).await?;
        let (sink, messages) = heard.split();
        let hints = channels.hints.clone();
        // What was published since the one before ended was not heard.
        let _ = hints.try_send(PushInfo { kind: PushKind::Subscribe, data: Vec::new() });
        let mut task = JoinSet::new();
        task.spawn(async move {
            tokio::select! {
                () = hear(messages, &hints) => {}
                () = until_silent(sink) => {}
            }
            let _ = hints.try_send(PushInfo { kind: PushKind::Disconnection, data: Vec::new() });
        });
        Ok(Self(task))
    }

    /// Whether nothing is heard any more.
    pub(super) fn is_deaf(&mut self) -> bool {
        self.0.try_join_next().is_some() || self.0.is_empty()
    }
}

/// Hands on what is heard, until the connection ends.
async fn hear(mut messages: PubSubStream, hints: &mpsc::Sender<PushInfo>) {
    while let Some(message) = messages.next().await {
        // A full queue drops the hint; a closed one means that the process is ending.
        let _ = hints.try_send(pushed(&message));
    }
}

/// The same as RESP3 would have said.
fn pushed(message: &Msg) -> PushInfo {
    let channel = message.get_channel_name().as_bytes();
    let data = [channel, message.get_payload_bytes()].map(|part| Value::BulkString(part.to_vec()));
    PushInfo { kind: PushKind::Message, data: data.to_vec() }
}

/// Ends when nothing answers any more. A refusal is an answer, too.
async fn until_silent(mut sink: PubSubSink) {
    let mut pings = interval(PING);
    loop {
        pings.tick().await;
        match timeout(RESPONSE_TIMEOUT, sink.ping::<Value>()).await {
            Ok(Err(error)) if error.is_io_error() => return,
            Ok(_) => {}
            Err(_late) => return,
        }
    }
}

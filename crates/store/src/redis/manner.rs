//! How one server, or a proxy before it, is spoken to: as well as it can, found out by trying.

use std::sync::Arc;

use redis::{
    AsyncConnectionConfig, Client, FromRedisValue, ProtocolVersion, RedisError, RedisResult, Value,
    aio::MultiplexedConnection,
};

use super::{
    connect::{CONNECT_TIMEOUT, Channels, RESPONSE_TIMEOUT, hand_on},
    ear::Ear,
    errors,
    info::Info,
    lacking::Lacking,
};
use crate::Lack;

/// How it is spoken to. Each is tried if the one before is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// In RESP3: messages come on the connection of the answers.
    Resp3,
    /// In RESP2: messages are heard on a connection of their own.
    Resp2,
    /// In RESP2, with nothing but commands on keys. Twemproxy ends a connection at a command that it
    /// does not know.
    KeysAlone,
}

/// A connection to one server.
pub(super) struct One {
    pub(super) connection: MultiplexedConnection,
    /// A text that is another for another server, another life of it, or another history of its data.
    pub(super) server: Arc<str>,
    pub(super) lacking: Lacking,
    pub(super) ear: Option<Ear>,
    /// It may have been made to a server that was about to stop, and know less than could be had.
    pub(super) is_makeshift: bool,
    pub(super) protocol: ProtocolVersion,
}

/// Connects to one server, and tells who answers. Where that may not be asked, every connection counts
/// as another server. `key` is one of ours.
pub(super) async fn connect(
    client: &Client,
    channels: Option<&Channels>,
    key: &str,
) -> RedisResult<One> {
    let wanted = client.get_connection_info().redis_settings().protocol();
    let mut manner = if wanted == ProtocolVersion::RESP2 { Manner::Resp2 } else { Manner::Resp3 };
    loop {
        let connected = match manner {
            Manner::Resp3 => in_resp3(client, channels).await,
            Manner::Resp2 => in_resp2(&with_resp2(client)?, channels).await,
            Manner::KeysAlone => with_keys_alone(&with_resp2(client)?, key).await,
        };
        match connected {
            Err(error) => manner = manner.after(&error).ok_or(error)?,
            connected => return connected,
        }
    }
}

// === impl Manner ===

impl Manner {
    /// What to try after this error, if anything.
    fn after(self, error: &RedisError) -> Option<Self> {
        match self {
            Self::Resp3 | Self::Resp2 if errors::is_ended(error) => Some(Self::KeysAlone),
            Self::Resp3 if errors::is_without_resp3(error) => Some(Self::Resp2),
            _ => None,
        }
    }
}

/// The same server, spoken to in RESP2. It is not told who speaks.
pub(super) fn with_resp2(client: &Client) -> RedisResult<Client> {
    let info = client.get_connection_info();
    let settings = info.redis_settings().clone();
    let settings = settings.set_protocol(ProtocolVersion::RESP2).set_skip_set_lib_name();
    Client::open(info.clone().set_redis_settings(settings))
}

async fn in_resp3(client: &Client, channels: Option<&Channels>) -> RedisResult<One> {
    let mut config = patient();
    if let Some(channels) = channels {
        config = config.set_push_sender(hand_on(channels));
    }
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let (server, lacking) = who(&mut connection).await?;
    if let Some(channels) = channels {
        for name in &channels.names {
            match connection.subscribe(name).await {
                Err(error) if errors::is_refusal(&error) => lacking.add(Lack::Messages),
                subscribed => subscribed?,
            }
        }
        tell_nothing(&mut connection, channels, &lacking).await?;
    }
    let protocol = ProtocolVersion::RESP3;
    Ok(One { connection, server, lacking, ear: None, is_makeshift: false, protocol })
}

async fn in_resp2(client: &Client, channels: Option<&Channels>) -> RedisResult<One> {
    let mut connection = client.get_multiplexed_async_connection_with_config(&patient()).await?;
    let (server, lacking) = who(&mut connection).await?;
    lacking.add(Lack::Resp3);
    let ear = match channels {
        Some(channels) => {
            tell_nothing(&mut connection, channels, &lacking).await?;
            ear(client, channels, &lacking).await?
        }
        None => None,
    };
    let protocol = ProtocolVersion::RESP2;
    Ok(One { connection, server, lacking, ear, is_makeshift: false, protocol })
}

async fn with_keys_alone(client: &Client, key: &str) -> RedisResult<One> {
    let mut connection = client.get_multiplexed_async_connection_with_config(&patient()).await?;
    let exists = redis::cmd("EXISTS").arg(key).to_owned();
    // A right that is missing concerns this key alone. Any other error may be the last word of a server
    // that ends the connection: the next command would not be told why.
    let answer: RedisResult<Value> = exists.query_async(&mut connection).await;
    if let Err(error) = answer
        && !errors::is_unpermitted(&error)
    {
        return Err(error);
    }
    let (lacking, protocol) = (Lacking::everything(), ProtocolVersion::RESP2);
    Ok(One { connection, server: fresh(), lacking, ear: None, is_makeshift: true, protocol })
}

/// Sends an empty message, which nobody makes anything of: what nobody can tell, nobody hears.
async fn tell_nothing(
    connection: &mut MultiplexedConnection,
    channels: &Channels,
    lacking: &Lacking,
) -> RedisResult<()> {
    for name in &channels.names {
        let publish = redis::cmd("PUBLISH").arg(name).arg("").to_owned();
        match publish.query_async::<Value>(connection).await {
            Err(error) if errors::is_refusal(&error) => lacking.add(Lack::Messages),
            told => drop(told?),
        }
    }
    Ok(())
}

/// Listens on a connection of its own, if anybody tells something there.
pub(super) async fn ear(
    client: &Client,
    channels: &Channels,
    lacking: &Lacking,
) -> RedisResult<Option<Ear>> {
    match Ear::open(client, channels).await {
        Ok(ear) => Ok(Some(ear)),
        Err(error) if errors::is_refusal(&error) || errors::is_ended(&error) => {
            lacking.add(Lack::Messages);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Who answers, and what of these first questions is refused.
async fn who(connection: &mut MultiplexedConnection) -> RedisResult<(Arc<str>, Lacking)> {
    let mut pipeline = redis::pipe();
    pipeline.ignore_errors();
    pipeline.cmd("INFO").arg("server").cmd("INFO").arg("replication").cmd("TIME");
    let mut answers: Vec<RedisResult<Value>> = pipeline.query_async(connection).await?;
    let lacking = Lacking::default();
    let time = answers.pop();
    if time.is_some_and(|time| time.is_err_and(|error| errors::is_refusal(&error))) {
        lacking.add(Lack::Time);
    }
    let is_refusal =
        |answer: &RedisResult<Value>| matches!(answer, Err(error) if errors::is_refusal(error));
    if answers.iter().any(is_refusal) {
        lacking.add(Lack::Info);
    }
    let text = |answer: RedisResult<Value>| String::from_redis_value(answer.ok()?).ok();
    let info = Info::from(answers.into_iter().filter_map(text).collect::<String>());
    let known = info.field("run_id").zip(info.field("master_replid"));
    let server = known.map_or_else(fresh, |(life, history)| format!("{life} {history}").into());
    Ok((server, lacking))
}

fn patient() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
}

pub(super) fn fresh() -> Arc<str> {
    uuid::Uuid::new_v4().to_string().into()
}

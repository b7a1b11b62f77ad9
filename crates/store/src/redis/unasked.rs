//! What a server says unasked, before it ends a connection: that it is in protected mode, or has too
//! many clients.

use std::time::Duration;

use redis::{ConnectionAddr, RedisError};
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};

use evertoken_client::{Deployment, RedisUrl};

/// How long it may take. Who has something to say says it at once.
const PATIENCE: Duration = Duration::from_secs(2);

/// The longest text that is read, in bytes.
const MAX_TEXT: u64 = 4096;

/// Why a single server without TLS ends connections, if it says so.
pub(super) async fn refusal(url: &RedisUrl) -> Option<RedisError> {
    let Deployment::Single(client) = url.deployment() else { return None };
    let ConnectionAddr::Tcp(host, port) = client.get_connection_info().addr() else { return None };
    let said = async {
        // Nothing is sent: what is unread at the other end could undo what it says.
        let stream = TcpStream::connect((host.as_str(), *port)).await?;
        let mut said = Vec::new();
        // It may be cut short: what has come is what counts.
        let _ = stream.take(MAX_TEXT).read_to_end(&mut said).await;
        std::io::Result::Ok(said)
    };
    let said = timeout(PATIENCE, said).await.ok()?.ok()?;
    redis::parse_redis_value(&said).ok()?.extract_error().err()
}

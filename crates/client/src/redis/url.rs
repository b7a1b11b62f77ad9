//! Where Redis is, as the user writes it: one server, a master that sentinels name, or a cluster.
//!
//! Only texts are read here; nothing is connected. A text may hold a password, so no message
//! repeats any part of it.

use std::{collections::BTreeMap, fmt, sync::Arc};

use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion,
    RedisConnectionInfo, RedisResult,
};

use super::Certificates;
use crate::InvalidStoreUrl;

const SENTINEL_PORT: u16 = 26379;

const SINGLE: &str = "redis://user:password@127.0.0.1:6379/0";
const SOCKET: &str = "redis+unix:///run/redis.sock?db=0";
const SENTINEL: &str = "redis+sentinel://user:password@host1:26379,host2:26379/mymaster/0";
const CLUSTER: &str = "redis+cluster://user:password@host1:6379,host2:6379";

/// Where Redis is. It may hold a password, so it prints only addresses.
#[derive(Clone)]
pub struct RedisUrl {
    deployment: Arc<Deployment>,
    protocol: Option<ProtocolVersion>,
}

/// How Redis is set up.
pub enum Deployment {
    /// One server, for which any failover is somebody else's matter.
    Single(Client),
    /// A master, and those who know which server it is.
    Sentinel(Sentinel),
    /// The nodes that were named; they know the others.
    Cluster(Cluster),
}

/// A master, and those who know which server it is.
#[non_exhaustive]
pub struct Sentinel {
    /// At least one, with their own login, which does not hold for the master.
    pub sentinels: Vec<ConnectionInfo>,
    /// The name of what they watch.
    pub master: String,
    /// How to log in at the master.
    pub settings: RedisConnectionInfo,
    /// By which all of them are known, and what they are shown.
    pub certificates: Option<Certificates>,
}

/// The nodes that were named; they know the others.
#[non_exhaustive]
pub struct Cluster {
    /// At least one.
    pub nodes: Vec<ConnectionInfo>,
    /// By which all of them are known, and what they are shown.
    pub certificates: Option<Certificates>,
}

// === impl RedisUrl ===

impl RedisUrl {
    /// Reads the URL of a Redis, with the certificates for TLS if there are any.
    ///
    /// # Errors
    /// If it is malformed, or if certificates are given where there is no TLS.
    pub fn parse(text: &str, certificates: Option<Certificates>) -> Result<Self, InvalidStoreUrl> {
        #[cfg(feature = "tls")]
        // An error says that the process has a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| malformed("// is missing after the scheme", SINGLE))?;
        let uses_tls = scheme.starts_with("rediss");
        if certificates.is_some() && !uses_tls {
            return Err(InvalidStoreUrl::NoTls);
        }
        if uses_tls && cfg!(not(feature = "tls")) {
            return Err(malformed("this program is built without TLS", SINGLE));
        }
        let deployment = match scheme {
            "redis" | "rediss" => {
                return single(text, SINGLE, &["protocol"], certificates.as_ref());
            }
            "unix" | "redis+unix" => return single(text, SOCKET, &["db", "user", "pass"], None),
            "redis+sentinel" | "rediss+sentinel" => sentinel(rest, uses_tls, certificates),
            "redis+cluster" | "rediss+cluster" => cluster(rest, uses_tls, certificates),
            _ => Err(malformed("its scheme is unknown", SINGLE)),
        };
        Ok(Self { deployment: Arc::new(deployment?), protocol: None })
    }

    /// How Redis is set up.
    #[must_use]
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// The protocol that it asks for, if it does.
    #[must_use]
    pub fn protocol(&self) -> Option<ProtocolVersion> {
        self.protocol
    }

    /// Whether TLS is spoken.
    #[must_use]
    pub fn uses_tls(&self) -> bool {
        match self.deployment() {
            Deployment::Single(client) => is_tls(client.get_connection_info().addr()),
            Deployment::Sentinel(sentinel) => sentinel.uses_tls(),
            Deployment::Cluster(cluster) => cluster.nodes.iter().any(|node| is_tls(node.addr())),
        }
    }
}

impl From<Client> for RedisUrl {
    /// The one server that a client of the `redis` crate speaks to.
    fn from(client: Client) -> Self {
        Self { deployment: Arc::new(Deployment::Single(client)), protocol: None }
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |infos: &[ConnectionInfo]| {
            infos.iter().map(|info| info.addr().to_string()).collect::<Vec<_>>().join(", ")
        };
        match self.deployment() {
            Deployment::Single(client) => client.get_connection_info().addr().fmt(f),
            Deployment::Sentinel(Sentinel { master, sentinels, .. }) => {
                write!(f, "{master} (sentinels {})", list(sentinels))
            }
            Deployment::Cluster(Cluster { nodes, .. }) => {
                write!(f, "{} (cluster)", list(nodes))
            }
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

// === impl Sentinel ===

impl Sentinel {
    /// A client of one of the sentinels.
    ///
    /// # Errors
    /// If the certificates cannot be used.
    pub fn client(&self, sentinel: &ConnectionInfo) -> RedisResult<Client> {
        client(sentinel.clone(), self.certificates.as_ref())
    }

    pub(super) fn uses_tls(&self) -> bool {
        self.sentinels.iter().any(|each| is_tls(each.addr()))
    }
}

fn is_tls(addr: &ConnectionAddr) -> bool {
    matches!(addr, ConnectionAddr::TcpTls { .. })
}

// === impl Cluster ===

impl Cluster {
    /// A client of one of its nodes.
    ///
    /// # Errors
    /// If its certificates cannot be used.
    pub fn client(&self, node: &ConnectionInfo) -> RedisResult<Client> {
        client(node.clone(), self.certificates.as_ref())
    }
}

// --- the kinds of URL ---

fn malformed(why: impl Into<String>, example: &'static str) -> InvalidStoreUrl {
    InvalidStoreUrl::Redis { why: why.into(), example }
}

fn client(server: ConnectionInfo, certificates: Option<&Certificates>) -> RedisResult<Client> {
    match certificates {
        Some(certificates) => certificates.client(server),
        None => Client::open(server),
    }
}

/// A server is told who speaks only if it is asked for: proxies end a connection at a command that they
/// do not know.
fn untold(info: ConnectionInfo) -> ConnectionInfo {
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    info.set_redis_settings(settings)
}

fn single(
    text: &str,
    example: &'static str,
    known: &[&str],
    certificates: Option<&Certificates>,
) -> Result<RedisUrl, InvalidStoreUrl> {
    let query = text.split_once('?').map_or("", |(_, query)| query);
    let parameters = parameters(query, known, example)?;
    let protocol = match parameters.get("protocol").copied() {
        Some("2" | "resp2") => Some(ProtocolVersion::RESP2),
        Some("3" | "resp3") => Some(ProtocolVersion::RESP3),
        None => None,
        Some(_) => {
            let why = "protocol may be 2 or 3, and is found out by itself if it is left out";
            return Err(malformed(why, example));
        }
    };
    if text.contains('#') {
        return Err(malformed("nothing may follow a #", example));
    }
    let info = text
        .into_connection_info()
        .map_err(|_| malformed("its login, host, port or database is malformed", example))?;
    let client = client(untold(info), certificates);
    let client = client.map_err(|error| malformed(error.to_string(), example))?;
    Ok(RedisUrl { protocol, ..RedisUrl::from(client) })
}

fn sentinel(
    rest: &str,
    uses_tls: bool,
    certificates: Option<Certificates>,
) -> Result<Deployment, InvalidStoreUrl> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let parameters = parameters(query, &["sentinel_username", "sentinel_password"], SENTINEL)?;
    let parameter = |name: &str| parameters.get(name).copied().unwrap_or_default();
    let (user, password) = (parameter("sentinel_username"), parameter("sentinel_password"));
    let login = if parameters.is_empty() { String::new() } else { format!("{user}:{password}@") };
    let login = format!("redis://{login}sentinel")
        .into_connection_info()
        .map_err(|_| malformed("the login of the sentinels is malformed", SENTINEL))?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (master, db) = path.trim_end_matches('/').split_once('/').unwrap_or((path, "0"));
    let master = master.trim_end_matches('/');
    if master.is_empty() {
        return Err(malformed("it does not say which master the sentinels watch", SENTINEL));
    }
    let db = db.parse::<u16>().map_err(|_| malformed("its database is no number", SENTINEL))?;
    let nodes = nodes(authority, uses_tls, SENTINEL_PORT, SENTINEL)?;
    #[expect(clippy::indexing_slicing, reason = "a list without a node was refused above")]
    let settings = nodes[0].redis_settings().clone().set_db(i64::from(db));
    Ok(Deployment::Sentinel(Sentinel {
        sentinels: nodes
            .into_iter()
            .map(|node| node.set_redis_settings(login.redis_settings().clone()))
            .collect(),
        master: master.to_owned(),
        settings,
        certificates,
    }))
}

fn cluster(
    rest: &str,
    uses_tls: bool,
    certificates: Option<Certificates>,
) -> Result<Deployment, InvalidStoreUrl> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    parameters(query, &[], CLUSTER)?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !["", "0"].contains(&path.trim_end_matches('/')) {
        return Err(malformed("a cluster has no database but 0", CLUSTER));
    }
    let nodes = nodes(authority, uses_tls, 6379, CLUSTER)?;
    Ok(Deployment::Cluster(Cluster { nodes, certificates }))
}

/// `user:password@host1:port1,host2` as one URL each, which the library reads.
fn nodes(
    authority: &str,
    uses_tls: bool,
    port: u16,
    example: &'static str,
) -> Result<Vec<ConnectionInfo>, InvalidStoreUrl> {
    let (login, hosts) = match authority.rsplit_once('@') {
        Some((login, hosts)) => (format!("{login}@"), hosts),
        None => (String::new(), authority),
    };
    let scheme = if uses_tls { "rediss" } else { "redis" };
    let node = |(at, host): (usize, &str)| {
        let has_port = host.rsplit(']').next().is_some_and(|tail| tail.contains(':'));
        let port = if has_port { String::new() } else { format!(":{port}") };
        let info = format!("{scheme}://{login}{host}{port}").into_connection_info();
        let info = info.map_err(|_| {
            let place = at + 1;
            malformed(
                format!("host {place} of the list, or what stands before it, is malformed"),
                example,
            )
        })?;
        Ok(untold(info))
    };
    hosts.split(',').map(str::trim).enumerate().map(node).collect()
}

/// What follows the question mark, as it was written.
fn parameters<'a>(
    query: &'a str,
    known: &[&str],
    example: &'static str,
) -> Result<BTreeMap<&'a str, &'a str>, InvalidStoreUrl> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs
        .map(|(name, value)| match known {
            _ if known.contains(&name) => Ok((name, value)),
            [] => Err(malformed("nothing may follow a ?", example)),
            _ => {
                let known = known.join(", ");
                Err(malformed(format!("after the ? there may only be {known}"), example))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;

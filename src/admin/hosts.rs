//! By which names the listener may be asked. Pure.
//!
//! A web site can have its own name point at this machine (DNS rebinding), and so have the browser of
//! whoever visits it ask the listener and read the answer. The browser tells the name that was asked
//! for, and an address or a name that no stranger can point elsewhere is none of that site's.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// What machines ask for: a probe asks by the address of a pod, Prometheus by any name that leads here.
const FOR_MACHINES: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// Names by which the listener may be asked.
#[derive(Debug)]
pub(super) struct Hosts {
    listen: SocketAddr,
    /// In small letters.
    names: Vec<String>,
}

// === impl Hosts ===

impl Hosts {
    pub(super) fn new(listen: SocketAddr, names: Vec<String>) -> Self {
        Self { listen, names }
    }

    /// Whether nobody but this machine reaches the listener.
    pub(super) fn is_loopback(&self) -> bool {
        self.listen.ip().to_canonical().is_loopback()
    }

    /// Whether `host`, as a request has it, may ask for `path`. Without one, nobody knows who is asked.
    fn may_ask(&self, host: Option<&str>, path: &str) -> bool {
        if !self.is_loopback() && FOR_MACHINES.contains(&path) {
            return true;
        }
        let Some(name) = host.and_then(name) else { return false };
        if self.names.contains(&name) {
            return true;
        }
        match name.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => !self.is_loopback() || address.to_canonical().is_loopback(),
            Err(_) => name == "localhost",
        }
    }
}

/// Lets through what is asked by a name that may be used.
pub(super) async fn check(
    State(hosts): State<Arc<Hosts>>,
    request: Request,
    next: Next,
) -> Response {
    let host = host(request.uri(), request.headers());
    if hosts.may_ask(host, request.uri().path()) {
        return next.run(request).await;
    }
    let asked = host.and_then(name).unwrap_or_default();
    let why = format!(
        "this listener does not answer to the name {asked:?}: if the name leads here, set \
         admin.hosts = [{asked:?}]; else ask by localhost or by an IP address\n"
    );
    (StatusCode::MISDIRECTED_REQUEST, why).into_response()
}

/// Whom a request is for, if it says so once.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    if let Some(authority) = uri.authority() {
        return Some(authority.as_str());
    }
    let mut all = headers.get_all(header::HOST).iter();
    let first = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(first)
}

/// The name or address of `host`, without a port, in small letters.
fn name(host: &str) -> Option<String> {
    let authority: Authority = host.parse().ok().filter(|_| !host.contains('@'))?;
    let name = authority.host();
    // Behind it a port may stand, and nothing else.
    let behind = host.strip_prefix(name)?;
    let port = behind.strip_prefix(':').unwrap_or(behind);
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(listen: &str) -> Hosts {
        Hosts::new(listen.parse().expect("an address"), vec!["status.example".to_owned()])
    }

    #[test]
    fn on_loopback_only_names_that_no_stranger_can_point_here_are_answered() {
        for listen in ["127.0.0.1:9464", "[::1]:9464", "[::ffff:127.0.0.1]:9464"] {
            let hosts = hosts(listen);
            for good in [
                "localhost",
                "LocalHost:1",
                "localhost.:80",
                "127.0.0.1",
                "127.9.8.7:9464",
                "[::1]",
                "[::1]:9464",
                "status.example:80",
                "Status.Example",
            ] {
                assert!(hosts.may_ask(Some(good), "/status"), "{good}");
            }
            for bad in [
                "evil.example",
                "localhost.evil.example",
                "127.0.0.1.evil.example",
                "10.0.0.1",
                "0.0.0.0",
                "[::]",
                "user@localhost",
                "localhost@evil.example",
                "",
                ":80",
                "evil.example#localhost",
                "localhost,evil.example",
                "localhost evil.example",
                "::1",
                "2130706433",
                "not-status.example",
                "[::1].evil.example",
            ] {
                for path in ["/", "/status", "/metrics", "/livez", "/readyz", "/events"] {
                    assert!(!hosts.may_ask(Some(bad), path), "{bad} {path}");
                }
            }
            assert!(!hosts.may_ask(None, "/livez"));
        }
    }

    #[test]
    fn off_loopback_probes_and_scrapes_are_answered_by_any_name_and_pages_by_an_address_alone() {
        for listen in ["0.0.0.0:9464", "[::]:9464", "10.0.0.5:9464"] {
            let hosts = hosts(listen);
            for path in FOR_MACHINES {
                for host in [Some("10.42.0.7:9464"), Some("evertoken.prod.svc:9464"), None] {
                    assert!(hosts.may_ask(host, path), "{host:?} {path}");
                }
            }
            for path in ["/", "/status", "/events", "/metrics/../status"] {
                for good in ["10.42.0.7:9464", "[fd00::7]:9464", "localhost", "status.example"] {
                    assert!(hosts.may_ask(Some(good), path), "{good} {path}");
                }
                assert!(!hosts.may_ask(Some("evil.example:9464"), path), "{path}");
                assert!(!hosts.may_ask(None, path), "{path}");
            }
        }
    }
}

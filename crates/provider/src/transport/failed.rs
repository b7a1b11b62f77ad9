//! Why a call got no answer, without URLs: what was sent, and whose fault it is.

use std::error::Error;

use evertoken_rules::policy::PERMANENT_WAIT;
use evertoken_tls::Refusal;
use reqwest::Url;

use super::InvalidTransport;
use crate::{Fate, FetchError, Proxy, Remedy, Trouble};

/// Where a call goes.
#[derive(Clone, Copy)]
pub(super) struct Destination<'a> {
    /// It has neither user nor query: its host and port can be told.
    pub(super) base: &'a Url,
    /// The setting that names it.
    pub(super) setting: &'static str,
    pub(super) proxy: Option<&'a Proxy>,
}

pub(super) fn not_built(error: InvalidTransport) -> FetchError {
    // Another worker may have what this machine lacks.
    let remedy = Remedy::AnotherWorker(PERMANENT_WAIT);
    FetchError::new(Trouble::IssuerTls, remedy, Fate::NotSent, "no issuer can be called")
        .caused_by(error)
}

pub(super) fn malformed(error: reqwest::Error) -> FetchError {
    let message = "the request cannot be formed";
    FetchError::new(Trouble::RequestMalformed, Remedy::Operator, Fate::NotSent, message)
        .caused_by(error.without_url())
}

pub(super) fn not_answered(error: reqwest::Error, to: Destination<'_>) -> FetchError {
    let Destination { base, setting, .. } = to;
    let error = error.without_url();
    if error.is_connect() {
        let (trouble, message) = not_connected(&error, to);
        return FetchError::new(trouble, Remedy::Retry, Fate::NotSent, message).caused_by(error);
    }
    let hint = match base.scheme() {
        "http" => format!(" ({setting} is http://: is it to be https://?)"),
        _ => String::new(),
    };
    let issuer = base.authority();
    let message = format!("the connection to {issuer} broke after the request was sent{hint}");
    unclear(message).caused_by(error)
}

/// No byte of the request was sent.
fn not_connected(error: &reqwest::Error, to: Destination<'_>) -> (Trouble, String) {
    let Destination { base, setting, proxy } = to;
    let issuer = base.authority();
    if let Some(refusal) = evertoken_tls::refusal(error) {
        let (how, by) = (mended(refusal, setting), by(proxy));
        let message = format!("the issuer at {issuer} cannot be spoken to by TLS{by}: {how}");
        return (Trouble::IssuerTls, message);
    }
    let Some(proxy) = proxy else {
        let message = match error.is_timeout() {
            true => format!("the issuer at {issuer} could not be reached in time"),
            false => {
                format!("the issuer at {issuer} cannot be reached (see {setting} and the network)")
            }
        };
        return (Trouble::IssuerUnreachable, message);
    };
    if error.is_timeout() {
        let message = format!("the proxy {proxy} opened no way to {issuer} in time");
        return (Trouble::ProxyUnreachable, message);
    }
    match refused_by_proxy(error) {
        Some(Refused::LoginWanted) => (Trouble::ProxyRefused, wants_login(proxy)),
        Some(Refused::NoWay) => (
            Trouble::ProxyRefused,
            format!(
                "the proxy {proxy} opens no way to {issuer}: it forbids that, cannot reach it itself, \
                 or does not take our user and password (its log tells)"
            ),
        ),
        None => (
            Trouble::ProxyUnreachable,
            format!(
                "the issuer at {issuer} cannot be reached by the proxy {proxy} (is it there, and is \
                 worker.proxy right?)"
            ),
        ),
    }
}

/// What hyper-util says of a proxy that has answered, and refused. Its errors have no public types; the
/// tests of the way out hold these words to what it says.
const LOGIN_WANTED: [&str; 3] = [
    "proxy authorization required",
    "credentials not accepted",
    "does not support user/pass authentication",
];
const REFUSED: [&str; 2] = ["tunnel error: unsuccessful", "SOCKS error: "];
/// What is no answer of a proxy.
const BROKEN: [&str; 2] = ["io error", "underlying connection"];

enum Refused {
    LoginWanted,
    NoWay,
}

fn refused_by_proxy(error: &(dyn Error + 'static)) -> Option<Refused> {
    let mut next = Some(error);
    while let Some(cause) = next {
        let text = cause.to_string();
        let says = |words: &[&str]| words.iter().any(|words| text.contains(words));
        if says(&LOGIN_WANTED) {
            return Some(Refused::LoginWanted);
        }
        if says(&REFUSED) && !says(&BROKEN) {
            return Some(Refused::NoWay);
        }
        next = cause.source();
    }
    None
}

/// A proxy that is handed the request itself does not take us: it has not handed it on.
pub(super) fn login_wanted(proxy: &Proxy) -> FetchError {
    FetchError::new(Trouble::ProxyRefused, Remedy::Retry, Fate::NotSent, wants_login(proxy))
}

/// A proxy that is handed the request itself answers so in place of an issuer that it does not reach.
/// Which of the two it is cannot be told.
pub(super) fn not_forwarded(proxy: &Proxy, issuer: &str, status: u16) -> FetchError {
    let message = format!(
        "the proxy {proxy} answers HTTP {status} for the issuer at {issuer}: does it reach it?"
    );
    FetchError::new(Trouble::ProxyRefused, Remedy::Retry, Fate::NotSent, message)
}

fn wants_login(proxy: &Proxy) -> String {
    format!(
        "the proxy {proxy} does not take this user and password (407): see proxy_user and \
         proxy_password"
    )
}

fn by(proxy: Option<&Proxy>) -> String {
    proxy.map(|proxy| format!(" by the proxy {proxy}")).unwrap_or_default()
}

/// What a refusal of TLS asks of an operator, `setting` being that which names the issuer.
fn mended(refusal: Refusal, setting: &str) -> String {
    let how = match refusal {
        Refusal::Ended => "its certificate has ended: renew it; or is this machine's clock ahead?",
        Refusal::NotYet => "its certificate is not valid yet: is this machine's clock behind?",
        Refusal::OtherName => {
            "its certificate is for another host: use the host's name as in the certificate"
        }
        Refusal::NoName => {
            "its certificate names no host, and a common name alone does not count: make it anew \
             with subjectAltName=DNS:HOST"
        }
        Refusal::Authority => {
            "its certificate is of an authority that this machine does not trust, or signed by \
             itself: install the authority's certificate (a running worker reads them again), or \
             name its file in worker.ca_cert_file or SSL_CERT_FILE and restart"
        }
        Refusal::IsAuthority => {
            "it has a certificate that is an authority's own: sign another one with it for the \
             server, or make it anew with basicConstraints=CA:FALSE"
        }
        Refusal::Weak => {
            "its certificate is signed in a way that is not safe any more, as with SHA-1: have it \
             signed with SHA-256"
        }
        Refusal::Unread => {
            "the certificates of authorities cannot be read: see SSL_CERT_FILE and SSL_CERT_DIR"
        }
        Refusal::Plain => return format!("it does not answer in TLS: check {setting}"),
        Refusal::OursWanted | Refusal::Alert => {
            return format!("it refuses this client: check {setting}");
        }
        Refusal::Other => "the handshake failed",
    };
    how.to_owned()
}

/// Nobody knows what the issuer did.
pub(super) fn unclear(message: impl Into<String>) -> FetchError {
    FetchError::new(Trouble::IssuerUnclear, Remedy::Retry, Fate::Unknown, message).unanswered()
}

pub(super) fn cut_short(error: reqwest::Error) -> FetchError {
    unclear("the answer was cut short").caused_by(error.without_url())
}

pub(super) fn timed_out() -> FetchError {
    let message = "the issuer did not answer in time";
    FetchError::new(Trouble::IssuerSlow, Remedy::Retry, Fate::Unknown, message).unanswered()
}

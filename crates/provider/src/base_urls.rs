//! The entry points of an issuer, checked.

use std::{net::IpAddr, sync::Arc};

use reqwest::Url;

/// Entry points of one system: at least one, of `http` or `https`, with neither user nor query. An
/// attempt goes on to the next while a connection cannot be made, and begins behind one that gave the
/// attempt before no answer. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrls(Arc<[Url]>);

/// The texts are no entry points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBaseUrls {
    /// There is none.
    #[error("it names no URL")]
    None,
    /// This one, counted from 0, is none.
    #[error("a URL has http or https, a host, and neither user nor query")]
    NotOne(usize),
}

// === impl BaseUrls ===

impl BaseUrls {
    /// Takes the texts as entry points.
    ///
    /// # Errors
    /// [`InvalidBaseUrls`].
    pub fn parse(texts: &[&str]) -> Result<Self, InvalidBaseUrls> {
        let parsed = texts.iter().enumerate().map(|(at, text)| {
            let url = Url::parse(text).ok().filter(is_base_url);
            url.ok_or(InvalidBaseUrls::NotOne(at))
        });
        let urls: Arc<[Url]> = parsed.collect::<Result<_, _>>()?;
        if urls.is_empty() { Err(InvalidBaseUrls::None) } else { Ok(Self(urls)) }
    }

    /// The name of the issuer: the host of the first.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.first().and_then(Url::host_str).unwrap_or_default()
    }

    /// The first that is asked without TLS over a network: everything on the way reads the secret.
    #[must_use]
    pub fn in_clear(&self) -> Option<&str> {
        let is_clear = |url: &&Url| url.scheme() == "http" && !is_loopback(url);
        self.iter().find(is_clear).map(Url::authority)
    }

    /// Each, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Url> + Clone {
        self.0.iter()
    }
}

fn is_loopback(url: &Url) -> bool {
    // The host of an IPv6 address stands in brackets.
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let name = host.trim_end_matches('.');
    name == "localhost"
        || name.ends_with(".localhost")
        || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

fn is_base_url(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_in_clear_unless_it_stays_on_this_machine() {
        let clear = |texts: &[&str]| {
            let urls = BaseUrls::parse(texts).expect("entry points");
            urls.in_clear().map(str::to_owned)
        };
        let here = ["http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]:1", "http://localhost"];
        assert_eq!(clear(&here), None);
        assert_eq!(clear(&["https://api.example"]), None);
        for (url, told) in [
            ("http://api.example", "api.example"),
            ("http://10.0.0.1:80/way", "10.0.0.1"),
            ("http://192.168.0.1:8080", "192.168.0.1:8080"),
            ("http://localhost.example", "localhost.example"),
            ("http://[2001:db8::1]", "[2001:db8::1]"),
        ] {
            assert_eq!(clear(&["https://a.example", url]).as_deref(), Some(told));
        }
    }

    #[test]
    fn an_entry_point_has_a_host_and_neither_user_nor_query() {
        let urls = BaseUrls::parse(&["https://a.example", "http://b.example:8080/way"]);
        assert_eq!(urls.expect("entry points").host(), "a.example");
        assert_eq!(BaseUrls::parse(&[]), Err(InvalidBaseUrls::None));
        for bad in ["a.example", "ftp://a.example", "https://u:p@a.example", "https://a?b", ""] {
            let found = BaseUrls::parse(&["https://a.example", bad]);
            assert_eq!(found, Err(InvalidBaseUrls::NotOne(1)), "{bad}");
        }
    }
}

//! A proxy by which issuers are reached. Many firms have one with a fixed address, which an issuer's list
//! of addresses names. It is never taken from the environment.

use std::fmt;

use reqwest::Url;
use tokio::time::Instant;

use crate::{FetchError, Fields, Secret, SecretSource};

/// A proxy, and as whom it is used. Its `Debug` and `Display` show no password.
#[derive(Clone, Debug)]
pub struct Proxy {
    url: Url,
    user: Option<Box<str>>,
    password: Option<SecretSource>,
}

/// What a section says of a proxy.
#[derive(Clone, Debug)]
pub enum Way {
    /// Nothing: the way is that of all.
    Usual,
    /// No proxy.
    Direct,
    /// This proxy.
    By(Proxy),
}

// === impl Way ===

impl Way {
    /// Reads `proxy`, `proxy_user` and `proxy_password`.
    pub fn read(fields: &mut dyn Fields) -> Self {
        let given = fields.parsed("proxy", |text| match text {
            "off" => Ok(None),
            text => url(text).map(Some),
        });
        let user = fields.text("proxy_user");
        let password = fields.secret("proxy_password");
        if password.is_some() && user.is_none() {
            fields.wrong("proxy_password", "there is no proxy_user that it belongs to");
        }
        match given {
            Some(Some(url)) => Self::By(Proxy { url, user: user.map(Into::into), password }),
            other => {
                if user.is_some() {
                    fields.wrong("proxy_user", "there is no proxy that it is for");
                }
                if other.is_some() { Self::Direct } else { Self::Usual }
            }
        }
    }
}

fn url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h")
            && url.has_host()
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
    });
    let url = url.ok_or(
        "it must be a URL as http://10.0.0.9:3128, https://…, socks5://… or socks5h://… (the proxy \
         looks names up), or \"off\"",
    )?;
    if url.username().is_empty() && url.password().is_none() {
        return Ok(url);
    }
    // What stands there is not repeated: a part of it is a secret.
    Err("user and password do not belong into the URL: give proxy_user and proxy_password"
        .to_owned())
}

// === impl Proxy ===

impl Proxy {
    /// The password as it is now; an empty one where none is given.
    pub(crate) async fn password(&self, deadline: Instant) -> Result<Secret, FetchError> {
        match &self.password {
            Some(source) => source.read(deadline).await,
            None => Ok(Secret::new("")),
        }
    }

    /// The same for the client, with the password that was read.
    pub(crate) fn with(&self, password: &Secret) -> reqwest::Result<reqwest::Proxy> {
        let proxy = reqwest::Proxy::all(self.url.clone())?;
        Ok(match &self.user {
            Some(user) => proxy.basic_auth(user, password.expose()),
            None => proxy,
        })
    }

    /// Whether it is reached and used in the same way.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let passwords = match (&self.password, &other.password) {
            (None, None) => true,
            (Some(SecretSource::File(one)), Some(SecretSource::File(other))) => {
                one.path() == other.path()
            }
            (Some(SecretSource::Value(one)), Some(SecretSource::Value(other))) => {
                one.expose() == other.expose()
            }
            _ => false,
        };
        (&self.url, &self.user) == (&other.url, &other.user) && passwords
    }

    /// Whether requests to an issuer without TLS are handed to it as they are, so that its answers
    /// cannot be told from the issuer's by the connection.
    pub(crate) fn forwards(&self, issuer: &Url) -> bool {
        issuer.scheme() == "http" && matches!(self.url.scheme(), "http" | "https")
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.url.scheme(), self.url.authority())
    }
}

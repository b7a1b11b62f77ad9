//! WeChat official accounts and mini programs.
//!
//! Two endpoints (`wechat-api.md` sections 1 and 2): `POST /cgi-bin/stable_token` in normal mode,
//! which repeats a token until 300 s before its end, and the older `GET /cgi-bin/token`, which
//! issues anew at each call. What an answer means is in `wechat/answer.rs`, pure; what one to a probe
//! means, in `wechat/probe.rs`.

mod answer;
mod probe;

use std::{fmt, fs::File, io::Read, path::PathBuf, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use reqwest::{Client, Method, Request, Url};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

#[cfg(any(test, fuzzing))]
pub(crate) use self::answer::claims as answer_claims;
use super::{Fate, FetchError, Probed, Provider, Remedy, Transport};
use crate::{
    credential::{Issued, Secret, Token},
    policy::{Issuance, PERMANENT_WAIT},
};

/// In the last 300 s of a stable token a call gives a new one (`wechat-api.md` section 2.2).
const STABLE_WINDOW: Duration = Duration::from_secs(300);

/// WeChat's day is China's; that its quota is counted by it is likely, and documented nowhere
/// (`wechat-api.md` section 13).
const QUOTA_DAY_OFFSET: Duration = Duration::from_secs(8 * 3600);

/// The longest file that is read as a secret, in bytes.
const MAX_SECRET: u64 = 4096;

/// Which of WeChat's two endpoints gives the token. Their tokens are fully isolated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `POST /cgi-bin/stable_token`, which WeChat recommends. 500,000 calls a day.
    StableToken,
    /// `GET /cgi-bin/token`, the older one. 2,000 calls a day.
    Token,
}

/// Where the secret is read from.
#[derive(Clone)]
pub enum SecretSource {
    /// It was given as a value, in the configuration or in an environment variable.
    Value(Secret),
    /// A file, read anew at each fetch; white space around the secret is dropped.
    File(PathBuf),
}

/// One account at WeChat.
#[derive(Debug)]
pub struct WeChat {
    /// The account's `AppID`.
    pub appid: Box<str>,
    /// Where its `AppSecret` is read from.
    pub secret: SecretSource,
    /// Which endpoint gives the token.
    pub endpoint: Endpoint,
    /// Entry points of one system, tried in order while a connection cannot be made.
    pub base_urls: Arc<[Url]>,
    /// The client.
    pub transport: Transport,
}

#[derive(Serialize)]
struct StableTokenRequest<'a> {
    grant_type: &'a str,
    appid: &'a str,
    secret: &'a str,
    force_refresh: bool,
}

// === impl Endpoint ===

impl Endpoint {
    /// As the configuration spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StableToken => "stable_token",
            Self::Token => "token",
        }
    }

    /// Calls a day for a new account (`wechat-api.md` sections 1.3 and 2.2).
    #[must_use]
    pub fn daily_quota(self) -> u64 {
        match self {
            Self::StableToken => 500_000,
            Self::Token => 2_000,
        }
    }

    /// How it answers a repeated call.
    #[must_use]
    pub fn issuance(self) -> Issuance {
        match self {
            Self::StableToken => Issuance::Repeats { window: STABLE_WINDOW },
            Self::Token => Issuance::Anew,
        }
    }
}

// === impl SecretSource ===

impl SecretSource {
    fn read(&self) -> Result<Secret, FetchError> {
        let path = match self {
            Self::Value(secret) => return Ok(secret.clone()),
            Self::File(path) => path,
        };
        // Another worker's file may be fine: this one steps aside.
        let failed = |what: &str| {
            let message = format!("the secret's file {} {what}", path.display());
            FetchError::new(Remedy::AnotherWorker(PERMANENT_WAIT), Fate::NotSent, message)
        };
        let mut text = String::new();
        File::open(path)
            .and_then(|file| file.take(MAX_SECRET + 1).read_to_string(&mut text))
            .map_err(|error| {
                failed("cannot be read (is it there, and may this user read it?)").caused_by(error)
            })?;
        if MAX_SECRET < text.len() as u64 {
            return Err(failed("is longer than 4096 bytes: is it the right file?"));
        }
        match text.trim() {
            "" => Err(failed("is empty: write the AppSecret into it")),
            secret => Ok(Secret::new(secret)),
        }
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(secret) => secret.fmt(f),
            Self::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

// === impl WeChat ===

impl WeChat {
    fn request(&self, client: &Client, base: &Url, secret: &Secret) -> reqwest::Result<Request> {
        match self.endpoint {
            Endpoint::StableToken => client
                .request(Method::POST, address(base, "/cgi-bin/stable_token"))
                .json(&StableTokenRequest {
                    grant_type: "client_credential",
                    appid: &self.appid,
                    secret: secret.expose(),
                    // Forced mode kills the token before, and is only for leaks.
                    force_refresh: false,
                })
                .build(),
            Endpoint::Token => client
                .request(Method::GET, address(base, "/cgi-bin/token"))
                .query(&[
                    ("grant_type", "client_credential"),
                    ("appid", &self.appid),
                    ("secret", secret.expose()),
                ])
                .build(),
        }
    }
}

/// The address of an endpoint.
fn address(base: &Url, path: &str) -> String {
    format!("{}{path}", base.as_str().trim_end_matches('/'))
}

impl Provider for WeChat {
    fn kind(&self) -> &'static str {
        "wechat"
    }

    fn issuer(&self) -> &str {
        self.base_urls.first().and_then(Url::host_str).unwrap_or_default()
    }

    fn issuance(&self) -> Issuance {
        self.endpoint.issuance()
    }

    fn quota_day_offset(&self) -> Duration {
        QUOTA_DAY_OFFSET
    }

    fn mark(&self) -> String {
        let Ok(secret) = self.secret.read() else { return String::new() };
        let mut hash = Sha256::new();
        let bases = self.base_urls.iter().map(Url::as_str);
        for part in [&*self.appid, self.endpoint.as_str(), secret.expose()].into_iter().chain(bases)
        {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }

    fn readable(&self) -> Result<(), FetchError> {
        self.secret.read().map(drop)
    }

    fn fetch(&self, deadline: Instant) -> BoxFuture<'_, Result<Issued, FetchError>> {
        Box::pin(async move {
            let secret = self.secret.read()?;
            let answer = self
                .transport
                .call(&self.base_urls, deadline, |client, base| self.request(client, base, &secret))
                .await?;
            answer::read(&self.appid, answer.status, &answer.media_type, &answer.body)
        })
    }

    fn probe<'a>(&'a self, token: &'a Token, deadline: Instant) -> BoxFuture<'a, Probed> {
        Box::pin(async move {
            let request = |client: &Client, base: &Url| {
                let url = address(base, "/cgi-bin/get_api_domain_ip");
                client.get(url).query(&[("access_token", token.expose())]).build()
            };
            match self.transport.call(&self.base_urls, deadline, request).await {
                Ok(answer) => probe::read(answer.status, &answer.media_type, &answer.body),
                Err(error) => Probed::Unclear(error),
            }
        })
    }
}

//! The settings of an account at WeChat, in the words of its console.

use std::{sync::LazyLock, time::Duration};

use evertoken_rules::policy::Issuance;

use super::pasted::impossible;
use crate::{BaseUrls, Fields, Secrets};

/// WeChat's entry point.
const BASE_URL: &str = "https://api.weixin.qq.com";

/// The same, once for all accounts.
#[expect(clippy::expect_used, reason = "a constant, which the tests read")]
static BASE_URLS: LazyLock<BaseUrls> =
    LazyLock::new(|| BaseUrls::parse(&[BASE_URL]).expect("an entry point"));

/// In the last 300 s of a stable token a call gives a new one (`wechat-api.md` section 2.2).
const STABLE_WINDOW: Duration = Duration::from_secs(300);

/// The longest `AppID`.
const MAX_APPID: usize = 64;

/// Which of WeChat's two endpoints gives the token. Their tokens are fully isolated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `POST /cgi-bin/stable_token`, which WeChat recommends. 500,000 calls a day.
    StableToken,
    /// `GET /cgi-bin/token`, the older one. 2,000 calls a day.
    Token,
}

/// One account at WeChat.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(super) appid: Box<str>,
    pub(super) secrets: Secrets,
    pub(super) endpoint: Endpoint,
    pub(super) base_urls: BaseUrls,
}

/// The text is no `AppID`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an AppID has no blanks, and 64 characters at the most")]
pub struct InvalidAppId(());

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

// === impl Settings ===

impl Settings {
    /// The account of `appid`, which proves itself with one of `secrets`, at WeChat's own address.
    ///
    /// # Errors
    /// If there can be no such `AppID`.
    pub fn new(
        appid: &str,
        secrets: impl Into<Secrets>,
        endpoint: Endpoint,
    ) -> Result<Self, InvalidAppId> {
        let appid = checked(appid)?;
        Ok(Self { appid, secrets: secrets.into(), endpoint, base_urls: BASE_URLS.clone() })
    }

    /// At another address.
    #[must_use]
    pub fn at(self, base_urls: BaseUrls) -> Self {
        Self { base_urls, ..self }
    }

    /// Reads `appid`, `secret`, `endpoint` and `base_url`; `None` if any is missing or wrong.
    pub(super) fn read(fields: &mut dyn Fields) -> Option<Self> {
        let appid = fields.parsed("appid", |text| {
            impossible(text).map_or(Ok(()), |what| Err(format!("it {what}")))?;
            checked(text).map_err(|wrong| wrong.to_string())
        });
        let secrets = Secrets::read_setting(fields, "secret", impossible);
        let endpoints = [Endpoint::StableToken, Endpoint::Token];
        let endpoints = endpoints.map(|endpoint| (endpoint.as_str(), endpoint));
        let endpoint = fields.choice("endpoint", "an endpoint", &endpoints);
        let base_urls = fields.base_urls("base_url", BASE_URL);
        let appid = fields.required("appid", "the AppID of the account", appid);
        let what = "the AppSecret: a text, { file = \"…\" } or { env = \"…\" }";
        let secrets = fields.required("secret", what, secrets);
        Some(Self {
            appid: appid?,
            secrets: secrets?,
            endpoint: endpoint.unwrap_or(Endpoint::StableToken),
            base_urls: base_urls.unwrap_or_else(|| BASE_URLS.clone()),
        })
    }
}

fn checked(appid: &str) -> Result<Box<str>, InvalidAppId> {
    let good =
        (1..=MAX_APPID).contains(&appid.len()) && appid.bytes().all(|b| b.is_ascii_graphic());
    if good { Ok(appid.into()) } else { Err(InvalidAppId(())) }
}

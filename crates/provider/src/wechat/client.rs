//! The requests to WeChat.

use std::{future, time::Duration};

use evertoken_client::Token;
use evertoken_rules::policy::Issuance;
use futures_util::future::BoxFuture;
use reqwest::{Client, Method, Request, Url};
use serde::Serialize;
use tokio::time::Instant;

use super::{
    KIND,
    answer::{self, Asked},
    pasted, probe,
    settings::{Endpoint, Settings},
};
use crate::{
    Account, BaseUrls, Calls, Carrier, FetchError, Fields, Inputs, Issued, Probed, Provider,
    Secret, Secrets, Transport,
    answer::believed,
    route::{Route, address},
    transport::Answer,
};

/// WeChat's day is China's; that its quota is counted by it is likely, and documented nowhere
/// (`wechat-api.md` section 13).
const QUOTA_DAY_OFFSET: Duration = Duration::from_secs(8 * 3600);

/// The longest life that is believed: WeChat gives two hours at the most (`wechat-api.md` section
/// 1.3), and lets an overtaken token live for five minutes more.
const LONGEST_LIFE: Duration = Duration::from_secs(7_200 + 300);

/// Speaks to WeChat for one account.
#[derive(Debug)]
pub struct WeChat {
    settings: Settings,
    route: Route,
    transport: Transport,
}

#[derive(Serialize)]
struct StableTokenRequest<'a> {
    grant_type: &'a str,
    appid: &'a str,
    secret: &'a str,
    force_refresh: bool,
}

// === impl WeChat ===

impl WeChat {
    /// The account of these settings.
    #[must_use]
    pub fn new(settings: Settings, transport: Transport) -> Self {
        Self { route: Route::new(settings.base_urls.clone()), settings, transport }
    }

    pub(crate) fn read(
        fields: &mut dyn Fields,
        transport: &Transport,
    ) -> Option<Box<dyn Provider>> {
        Some(Box::new(Self::new(Settings::read(fields)?, transport.clone())))
    }

    /// What goes with a secret into its fingerprint.
    fn asker(&self) -> [&str; 2] {
        [&self.settings.appid, self.settings.endpoint.as_str()]
    }

    /// The secret at this place as it is now, if it can be one.
    async fn secret(&self, place: usize, deadline: Instant) -> Result<Secret, FetchError> {
        self.settings.secrets.read(place, deadline, pasted::impossible).await
    }

    fn request(
        &self,
        client: &Client,
        base: &Url,
        secret: &Secret,
        revoke: bool,
    ) -> reqwest::Result<Request> {
        let appid = &self.settings.appid;
        match self.settings.endpoint {
            Endpoint::StableToken => client
                .request(Method::POST, address(base, "/cgi-bin/stable_token"))
                .json(&StableTokenRequest {
                    grant_type: "client_credential",
                    appid,
                    secret: secret.expose(),
                    // Forced mode voids the token before, and is only for leaks.
                    force_refresh: revoke,
                })
                .build(),
            Endpoint::Token => client
                .request(Method::GET, address(base, "/cgi-bin/token"))
                .query(&[
                    ("grant_type", "client_credential"),
                    ("appid", appid),
                    ("secret", secret.expose()),
                ])
                .build(),
        }
    }
}

impl Provider for WeChat {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn account(&self) -> Account<'_> {
        let Settings { appid, endpoint, base_urls, .. } = &self.settings;
        // Its entry points are one issuer, which knows an account by one name at all of them.
        let host = base_urls.host();
        let issuer = if host.ends_with(".weixin.qq.com") { "api.weixin.qq.com" } else { host };
        Account { issuer, name: appid, token: endpoint.as_str() }
    }

    fn names(&self) -> Vec<(&'static str, String)> {
        vec![("appid", self.settings.appid.to_string())]
    }

    fn issuance(&self) -> Issuance {
        self.settings.endpoint.issuance()
    }

    fn daily_quota(&self) -> u64 {
        self.settings.endpoint.daily_quota()
    }

    fn quota_day_offset(&self) -> Duration {
        QUOTA_DAY_OFFSET
    }

    fn danger(&self) -> Option<&'static str> {
        (self.settings.endpoint == Endpoint::Token)
            .then_some("endpoint token kills the token before at each call; stable_token is safer")
    }

    fn base_urls(&self) -> Option<&BaseUrls> {
        Some(&self.settings.base_urls)
    }

    fn calls(&self) -> Option<Calls<'_>> {
        Calls::by(&self.route, Carrier::Query("access_token"))
    }

    fn says_dead(&self, status: u16, body: &[u8]) -> bool {
        matches!(probe::read(status, "", body), Probed::Dead)
    }

    fn transport(&self, _deadline: Instant) -> BoxFuture<'_, Option<Transport>> {
        Box::pin(future::ready(Some(self.transport.clone())))
    }

    fn settings_fingerprint(&self, deadline: Instant) -> BoxFuture<'_, String> {
        Box::pin(async move {
            let secrets = self.settings.secrets.now(deadline, pasted::impossible).await;
            secrets.together(&self.asker(), self.settings.base_urls.iter().map(Url::as_str))
        })
    }

    fn secrets(&self) -> Option<&Secrets> {
        Some(&self.settings.secrets)
    }

    fn secret_fingerprints(&self, deadline: Instant) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async move {
            let secrets = self.settings.secrets.now(deadline, pasted::impossible).await;
            secrets.each(&self.asker(), &[])
        })
    }

    fn readable(&self, deadline: Instant) -> BoxFuture<'_, Vec<Result<(), FetchError>>> {
        Box::pin(self.settings.secrets.readable(deadline, pasted::impossible))
    }

    fn oddities(&self, deadline: Instant) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async move {
            let secrets = &self.settings.secrets;
            let appid = pasted::odd_appid(&self.settings.appid);
            let mut odd: Vec<_> =
                appid.map(|odd| ("the AppID".to_owned(), odd)).into_iter().collect();
            for place in 0..secrets.iter().count() {
                let secret = self.secret(place, deadline).await.ok();
                let several = secrets.are_several();
                let what = if several { secrets.name(place) } else { "the AppSecret".to_owned() };
                let secret = secret.and_then(|secret| pasted::odd_secret(secret.expose()));
                odd.extend(secret.map(|odd| (what, odd)));
            }
            odd.into_iter().map(|(what, odd)| format!("is {what} right? {odd}")).collect()
        })
    }

    fn fetch<'a>(
        &'a self,
        deadline: Instant,
        inputs: &'a Inputs,
    ) -> BoxFuture<'a, Result<Issued, FetchError>> {
        Box::pin(async move {
            let appid = &*self.settings.appid;
            let secret = self.secret(inputs.secret, deadline).await?;
            let asked = Asked { appid, secret: &secret };
            let revoke = inputs.revoke;
            let request = |client: &Client, base: &Url| self.request(client, base, &secret, revoke);
            let read = |answer: Answer| {
                answer::read(asked, answer.status, &answer.media_type, &answer.body)
            };
            let issued = self.transport.call(&self.route, deadline, request, read).await?;
            Ok(believed(appid, LONGEST_LIFE, issued))
        })
    }

    fn probe<'a>(&'a self, token: &'a Token, deadline: Instant) -> BoxFuture<'a, Probed> {
        Box::pin(async move {
            let request = |client: &Client, base: &Url| {
                let url = address(base, "/cgi-bin/get_api_domain_ip");
                client.get(url).query(&[("access_token", token.expose())]).build()
            };
            let read =
                |answer: Answer| match probe::read(answer.status, &answer.media_type, &answer.body)
                {
                    Probed::Unclear(error) => Err(error),
                    clear => Ok(clear),
                };
            let probed = self.transport.call(&self.route, deadline, request, read).await;
            probed.unwrap_or_else(Probed::Unclear)
        })
    }
}

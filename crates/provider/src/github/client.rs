//! The request to GitHub.

use std::{future, time::Duration};

use evertoken_client::{StoreTime, Token};
use evertoken_rules::policy::{Issuance, NO_DAILY_QUOTA};
use futures_util::future::BoxFuture;
use reqwest::{Client, Request, Url};
use serde_json::Map;
use tokio::time::Instant;

use super::{
    KIND, answer,
    settings::{Settings, impossible},
};
use crate::{
    Account, BaseUrls, Fate, FetchError, Fields, Inputs, Issued, Probed, Provider, Remedy, Secret,
    Secrets, Transport, Trouble,
    jwt::{Algorithm, SigningKey},
    route::Route,
    transport::Answer,
};

/// The version of GitHub's API that is spoken.
const API_VERSION: &str = "2022-11-28";

/// The life of the app's JWT, which is sent at once. GitHub takes ten minutes.
const JWT_LIFE: Duration = Duration::from_secs(300);

/// Speaks to GitHub for one installation of an app.
#[derive(Debug)]
pub struct GitHubApp {
    settings: Settings,
    route: Route,
    transport: Transport,
}

// === impl GitHubApp ===

impl GitHubApp {
    pub(crate) fn read(
        fields: &mut dyn Fields,
        transport: &Transport,
    ) -> Option<Box<dyn Provider>> {
        let settings = Settings::read(fields)?;
        let route = Route::new(settings.base_urls.clone());
        Some(Box::new(Self { settings, route, transport: transport.clone() }))
    }

    /// What goes with a key into its fingerprint: whose it is, and for which token.
    fn asker(&self) -> [&str; 2] {
        [&self.settings.app_id, &self.settings.wanted]
    }

    /// What proves the app, dated by the store's time.
    fn jwt(&self, key: &Secret, now: StoreTime) -> Result<String, FetchError> {
        let mut claims = Map::new();
        claims.insert("iss".to_owned(), (&*self.settings.app_id).into());
        let signed = SigningKey::read(key.expose(), Algorithm::Rs256)
            .and_then(|key| key.sign(None, claims, now, JWT_LIFE));
        signed.map_err(|what| {
            let message = format!("the app's key {what}");
            FetchError::new(Trouble::SecretUnreadable, Remedy::Retry, Fate::NotSent, message)
        })
    }

    fn request(&self, client: &Client, base: &Url, jwt: &str) -> reqwest::Result<Request> {
        let (base, id) = (base.as_str().trim_end_matches('/'), self.settings.installation_id);
        let request = client
            .post(format!("{base}/app/installations/{id}/access_tokens"))
            .bearer_auth(jwt)
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", API_VERSION);
        match self.settings.restriction() {
            Some(restriction) => request.json(&restriction).build(),
            None => request.build(),
        }
    }
}

impl Provider for GitHubApp {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn account(&self) -> Account<'_> {
        let Settings { base_urls, app_id, wanted, .. } = &self.settings;
        Account { issuer: base_urls.host(), name: app_id, token: wanted }
    }

    fn issuance(&self) -> Issuance {
        Issuance::Overlaps
    }

    fn daily_quota(&self) -> u64 {
        NO_DAILY_QUOTA
    }

    fn quota_day_offset(&self) -> Duration {
        Duration::ZERO
    }

    fn base_urls(&self) -> Option<&BaseUrls> {
        Some(&self.settings.base_urls)
    }

    fn transport(&self, _deadline: Instant) -> BoxFuture<'_, Option<Transport>> {
        Box::pin(future::ready(Some(self.transport.clone())))
    }

    fn settings_fingerprint(&self, deadline: Instant) -> BoxFuture<'_, String> {
        Box::pin(async move {
            let keys = self.settings.keys.now(deadline, impossible).await;
            keys.together(&self.asker(), self.settings.base_urls.iter().map(Url::as_str))
        })
    }

    fn secrets(&self) -> Option<&Secrets> {
        Some(&self.settings.keys)
    }

    fn secret_fingerprints(&self, deadline: Instant) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async move {
            let keys = self.settings.keys.now(deadline, impossible).await;
            keys.each(&self.asker(), &[])
        })
    }

    fn readable(&self, deadline: Instant) -> BoxFuture<'_, Vec<Result<(), FetchError>>> {
        Box::pin(self.settings.keys.readable(deadline, impossible))
    }

    fn fetch<'a>(
        &'a self,
        deadline: Instant,
        inputs: &'a Inputs,
    ) -> BoxFuture<'a, Result<Issued, FetchError>> {
        Box::pin(async move {
            let now = inputs.granted_at;
            let Settings { app_id, installation_id, keys, .. } = &self.settings;
            let key = keys.read(inputs.secret, deadline, impossible).await?;
            let jwt = self.jwt(&key, now)?;
            let request = |client: &Client, base: &Url| self.request(client, base, &jwt);
            let read = |answer: Answer| answer::read(app_id, *installation_id, now, &answer);
            self.transport.call(&self.route, deadline, request, read).await
        })
    }

    /// An installation's token is not probed: no call is made.
    fn probe<'a>(&'a self, _token: &'a Token, _deadline: Instant) -> BoxFuture<'a, Probed> {
        let message = "GitHub is not asked about tokens";
        let (trouble, remedy) = (Trouble::RequestMalformed, Remedy::Operator);
        let error = FetchError::new(trouble, remedy, Fate::NotSent, message);
        Box::pin(future::ready(Probed::Unclear(error)))
    }
}

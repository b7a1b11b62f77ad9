//! The request to an OAuth issuer.

use std::time::Duration;

use evertoken_client::Token;
use evertoken_rules::policy::{Issuance, NO_DAILY_QUOTA};
use form_urlencoded::{Serializer, byte_serialize};
use futures_util::future::BoxFuture;
use reqwest::{Client, Request, Url, header};
use tokio::time::Instant;

use super::{
    KIND,
    path::Path,
    settings::{Auth, Settings, impossible},
};
use crate::{
    Account, Fate, FetchError, Fields, Inputs, Issued, Probed, Provider, Remedy, Secret, Transport,
    Trouble, fingerprint::fingerprint, route::Route, transport::Answer,
};

/// Speaks to an OAuth issuer for one client.
#[derive(Debug)]
pub struct OAuth2 {
    settings: Settings,
    route: Route,
    transport: Transport,
}

// === impl OAuth2 ===

impl OAuth2 {
    pub(crate) fn read(
        fields: &mut dyn Fields,
        transport: &Transport,
    ) -> Option<Box<dyn Provider>> {
        let settings = Settings::read(fields)?;
        let route = Route::new(settings.token_urls.clone());
        Some(Box::new(Self { settings, route, transport: transport.clone() }))
    }

    /// The secret as it is now, if it can be one.
    async fn secret(&self, deadline: Instant) -> Result<Secret, FetchError> {
        let impossible = |text: &str| impossible(text).map(str::to_owned);
        self.settings.client_secret.read_possible(deadline, impossible).await
    }

    /// Of the secret and of which token it is for, and of what goes with them; empty if it cannot be
    /// read by `deadline`.
    async fn fingerprint(&self, deadline: Instant, more: Vec<&str>) -> String {
        let Settings { client_id, client_secret, scope, params, shape, .. } = &self.settings;
        let Ok(secret) = client_secret.read(deadline).await else { return String::new() };
        let params = params.fingerprint();
        let scope = scope.as_deref().unwrap_or_default();
        let parts = [&**client_id, scope, &params, secret.expose()].into_iter().chain(more);
        fingerprint(parts.chain(shape.beside.iter().map(Path::as_str)))
    }

    fn request(&self, client: &Client, url: &Url, secret: &Secret) -> reqwest::Result<Request> {
        let Settings { client_id, auth, scope, params, .. } = &self.settings;
        let mut form = Serializer::new(String::new());
        if !params.names("grant_type") {
            form.append_pair("grant_type", "client_credentials");
        }
        if let Some(scope) = scope {
            form.append_pair("scope", scope);
        }
        form.extend_pairs(&params.0);
        let mut request = client.post(url.clone()).header(header::ACCEPT, "application/json");
        match auth {
            // Both are encoded as in a form before they are joined (RFC 6749 section 2.3.1).
            Auth::Basic => {
                let [id, secret] = [&**client_id, secret.expose()]
                    .map(|text| byte_serialize(text.as_bytes()).collect::<String>());
                request = request.basic_auth(id, Some(secret));
            }
            Auth::Body => {
                form.append_pair("client_id", client_id);
                form.append_pair("client_secret", secret.expose());
            }
        }
        request
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.finish())
            .build()
    }
}

impl Provider for OAuth2 {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn account(&self) -> Account<'_> {
        let Settings { token_urls, client_id, wanted, .. } = &self.settings;
        Account { issuer: token_urls.host(), name: client_id, token: wanted }
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

    fn in_clear(&self) -> Option<&str> {
        self.settings.token_urls.in_clear()
    }

    fn has_fields(&self) -> bool {
        !self.settings.shape.beside.is_empty()
    }

    fn settings_fingerprint(&self, deadline: Instant) -> BoxFuture<'_, String> {
        Box::pin(async move {
            let Settings { token_urls, auth, shape, .. } = &self.settings;
            let expiry = shape.expiry.spelled();
            let urls = token_urls.iter().map(Url::as_str);
            let how = [auth.as_str(), shape.token_field.as_str(), &expiry];
            self.fingerprint(deadline, urls.chain(how).collect()).await
        })
    }

    fn secret_fingerprint(&self, deadline: Instant) -> BoxFuture<'_, String> {
        Box::pin(self.fingerprint(deadline, Vec::new()))
    }

    fn readable(&self, deadline: Instant) -> BoxFuture<'_, Result<(), FetchError>> {
        Box::pin(async move { self.secret(deadline).await.map(drop) })
    }

    fn fetch<'a>(
        &'a self,
        deadline: Instant,
        inputs: &'a Inputs,
    ) -> BoxFuture<'a, Result<Issued, FetchError>> {
        Box::pin(async move {
            let secret = self.secret(deadline).await?;
            let Settings { client_id, shape, .. } = &self.settings;
            let request = |client: &Client, url: &Url| self.request(client, url, &secret);
            let read = |answer: Answer| shape.read(client_id, inputs.granted_at, &answer);
            self.transport.call(&self.route, deadline, request, read).await
        })
    }

    /// No call asks an OAuth issuer in general whether a token works, so none is ever made.
    fn probe<'a>(&'a self, _token: &'a Token, _deadline: Instant) -> BoxFuture<'a, Probed> {
        let message = "an OAuth issuer is not asked about tokens";
        let (trouble, remedy) = (Trouble::RequestMalformed, Remedy::Operator);
        let error = FetchError::new(trouble, remedy, Fate::NotSent, message);
        Box::pin(std::future::ready(Probed::Unclear(error)))
    }
}

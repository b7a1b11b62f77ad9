//! The request to an OAuth issuer.

use std::time::Duration;

use evertoken_client::Token;
use evertoken_rules::policy::{Issuance, NO_DAILY_QUOTA};
use form_urlencoded::Serializer;
use futures_util::future::BoxFuture;
use reqwest::{Client, Request, Url, header};
use tokio::time::Instant;

use super::{
    KIND, KIND_JWT,
    path::Path,
    proof::{Proof, Shown},
    settings::Settings,
};
use crate::{
    Account, BaseUrls, Fate, FetchError, Fields, Inputs, Issued, Probed, Provider, Remedy, Secret,
    Secrets, Transport, Trouble, route::Route, secrets::SecretsNow, transport::Answer,
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
    fn new(settings: Settings, transport: &Transport) -> Self {
        let route = Route::named("token_url", settings.token_urls.clone());
        Self { settings, route, transport: transport.clone() }
    }

    /// A client that has a secret.
    pub(crate) fn read(
        fields: &mut dyn Fields,
        transport: &Transport,
    ) -> Option<Box<dyn Provider>> {
        Some(Box::new(Self::new(Settings::with_secret(fields)?, transport)))
    }

    /// A client that signs assertions.
    pub(crate) fn read_jwt(
        fields: &mut dyn Fields,
        transport: &Transport,
    ) -> Option<Box<dyn Provider>> {
        Some(Box::new(Self::new(Settings::with_key(fields)?, transport)))
    }

    /// The secret at this place as it is now, if it can be one.
    async fn secret(&self, place: usize, deadline: Instant) -> Result<Secret, FetchError> {
        let proof = &self.settings.proof;
        proof.secrets().read(place, deadline, |secret| proof.impossible(secret)).await
    }

    async fn secrets_now(&self, deadline: Instant) -> SecretsNow {
        let proof = &self.settings.proof;
        proof.secrets().now(deadline, |secret| proof.impossible(secret)).await
    }

    /// The way to the issuer, on which the client's certificate is shown if it has one.
    async fn way(&self, deadline: Instant) -> Result<Transport, FetchError> {
        match &self.settings.identity {
            Some(identity) => identity.way(&self.transport, deadline).await,
            None => Ok(self.transport.clone()),
        }
    }

    /// What goes with a secret into its fingerprint: whose it is, and for which token.
    fn asker(&self) -> [&str; 2] {
        [self.settings.proof.client(), &self.settings.wanted]
    }

    fn request(&self, client: &Client, url: &Url, shown: &Shown) -> reqwest::Result<Request> {
        let Settings { proof, scope, params, .. } = &self.settings;
        let mut form = Serializer::new(String::new());
        if !params.names("grant_type") {
            form.append_pair("grant_type", proof.grant_type());
        }
        if let Some(scope) = scope.as_ref().filter(|_| proof.sends_scope()) {
            form.append_pair("scope", scope);
        }
        form.extend_pairs(&params.0);
        let request = client.post(url.clone()).header(header::ACCEPT, "application/json");
        proof
            .add(shown, &mut form, request)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.finish())
            .build()
    }
}

/// The request cannot be made on this machine; another may do better.
fn unsigned(what: &str) -> FetchError {
    let message = format!("what proves the client {what}");
    FetchError::new(Trouble::SecretUnreadable, Remedy::Retry, Fate::NotSent, message)
}

impl Provider for OAuth2 {
    fn kind(&self) -> &'static str {
        match self.settings.proof {
            Proof::Secret { .. } => KIND,
            Proof::Assertion(_) => KIND_JWT,
        }
    }

    fn account(&self) -> Account<'_> {
        let Settings { token_urls, proof, wanted, .. } = &self.settings;
        Account { issuer: token_urls.host(), name: proof.client(), token: wanted }
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
        Some(&self.settings.token_urls)
    }

    fn transport(&self, deadline: Instant) -> BoxFuture<'_, Option<Transport>> {
        Box::pin(async move { self.way(deadline).await.ok() })
    }

    fn has_fields(&self) -> bool {
        !self.settings.shape.beside.is_empty()
    }

    fn settings_fingerprint(&self, deadline: Instant) -> BoxFuture<'_, String> {
        Box::pin(async move {
            let secrets = self.secrets_now(deadline).await;
            let Settings { token_urls, proof, identity, shape, .. } = &self.settings;
            let certificate = match identity {
                Some(identity) => identity.certificate(deadline).await,
                None => String::new(),
            };
            let expiry = shape.expiry.spelled();
            let urls = token_urls.iter().map(Url::as_str);
            let how = [shape.token_field.as_str(), &expiry, &certificate]
                .into_iter()
                .chain(proof.words());
            let beside = shape.beside.iter().map(Path::as_str);
            secrets.together(&self.asker(), urls.chain(how).chain(beside))
        })
    }

    fn secrets(&self) -> Option<&Secrets> {
        Some(self.settings.proof.secrets())
    }

    fn secret_fingerprints(&self, deadline: Instant) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async move {
            let beside: Vec<&str> = self.settings.shape.beside.iter().map(Path::as_str).collect();
            self.secrets_now(deadline).await.each(&self.asker(), &beside)
        })
    }

    fn readable(&self, deadline: Instant) -> BoxFuture<'_, Vec<Result<(), FetchError>>> {
        Box::pin(async move {
            if let Err(error) = self.way(deadline).await {
                return vec![Err(error)];
            }
            let proof = &self.settings.proof;
            proof.secrets().readable(deadline, |secret| proof.impossible(secret)).await
        })
    }

    fn fetch<'a>(
        &'a self,
        deadline: Instant,
        inputs: &'a Inputs,
    ) -> BoxFuture<'a, Result<Issued, FetchError>> {
        Box::pin(async move {
            let secret = self.secret(inputs.secret, deadline).await?;
            let Settings { proof, scope, shape, .. } = &self.settings;
            let now = inputs.granted_at;
            let shown =
                proof.show(secret, scope.as_deref(), now).map_err(|what| unsigned(&what))?;
            let request = |client: &Client, url: &Url| self.request(client, url, &shown);
            let read = |answer: Answer| shape.read(proof, now, &answer);
            self.way(deadline).await?.call(&self.route, deadline, request, read).await
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        BaseUrls, SecretSource,
        oauth2::{answer::Shape, expiry::Expiry, params::Params, proof::Auth},
    };

    /// The client of the examples of RFC 6749.
    fn client(auth: Auth) -> OAuth2 {
        let path = |text| Path::parse(text).expect("a path");
        let secrets = SecretSource::Value(Secret::new("gX1fBat3bV")).into();
        let settings = Settings {
            token_urls: BaseUrls::parse(&["https://server.example.com/token"]).expect("a URL"),
            proof: Proof::Secret { client_id: "s6BhdRkqt3".into(), secrets, auth },
            identity: None,
            scope: None,
            params: Params::default(),
            shape: Shape {
                token_field: path("access_token"),
                expiry: Expiry::In(path("expires_in")),
                beside: Vec::new(),
            },
            wanted: "/token".to_owned(),
        };
        OAuth2::new(settings, &Transport::new(Duration::from_secs(1)))
    }

    fn sent(auth: Auth) -> (Option<String>, String) {
        evertoken_tls::use_ring();
        let client = client(auth);
        let shown = Shown::Secret(Secret::new("gX1fBat3bV"));
        let url = Url::parse("https://server.example.com/token").expect("a URL");
        let request = client.request(&Client::new(), &url, &shown).expect("a request");
        assert_eq!((request.method().as_str(), request.url().path()), ("POST", "/token"));
        let header = |name: &str| {
            request.headers().get(name).map(|value| value.to_str().expect("a text").to_owned())
        };
        let form = Some("application/x-www-form-urlencoded".to_owned());
        assert_eq!(header("content-type"), form);
        let body = request.body().and_then(reqwest::Body::as_bytes).expect("a body");
        (header("authorization"), String::from_utf8(body.to_vec()).expect("a text"))
    }

    /// Sections 4.4.2 and 2.3.1, to the byte.
    #[test]
    fn the_requests_of_rfc_6749_are_sent_to_the_byte() {
        let basic = Some("Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW".to_owned());
        assert_eq!(sent(Auth::Basic), (basic, "grant_type=client_credentials".to_owned()));
        let body = "grant_type=client_credentials&client_id=s6BhdRkqt3&client_secret=gX1fBat3bV";
        assert_eq!(sent(Auth::Body), (None, body.to_owned()));
    }
}

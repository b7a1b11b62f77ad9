//! The requests to a platform, by its row.

use std::{future, time::Duration};

use evertoken_client::{CredentialId, Token};
use evertoken_rules::policy::Issuance;
use futures_util::future::BoxFuture;
use reqwest::{Client as Http, Request, RequestBuilder, Url, header};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    answer::{self, Asked},
    row::{self, CHINAS_DAY, Call, Owner, Part, Place},
    settings::{Settings, Whose},
};
use crate::{
    Account, BaseUrls, Calls, Fate, FetchError, Inputs, Issued, Probed, Provider, Remedy, Secret,
    Secrets, Transport, Trouble,
    answer::believed,
    credential::account_fingerprint,
    route::{Route, address},
    secrets::SecretsNow,
    transport::Answer,
    wechat::impossible,
};

/// Speaks to a platform for one credential.
#[derive(Debug)]
pub(super) struct Client {
    settings: Settings,
    route: Route,
    transport: Transport,
}

/// What the fields of a request are filled with.
pub(super) struct Filling<'a> {
    pub(super) account: &'a str,
    pub(super) secret: Option<&'a Secret>,
    pub(super) token: Option<&'a Token>,
    pub(super) revoke: bool,
}

// === impl Client ===

impl Client {
    pub(super) fn new(settings: Settings, transport: Transport) -> Self {
        Self { route: Route::new(settings.base_urls.clone()), settings, transport }
    }

    /// What goes with a secret into its fingerprint.
    fn asker(&self) -> [&str; 2] {
        [self.settings.account(), self.settings.endpoint.word]
    }

    /// The secrets as they are now; an empty one if a parent's token stands in their place.
    async fn secrets_now(&self, deadline: Instant) -> SecretsNow {
        match self.secrets() {
            Some(secrets) => secrets.now(deadline, impossible).await,
            None => SecretsNow::empty(),
        }
    }

    fn asked(&self) -> Asked<'_> {
        let settings = &self.settings;
        let (platform, account) = (settings.platform.name, settings.account());
        Asked { platform, account, parent: settings.parent() }
    }
}

// === impl Filling ===

impl Filling<'_> {
    fn value(&self, part: Part) -> Value {
        match part {
            Part::Text(text) => text.into(),
            Part::Account => self.account.into(),
            Part::Secret => self.secret.map_or("", Secret::expose).into(),
            Part::Token => self.token.map_or("", Token::expose).into(),
            Part::Revoke => self.revoke.into(),
        }
    }

    pub(super) fn request(&self, call: &Call, http: &Http, base: &Url) -> reqwest::Result<Request> {
        let request = http.request(call.verb.into(), address(base, call.path));
        let request = self.headed(call, request);
        let fields = call.fields.iter().map(|(name, part)| (*name, self.value(*part)));
        match call.place {
            Place::Query => request.query(&texts(fields)),
            Place::Form => request
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form(base, fields)),
            Place::Json => request
                .json(&fields.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>()),
        }
        .build()
    }

    fn headed(&self, call: &Call, request: RequestBuilder) -> RequestBuilder {
        let Some((name, before, part)) = call.header else { return request };
        let value = self.value(part);
        request.header(name, format!("{before}{}", value.as_str().unwrap_or_default()))
    }
}

/// The fields as a form: it is written as a query is.
fn form<'a>(base: &Url, fields: impl Iterator<Item = (&'a str, Value)>) -> String {
    let mut url = base.clone();
    url.query_pairs_mut().clear().extend_pairs(texts(fields));
    url.query().unwrap_or_default().to_owned()
}

fn texts<'a>(fields: impl Iterator<Item = (&'a str, Value)>) -> Vec<(&'a str, String)> {
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    fields.map(|(name, value)| (name, text(value))).collect()
}

impl Provider for Client {
    fn kind(&self) -> &'static str {
        self.settings.platform.kind
    }

    fn account(&self) -> Account<'_> {
        let Settings { endpoint, base_urls, .. } = &self.settings;
        Account { issuer: base_urls.host(), name: self.settings.account(), token: endpoint.word }
    }

    fn names(&self) -> Vec<(&'static str, String)> {
        let Settings { platform, endpoint, whose, .. } = &self.settings;
        let (Whose::Account { names, .. } | Whose::Parent { names, .. }) = whose;
        let names = names.iter().map(|(name, text)| (*name, text.to_string()));
        names.chain(platform.choice.map(|(name, _)| (name, endpoint.word.to_owned()))).collect()
    }

    fn issuance(&self) -> Issuance {
        self.settings.endpoint.issuance
    }

    fn daily_quota(&self) -> u64 {
        self.settings.endpoint.daily_quota
    }

    fn quota_day_offset(&self) -> Duration {
        CHINAS_DAY
    }

    fn danger(&self) -> Option<&'static str> {
        self.settings.endpoint.danger
    }

    fn base_urls(&self) -> Option<&BaseUrls> {
        Some(&self.settings.base_urls)
    }

    fn calls(&self) -> Option<Calls<'_>> {
        let row::Calls { carrier, .. } = self.settings.endpoint.calls.as_ref()?;
        Calls::by(&self.route, *carrier)
    }

    fn says_dead(&self, status: u16, body: &[u8]) -> bool {
        let calls = self.settings.endpoint.calls.as_ref();
        calls.is_some_and(|calls| answer::says_dead(calls.answers, status, body))
    }

    fn transport(&self, _deadline: Instant) -> BoxFuture<'_, Option<Transport>> {
        Box::pin(future::ready(Some(self.transport.clone())))
    }

    fn inputs(&self) -> &[CredentialId] {
        match &self.settings.whose {
            Whose::Account { .. } => &[],
            Whose::Parent { id, .. } => id,
        }
    }

    fn derive_from(&mut self, parent: &dyn Provider) -> Result<(), String> {
        let Owner::Parent { kinds, endpoints } = &self.settings.platform.owner else {
            return Ok(());
        };
        let account = parent.account();
        if !kinds.contains(&parent.kind()) {
            let kinds = kinds.join(" or ");
            return Err(format!("has the provider {}; it has to be {kinds}", parent.kind()));
        }
        if !endpoints.is_empty() && !endpoints.contains(&account.token) {
            let endpoints = endpoints.join(" or ");
            return Err(format!("is of {:?}; it has to be {endpoints}", account.token));
        }
        if let Whose::Parent { account: name, names, fingerprint, .. } = &mut self.settings.whose {
            *name = account.name.into();
            *names = parent.names().into_iter().map(|(name, text)| (name, text.into())).collect();
            *fingerprint = Some(account_fingerprint(parent).into());
        }
        if let Some(bases) = parent.base_urls().filter(|_| !self.settings.is_elsewhere) {
            self.settings.base_urls = bases.clone();
            self.route = Route::new(bases.clone());
        }
        Ok(())
    }

    fn account_of_input(&self, _parent: &CredentialId) -> Option<&str> {
        match &self.settings.whose {
            Whose::Account { .. } => None,
            Whose::Parent { fingerprint, .. } => fingerprint.as_deref(),
        }
    }

    fn tells_whole_life(&self) -> bool {
        self.settings.endpoint.tells_whole_life
    }

    fn has_probe(&self) -> bool {
        self.settings.endpoint.probe.is_some()
    }

    fn settings_fingerprint(&self, deadline: Instant) -> BoxFuture<'_, String> {
        Box::pin(async move {
            let secrets = self.secrets_now(deadline).await;
            secrets.together(&self.asker(), self.settings.base_urls.iter().map(Url::as_str))
        })
    }

    fn secrets(&self) -> Option<&Secrets> {
        match &self.settings.whose {
            Whose::Account { secrets, .. } => Some(secrets),
            Whose::Parent { .. } => None,
        }
    }

    fn secret_fingerprints(&self, deadline: Instant) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async move { self.secrets_now(deadline).await.each(&self.asker(), &[]) })
    }

    fn readable(&self, deadline: Instant) -> BoxFuture<'_, Vec<Result<(), FetchError>>> {
        Box::pin(async move {
            match self.secrets() {
                Some(secrets) => secrets.readable(deadline, impossible).await,
                None => vec![Ok(())],
            }
        })
    }

    fn fetch<'a>(
        &'a self,
        deadline: Instant,
        inputs: &'a Inputs,
    ) -> BoxFuture<'a, Result<Issued, FetchError>> {
        Box::pin(async move {
            let endpoint = self.settings.endpoint;
            let secret = match self.secrets() {
                Some(secrets) => Some(secrets.read(inputs.secret, deadline, impossible).await?),
                None => None,
            };
            let filling = Filling {
                account: self.settings.first_name(),
                secret: secret.as_ref(),
                token: self.settings.parent().and_then(|parent| inputs.token(parent)),
                revoke: inputs.revoke,
            };
            let request = |http: &Http, base: &Url| filling.request(&endpoint.call, http, base);
            let read = |answer: Answer| {
                let Answer { status, media_type, times, body } = &answer;
                let read = answer::read(self.asked(), endpoint, *status, media_type, body);
                read.map_err(|error| answer::waiting(error, times.retry_after))
            };
            let issued = self.transport.call(&self.route, deadline, request, read).await?;
            Ok(believed(self.settings.account(), endpoint.longest_life, issued))
        })
    }

    fn probe<'a>(&'a self, token: &'a Token, deadline: Instant) -> BoxFuture<'a, Probed> {
        Box::pin(async move {
            let Some(probe) = &self.settings.endpoint.probe else {
                return Probed::Unclear(no_probe());
            };
            let account = self.settings.first_name();
            let filling = Filling { account, secret: None, token: Some(token), revoke: false };
            let request = |http: &Http, base: &Url| filling.request(&probe.call, http, base);
            let read = |answer: Answer| {
                let Answer { status, media_type, body, .. } = &answer;
                match answer::read_probe(probe, *status, media_type, body) {
                    Probed::Unclear(error) => Err(error),
                    clear => Ok(clear),
                }
            };
            let probed = self.transport.call(&self.route, deadline, request, read).await;
            probed.unwrap_or_else(Probed::Unclear)
        })
    }
}

/// Whoever configures a probe where there is none is told so; this is never met.
fn no_probe() -> FetchError {
    let message = "there is no call by which a token could be tried";
    FetchError::new(Trouble::RequestMalformed, Remedy::Operator, Fate::NotSent, message)
}

//! What endangers tokens, and what keeps evertoken from working: the credentials and the store of a
//! configuration, looked at without a call to an issuer. The ways to the issuers are tried on demand,
//! without a credential.
//!
//! What a store says of itself is asked in `store`; here it is judged.

mod copies;
mod door;
mod fleet;
mod issuers;
mod redis;

use std::{borrow::Cow, fmt, sync::Arc};

use serde::Serialize;
use tokio::time::Instant;

pub use self::issuers::issuers;
use crate::{
    clock::{self, WallClock},
    config::Settings,
    credential::Chain,
    lease::Holder,
    provider::{Copied, Credential, InvalidTransport, Secrets},
    status::{CredentialStatus, ONE_REFUSED, SecretState, SecretStatus, Status},
    store::{
        self, Coordinate, Hearing, Lack, Read, RedisStore, RedisUrl, StoreError, StoreUrl,
        diagnosis::{Role, Tried},
    },
    tls,
};

/// What one look found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// Its stable name. What is not good is explained in `docs/findings.md`.
    pub name: Cow<'static, str>,
    /// What was found, in a sentence.
    pub text: String,
    /// The credential that it is about, or the server, where there are several.
    pub about: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It is as it should be.
    #[serde(rename = "ok")]
    Good,
    /// Tokens are in danger, and evertoken works.
    Danger,
    /// Evertoken cannot work so.
    Bad,
}

/// What the settings themselves are, and each credential.
///
/// # Errors
/// If no issuer could be called at all.
pub async fn settings(settings: &Settings) -> Result<Vec<Finding>, InvalidTransport> {
    let origin = format!("configuration from {}", settings.origin);
    let mut findings = vec![Finding::good("settings.read", origin)];
    let warning = settings.times.warning();
    findings.extend(warning.map(|warning| Finding::danger("worker.lease_is_short", warning)));
    findings.extend(admin_token(settings).await);
    findings.extend(door::findings(settings).await);
    findings.extend(notices(settings).await);
    findings.extend(credentials(settings).await?);
    Ok(findings)
}

/// A worker does not start without the token of its admin listener.
async fn admin_token(settings: &Settings) -> Option<Finding> {
    let token = settings.admin.as_ref()?.token.as_ref()?;
    let read = token.read(clock::now() + settings.times.request_timeout).await;
    let name = "admin.token_unreadable";
    read.err().map(|error| Finding::bad(name, Chain(&error).to_string()).about("admin.token"))
}

/// What the store is, and why the look at it ended early, if it did: what was found before is told
/// all the same.
pub async fn store(settings: &Settings) -> (Vec<Finding>, Result<(), StoreError>) {
    let store = &settings.store;
    let mut findings = Vec::new();
    let looked = match &store.url {
        StoreUrl::Redis(url) => look_at_redis(url, settings, &mut findings).await,
        url @ StoreUrl::File(_) => look_at_directory(url, &mut findings).await,
    };
    if let Err(error) = &looked {
        findings.push(Finding::bad(error.code().finding(), Chain(error).to_string()));
    }
    (findings, looked)
}

async fn look_at_directory(url: &StoreUrl, findings: &mut Vec<Finding>) -> Result<(), StoreError> {
    findings.push(Finding::danger(
        "store.one_machine",
        "a directory serves the processes of one machine; for more, set store.url to \
         redis://HOST:6379/0",
    ));
    store::open(url, "", Holder::fresh(), Hearing::Nothing).data_identity().await?;
    let text = match url {
        StoreUrl::File(path) if !path.exists() => {
            format!("the directory of {url} does not exist yet: the first worker makes it")
        }
        _ => format!("the directory of {url} is ours alone"),
    };
    findings.push(Finding::good("store.directory", text));
    Ok(())
}

async fn look_at_redis(
    url: &RedisUrl,
    settings: &Settings,
    findings: &mut Vec<Finding>,
) -> Result<(), StoreError> {
    let prefix = &settings.store.prefix;
    // As a worker, it hears.
    let redis = RedisStore::with_hints(url.clone(), prefix, Holder::fresh());
    let facts = redis.facts().await?;
    findings.push(Finding::good("store.answers", format!("Redis at {url} answers")));
    findings.extend(redis::findings(&facts, WallClock::System.now()));
    let Tried { missing, lacks } = redis.try_everything().await?;
    // Each server that tells nothing of itself is told of above.
    let others = lacks.iter().filter(|lack| **lack != Lack::Info);
    findings.extend(others.map(|lack| Finding::danger("store.lacks", lack.to_string())));
    let grant = format!("grant them with ACL SETUSER NAME {}", Role::Worker.rules(prefix));
    findings.push(if missing.is_empty() {
        let text = "this user has every right that a worker cannot do without";
        Finding::good("store.permissions", text)
    } else {
        let missing = missing.join(", ");
        let text = format!("this user lacks rights that a worker needs: {missing}; {grant}");
        Finding::bad("store.permission", text)
    });
    if missing.is_empty() && !lacks.is_empty() {
        let text = format!("if what is lacking is a matter of rights, {grant}");
        findings.push(Finding::danger("store.lacks", text));
    }
    let now = redis.pulse().await?.1.unwrap_or_else(|| WallClock::System.now());
    let (workers, ours) = (redis.workers().await?, settings.fingerprint());
    findings.extend(fleet::findings(&workers, now.as_millis(), &ours));
    findings.extend(copies::refused(&redis, settings).await?);
    Ok(())
}

/// What the store knows of the credentials' secrets, where one has several. What cannot be read here is told
/// with the settings.
///
/// # Errors
/// [`StoreError`].
pub async fn secrets(settings: &Settings, store: &dyn Read) -> Result<Vec<Finding>, StoreError> {
    let are_several =
        |each: &&Arc<Credential>| each.provider.secrets().is_some_and(Secrets::are_several);
    let some: Vec<_> = settings.credentials.iter().filter(are_several).map(Arc::clone).collect();
    let known = Status::read(&some, store).await?.credentials;
    let each = known.into_iter().flat_map(|CredentialStatus { id, secrets, .. }| {
        let one_works = secrets.iter().any(|each| each.state == SecretState::Works);
        let refused = if one_works { ONE_REFUSED } else { "secret.refused" };
        let of = move |SecretStatus { state, told, .. }| match state {
            SecretState::Refused => Some(Finding::danger(refused, told)),
            SecretState::Unreadable => None,
            _ => Some(Finding::good("secret.known", told)),
        };
        secrets.into_iter().filter_map(of).map(move |finding| finding.about(&id))
    });
    Ok(each.collect())
}

/// Where notices go to, if a person is told.
async fn notices(settings: &Settings) -> Option<Finding> {
    let deadline = clock::now() + settings.times.request_timeout;
    Some(match settings.notify.as_ref()?.place(deadline).await {
        Ok((place, true)) => Finding::good("notify.on", format!("a person is told by {place}")),
        Ok((place, false)) => Finding::danger(
            "notify.in_clear",
            format!(
                "a person is told by {place}, in clear, and everything on the way can read the URL: \
                 make notify.url https://"
            ),
        ),
        Err(error) => Finding::bad("notify.failed", format!("nobody can be told: {error}")),
    })
}

async fn credentials(settings: &Settings) -> Result<Vec<Finding>, InvalidTransport> {
    if settings.credentials.is_empty() {
        let text = "no credential is configured";
        return Ok(vec![Finding::danger("settings.no_credential", text)]);
    }
    let mut findings = Vec::new();
    settings.transport.ready().await?;
    if let Err(why) = tls::authorities() {
        findings.push(Finding::danger("issuer.tls", Chain(&why).to_string()));
    }
    for credential in &*settings.credentials {
        let deadline = clock::now() + settings.times.request_timeout;
        let about = of_credential(credential, deadline).await;
        findings.extend(about.into_iter().map(|finding| finding.about(credential.id.as_str())));
    }
    Ok(findings)
}

async fn of_credential(credential: &Credential, deadline: Instant) -> Vec<Finding> {
    let provider = &credential.provider;
    let readable = provider.readable(deadline).await;
    let is_one_readable = readable.iter().any(Result::is_ok);
    let mut findings = Vec::new();
    if is_one_readable {
        let account = provider.account();
        let text = format!("{} at {}", account.name, account.token);
        findings.push(Finding::good("secret.readable", text));
    }
    // Where another one can be read, evertoken works.
    let level = if is_one_readable { Level::Danger } else { Level::Bad };
    let errors = readable.into_iter().filter_map(Result::err);
    findings.extend(
        errors.map(|error| Finding::new(level, error.trouble.name(), Chain(&error).to_string())),
    );
    let oddities = provider.oddities(deadline).await.into_iter();
    findings.extend(oddities.map(|odd| Finding::danger("settings.look_wrong", odd)));
    findings.extend(provider.in_clear().map(|place| {
        let text = format!(
            "the secret goes to {place} in clear, and everything on the way can read it: make \
             its URL https://"
        );
        Finding::danger("issuer.in_clear", text)
    }));
    findings.extend(credential.copies.iter().map(|copied| {
        let Copied { copy, layout, setting } = copied;
        Finding::good("copy.kept", format!("{layout}, a copy in {}: {setting}", copy.key))
    }));
    let danger = provider.danger();
    findings.extend(danger.map(|danger| Finding::danger("issuer.issues_anew", danger)));
    findings
}

// === impl Finding ===

impl Finding {
    fn new(level: Level, name: impl Into<Cow<'static, str>>, text: impl Into<String>) -> Self {
        Self { level, name: name.into(), text: text.into(), about: None }
    }

    fn good(name: &'static str, text: impl Into<String>) -> Self {
        Self::new(Level::Good, name, text)
    }

    fn danger(name: &'static str, text: impl Into<String>) -> Self {
        Self::new(Level::Danger, name, text)
    }

    fn bad(name: impl Into<Cow<'static, str>>, text: impl Into<String>) -> Self {
        Self::new(Level::Bad, name, text)
    }

    /// The same, about one of several.
    fn about(self, what: &str) -> Self {
        Self { about: Some(what.to_owned()), ..self }
    }
}

impl fmt::Display for Finding {
    /// The sentence, and before it what it is about.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(about) = &self.about {
            write!(f, "{about}: ")?;
        }
        f.write_str(&self.text)
    }
}

// === impl Level ===

impl Level {
    /// In one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Danger => "danger",
            Self::Bad => "bad",
        }
    }
}

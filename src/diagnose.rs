//! What endangers tokens, and what keeps evertoken from working: the credentials and the store of a
//! configuration, looked at without a call to an issuer.
//!
//! What a store says of itself is asked in `store`; here it is judged.

mod redis;

use crate::{
    clock::{self, WallClock},
    config::Settings,
    credential::Chain,
    lease::Holder,
    provider::{Credential, InvalidTransport},
    store::{
        Hearing, Lack, RedisStore, RedisUrl, StoreError, StoreUrl,
        diagnosis::{Role, Tried},
    },
    tls,
};

/// What one look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is as it should be.
    Good(String),
    /// Tokens are in danger, and evertoken works.
    Danger(String),
    /// Evertoken cannot work so.
    Bad(String),
}

/// What the settings themselves are, and each credential.
///
/// # Errors
/// If no issuer could be called at all.
pub async fn settings(settings: &Settings) -> Result<Vec<Finding>, InvalidTransport> {
    let mut findings = vec![Finding::Good(format!("configuration from {}", settings.origin))];
    let warning = settings.times.warning();
    findings.extend(warning.map(|warning| Finding::Danger(warning.to_owned())));
    findings.extend(credentials(settings).await?);
    Ok(findings)
}

/// What the store is, and why the look at it ended early, if it did: what was found before is told
/// all the same.
pub async fn store(settings: &Settings) -> (Vec<Finding>, Result<(), StoreError>) {
    let store = &settings.store;
    let mut findings = Vec::new();
    let looked = match &store.url {
        StoreUrl::Redis(url) => look_at_redis(url, &store.prefix, &mut findings).await,
        url @ StoreUrl::File(_) => look_at_directory(url, &mut findings).await,
    };
    if let Err(error) = &looked {
        findings.push(Finding::Bad(Chain(error).to_string()));
    }
    (findings, looked)
}

async fn look_at_directory(url: &StoreUrl, findings: &mut Vec<Finding>) -> Result<(), StoreError> {
    findings.push(Finding::Danger(
        "a directory serves the processes of one machine; for more, set store.url to \
         redis://HOST:6379/0"
            .to_owned(),
    ));
    url.open("", Holder::fresh(), Hearing::Nothing).data_identity().await?;
    findings.push(Finding::Good(match url {
        StoreUrl::File(path) if !path.exists() => {
            format!("the directory of {url} does not exist yet: the first worker makes it")
        }
        _ => format!("the directory of {url} is ours alone"),
    }));
    Ok(())
}

async fn look_at_redis(
    url: &RedisUrl,
    prefix: &str,
    findings: &mut Vec<Finding>,
) -> Result<(), StoreError> {
    // As a worker, it hears.
    let redis = RedisStore::with_hints(url.clone(), prefix, Holder::fresh());
    let facts = redis.facts().await?;
    findings.push(Finding::Good(format!("Redis at {url} answers")));
    findings.extend(redis::findings(&facts, WallClock::System.now()));
    let Tried { missing, lacks } = redis.try_everything().await?;
    // Each server that tells nothing of itself is told of above.
    let others = lacks.iter().filter(|lack| **lack != Lack::Info);
    findings.extend(others.map(|lack| Finding::Danger(lack.to_string())));
    let grant = format!("grant them with ACL SETUSER NAME {}", Role::Worker.rules(prefix));
    findings.push(if missing.is_empty() {
        Finding::Good("this user has every right that a worker cannot do without".to_owned())
    } else {
        let missing = missing.join(", ");
        Finding::Bad(format!("this user lacks rights that a worker needs: {missing}; {grant}"))
    });
    if missing.is_empty() && !lacks.is_empty() {
        let why = "if what is lacking is a matter of rights";
        findings.push(Finding::Danger(format!("{why}, {grant}")));
    }
    Ok(())
}

async fn credentials(settings: &Settings) -> Result<Vec<Finding>, InvalidTransport> {
    if settings.credentials.is_empty() {
        return Ok(vec![Finding::Danger("no credential is configured".to_owned())]);
    }
    let mut findings = Vec::new();
    settings.transport.ready()?;
    if let Err(why) = tls::authorities() {
        findings.push(Finding::Danger(Chain(&why).to_string()));
    }
    for credential in &*settings.credentials {
        let Credential { id, provider, .. } = &**credential;
        let deadline = clock::now() + settings.times.request_timeout;
        findings.push(match provider.readable(deadline).await {
            Ok(()) => {
                let account = provider.account();
                Finding::Good(format!("{id}: {} at {}", account.name, account.token))
            }
            Err(error) => Finding::Bad(format!("{id}: {}", Chain(&error))),
        });
        let oddities = provider.oddities(deadline).await;
        findings.extend(oddities.iter().map(|odd| Finding::Danger(format!("{id}: {odd}"))));
        findings.extend(provider.in_clear().map(|place| {
            Finding::Danger(format!(
                "{id}: the secret goes to {place} in clear, and everything on the way can read it: \
                 make base_url https://"
            ))
        }));
        let danger = provider.danger();
        findings.extend(danger.map(|danger| Finding::Danger(format!("{id}: {danger}"))));
    }
    Ok(findings)
}

// === impl Finding ===

impl Finding {
    /// What was found, in a sentence.
    #[must_use]
    pub fn text(&self) -> &str {
        let (Self::Good(text) | Self::Danger(text) | Self::Bad(text)) = self;
        text
    }

    /// How bad it is, in one word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Good(_) => "ok",
            Self::Danger(_) => "danger",
            Self::Bad(_) => "bad",
        }
    }

    /// The same, about one of several.
    fn about(self, what: &str) -> Self {
        let about = |text: String| format!("{what}: {text}");
        match self {
            Self::Good(text) => Self::Good(about(text)),
            Self::Danger(text) => Self::Danger(about(text)),
            Self::Bad(text) => Self::Bad(about(text)),
        }
    }
}

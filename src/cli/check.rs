//! `evertoken check`: the configuration, the store, and the store's settings that endanger tokens.

mod redis;

use std::io::{Write, stdout};

use super::Failure;
use crate::{
    chain::Chain,
    clock::{self, WallClock},
    config::Settings,
    lease::Holder,
    provider::Credential,
    store::{Hearing, RedisStore, RedisUrl, Role, StoreError, StoreUrl},
};

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Finding {
    Good(String),
    /// Tokens are in danger, and evertoken works.
    Danger(String),
    /// Evertoken cannot work so.
    Bad(String),
}

pub(super) async fn run(settings: &Settings) -> Result<(), Failure> {
    let mut findings = vec![Finding::Good(format!("configuration from {}", settings.origin))];
    let warning = settings.times.warning();
    findings.extend(warning.map(|warning| Finding::Danger(warning.to_owned())));
    findings.extend(check_credentials(settings).await?);
    let (about_store, ended) = check_store(settings).await;
    findings.extend(about_store);
    let mut out = stdout();
    for finding in &findings {
        let word = match finding {
            Finding::Good(_) => "ok",
            Finding::Danger(_) => "danger",
            Finding::Bad(_) => "bad",
        };
        writeln!(out, "{word:<8}{}", finding.text())?;
    }
    ended?;
    let bad = findings.iter().filter(|finding| matches!(finding, Finding::Bad(_))).count();
    match bad {
        0 => Ok(()),
        1 => Err(Failure::Unavailable("one thing has to be mended".to_owned())),
        more => Err(Failure::Unavailable(format!("{more} things have to be mended"))),
    }
}

/// What was found before an error is told all the same.
async fn check_store(settings: &Settings) -> (Vec<Finding>, Result<(), StoreError>) {
    let store = &settings.store;
    match &store.url {
        StoreUrl::Redis(url) => {
            let mut findings = Vec::new();
            let ended = check_redis(url, &store.prefix, &mut findings).await;
            (findings, ended)
        }
        url @ StoreUrl::File(_) => check_files(url).await,
    }
}

async fn check_files(url: &StoreUrl) -> (Vec<Finding>, Result<(), StoreError>) {
    let answer = url.open("", Holder::fresh(), Hearing::Nothing).data_identity().await;
    let ours = Finding::Good(format!("the directory of {url} is ours alone"));
    let one_machine = Finding::Danger(
        "a directory serves the processes of one machine; for more, set store.url to \
         redis://HOST:6379/0"
            .to_owned(),
    );
    (answer.is_ok().then_some(ours).into_iter().chain([one_machine]).collect(), answer.map(drop))
}

async fn check_redis(
    url: &RedisUrl,
    prefix: &str,
    findings: &mut Vec<Finding>,
) -> Result<(), StoreError> {
    let redis = RedisStore::new(url.clone(), prefix, Holder::fresh());
    let facts = redis.facts().await?;
    findings.push(Finding::Good(format!("Redis at {url} answers")));
    findings.extend(redis::findings(&facts, WallClock::System.now()));
    let missing = redis.missing_rights().await?;
    findings.push(if missing.is_empty() {
        Finding::Good("this user has every right that a worker needs".to_owned())
    } else {
        Finding::Bad(format!(
            "this user lacks rights that a worker needs: {}; grant them with ACL SETUSER NAME {}",
            missing.join(", "),
            Role::Worker.rules(prefix),
        ))
    });
    Ok(())
}

// === impl Finding ===

impl Finding {
    fn text(&self) -> &str {
        let (Self::Good(text) | Self::Danger(text) | Self::Bad(text)) = self;
        text
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

async fn check_credentials(settings: &Settings) -> Result<Vec<Finding>, Failure> {
    if settings.credentials.is_empty() {
        return Ok(vec![Finding::Danger("no credential is configured".to_owned())]);
    }
    let mut findings = Vec::new();
    settings.transport.ready()?;
    for Credential { id, provider, .. } in &*settings.credentials {
        let deadline = clock::now() + settings.times.request_timeout;
        findings.push(match provider.readable(deadline).await {
            Ok(()) => {
                let account = provider.account();
                Finding::Good(format!("{id}: {} at {}", account.name, account.token))
            }
            Err(error) => Finding::Bad(format!("{id}: {}", Chain(&error))),
        });
        let danger = provider.danger();
        findings.extend(danger.map(|danger| Finding::Danger(format!("{id}: {danger}"))));
    }
    Ok(findings)
}

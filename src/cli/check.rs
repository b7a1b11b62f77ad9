//! `evertoken check`: the configuration, the store, and the store's settings that endanger tokens.

use std::io::{Write, stdout};

use super::Failure;
use crate::{
    chain::Chain,
    config::Settings,
    lease::Holder,
    provider::Endpoint,
    store::{Hearing, RedisStore, Server, Store, StoreUrl},
    worker,
};

/// The oldest Redis that is supported: tests run on newer ones only.
const OLDEST: (u32, u32) = (6, 2);

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
    findings.extend(check_credentials(settings)?);
    findings.extend(check_store(settings).await?);
    let mut out = stdout();
    for finding in &findings {
        match finding {
            Finding::Good(text) => writeln!(out, "ok      {text}")?,
            Finding::Danger(text) => writeln!(out, "danger  {text}")?,
            Finding::Bad(text) => writeln!(out, "bad     {text}")?,
        }
    }
    let bad = findings.iter().filter(|finding| matches!(finding, Finding::Bad(_))).count();
    match bad {
        0 => Ok(()),
        1 => Err(Failure::Unavailable("one thing has to be mended".to_owned())),
        more => Err(Failure::Unavailable(format!("{more} things have to be mended"))),
    }
}

async fn check_store(settings: &Settings) -> Result<Vec<Finding>, Failure> {
    let store = &settings.store;
    match &store.url {
        StoreUrl::Redis(url) => {
            let redis = RedisStore::new(url.clone(), &store.prefix, Holder::fresh());
            redis.canary().await?;
            let mut findings = vec![Finding::Good(format!("Redis at {url} answers"))];
            findings.extend(check_server(&redis.server().await?));
            Ok(findings)
        }
        url @ StoreUrl::File(_) => {
            url.open(&store.prefix, Holder::fresh(), Hearing::Nothing).canary().await?;
            Ok(vec![
                Finding::Good(format!("the directory of {url} is ours alone")),
                Finding::Danger(
                    "a directory serves the processes of one machine; for more, set store.url to \
                     redis://HOST:6379/0"
                        .to_owned(),
                ),
            ])
        }
    }
}

fn check_credentials(settings: &Settings) -> Result<Vec<Finding>, Failure> {
    if settings.credentials.is_empty() {
        return Ok(vec![Finding::Danger("no credential is configured".to_owned())]);
    }
    let mut findings = Vec::new();
    let credentials = worker::credentials(settings.credentials.clone(), settings.times)?;
    for (credential, known) in credentials.iter().zip(&settings.credentials) {
        let id = &credential.id;
        findings.push(match credential.provider.readable() {
            Ok(()) => {
                Finding::Good(format!("{id}: {} at {}", known.appid, known.endpoint.as_str()))
            }
            Err(error) => Finding::Bad(format!("{id}: {}", Chain(&error))),
        });
        if known.endpoint == Endpoint::Token {
            findings.push(Finding::Danger(format!(
                "{id}: endpoint token kills the token before at each call; stable_token is safer"
            )));
        }
    }
    Ok(findings)
}

/// What a server says of itself. Pure.
fn check_server(server: &Server) -> Vec<Finding> {
    if server.info.is_empty() {
        let message = "INFO is not allowed for this user: the server's settings were not checked";
        return vec![Finding::Danger(message.to_owned())];
    }
    let field = |name: &str| server.field(name).unwrap_or_default();
    let mut findings = Vec::new();
    let version = field("redis_version");
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    findings.push(if OLDEST <= (major, minor) {
        Finding::Good(format!("Redis {version}"))
    } else {
        Finding::Bad(format!("Redis {version} is too old: evertoken needs 6.2 or newer"))
    });
    if field("role") == "slave" {
        let message = "this Redis is a replica: name its master in the store's URL";
        findings.push(Finding::Bad(message.to_owned()));
    }
    findings.push(match server.maxmemory_policy.as_deref() {
        Some("noeviction") => Finding::Good("maxmemory-policy is noeviction".to_owned()),
        Some(policy) => Finding::Danger(format!(
            "maxmemory-policy is {policy}: when memory is short, Redis may drop tokens and \
             records; set noeviction"
        )),
        None => Finding::Danger(
            "maxmemory-policy cannot be read: see to it that it is noeviction".to_owned(),
        ),
    });
    findings.push(match field("aof_enabled") {
        "1" => Finding::Good("persistence: append-only file".to_owned()),
        _ => Finding::Danger(
            "no append-only file: a restart of Redis may lose the newest tokens; set appendonly yes"
                .to_owned(),
        ),
    });
    match field("connected_slaves") {
        "0" => findings.push(Finding::Danger(
            "no replica: if this Redis is lost, applications have no tokens until it is back"
                .to_owned(),
        )),
        replicas if field("role") == "master" => {
            findings.push(Finding::Good(format!("replicas: {replicas}")));
        }
        _ => {}
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(info: &str, policy: &str) -> Server {
        Server { info: info.to_owned(), maxmemory_policy: Some(policy.to_owned()) }
    }

    fn is_danger(finding: &Finding) -> bool {
        matches!(finding, Finding::Danger(_))
    }

    #[test]
    fn a_durable_server_is_good_in_every_respect() {
        let info = "redis_version:7.0.15\r\nrole:master\r\nconnected_slaves:1\r\naof_enabled:1\r\n";
        let findings = check_server(&server(info, "noeviction"));
        assert!(findings.iter().all(|f| matches!(f, Finding::Good(_))), "{findings:#?}");
    }

    #[test]
    fn each_danger_is_told() {
        let info = "redis_version:6.2.0\nrole:master\nconnected_slaves:0\naof_enabled:0\n";
        let findings = check_server(&server(info, "allkeys-lru"));
        assert_eq!(findings.iter().filter(|f| is_danger(f)).count(), 3, "{findings:#?}");
    }

    #[test]
    fn an_old_server_and_a_replica_are_bad() {
        let info = "redis_version:6.0.16\nrole:slave\n";
        let bad = |f: &&Finding| matches!(f, Finding::Bad(_));
        assert_eq!(check_server(&server(info, "noeviction")).iter().filter(bad).count(), 2);
    }
}

//! A second kind of issuer: its settings, its client and its answers in one module.

use std::time::Duration;

use evertoken::{
    credential::Token,
    policy::Issuance,
    provider::{
        Account, Fate, FetchError, Fields, Inputs, Issued, Kind, Probed, Provider, Remedy,
        SecretSource, Transport, Trouble,
    },
    refresh::Outcome,
};
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::{Bench, credential};

/// As the registry would name it.
const PLANET: Kind = Kind { name: "planet", read: Planet::read };

/// An account at an issuer that calls it a planet.
#[derive(Debug)]
struct Planet {
    planet: String,
    key: SecretSource,
}

// === impl Planet ===

impl Planet {
    fn read(fields: &mut dyn Fields, _transport: &Transport) -> Option<Box<dyn Provider>> {
        let planet = fields.text("planet");
        let planet = fields.required("planet", "the name of the planet", planet);
        let key = fields.secret("key");
        let key = fields.required("key", "its key", key);
        Some(Box::new(Self { planet: planet?, key: key? }))
    }

    /// What its issuer answers: a line with a token and a lifetime.
    fn answer(&self, key: &str) -> Result<String, FetchError> {
        match key {
            "k3y" => Ok(format!("token-of-{} 600", self.planet)),
            _ => Err(FetchError::new(
                Trouble::SecretRefused,
                Remedy::Operator,
                Fate::Refused,
                "wrong key",
            )),
        }
    }
}

/// What an answer means.
fn read_answer(line: &str) -> Result<Issued, FetchError> {
    let odd =
        || FetchError::new(Trouble::IssuerUnclear, Remedy::Retry, Fate::Unknown, "an odd answer");
    let (token, seconds) = line.split_once(' ').ok_or_else(odd)?;
    let token = Token::new(token).map_err(|error| odd().caused_by(error))?;
    let seconds = seconds.parse().map_err(|error| odd().caused_by(error))?;
    Ok(Issued::new(token, Duration::from_secs(seconds)))
}

impl Provider for Planet {
    fn kind(&self) -> &'static str {
        PLANET.name
    }

    fn account(&self) -> Account<'_> {
        Account { issuer: "planets.test", name: &self.planet, token: "" }
    }

    fn issuance(&self) -> Issuance {
        Issuance::Anew
    }

    fn daily_quota(&self) -> u64 {
        100
    }

    fn quota_day_offset(&self) -> Duration {
        Duration::ZERO
    }

    fn settings_fingerprint(&self, _deadline: Instant) -> BoxFuture<'_, String> {
        Box::pin(std::future::ready("aaaaaaaa".to_owned()))
    }

    fn readable(&self, deadline: Instant) -> BoxFuture<'_, Vec<Result<(), FetchError>>> {
        Box::pin(async move { vec![self.key.read(deadline).await.map(drop)] })
    }

    fn fetch<'a>(
        &'a self,
        deadline: Instant,
        _inputs: &'a Inputs,
    ) -> BoxFuture<'a, Result<Issued, FetchError>> {
        Box::pin(async move {
            let key = self.key.read(deadline).await?;
            read_answer(&self.answer(key.expose())?)
        })
    }

    fn probe<'a>(&'a self, _token: &'a Token, _deadline: Instant) -> BoxFuture<'a, Probed> {
        Box::pin(std::future::ready(Probed::Alive))
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_kind_of_issuer_is_read_and_kept_fresh_without_a_change_elsewhere() {
    let bench = Bench::new();
    let fields = [("provider", "planet"), ("planet", "mars"), ("key", "k3y"), ("daily_quota", "9")];
    let mars = credential(PLANET, "mars", &fields);
    assert_eq!(mars.daily_quota, 9, "what all kinds share is read, too");
    let outcome = bench.cycle(&mars).await;
    assert!(matches!(outcome, Outcome::Refreshed(_)), "{outcome:?}");
    assert_eq!(bench.token("mars").await.as_deref(), Some("token-of-mars"));
}

#[tokio::test(start_paused = true)]
async fn what_a_second_kind_is_refused_is_treated_by_its_remedy() {
    let bench = Bench::new();
    let mars = credential(PLANET, "mars", &[("planet", "mars"), ("key", "wr0ng")]);
    let outcome = bench.cycle(&mars).await;
    assert!(matches!(outcome, Outcome::Failed { refused: Some(_), .. }), "{outcome:?}");
    assert_eq!(bench.record("mars").await.failures(), 1);
}

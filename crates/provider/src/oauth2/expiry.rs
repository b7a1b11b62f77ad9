//! How long a token lives, by what its issuer tells. Pure: what is dated is reckoned from the issuer's own
//! clock, where its answer shows it, else from the store's.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use evertoken_client::{StoreTime, millis};
use evertoken_rules::policy::{LONGEST_LIFETIME, SHORTEST_LIFETIME};
use serde_json::{Map, Value};

use super::path::Path;
use crate::Fields;

/// Unix times from here on are milliseconds: as seconds they would lie behind the year 5000.
const MILLISECONDS_FROM: u64 = 100_000_000_000;

/// How an issuer tells how long a token lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    /// In seconds from now, in this field.
    In(Path),
    /// As a moment, in this field: Unix time, or as `2026-11-22T09:30:00Z`.
    At(Path),
    /// The token is a JWT, whose `exp` tells.
    Jwt,
    /// It does not. The user has looked it up.
    Fixed(Duration),
}

// === impl Expiry ===

impl Expiry {
    /// Reads `expiry` and `expiry_field`; `None` if one is wrong.
    pub(super) fn read(fields: &mut dyn Fields) -> Option<Self> {
        let field = match fields.text("expiry_field").as_deref().map(Path::parse).transpose() {
            Ok(field) => field,
            Err(why) => {
                fields.wrong("expiry_field", &why);
                return None;
            }
        };
        let given = fields.text("expiry");
        let read = Self::of(given.as_deref().unwrap_or("expires_in"), field);
        read.map_err(|(name, why)| fields.wrong(name, &why)).ok()
    }

    fn of(text: &str, field: Option<Path>) -> Result<Self, (&'static str, String)> {
        let wrong = |why: String| ("expiry", why);
        let named =
            |field: Option<Path>| field.map_or_else(|| Path::parse(text), Ok).map_err(wrong);
        match (text, field) {
            ("expires_in", field) => named(field).map(Self::In),
            ("expires_at", field) => named(field).map(Self::At),
            (_, Some(_)) => {
                let why = "only expires_in and expires_at are told by a field: remove it";
                Err(("expiry_field", why.to_owned()))
            }
            ("jwt", None) => Ok(Self::Jwt),
            (text, None) => fixed(text).map(Self::Fixed).map_err(wrong),
        }
    }

    /// As the configuration spells it, with its field.
    pub(super) fn spelled(&self) -> String {
        match self {
            Self::In(field) => format!("expires_in {}", field.as_str()),
            Self::At(field) => format!("expires_at {}", field.as_str()),
            Self::Jwt => "jwt".to_owned(),
            Self::Fixed(life) => format!("{life:?}"),
        }
    }

    /// How long `token` lives, told in `answer` at `now`. A life beyond what is believed is cut.
    ///
    /// # Errors
    /// What is wrong with the answer, a sentence that lacks its subject.
    pub(super) fn lifetime(
        &self,
        answer: &Map<String, Value>,
        token: &str,
        now: StoreTime,
    ) -> Result<Duration, String> {
        let lifetime = match self {
            Self::Fixed(lifetime) => *lifetime,
            Self::In(field) => {
                let told = field.find(answer).and_then(seconds);
                Duration::from_secs(told.ok_or_else(|| absent(field, "in seconds"))?)
            }
            Self::At(field) => {
                let told = field.find(answer).and_then(moment);
                let what = "as a Unix time or as 2026-11-22T09:30:00Z";
                told.ok_or_else(|| absent(field, what))?.since(now)
            }
            Self::Jwt => {
                let what = "has a token that is no JWT with an exp: see expiry";
                jwt_exp(token).ok_or_else(|| what.to_owned())?.since(now)
            }
        };
        if lifetime < SHORTEST_LIFETIME {
            return Err(format!("tells that the token lives for {lifetime:?}: see expiry"));
        }
        Ok(lifetime.min(LONGEST_LIFETIME))
    }
}

fn fixed(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(life) if (SHORTEST_LIFETIME..=LONGEST_LIFETIME).contains(&life) => Ok(life),
        Ok(_) => Err(format!("{text} is out of range: 2s to 30days")),
        Err(_) => Err(format!(
            "{text:?} is none of \"expires_in\", \"expires_at\", \"jwt\" and a duration, as \"1h\""
        )),
    }
}

fn absent(field: &Path, how: &str) -> String {
    format!(
        "does not tell in {}, {how}, how long the token lives: see expiry, which may be a time that \
         you look up",
        field.as_str()
    )
}

/// A whole number, which some issuers write as a text.
fn seconds(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| {
            let number =
                number.as_f64().filter(|number| 0.0 <= *number && number.fract() == 0.0)?;
            Some(number as u64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn moment(value: &Value) -> Option<StoreTime> {
    if let Some(told) = seconds(value) {
        let is_seconds = told < MILLISECONDS_FROM;
        return Some(StoreTime::from_millis(if is_seconds { told * 1000 } else { told }));
    }
    let moment = humantime::parse_rfc3339(value.as_str()?.trim()).ok()?;
    let since = moment.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(StoreTime::from_millis(millis(since)))
}

/// The end that a JWT tells. Its signature is for those who use it.
fn jwt_exp(token: &str) -> Option<StoreTime> {
    let payload = token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    moment(serde_json::from_slice::<Value>(&claims).ok()?.get("exp")?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// 2023-11-15T01:00:00Z.
    const NOW: u64 = 1_700_010_000;

    fn of(text: &str, field: Option<&str>) -> Result<Expiry, String> {
        let field = field.map(|field| Path::parse(field).expect("a path"));
        Expiry::of(text, field).map_err(|(name, why)| format!("{name}: {why}"))
    }

    fn life(expiry: &str, answer: &Value, token: &str) -> Result<u64, String> {
        let answer = answer.as_object().expect("an object");
        let now = StoreTime::from_millis(NOW * 1000);
        let expiry = of(expiry, None).expect("an expiry");
        expiry.lifetime(answer, token, now).map(|life| life.as_secs())
    }

    #[test]
    fn a_life_is_told_in_seconds_as_a_moment_by_the_jwt_or_by_the_user() {
        for told in [json!(3600), json!("3600"), json!(3600.0)] {
            assert_eq!(life("expires_in", &json!({ "expires_in": told }), "t"), Ok(3600));
        }
        for told in [
            json!(NOW + 60),
            json!((NOW + 60) * 1000),
            json!((NOW + 60).to_string()),
            json!("2023-11-15T01:01:00Z"),
            json!("2023-11-15T01:01:00.000Z"),
        ] {
            assert_eq!(life("expires_at", &json!({ "expires_at": told }), "t"), Ok(60), "{told}");
        }
        let claims = URL_SAFE_NO_PAD.encode(json!({"iat": 1, "exp": NOW + 900}).to_string());
        assert_eq!(life("jwt", &json!({}), &format!("e30.{claims}.sig")), Ok(900));
        assert_eq!(life("90m", &json!({"expires_in": 1}), "t"), Ok(5400));
    }

    #[test]
    fn what_does_not_tell_a_life_is_no_life() {
        for told in [json!(null), json!(""), json!("soon"), json!(-1), json!(1.5), json!([3600])] {
            life("expires_in", &json!({ "expires_in": told }), "t").expect_err("no life");
        }
        life("expires_in", &json!({}), "t").expect_err("no life");
        life("expires_in", &json!({"expires_in": 0}), "t").expect_err("over already");
        life("expires_at", &json!({"expires_at": NOW - 1}), "t").expect_err("over already");
        for token in ["opaque", "a.b.c", "e30.e30.x", ".."] {
            life("jwt", &json!({}), token).expect_err(token);
        }
    }

    #[test]
    fn a_life_of_years_is_cut_to_what_is_believed() {
        let years = json!({"expires_in": u64::MAX});
        assert_eq!(life("expires_in", &years, "t"), Ok(30 * 86_400));
        assert_eq!(life("expires_at", &json!({"expires_at": u64::MAX}), "t"), Ok(30 * 86_400));
    }

    #[test]
    fn an_expiry_that_is_none_is_refused_with_what_there_is() {
        let wrong = of("sometimes", None).expect_err("none");
        assert!(wrong.starts_with("expiry: ") && wrong.contains("\"jwt\""), "{wrong}");
        assert!(of("1s", None).expect_err("too short").contains("out of range"));
        assert!(of("1h", Some("ttl")).expect_err("two").starts_with("expiry_field: "));
        let named = Path::parse("data.ttl").expect("a path");
        assert_eq!(of("expires_in", Some("data.ttl")), Ok(Expiry::In(named)));
    }
}

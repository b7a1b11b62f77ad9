//! What holds for an answer of any bytes.

use std::time::Duration;

use evertoken_client::MAX_TOKEN_LEN;
use evertoken_rules::policy::{LONGEST_LIFETIME, SHORTEST_LIFETIME};
use serde_json::Value;

use super::answer::{Asked, read};
use crate::{Fate, Remedy, Secret, answer::object};

/// The longest message that an answer may lead to, in bytes.
const LONGEST_MESSAGE: usize = 400;

/// No bytes become a token that is none, or a lifetime out of bounds; no error repeats them.
///
/// # Panics
/// If a claim does not hold.
pub fn hold(body: &[u8]) {
    let told = object(body).map_or(Value::Null, Value::Object);
    let secret = Secret::new("0123456789abcdef0123456789abcdef");
    let asked = Asked { appid: "wx0123456789abcdef", secret: &secret };
    match read(asked, 200, "application/json", body) {
        Ok(issued) => {
            let token = issued.token.expose();
            assert!((1..=MAX_TOKEN_LEN).contains(&token.len()), "{} bytes", token.len());
            assert!(token.bytes().all(|byte| (b'!'..=b'~').contains(&byte)), "a strange character");
            assert_eq!(told["access_token"], token, "another token than was told");
            let believed = SHORTEST_LIFETIME..=LONGEST_LIFETIME;
            assert!(believed.contains(&issued.lifetime), "{:?}", issued.lifetime);
            assert_eq!(told["expires_in"].as_f64(), Some(issued.lifetime.as_secs_f64()));
            assert!(told["errcode"].is_null() || told["errcode"] == 0, "an error became a token");
        }
        Err(error) => {
            let said = error.to_string();
            assert!(said.len() <= LONGEST_MESSAGE, "{} bytes of message", said.len());
            assert!(!said.chars().any(char::is_control), "{said:?}");
            let token = told["access_token"].as_str().filter(|token| 8 <= token.len());
            assert!(!token.is_some_and(|token| said.contains(token)), "it repeats the token");
            let day = Duration::from_secs(86_400);
            if let Remedy::Wait(wait) | Remedy::AnotherWorker(wait) = error.remedy {
                assert!(!wait.is_zero() && wait <= day, "{wait:?}");
            }
            assert_ne!(error.fate, Fate::NotSent, "it was answered");
        }
    }
    let error = read(asked, 502, "text/html", body).expect_err("no token comes from a gateway");
    assert_eq!((error.remedy, error.fate), (Remedy::Retry, Fate::Unknown));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_an_issuer_answers_is_survived() {
        evertoken_testkit::seeds::replay("answer", hold, 10_000);
    }
}

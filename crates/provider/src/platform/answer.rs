//! What a platform's answers mean, by its row: bytes to a token, or to an error by remedy. Pure. No text
//! of an answer is shown but a code that the row knows, or a number.

use std::{borrow::Cow, time::Duration};

use evertoken_client::{CredentialId, Token};
use serde_json::{Map, Value};

use super::row::{Answers, Endpoint, Known, Probe};
use crate::{
    Fate, FetchError, Issued, Probed, Remedy, Trouble,
    answer::{address, fate_of, lifetime, object, unclear},
};

/// Who asked: for messages.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) platform: &'static str,
    pub(super) account: &'a str,
    /// The credential whose token the call was made with.
    pub(super) parent: Option<&'a CredentialId>,
}

/// Reads an answer to a call for a token.
///
/// # Errors
/// A code by its remedy. Anything else than a clean answer is of unknown fate: a token may have been
/// issued that cannot be read.
pub(super) fn read(
    asked: Asked<'_>,
    endpoint: &Endpoint,
    status: u16,
    media_type: &str,
    body: &[u8],
) -> Result<Issued, FetchError> {
    let unclear = |what: &str| {
        let fate = if status == 200 { Fate::Unknown } else { fate_of(status) };
        unclear((status, media_type, body.len()), fate, what)
    };
    let answers = endpoint.answers;
    let answer = clean(answers, status, body).map_err(unclear)?;
    if let Some(code) = code(answers, &answer) {
        return Err(refusal(asked, answers, &code, &answer));
    }
    if status != 200 {
        return Err(unclear("is not the issuer's"));
    }
    let Some(Value::String(token)) = at(&answer, endpoint.token) else {
        return Err(unclear(&format!("has no {}", endpoint.token)));
    };
    let token = Token::new(token).map_err(|invalid| {
        unclear(&format!("has a {} that cannot be one", endpoint.token)).caused_by(invalid)
    })?;
    let seconds = match at(&answer, endpoint.lifetime) {
        Some(Value::Number(seconds)) => seconds.as_f64(),
        Some(Value::String(seconds)) => seconds.parse().ok(),
        _ => return Err(unclear(&format!("has no {}", endpoint.lifetime))),
    };
    let absurd = || unclear(&format!("has an absurd {}", endpoint.lifetime));
    seconds.and_then(lifetime).map(|life| Issued::new(token, life)).ok_or_else(absurd)
}

/// The same error, which asks to wait for as long as the issuer told, if both are so.
pub(super) fn waiting(mut error: FetchError, told: Option<Duration>) -> FetchError {
    if let (Remedy::Wait(wait), Some(told)) = (&mut error.remedy, told) {
        *wait = told;
    }
    error
}

/// Reads an answer to a probe. Only a clean one tells anything.
pub(super) fn read_probe(probe: &Probe, status: u16, media_type: &str, body: &[u8]) -> Probed {
    let unclear = |what: &str| {
        Probed::Unclear(unclear((status, media_type, body.len()), Fate::Refused, what))
    };
    let answer = match clean(probe.answers, status, body) {
        Ok(answer) => answer,
        Err(what) => return unclear(what),
    };
    match code(probe.answers, &answer) {
        Some(code) if probe.answers.is_dead(&code) => Probed::Dead,
        Some(code) => unclear(&format!("is {}", shown(probe.answers, &code))),
        None if status == 200 && at(&answer, probe.alive).is_some() => Probed::Alive,
        None => unclear(&format!("has no {}", probe.alive)),
    }
}

/// Whether the platform answers a call of its API that the token is dead. It has done nothing then.
pub(super) fn says_dead(answers: &Answers, status: u16, body: &[u8]) -> bool {
    let Ok(answer) = clean(answers, status, body) else { return false };
    code(answers, &answer).is_some_and(|code| answers.is_dead(&code))
}

/// The object of an answer that the issuer itself may have given.
fn clean(answers: &Answers, status: u16, body: &[u8]) -> Result<Map<String, Value>, &'static str> {
    if status != 200 && !answers.with_status {
        return Err("is not the issuer's");
    }
    object(body)
}

/// What stands at a path.
fn at<'a>(answer: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let mut parts = path.split('.');
    let first = answer.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

/// The code of an error, as it is written; none if all is well.
fn code<'a>(answers: &Answers, answer: &'a Map<String, Value>) -> Option<Cow<'a, str>> {
    let written = |path: &&str| match at(answer, path)? {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(Cow::Borrowed(text.as_str())),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Null => None,
        _ => Some(Cow::Borrowed("?")),
    };
    answers.codes.iter().filter_map(written).find(|code| code != answers.good)
}

/// A code that may be shown: one that is known, or a number. Anything else may be anything.
fn shown<'a>(answers: &Answers, code: &'a str) -> &'a str {
    let is_number = code.len() < 12 && code.parse::<i64>().is_ok();
    let is_known = is_number || answers.known(code).is_some() || answers.is_dead(code);
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
    if is_known && code.len() < 100 && code.chars().all(is_plain) { code } else { "an odd code" }
}

fn refusal(
    asked: Asked<'_>,
    answers: &Answers,
    code: &str,
    answer: &Map<String, Value>,
) -> FetchError {
    let Asked { platform, account, parent } = asked;
    let said = format!("{platform} answered {}", shown(answers, code));
    if let Some(parent) = parent.filter(|_| answers.is_dead(code)) {
        let message = format!("{said}: the token of {parent} is dead");
        let remedy = Remedy::InputDead(parent.clone());
        return FetchError::new(Trouble::InputDead, remedy, Fate::Refused, message);
    }
    let Some(Known(_, trouble, asks, meaning)) = answers.known(code) else {
        let message = format!("{said}, which its documents do not tell of here");
        return FetchError::new(Trouble::IssuerRefused, Remedy::Retry, Fate::Refused, message);
    };
    // Only a parsed address is shown, never the text.
    let text = at(answer, answers.text).and_then(Value::as_str).unwrap_or_default();
    let address = address(text).map(|ip| format!(" {ip}")).unwrap_or_default();
    let meaning = meaning.replace("{account}", account).replace("{address}", &address);
    FetchError::new(*trouble, (*asks).into(), Fate::Refused, format!("{said}: {meaning}"))
}

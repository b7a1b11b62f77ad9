//! What WeChat's answers mean: bytes to a token, or to an error by remedy. Pure.
//!
//! Classification is by (endpoint, errcode): `wechat-api.md` sections 1.4 and 2.5. The text of
//! `errmsg` is never parsed for logic; only a rid and an address are taken from it, to be shown.

use std::time::Duration;

use evertoken_client::Token;
use serde_json::Value;

use super::pasted;
use crate::{
    Fate, FetchError, Issued, Remedy, Secret, Trouble,
    answer::{address, fate_of, lifetime, object},
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// What a call was made with.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) appid: &'a str,
    pub(super) secret: &'a Secret,
}

/// Reads an answer to a call.
///
/// # Errors
/// An errcode by its remedy. Anything else than a clean answer is of unknown fate: a token may
/// have been issued that cannot be read.
pub(super) fn read(
    asked: Asked<'_>,
    status: u16,
    media_type: &str,
    body: &[u8],
) -> Result<Issued, FetchError> {
    let unclear = |what: &str| {
        let size = body.len();
        let message = format!("the answer {what} (HTTP {status}, {media_type}, {size} bytes)");
        FetchError::new(Trouble::IssuerUnclear, Remedy::Retry, fate_of(status), message)
            .unanswered()
    };
    if status != 200 {
        return Err(unclear("is not WeChat's"));
    }
    let answer = object(body).map_err(unclear)?;
    match answer.get("errcode") {
        None => {}
        Some(Value::Number(errcode)) => match errcode.as_i64() {
            Some(0) => {}
            Some(errcode) => {
                let errmsg = answer.get("errmsg").and_then(Value::as_str).unwrap_or_default();
                return Err(refusal(asked, errcode, errmsg));
            }
            None => return Err(unclear("has an errcode that is not an integer")),
        },
        Some(_) => return Err(unclear("has an errcode that is not a number")),
    }
    let Some(Value::String(token)) = answer.get("access_token") else {
        return Err(unclear("has no access_token"));
    };
    let token = Token::new(token)
        .map_err(|invalid| unclear("has an access_token that cannot be one").caused_by(invalid))?;
    let lifetime = match answer.get("expires_in") {
        Some(Value::Number(seconds)) => seconds.as_f64().and_then(lifetime),
        _ => return Err(unclear("has no expires_in, or not as a number")),
    };
    lifetime
        .map(|lifetime| Issued::new(token, lifetime))
        .ok_or_else(|| unclear("has an absurd expires_in"))
}

fn refusal(asked: Asked<'_>, errcode: i64, errmsg: &str) -> FetchError {
    let (trouble, remedy, meaning) = classify(errcode);
    // Only a parsed address is shown, never the text.
    let address = address(errmsg).map(|ip| format!(" {ip}")).unwrap_or_default();
    let meaning = meaning.replace("{account}", asked.appid).replace("{address}", &address);
    let rid = rid(errmsg).map(|rid| format!(" (rid {rid})")).unwrap_or_default();
    let hint = pasted::hint(errcode, asked);
    let message = format!("WeChat answered {errcode}: {meaning}{hint}{rid}");
    FetchError::new(trouble, remedy, Fate::Refused, message)
}

/// What an errcode of the token endpoints means, its remedy, and what to tell an operator. `{account}` stands
/// for the `AppID`, `{address}` for the address that was refused.
fn classify(errcode: i64) -> (Trouble, Remedy, &'static str) {
    use Remedy::{AnotherWorker, Operator, Retry, Wait, WaitForWindow};
    match errcode {
        -1 => (Trouble::IssuerBusy, Retry, "its system is busy"),
        40001 => (
            Trouble::SecretRefused,
            Operator,
            "the AppSecret of {account} is wrong or belongs to another account: copy it anew from \
             the console",
        ),
        40013 => (
            Trouble::AccountUnknown,
            Operator,
            "the AppID {account} is unknown (case matters): compare it with the console",
        ),
        40125 => (
            Trouble::SecretRefused,
            Operator,
            "the AppSecret of {account} is wrong: copy it anew from the console; a reset makes the \
             old one void",
        ),
        40164 => (
            Trouble::AddressRefused,
            AnotherWorker(10 * MINUTE),
            "the worker's address{address} is not in the IP list of {account}: add it in the console",
        ),
        40243 => (
            Trouble::AccountFrozen,
            Operator,
            "the AppSecret of {account} is frozen: thaw it in the console",
        ),
        45009 => (
            Trouble::QuotaUsedUp,
            WaitForWindow,
            "the daily quota of {account} is used up: wait for midnight in China, or clear it in \
             the console; something else may be calling with this account",
        ),
        45011 => (
            Trouble::RateLimited,
            Wait(MINUTE),
            "the quota of {account} for this minute is used up",
        ),
        50004 => (
            Trouble::AccountNotPermitted,
            Operator,
            "the account {account} may not use the token interface",
        ),
        50007 => (Trouble::AccountFrozen, Operator, "the account {account} is frozen"),
        61024 => (
            Trouble::AccountNotPermitted,
            Operator,
            "{account} is the AppID of a third-party platform, which gets its tokens another way",
        ),
        89501 => (
            Trouble::AddressRefused,
            AnotherWorker(5 * MINUTE),
            "the worker's address{address} still awaits the confirmation of the administrator of \
             {account}",
        ),
        89503 => (
            Trouble::AddressRefused,
            AnotherWorker(5 * MINUTE),
            "the administrator of {account} was asked to confirm the worker's address{address}: \
             confirm it, or add it to the IP list in the console",
        ),
        89506 => (
            Trouble::AddressRefused,
            AnotherWorker(24 * HOUR),
            "the administrator of {account} refused the worker's address{address} twice: it is \
             blocked for 24 hours",
        ),
        89507 => (
            Trouble::AddressRefused,
            AnotherWorker(HOUR),
            "the administrator of {account} refused the worker's address{address}: it is blocked \
             for an hour",
        ),
        40002 | 41002 | 41004 | 43002 | 47001 => (
            Trouble::RequestMalformed,
            Operator,
            "the request was malformed, which is a defect of evertoken or of something between: \
             please report it",
        ),
        _ => (Trouble::IssuerRefused, Retry, "an errcode that its token endpoints do not document"),
    }
}

/// The rid that WeChat's support asks for: three groups of eight hexadecimal digits.
fn rid(errmsg: &str) -> Option<&str> {
    let is_group = |group: &str| group.len() == 8 && group.bytes().all(|b| b.is_ascii_hexdigit());
    let is_rid = |word: &&str| word.split('-').count() == 3 && word.split('-').all(is_group);
    errmsg.split_whitespace().find(is_rid)
}

#[cfg(test)]
mod tests;

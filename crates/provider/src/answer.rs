//! What all issuers' answers have in common: an object of JSON, a token and its life. Pure; no text of
//! an answer is ever shown.

use std::{net::IpAddr, time::Duration};

use evertoken_rules::policy::{LONGEST_LIFETIME, SHORTEST_LIFETIME};
use serde_json::{Map, Value};
use tracing::warn;

use crate::{Fate, FetchError, Issued, Remedy, Trouble};

/// How bytes begin that are packed with gzip.
const GZIP: &[u8] = b"\x1f\x8b";

/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// An answer that makes no sense, in a sentence that lacks its subject: something else may have
/// answered in the issuer's place.
pub(crate) fn unclear(
    (status, media_type, size): (u16, &str, usize),
    fate: Fate,
    what: &str,
) -> FetchError {
    let message = format!("the answer {what} (HTTP {status}, {media_type}, {size} bytes)");
    FetchError::new(Trouble::IssuerUnclear, Remedy::Retry, fate, message).unanswered()
}

/// The object that a body is, with or without a byte order mark; or what the body is instead.
///
/// # Errors
/// What an answer that is none does: "is not a JSON object".
pub(crate) fn object(body: &[u8]) -> Result<Map<String, Value>, &'static str> {
    if body.starts_with(GZIP) {
        return Err("is packed with gzip, which was not asked for: what stands between?");
    }
    let text = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    serde_json::from_slice(text).map_err(|_| "is not a JSON object")
}

/// What an answer with another HTTP status than the issuer's own says of the request. A redirect or a
/// 4xx comes from something in between, which did not pass it on. A 408 may come from one that did.
pub(crate) fn fate_of(status: u16) -> Fate {
    if (300..500).contains(&status) && status != 408 { Fate::Refused } else { Fate::Unknown }
}

/// A life in whole seconds, if any token lives so long.
pub(crate) fn lifetime(seconds: f64) -> Option<Duration> {
    let believed = SHORTEST_LIFETIME.as_secs_f64()..=LONGEST_LIFETIME.as_secs_f64();
    let is_whole = seconds.fract() == 0.0;
    (is_whole && believed.contains(&seconds)).then(|| Duration::from_secs_f64(seconds))
}

/// What was issued, for as long as its life is believed. Nobody would look for another token while
/// an absurd one lasts.
pub(crate) fn believed(account: &str, longest: Duration, issued: Issued) -> Issued {
    if issued.lifetime <= longest {
        return issued;
    }
    warn!(
        event = "issuer.life_too_long",
        account,
        told_s = issued.lifetime.as_secs(),
        believed_s = longest.as_secs(),
        "the issuer told a longer life than it gives its tokens: it is cut; is base_url right?"
    );
    Issued { lifetime: longest, ..issued }
}

/// The first word of a text that is an address.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    text.split([' ', ',']).find_map(|word| word.parse().ok())
}

//! What a refusal of an OAuth issuer asks for: RFC 6749 section 5.2, RFC 8707 section 2, RFC 8628 section
//! 3.5, and what others say in these words' place. Pure. The text of `error_description` is never shown.

use std::time::Duration;

use crate::{Fate, FetchError, Remedy, Trouble, transport::Answer};

/// How long to leave an issuer alone that wants a pause and does not say how long.
const PAUSE: Duration = Duration::from_secs(60);

/// The longest code that is shown.
const MAX_CODE: usize = 40;

/// The issuer has said `code`, whatever the status of its answer; `asker` is the client.
pub(super) fn told(code: &str, asker: &str, answer: &Answer) -> FetchError {
    let (trouble, remedy, meaning) = classify(code);
    let (trouble, remedy) = paused(answer, trouble, remedy);
    let is_code = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let is_shown = (1..=MAX_CODE).contains(&code.len()) && code.bytes().all(is_code);
    let code = if is_shown { code } else { "an error" };
    let message = format!("the issuer answered {code}: {}", meaning.replace("{client}", asker));
    FetchError::new(trouble, remedy, Fate::Refused, message)
}

/// The answer is none of OAuth's: `what` it is, in a sentence that lacks its subject.
pub(super) fn untold(answer: &Answer, what: &str) -> FetchError {
    let Answer { status, media_type, body, .. } = answer;
    let (trouble, remedy, fate, hint) = match status {
        401 | 403 => (
            Trouble::IssuerRefused,
            Remedy::Operator,
            Fate::Refused,
            ": compare the client, its secret, auth and token_url with the issuer's console, and ask \
             whether it takes calls from this address",
        ),
        400 | 404..=406 | 410 | 415 => (
            Trouble::RequestMalformed,
            Remedy::Operator,
            Fate::Refused,
            ": is token_url right, and is it what the issuer's documents tell to POST to?",
        ),
        429 => (Trouble::RateLimited, Remedy::Wait(PAUSE), Fate::Refused, ""),
        503 => (Trouble::IssuerBusy, Remedy::Retry, Fate::Unknown, ""),
        300..=399 => {
            let hint = ": a redirect is not followed; is token_url right?";
            (Trouble::IssuerUnclear, Remedy::Retry, Fate::Refused, hint)
        }
        _ => (Trouble::IssuerUnclear, Remedy::Retry, Fate::Unknown, ""),
    };
    let (trouble, remedy) = paused(answer, trouble, remedy);
    let size = body.len();
    let message = format!("the answer {what} (HTTP {status}, {media_type}, {size} bytes){hint}");
    FetchError::new(trouble, remedy, fate, message).unanswered()
}

/// What the issuer says of a pause goes before what else it says. 429 always asks for one.
fn paused(answer: &Answer, trouble: Trouble, remedy: Remedy) -> (Trouble, Remedy) {
    let told = answer.times.retry_after;
    match (answer.status, &remedy) {
        (429, _) => (Trouble::RateLimited, Remedy::Wait(told.unwrap_or(PAUSE))),
        (_, Remedy::Retry | Remedy::Wait(_)) => (trouble, told.map_or(remedy, Remedy::Wait)),
        _ => (trouble, remedy),
    }
}

/// What an error code means, its remedy, and what to tell an operator. `{client}` stands for the client.
fn classify(code: &str) -> (Trouble, Remedy, &'static str) {
    use Remedy::{Operator, Retry, Wait};
    match code {
        "invalid_client" => (
            Trouble::SecretRefused,
            Operator,
            "it does not know the client {client}, or does not take what it proves itself with: \
             compare both, and auth, with the issuer's console",
        ),
        "invalid_grant" => (
            Trouble::SecretRefused,
            Operator,
            "it does not take what {client} asks with, or takes it no longer: compare it with the \
             issuer's console",
        ),
        "unauthorized_client" => (
            Trouble::AccountNotPermitted,
            Operator,
            "the client {client} may not get tokens in this way: allow it in the issuer's console",
        ),
        "invalid_scope" | "invalid_target" => (
            Trouble::AccountNotPermitted,
            Operator,
            "the client {client} may not have a token for this scope or audience: compare scope and \
             params with the issuer's console",
        ),
        "access_denied" => (
            Trouble::AccountNotPermitted,
            Operator,
            "the client {client} may not have such a token: see the issuer's console",
        ),
        "invalid_request" | "unsupported_grant_type" => (
            Trouble::RequestMalformed,
            Operator,
            "it does not take the request: compare auth, scope and params with its documents",
        ),
        "temporarily_unavailable" | "server_error" => {
            (Trouble::IssuerBusy, Retry, "it cannot serve anybody at the moment")
        }
        "slow_down" | "too_many_requests" | "rate_limit_exceeded" => {
            (Trouble::RateLimited, Wait(PAUSE), "there were too many calls in a short time")
        }
        _ => (Trouble::IssuerRefused, Retry, "a code that OAuth does not know: see its documents"),
    }
}

//! What GitHub's answers mean: bytes to a token, or to an error by remedy. Pure. The text of `message` is
//! never shown.

use std::time::Duration;

use evertoken_client::{StoreTime, Token, millis};
use evertoken_rules::policy::{LONGEST_LIFETIME, SHORTEST_LIFETIME};
use serde_json::Value;

use crate::{Fate, FetchError, Issued, Remedy, Trouble, answer::object, transport::Answer};

/// GitHub asks for a minute at least after a limit that it does not time.
const PAUSE: Duration = Duration::from_secs(60);

/// Reads an answer to the app `app_id` about one installation, to a call that was granted at
/// `granted_at`.
///
/// # Errors
/// What a status means, by its remedy.
pub(super) fn read(
    app_id: &str,
    installation: u64,
    granted_at: StoreTime,
    answer: &Answer,
) -> Result<Issued, FetchError> {
    if answer.status != 201 {
        return Err(refused(app_id, installation, granted_at, answer));
    }
    let Answer { status, media_type, body, .. } = answer;
    let unclear = |what: &str| {
        let size = body.len();
        let message = format!("the answer {what} (HTTP {status}, {media_type}, {size} bytes)");
        FetchError::new(Trouble::IssuerUnclear, Remedy::Retry, Fate::Unknown, message).unanswered()
    };
    let object = object(body).map_err(unclear)?;
    let Some(Value::String(token)) = object.get("token") else {
        return Err(unclear("has no token"));
    };
    let token = Token::new(token)
        .map_err(|invalid| unclear("has a token that cannot be one").caused_by(invalid))?;
    let ends = object.get("expires_at").and_then(Value::as_str).and_then(moment);
    let ends = ends.ok_or_else(|| unclear("has no expires_at, or not as 2026-11-22T09:30:00Z"))?;
    let lifetime = ends.since(answer.times.date.unwrap_or(granted_at));
    if lifetime < SHORTEST_LIFETIME {
        return Err(unclear("has a token that is over"));
    }
    Ok(Issued::new(token, lifetime.min(LONGEST_LIFETIME)))
}

fn moment(text: &str) -> Option<StoreTime> {
    let since = humantime::parse_rfc3339(text).ok()?.duration_since(std::time::UNIX_EPOCH);
    Some(StoreTime::from_millis(millis(since.ok()?)))
}

fn refused(app_id: &str, installation: u64, granted_at: StoreTime, answer: &Answer) -> FetchError {
    use Fate::{Refused, Unknown};
    use Remedy::{Operator, Retry, Wait};
    let Answer { status, media_type, body, times } = answer;
    let (trouble, remedy, fate, meaning) = match (status, times.retry_after) {
        (403, Some(wait)) | (429, Some(wait)) => {
            (Trouble::RateLimited, Wait(wait), Refused, "there were too many calls".to_owned())
        }
        (429, None) => {
            (Trouble::RateLimited, Wait(PAUSE), Refused, "there were too many calls".to_owned())
        }
        (401, _) => {
            let clocks = times.apart(granted_at);
            let meaning = format!(
                "it does not take what the app {app_id} signed: compare app_id and key with the \
                 app's settings{clocks}"
            );
            (Trouble::SecretRefused, Operator, Refused, meaning)
        }
        (404, _) => {
            let meaning = format!(
                "the app {app_id} has no installation {installation}: it was removed, or installed \
                 anew under another number; see base_url, too"
            );
            (Trouble::AccountUnknown, Operator, Refused, meaning)
        }
        (403, None) => {
            let meaning = format!(
                "the installation {installation} may not have such a token: is it suspended, or may \
                 the app {app_id} not call from this address?"
            );
            (Trouble::AccountNotPermitted, Operator, Refused, meaning)
        }
        (422, _) => {
            let meaning = "it does not take permissions or repositories: compare both with what \
                           the installation has";
            (Trouble::AccountNotPermitted, Operator, Refused, meaning.to_owned())
        }
        (400..=499, _) if *status != 408 => {
            let meaning = "it does not take the request: is base_url right?".to_owned();
            (Trouble::RequestMalformed, Operator, Refused, meaning)
        }
        (_, wait) => {
            let busy = if *status == 503 { Trouble::IssuerBusy } else { Trouble::IssuerUnclear };
            let fate = if (300..400).contains(status) { Refused } else { Unknown };
            let size = body.len();
            let meaning = format!("that is no answer of GitHub's ({media_type}, {size} bytes)");
            (busy, wait.map_or(Retry, Wait), fate, meaning)
        }
    };
    let error =
        FetchError::new(trouble, remedy, fate, format!("GitHub answered HTTP {status}: {meaning}"));
    if *status < 400 || 500 <= *status { error.unanswered() } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::times::Times;

    /// 2016-07-11T21:14:10Z, an hour before the end in GitHub's example.
    const NOW: StoreTime = StoreTime::from_millis(1_468_271_650_000);

    fn answer(status: u16, body: &str, times: Times) -> Answer {
        let media_type = "application/json".to_owned();
        Answer { status, media_type, times, body: body.as_bytes().to_vec() }
    }

    /// As GitHub's documents show it, shortened.
    const EXAMPLE: &str = r#"{"token":"ghs_16C7e42F292c6912E7710c838347Ae178B4a",
        "expires_at":"2016-07-11T22:14:10Z",
        "permissions":{"issues":"write","contents":"read"},"repository_selection":"selected"}"#;

    #[test]
    fn the_published_example_is_read() {
        let issued = read("1", 2, NOW, &answer(201, EXAMPLE, Times::default())).expect("a token");
        assert_eq!(issued.token.expose(), "ghs_16C7e42F292c6912E7710c838347Ae178B4a");
        assert_eq!(issued.lifetime, Duration::from_secs(3600));
    }

    #[test]
    fn a_token_with_the_longer_form_is_read_and_its_end_reckoned_by_githubs_clock() {
        let token = format!("ghs_12345_{}", "x".repeat(2000));
        let body = format!(r#"{{"token":"{token}","expires_at":"2016-07-11T22:14:10Z"}}"#);
        let date = Some(NOW.plus(Duration::from_secs(600)));
        let answer = answer(201, &body, Times { date, retry_after: None });
        let issued = read("1", 2, NOW, &answer).expect("a token");
        assert_eq!((issued.token.expose().len(), issued.lifetime.as_secs()), (2010, 3000));
    }

    #[test]
    fn each_status_has_its_remedy() {
        let minute = Remedy::Wait(Duration::from_secs(60));
        for (status, trouble, remedy, fate) in [
            (401, Trouble::SecretRefused, &Remedy::Operator, Fate::Refused),
            (403, Trouble::AccountNotPermitted, &Remedy::Operator, Fate::Refused),
            (404, Trouble::AccountUnknown, &Remedy::Operator, Fate::Refused),
            (422, Trouble::AccountNotPermitted, &Remedy::Operator, Fate::Refused),
            (415, Trouble::RequestMalformed, &Remedy::Operator, Fate::Refused),
            (429, Trouble::RateLimited, &minute, Fate::Refused),
            (302, Trouble::IssuerUnclear, &Remedy::Retry, Fate::Refused),
            (500, Trouble::IssuerUnclear, &Remedy::Retry, Fate::Unknown),
            (503, Trouble::IssuerBusy, &Remedy::Retry, Fate::Unknown),
            (200, Trouble::IssuerUnclear, &Remedy::Retry, Fate::Unknown),
        ] {
            let body = r#"{"message":"s3cr3t","documentation_url":"u"}"#;
            let error =
                read("1", 2, NOW, &answer(status, body, Times::default())).expect_err("none");
            assert_eq!(
                (error.trouble, &error.remedy, error.fate),
                (trouble, remedy, fate),
                "{status}"
            );
            assert!(!error.to_string().contains("s3cr3t"), "{error}");
        }
    }

    #[test]
    fn a_secondary_limit_is_a_403_that_tells_how_long() {
        let wait = Duration::from_secs(90);
        let times = Times { date: None, retry_after: Some(wait) };
        let error = read("1", 2, NOW, &answer(403, "{}", times)).expect_err("none");
        assert_eq!((error.trouble, error.remedy), (Trouble::RateLimited, Remedy::Wait(wait)));
    }

    #[test]
    fn a_clock_that_is_far_off_is_told_with_a_refused_signature() {
        let date = Some(NOW.plus(Duration::from_secs(900)));
        let refused = answer(401, "{}", Times { date, retry_after: None });
        let error = read("1", 2, NOW, &refused).expect_err("none");
        assert!(error.to_string().contains("900 s behind the issuer's"), "{error}");
    }

    #[test]
    fn no_wrong_answer_is_taken_for_a_token() {
        for body in [
            "",
            "[]",
            r#"{"token":"t"}"#,
            r#"{"token":"","expires_at":"2016-07-11T22:14:10Z"}"#,
            r#"{"token":"t","expires_at":"2016-07-11T21:14:10Z"}"#,
            r#"{"token":"t","expires_at":3600}"#,
        ] {
            read("1", 2, NOW, &answer(201, body, Times::default())).expect_err(body);
        }
    }
}

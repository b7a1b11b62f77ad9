//! What WeChat says of a token that it is shown in `GET /cgi-bin/get_api_domain_ip`, a cheap call
//! that changes nothing (`wechat-api.md` section 3.2). Pure.

use serde_json::Value;

use crate::{Fate, FetchError, Probed, Remedy, Trouble, answer::object};

/// The errcodes that mean that the token is dead, as SDKs agree (`wechat-api.md` section 3.1). All
/// others concern the account, the API, the caller or the moment.
const DEAD: [i64; 3] = [40001, 40014, 42001];

/// Reads an answer. Only a clean one tells anything.
pub(super) fn read(status: u16, media_type: &str, body: &[u8]) -> Probed {
    let unclear = |what: &str| {
        let size = body.len();
        let message = format!("the answer {what} (HTTP {status}, {media_type}, {size} bytes)");
        FetchError::new(Trouble::IssuerUnclear, Remedy::Retry, Fate::Refused, message)
    };
    if status != 200 {
        return Probed::Unclear(unclear("is not WeChat's").unanswered());
    }
    let answer = match object(body) {
        Ok(answer) => answer,
        Err(what) => return Probed::Unclear(unclear(what).unanswered()),
    };
    match answer.get("errcode").map(Value::as_i64) {
        Some(Some(errcode)) if DEAD.contains(&errcode) => Probed::Dead,
        None | Some(Some(0)) if answer.get("ip_list").is_some_and(Value::is_array) => Probed::Alive,
        None | Some(Some(0)) => Probed::Unclear(unclear("has no ip_list").unanswered()),
        Some(Some(errcode)) => Probed::Unclear(unclear(&format!("is errcode {errcode}"))),
        Some(None) => {
            Probed::Unclear(unclear("has an errcode that is not an integer").unanswered())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(status: u16, body: &str) -> &'static str {
        read(status, "application/json", body.as_bytes()).as_str()
    }

    #[test]
    fn three_errcodes_mean_that_the_token_is_dead_and_no_other() {
        let errcodes =
            [-1, 0, 40001, 40002, 40013, 40014, 40125, 40164, 41001, 42001, 42007, 45009];
        for errcode in errcodes.into_iter().chain([45011, 48001, 48004, 50001, 61004, 89503]) {
            let body = format!(r#"{{"errcode":{errcode},"errmsg":"invalid credential"}}"#);
            let is_dead = [40001, 40014, 42001].contains(&errcode);
            let expected = if is_dead { "dead" } else { "unclear" };
            assert_eq!(said(200, &body), expected, "errcode {errcode}");
        }
    }

    #[test]
    fn a_list_of_addresses_means_that_it_is_alive() {
        assert_eq!(said(200, r#"{"ip_list":["1.2.3.4"]}"#), "alive");
        assert_eq!(said(200, r#"{"errcode":0,"ip_list":[]}"#), "alive");
    }

    #[test]
    fn whatever_else_comes_back_tells_nothing() {
        for body in [
            "",
            "{}",
            "[]",
            "40001",
            "<html>invalid credential</html>",
            r#"{"errcode":"40001"}"#,
            r#"{"errcode":40001.5}"#,
            r#"{"errcode":null}"#,
            r#"[{"errcode":40001}]"#,
            r#"{"error":{"errcode":40001}}"#,
            r#"{"errcode":40001,"#,
            r#"{"ip_list":"1.2.3.4"}"#,
        ] {
            assert_eq!(said(200, body), "unclear", "{body}");
        }
        for status in [204, 301, 401, 403, 404, 429, 500, 502, 503] {
            assert_eq!(said(status, r#"{"errcode":40001}"#), "unclear", "HTTP {status}");
        }
    }

    proptest! {
        #[test]
        fn no_other_bytes_ever_mean_that_it_is_dead(body in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_ne!(read(200, "text/html", &body).as_str(), "dead");
        }
    }
}

//! Answers: what the issuer decided, and how that is written on the wire.
//!
//! Faults that spoil the text of a reply are carried out here. Nothing here changes state.

use serde_json::{Map, Value, json};

use super::fault::FaultKind;
use super::mint::TokenValue;

/// What the issuer decided about one call.
#[derive(Debug)]
pub(super) enum Answer {
    /// A token and its `expires_in`, in whole seconds.
    Granted(TokenValue, u64),
    /// The business call went through.
    Addresses,
    /// What another platform answers, with its HTTP status.
    Shaped(u16, Value),
    /// An error, and the text before its request id.
    Refused(i64, String),
    /// Nothing was decided: a fault answers instead.
    Unasked,
}

/// A reply, ready to be sent.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) location: Option<String>,
    pub(super) body: Vec<u8>,
    pub(super) manner: Manner,
}

/// How a reply is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// At once and whole.
    Whole,
    /// A byte at a time, with this pause in milliseconds before each.
    Drip(u64),
    /// Not at all: the connection is reset.
    Reset,
}

/// The page that proxies and portals send where JSON was expected.
const PAGE: &str = "<html><head><title>Error</title></head><body><h1>Error</h1></body></html>";

/// WeChat's content type. The word really is "encoding".
const JSON: &str = "application/json; encoding=utf-8";

// === impl Answer ===

impl Answer {
    /// A refusal with WeChat's text for the number.
    pub(super) fn refused(code: i64) -> Self {
        Self::Refused(code, text_of(code).to_owned())
    }

    /// Writes the reply, spoiled if there is a fault. `rid` ends every error text.
    pub(super) fn write(self, fault: Option<&FaultKind>, rid: &str) -> Reply {
        let reply = match fault {
            Some(fault) if fault.replaces_handling() => return instead(fault, rid),
            _ => match self {
                Self::Shaped(status, body) => Reply { status, ..Reply::json(object(body)) },
                plain => Reply::json(plain.object(fault, rid)),
            },
        };
        match fault {
            Some(FaultKind::Truncated) => reply.cut_in_half(),
            Some(FaultKind::Huge { bytes }) => reply.padded(*bytes),
            Some(FaultKind::SlowBody { ms }) => Reply { manner: Manner::Drip(*ms), ..reply },
            Some(FaultKind::ResetAfter) => Reply { manner: Manner::Reset, ..reply },
            _ => reply,
        }
    }

    /// The JSON object, with the fields that a fault replaces replaced.
    fn object(self, fault: Option<&FaultKind>, rid: &str) -> Map<String, Value> {
        let (value, seconds) = match self {
            Self::Granted(value, seconds) => (value, seconds),
            Self::Addresses => return object(json!({"ip_list": ["101.226.62.77"]})),
            Self::Refused(code, text) => return object(error(code, &text, rid)),
            Self::Shaped(_, body) => return object(body),
            Self::Unasked => return Map::new(),
        };
        let mut granted = Map::new();
        if fault == Some(&FaultKind::ErrcodeZeroWithToken) {
            granted = object(json!({"errcode": 0, "errmsg": "ok"}));
        }
        granted.insert("access_token".to_owned(), value.as_str().into());
        granted.insert("expires_in".to_owned(), seconds.into());
        match fault {
            Some(FaultKind::ExpiresIn { value: Value::Null }) => {
                granted.remove("expires_in");
            }
            Some(FaultKind::ExpiresIn { value }) => {
                granted.insert("expires_in".to_owned(), value.clone());
            }
            Some(FaultKind::AccessToken { value }) => {
                granted.insert("access_token".to_owned(), value.clone());
            }
            _ => {}
        }
        granted
    }
}

/// The reply of a fault that stands in the issuer's place.
fn instead(fault: &FaultKind, rid: &str) -> Reply {
    match fault {
        FaultKind::Errcode { code, message } => {
            let text = message.as_deref().unwrap_or(text_of(*code));
            Reply::json(object(error(*code, text, rid)))
        }
        FaultKind::ErrcodeString { code } => {
            let mut error = object(error(*code, text_of(*code), rid));
            error.insert("errcode".to_owned(), code.to_string().into());
            Reply::json(error)
        }
        FaultKind::HttpStatus { status, body } => {
            Reply { status: *status, ..Reply::html(body.as_deref().unwrap_or(PAGE)) }
        }
        FaultKind::Redirect { location } => {
            Reply { status: 301, location: Some(location.clone()), ..Reply::html(PAGE) }
        }
        FaultKind::EmptyBody => Reply { body: Vec::new(), ..Reply::json(Map::new()) },
        FaultKind::ResetBefore => Reply { manner: Manner::Reset, ..Reply::html("") },
        FaultKind::NotObject => {
            Reply { body: br#"["access_token",7200]"#.to_vec(), ..Reply::json(Map::new()) }
        }
        FaultKind::InvalidUtf8 => {
            let body = b"{\"access_token\":\"10_\xff\xfe\xfd\",\"expires_in\":7200}".to_vec();
            Reply { body, ..Reply::json(Map::new()) }
        }
        _ => Reply::html(PAGE),
    }
}

// === impl Reply ===

impl Reply {
    fn json(object: Map<String, Value>) -> Self {
        let body = Value::Object(object).to_string().into_bytes();
        Self { status: 200, content_type: JSON, location: None, body, manner: Manner::Whole }
    }

    fn html(page: &str) -> Self {
        Self {
            status: 200,
            content_type: "text/html; charset=utf-8",
            location: None,
            body: page.as_bytes().to_vec(),
            manner: Manner::Whole,
        }
    }

    fn cut_in_half(mut self) -> Self {
        self.body.truncate(self.body.len() / 2);
        self
    }

    /// Puts a field `padding` at the end, so that the body has `bytes` bytes.
    fn padded(mut self, bytes: usize) -> Self {
        const FRAME: usize = r#","padding":"""#.len();
        if self.body.len() + FRAME <= bytes {
            self.body.pop(); // the closing brace
            self.body.extend_from_slice(br#","padding":""#);
            self.body.resize(bytes - 2, b'x');
            self.body.extend_from_slice(br#""}"#);
        }
        self
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn error(code: i64, text: &str, rid: &str) -> Value {
    json!({"errcode": code, "errmsg": format!("{text} rid: {rid}")})
}

/// WeChat's text for an error, without its request id.
fn text_of(code: i64) -> &'static str {
    match code {
        -1 => "system error",
        40001 => {
            "invalid credential, access_token is invalid or not latest, could get access_token \
             by getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r"
        }
        40002 => "invalid grant_type",
        40013 => "invalid appid",
        40014 => "invalid access_token",
        40125 => "invalid appsecret",
        40164 => "invalid ip, not in whitelist",
        40243 => "appsecret is frozen",
        41001 => "access_token missing",
        41002 => "appid missing",
        41004 => "appsecret missing",
        42001 => "access_token expired",
        43002 => "require POST method",
        45009 => {
            "reach max api daily quota limit, could get access_token by getStableAccessToken, \
             more details at https://mmbizurl.cn/s/JtxxFh33r"
        }
        45011 => "api minute-quota reach limit  mustslower  retry next minute",
        47001 => "data format error",
        50004 => "forbidden to use the token interface",
        50007 => "account is frozen",
        61024 => "must use api(api_component_token) to get token for component acct",
        89501 => "this ip is waiting for the admin's confirmation",
        89503 => "the admin must confirm this ip",
        89506 => "this ip was refused by the admin twice, retry after 24 hours",
        89507 => "this ip was refused by the admin, retry after 1 hour",
        _ => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mint::Mint;

    fn granted(fault: Option<&FaultKind>) -> (Vec<u8>, Manner) {
        let answer = Answer::Granted(Mint::new().token(136).value, 7200);
        let reply = answer.write(fault, "rid");
        (reply.body, reply.manner)
    }

    fn granted_json(fault: &FaultKind) -> Value {
        serde_json::from_slice(&granted(Some(fault)).0).unwrap()
    }

    #[test]
    fn a_granted_token_has_no_errcode() {
        let answer: Value = serde_json::from_slice(&granted(None).0).unwrap();
        assert_eq!(answer["expires_in"], 7200);
        assert!(answer.get("errcode").is_none());
    }

    #[test]
    fn a_null_expires_in_is_left_out_and_others_are_sent_as_they_are() {
        let without = granted_json(&FaultKind::ExpiresIn { value: Value::Null });
        assert!(without.get("expires_in").is_none());
        for value in [json!("7200"), json!(7200.0), json!(0)] {
            let kind = FaultKind::ExpiresIn { value: value.clone() };
            assert_eq!(granted_json(&kind)["expires_in"], value);
        }
    }

    #[test]
    fn a_huge_answer_has_the_length_asked_for_and_is_still_good() {
        let (body, _) = granted(Some(&FaultKind::Huge { bytes: 100_000 }));
        assert_eq!(body.len(), 100_000);
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert!(answer["access_token"].is_string());
    }

    #[test]
    fn a_truncated_answer_is_not_json() {
        let (body, manner) = granted(Some(&FaultKind::Truncated));
        assert!(serde_json::from_slice::<Value>(&body).is_err());
        assert_eq!(manner, Manner::Whole);
    }

    #[test]
    fn an_error_ends_with_its_request_id() {
        let reply = Answer::refused(40013).write(None, "6aac005a-1-2");
        let error: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(error, json!({"errcode": 40013, "errmsg": "invalid appid rid: 6aac005a-1-2"}));
    }
}

//! A notice to a URL, in the shape that a robot of a chat takes.

use reqwest::{Client, Response, Url, header::CONTENT_TYPE};
use serde_json::Value;
use tokio::time::Instant;

use super::{Message, WITHIN};
use crate::{clock, credential::Chain, provider::SecretSource};

/// The most of an answer that is read, in bytes.
const MOST_READ: usize = 65_536;

/// Where robots tell that they have refused although the status says nothing of it: `DingTalk` and `WeCom`,
/// Feishu, and an older Feishu.
const CODES: [&str; 3] = ["errcode", "code", "StatusCode"];

/// What is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The notice as it is.
    Json,
    /// An incoming webhook of Slack, and of those that take the same.
    Slack,
    /// A custom robot of Feishu or Lark.
    Feishu,
    /// A group robot of `WeCom`.
    Wecom,
    /// A custom robot of `DingTalk`.
    Dingtalk,
}

// === impl Shape ===

impl Shape {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Json, Self::Slack, Self::Feishu, Self::Wecom, Self::Dingtalk];

    /// As the configuration names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Slack => "slack",
            Self::Feishu => "feishu",
            Self::Wecom => "wecom",
            Self::Dingtalk => "dingtalk",
        }
    }

    /// The same bytes whatever else is compiled in: the order of a map's keys may change with it.
    fn body(self, message: &Message) -> serde_json::Result<String> {
        let text = &message.text;
        Ok(match self {
            Self::Json => serde_json::to_string(message)?,
            Self::Slack => {
                // Slack takes these for the marks of links and mentions.
                let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                format!(r#"{{"text":{}}}"#, serde_json::to_string(&text)?)
            }
            Self::Feishu => {
                let text = serde_json::to_string(text)?;
                format!(r#"{{"msg_type":"text","content":{{"text":{text}}}}}"#)
            }
            Self::Wecom | Self::Dingtalk => {
                let text = serde_json::to_string(text)?;
                format!(r#"{{"msgtype":"text","text":{{"content":{text}}}}}"#)
            }
        })
    }
}

/// Posts a notice, and reads whether it was taken.
pub(super) async fn post(
    client: &Client,
    url: &SecretSource,
    shape: Shape,
    message: &Message,
) -> Result<(), String> {
    let url = read(url, clock::now() + WITHIN).await?;
    let body = shape.body(message).map_err(|error| error.to_string())?;
    let request = client.post(url).header(CONTENT_TYPE, "application/json; charset=utf-8");
    let failed = |error: reqwest::Error| Chain(&error.without_url()).to_string();
    let answer = request.body(body).send().await.map_err(failed)?;
    if !answer.status().is_success() {
        return Err(format!("it answered {}", answer.status()));
    }
    match refusal(&beginning(answer).await.map_err(failed)?) {
        Some(refusal) => Err(refusal),
        None => Ok(()),
    }
}

/// The URL as it is now.
pub(super) async fn read(url: &SecretSource, deadline: Instant) -> Result<Url, String> {
    let secret = url.read(deadline).await.map_err(|error| Chain(&error).to_string())?;
    parse(secret.expose()).map_err(str::to_owned)
}

/// A URL that can be posted to.
pub(super) fn parse(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
    url.ok_or("notify.url is no URL as https://HOST/…")
}

async fn beginning(mut answer: Response) -> reqwest::Result<Vec<u8>> {
    let mut read = Vec::new();
    while read.len() < MOST_READ
        && let Some(chunk) = answer.chunk().await?
    {
        read.extend_from_slice(&chunk);
    }
    Ok(read)
}

/// What a robot has against the notice, if anything. Its words may repeat what it was sent to.
fn refusal(answer: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let told = CODES.iter().find_map(|name| Some((name, answer.get(name)?.as_i64()?)));
    let (name, code) = told.filter(|(_, code)| *code != 0)?;
    Some(format!("it answered {name} {code}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::State;

    fn message() -> Message {
        Message {
            finding: "secret.refused".to_owned(),
            credential: Some("shop".to_owned()),
            state: State::Begun,
            since: Some(1_700_000_000_000),
            lasted_s: None,
            token_ends_at: None,
            host: "h1".to_owned(),
            text: "a \"b\" <c> & 店".to_owned(),
        }
    }

    #[test]
    fn each_shape_is_what_its_robot_takes_byte_for_byte() {
        let expected = [
            r#"{"finding":"secret.refused","credential":"shop","state":"begun","since":1700000000000,"lasted_s":null,"token_ends_at":null,"host":"h1","text":"a \"b\" <c> & 店"}"#,
            r#"{"text":"a \"b\" &lt;c&gt; &amp; 店"}"#,
            r#"{"msg_type":"text","content":{"text":"a \"b\" <c> & 店"}}"#,
            r#"{"msgtype":"text","text":{"content":"a \"b\" <c> & 店"}}"#,
            r#"{"msgtype":"text","text":{"content":"a \"b\" <c> & 店"}}"#,
        ];
        for (shape, expected) in Shape::ALL.into_iter().zip(expected) {
            let body = shape.body(&message()).expect("a body");
            assert_eq!(body, expected, "{}", shape.as_str());
        }
    }

    #[test]
    fn a_robot_that_refuses_with_status_200_is_understood() {
        let said = |answer: &str| refusal(answer.as_bytes());
        let keyword = r#"{"errcode":310000,"errmsg":"keywords not in content"}"#;
        assert_eq!(said(keyword).as_deref(), Some("it answered errcode 310000"));
        let feishu = r#"{"code":19024,"data":{},"msg":"Key Words Not Found"}"#;
        assert_eq!(said(feishu).as_deref(), Some("it answered code 19024"));
        for taken in ["ok", "", r#"{"errcode":0,"errmsg":"ok"}"#, r#"{"StatusCode":0,"code":0}"#] {
            assert_eq!(said(taken), None, "{taken}");
        }
    }
}

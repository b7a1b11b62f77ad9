//! Calls WeChat with the token that evertoken keeps fresh:
//! `cargo run --example rust -- REDIS_URL WECHAT_URL`, or `file:DIR` for a Redis.
//!
//! In your own program: `evertoken-client = { version = "0.1", features = ["tls"] }`.

use std::{error::Error, io::Write};

use evertoken_client::{Client, Current};
use serde_json::Value;

/// The errcodes that say that a token is dead.
const DEAD: [i64; 3] = [40001, 40014, 42001];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [store, wechat] = &arguments[..] else { return Err("REDIS_URL and WECHAT_URL".into()) };
    let answer = domain_ips(&Client::open(store)?, wechat).await?;
    Ok(writeln!(std::io::stdout(), "{answer}")?)
}

/// Reads, calls, and on a dead token reports it and calls once more with another. The token comes from
/// memory but for the first time: keep one client for the whole program.
pub(crate) async fn domain_ips(client: &Client, wechat: &str) -> Result<Value, Box<dyn Error>> {
    let call = async |token: Current| {
        let url = format!("{wechat}/cgi-bin/get_api_domain_ip?access_token={}", token.expose());
        reqwest::get(url).await?.json::<Value>().await
    };
    let is_dead = |answer: &Result<Value, reqwest::Error>| {
        let code = answer.as_ref().ok().and_then(|answer| answer["errcode"].as_i64());
        code.is_some_and(|code| DEAD.contains(&code))
    };
    Ok(client.call("shop", call, is_dead).await??)
}

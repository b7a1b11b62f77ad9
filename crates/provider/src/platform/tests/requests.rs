//! The requests as the platforms' documents publish them. The order of parameters has no meaning; all
//! else is compared to the byte.

use std::collections::BTreeMap;

use evertoken_client::Token;
use reqwest::{Client as Http, Request, Url};

use super::{PLATFORMS, endpoint};
use crate::{
    Secret,
    platform::{
        client::Filling,
        row::{Call, Platform},
        table,
    },
};

fn asked(call: &Call, host: &str) -> Request {
    evertoken_tls::use_ring();
    let (secret, token) = (Secret::new("SECRET"), Token::new("TOKEN").expect("a token"));
    let filling =
        Filling { account: "ID", secret: Some(&secret), token: Some(&token), revoke: false };
    let http = Http::new();
    filling.request(call, &http, &Url::parse(host).expect("a URL")).expect("a request")
}

/// A request as documents write it: the method and the address, then the headers that matter, then the
/// body; parameters in the order of their names.
fn written(platform: &'static Platform, word: &str) -> String {
    let endpoint = endpoint(platform, word);
    let request = asked(&endpoint.call, endpoint.hosts[0].1);
    let mut url = request.url().clone();
    let mut query: Vec<_> = url.query_pairs().into_owned().collect();
    query.sort();
    url.set_query(None);
    let parameters = |pairs: &[(String, String)]| {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("&")
    };
    let mut lines = vec![format!("{} {url}", request.method())];
    if !query.is_empty() {
        lines[0] += &format!("?{}", parameters(&query));
    }
    for (name, value) in request.headers() {
        lines.push(format!("{name}: {}", value.to_str().expect("a text")));
    }
    if let Some(body) = request.body().and_then(reqwest::Body::as_bytes) {
        let body = std::str::from_utf8(body).expect("a text");
        lines.push(match body.starts_with('{') {
            true => serde_json::from_str::<BTreeMap<String, serde_json::Value>>(body)
                .map(|sorted| serde_json::to_string(&sorted).expect("JSON"))
                .expect("an object"),
            false => {
                let mut pairs: Vec<_> = body.split('&').collect();
                pairs.sort_unstable();
                pairs.join("&")
            }
        });
    }
    lines.join("\n")
}

/// The published requests, by provider and endpoint.
fn published() -> BTreeMap<(String, String), String> {
    let text = include_str!("../published.txt");
    let each = text.split("\n[").skip(1).map(|block| {
        let (name, request) = block.split_once("]\n").expect("a name");
        let (kind, word) = name.split_once(' ').expect("a provider and an endpoint");
        ((kind.to_owned(), word.to_owned()), request.trim_end().to_owned())
    });
    each.collect()
}

#[test]
fn each_request_is_the_one_that_the_documents_publish() {
    let mut published = published();
    for platform in PLATFORMS {
        for endpoint in platform.endpoints {
            let name = (platform.kind.to_owned(), endpoint.word.to_owned());
            let expected = published.remove(&name);
            assert_eq!(Some(written(platform, endpoint.word)), expected, "{name:?}");
        }
    }
    assert!(published.is_empty(), "{published:?}");
}

#[test]
fn what_a_form_means_is_kept_whatever_stands_in_it() {
    let secret = Secret::new("a b&c=d+é/");
    evertoken_tls::use_ring();
    let filling = Filling { account: "ID", secret: Some(&secret), token: None, revoke: false };
    let http = Http::new();
    let call = &endpoint(&table::KUAISHOU, "mini_program").call;
    let request = filling.request(call, &http, &Url::parse("http://a").expect("a URL"));
    let request = request.expect("a request");
    let body = request.body().and_then(reqwest::Body::as_bytes).expect("a body");
    let body = format!("http://a?{}", std::str::from_utf8(body).expect("a text"));
    let body = Url::parse(&body).expect("a form is written as a query is");
    let read: BTreeMap<_, _> = body.query_pairs().into_owned().collect();
    assert_eq!(read["app_secret"], secret.expose());
}

//! Calls that are passed on: an application that can only move all of its calls, and holds neither secret
//! nor token.

mod bodies;

mod two_deaths;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use evertoken_simulator::Endpoint;
use evertoken_testkit::{
    fleet::{APPID, Fleet, PATIENT, SHORT, issuer_settings},
    redis::free_port,
    wait_for, wait_until,
};
use reqwest::{Client, RequestBuilder};
use tokio::task::JoinSet;

use super::{Answered, answered};
use crate::metrics::Scraper;

const TWO_HOURS: Duration = Duration::from_secs(7200);
const KEY: &str = "key-of-web-0123456789";

/// A call that changes nothing and needs a token.
const CALL: &str = "/cgi-bin/get_api_domain_ip";

/// A fleet of one worker, which passes calls on for the client `web`.
struct Passing {
    fleet: Fleet,
    scraper: Scraper,
    url: String,
    client: Client,
}

// === impl Passing ===

impl Passing {
    /// With `more` in the client's section, for one credential.
    async fn with(more: &str) -> Self {
        let fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
        let base = fleet.issuer.base_url();
        Self::to(fleet, &base, 1, more).await
    }

    /// The same with an issuer of one's own, and so many credentials.
    async fn to(mut fleet: Fleet, base: &str, count: usize, more: &str) -> Self {
        let scraper = Scraper::new();
        let (listen, passes) = (free_port(), free_port());
        let text = fleet.configuration_of(count, "token").replace(SHORT, PATIENT);
        let text = text.replace(&fleet.issuer.base_url(), base);
        let ids = ["\"shop\"", "\"shop1\""][..count].join(", ");
        let door = format!(
            "[door]\nlisten = \"127.0.0.1:{listen}\"\nforward_listen = \"127.0.0.1:{passes}\"\n\
             [door.clients.web]\nkeys = [{{ file = \"web.key\" }}]\ncredentials = [{ids}]\n{more}\n"
        );
        fleet.write("web.key", KEY);
        fleet.secrets.push(KEY.to_owned());
        let text = scraper.listening(&text);
        let configuration = fleet.write("evertoken.toml", &format!("{text}{door}"));
        fleet.start(&configuration);
        wait_for("all are published", || async {
            (fleet.all_published().await.len() == count).then_some(())
        })
        .await;
        fleet.told(0, "door.listening").await;
        let client = Client::builder().no_proxy().build().expect("a client");
        Self { fleet, scraper, url: format!("http://127.0.0.1:{passes}"), client }
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url))
    }

    /// What the client is told as its token.
    async fn told(&self) -> String {
        let query = [("grant_type", "client_credential"), ("appid", APPID), ("secret", KEY)];
        let answer = answered(self.get("/cgi-bin/token").query(&query)).await;
        answer.body["access_token"].as_str().expect("a token").to_owned()
    }

    /// A call with this as its token.
    async fn call(&self, token: &str) -> Answered {
        answered(self.get(CALL).query(&[("access_token", token)])).await
    }

    async fn counted(&self, outcome: &str, count: f64) {
        let series =
            format!("evertoken_forward_requests_total{{client=\"web\",outcome=\"{outcome}\"}}");
        self.scraper.scrape_until(&series, count).await;
    }

    async fn end(self) {
        self.fleet.end().await;
    }
}

fn is_good(answer: &Answered) -> bool {
    answer.body["ip_list"].is_array()
}

/// Two refreshes by somebody else: the published token is dead.
fn refresh_elsewhere(fleet: &Fleet) {
    for _ in 0..2 {
        fleet.issuer.foreign(APPID, Endpoint::Token).expect("an account");
    }
}

#[tokio::test]
async fn an_application_without_secret_and_token_calls_through_a_foreign_refresh_without_a_failure()
{
    let passing = Passing::with("forward = [\"/cgi-bin/\"]\ninject = true").await;
    let stand_in = passing.told().await;
    let token = passing.fleet.published().await;
    assert_ne!(stand_in, token);
    let (called, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let mut applications = JoinSet::new();
    for _ in 0..8 {
        let (client, url) = (passing.client.clone(), format!("{}{CALL}", passing.url));
        let (called, stopped) = (Arc::clone(&called), Arc::clone(&stopped));
        let stand_in = stand_in.clone();
        applications.spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                let call = client.get(&url).query(&[("access_token", &stand_in)]);
                let answer = answered(call).await;
                assert!(is_good(&answer), "a call failed: {answer:?}");
                called.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let more_calls = async |count: usize| {
        let before = called.load(Ordering::Relaxed);
        wait_until("calls are made", || before + count <= called.load(Ordering::Relaxed)).await;
    };
    more_calls(50).await;
    refresh_elsewhere(&passing.fleet);
    assert!(!passing.fleet.issuer.alive(&token).alive);
    passing.fleet.published_after(&token).await;
    more_calls(50).await;
    stopped.store(true, Ordering::Relaxed);
    while let Some(application) = applications.join_next().await {
        application.expect("no call failed");
    }
    assert_eq!(passing.told().await, stand_in, "it stays the same while tokens change");
    let counted = passing.scraper.scrape().await;
    let repeated = "evertoken_forward_requests_total{client=\"web\",outcome=\"repeated\"}";
    assert!(1.0 <= counted.value(repeated), "{}", counted.text);
    assert_eq!(passing.fleet.summary().calls, 2, "one refresh for all who saw the death");
    passing.end().await;
}

#[tokio::test]
async fn whoever_has_the_key_calls_with_it_and_whoever_has_nothing_is_refused_late() {
    let passing = Passing::with("forward = [\"/cgi-bin/\"]\ninject = true").await;
    let by_key = passing.get(CALL).bearer_auth(KEY);
    assert!(is_good(&answered(by_key).await));
    assert!(is_good(&passing.call(KEY).await));
    let token = passing.fleet.published().await;
    let stand_in = passing.told().await;
    let forged = stand_in.replace("~shop~", "~shop1~");
    for wrong in [&*token, "nothing-of-the-door", &forged] {
        let asked = evertoken::clock::now();
        let refused = passing.call(wrong).await;
        assert_eq!(refused.body["errcode"], 42001, "an SDK asks again: {refused:?}");
        assert!(Duration::from_secs(1) <= asked.elapsed());
    }
    let nothing = answered(passing.get(CALL)).await;
    assert_eq!(nothing.status, 401);
    // The key is taken away: what was made from it is of no use any more.
    passing.fleet.write("web.key", "another-key-0123456789");
    wait_for("it is refused", || async {
        (passing.call(&stand_in).await.body["errcode"] == 42001).then_some(())
    })
    .await;
    passing.end().await;
}

#[tokio::test]
async fn only_the_paths_that_are_named_are_passed_on_and_never_one_that_gets_tokens() {
    let passing = Passing::with(
        "forward = [\"/cgi-bin/get_api_domain_ip\", \"/cgi-bin/user/\"]\ninject = true",
    )
    .await;
    let stand_in = passing.told().await;
    assert!(is_good(&passing.call(&stand_in).await));
    let status = async |path: &str| {
        answered(passing.get(path).query(&[("access_token", &stand_in)])).await.status
    };
    assert_eq!(status("/cgi-bin/get_api_domain_ips").await, 403);
    assert_eq!(status("/cgi-bin/user%2f..%2ftoken").await, 400);
    assert_eq!(status("/cgi-bin/TOKEN").await, 403);
    assert_eq!(status("/cgi-bin/user//a").await, 400);
    let calls = passing.fleet.summary().calls;
    assert_eq!(calls, 1, "evertoken's own alone");
    passing.end().await;
}

#[tokio::test]
async fn without_injection_a_call_is_passed_on_with_the_token_that_it_has() {
    let passing = Passing::with("forward = [\"/cgi-bin/\"]").await;
    let first = passing.told().await;
    assert_eq!(first, passing.fleet.published().await);
    assert!(is_good(&passing.call(&first).await));
    passing.fleet.make_due().await;
    let second = passing.fleet.published_after(&first).await;
    assert!(is_good(&passing.call(&second).await));
    // The one before still lives at the issuer, which alone says whether it does.
    assert!(is_good(&passing.call(&first).await));
    let refused = passing.call("not-a-token-of-anybody").await;
    assert_eq!(refused.body["errcode"], 42001, "{refused:?}");
    let by_key = passing.call(KEY).await;
    assert_eq!(by_key.body["errcode"], 42001, "a key is no token: {by_key:?}");
    refresh_elsewhere(&passing.fleet);
    let dead = passing.call(&second).await;
    assert_eq!(dead.body["errcode"], 40001, "the issuer's own answer: {dead:?}");
    passing.end().await;
}

#[tokio::test]
async fn who_may_have_several_credentials_says_which_one_by_its_stand_in() {
    let fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let base = fleet.issuer.base_url();
    let passing = Passing::to(fleet, &base, 2, "forward = [\"/\"]\ninject = true").await;
    let stand_in = passing.told().await;
    assert!(is_good(&passing.call(&stand_in).await));
    let by_key = answered(passing.get(CALL).bearer_auth(KEY)).await;
    assert_eq!(by_key.status, 400, "{by_key:?}");
    passing.end().await;
}

#[tokio::test]
async fn each_platform_finds_the_token_where_it_looks_for_it_and_a_dead_one_is_replaced() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let (passes, base) = (free_port(), fleet.issuer.base_url());
    let sections = [
        ("corp", "provider = \"wecom\"\ncorpid = \"ww1\"\nagentid = \"7\"", "secret", "ww1/7"),
        ("office", "provider = \"feishu\"\napp_id = \"cli1\"", "app_secret", "cli1"),
        ("ding", "provider = \"dingtalk\"\nclient_id = \"d1\"", "client_secret", "d1"),
    ];
    let mut text = format!(
        "[store]\nurl = \"{}\"\n[worker]\n{PATIENT}\n[admin]\nlisten = \"off\"\n[door]\nlisten = \
         \"127.0.0.1:{}\"\nforward_listen = \"127.0.0.1:{passes}\"\n[door.clients.web]\nkeys = \"{KEY}\"\n\
         credentials = [\"corp\", \"office\", \"ding\"]\nforward = \"/\"\ninject = true\n",
        fleet.redis.url(),
        free_port()
    );
    for (id, settings, name, account) in sections {
        text += &format!(
            "[credentials.{id}]\nbase_url = \"{base}\"\n{settings}\n{name} = \"secret-of-{account}\"\n"
        );
        fleet.secrets.push(format!("secret-of-{account}"));
    }
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    wait_for("all are published", || async {
        (fleet.all_published().await.len() == 3).then_some(())
    })
    .await;
    fleet.told(0, "door.listening").await;
    let client = Client::builder().no_proxy().build().expect("a client");
    let url = format!("http://127.0.0.1:{passes}");
    for (id, _, _, account) in sections {
        let form =
            format!("grant_type=client_credentials&scope={id}&client_id=web&client_secret={KEY}");
        let token = client.post(format!("{url}/oauth2/token"));
        let token = token.header("content-type", "application/x-www-form-urlencoded").body(form);
        let told = answered(token).await.body;
        let stand_in = told["access_token"].as_str().expect("a stand-in").to_owned();
        // The place where an application shows it need not be the issuer's own.
        let call = || match id {
            "corp" => client
                .get(format!("{url}/cgi-bin/get_jsapi_ticket"))
                .query(&[("access_token", &stand_in)]),
            "office" => {
                client.post(format!("{url}/open-apis/jssdk/ticket/get")).bearer_auth(&stand_in)
            }
            _ => client
                .post(format!("{url}/v1.0/oauth2/jsapiTickets"))
                .header("x-acs-dingtalk-access-token", &stand_in),
        };
        let has_ticket = |answer: &Answered| {
            let body = &answer.body;
            [&body["ticket"], &body["data"]["ticket"], &body["jsapiTicket"]]
                .iter()
                .any(|it| it.is_string())
        };
        let first = answered(call()).await;
        assert!(has_ticket(&first), "{id}: {first:?}");
        fleet.issuer.kill(account).expect("an account");
        let second = answered(call()).await;
        assert!(has_ticket(&second), "{id} after its death: {second:?}");
    }
    fleet.end().await;
}

//! The page at `/`, in a real browser: what a person sees of a fleet, and what nobody may see.

mod browser;
mod failures;
mod pictures;

use std::time::Duration;

use evertoken_simulator::{AccountState, Fault, FaultKind};
use evertoken_testkit::{
    CAP,
    fleet::{APPID, Fleet, PATIENT, SHORT, issuer_settings},
    proxy::Proxy,
    wait_for,
};
use redis::{AsyncCommands, aio::MultiplexedConnection};
use thirtyfour::Key;
use tokio::time::sleep;

use self::browser::Browser;
use crate::metrics::Scraper;

const TWO_HOURS: Duration = Duration::from_secs(7200);

/// Finds what shuts people out; MPL-2.0, as it says in its head.
const AXE: &str = include_str!("page/axe.min.js");

/// A worker with `count` credentials and its page, once all tokens that can be had are there.
async fn fleet_of(count: usize, missing: usize) -> (Fleet, Scraper) {
    let mut fleet = Fleet::durable(issuer_settings(TWO_HOURS)).await;
    let scraper = Scraper::new();
    let text = fleet.configuration_of(count, "token").replace(SHORT, PATIENT);
    let text = scraper.listening(&text);
    let configuration = fleet.write("evertoken.toml", &text);
    for number in 1..=missing {
        fail(&fleet, number, FaultKind::Errcode { code: 40125, message: None });
    }
    fleet.start(&configuration);
    wait_for("the tokens are there", || {
        let published = fleet.all_published();
        async move { (published.await.len() == count - missing).then_some(()) }
    })
    .await;
    (fleet, scraper)
}

/// The appid of the credential with this number.
fn appid(number: usize) -> String {
    match number {
        0 => APPID.to_owned(),
        _ => format!("{}{number:03}", &APPID[..APPID.len() - 3]),
    }
}

/// All calls of a credential fail from now on.
fn fail(fleet: &Fleet, number: usize, kind: FaultKind) {
    let fault = Fault::new(kind).of_account(&appid(number)).times(0);
    fleet.issuer.fault(fault).expect("a fault");
}

/// Makes a credential due, and waits until its record tells what came of it.
async fn make_due(fleet: &Fleet, id: &str, comes: &str) {
    let mut connection = fleet.redis.connect().await;
    let record = format!("evertoken:{{{id}}}:record");
    let field = async |connection: &mut MultiplexedConnection| -> Option<String> {
        connection.hget(&record, comes).await.expect("redis answers")
    };
    let before = field(&mut connection).await;
    let () = connection.hset(&record, "due_at", 0).await.expect("redis answers");
    let started = evertoken::clock::now();
    while field(&mut connection).await == before {
        assert!(started.elapsed() < CAP, "{id} is not refreshed");
        let () = connection.publish("evertoken:rejected", id).await.expect("redis answers");
        sleep(Duration::from_millis(100)).await;
    }
}

/// `shop` is fresh, `shop1` has no token, `shop2` fails, and the token of `shop3` may be dead.
async fn fleet_in_trouble() -> (Fleet, Scraper) {
    let (fleet, scraper) = fleet_of(4, 1).await;
    fail(&fleet, 2, FaultKind::Errcode { code: -1, message: None });
    fail(&fleet, 3, FaultKind::ResetAfter);
    make_due(&fleet, "shop2", "failure").await;
    make_due(&fleet, "shop3", "suspect").await;
    (fleet, scraper)
}

fn address(scraper: &Scraper) -> String {
    format!("http://{}/", scraper.listen)
}

fn row(id: &str) -> String {
    format!("#table [data-id={id}]")
}

#[tokio::test]
async fn the_page_shows_each_state_with_its_finding_and_what_to_do() {
    let (fleet, scraper) = fleet_in_trouble().await;
    let browser = Browser::open(&address(&scraper)).await;
    browser.shows(&row("shop"), &["fresh", "until", "held the last one", "1 of 2,000"]).await;
    let refused = ["missing", "no token", "secret.refused", "40125", "failed in a row"];
    browser.shows(&row("shop1"), &refused).await;
    browser
        .shows(&row("shop2"), &["failing", "issuer.busy", "the present token lasts until"])
        .await;
    browser.shows(&row("shop3"), &["suspect", "until"]).await;
    browser.shows("#verdict", &["3 of 4 credentials need a look"]).await;
    browser.shows("#verdict-more", &["1 has no valid token"]).await;
    let open = format!("document.querySelector('{} summary').click()", row("shop1"));
    browser.ask::<Option<bool>>(&open).await;
    browser.shows(&row("shop1"), &["To do:", "ask first who has reset it"]).await;
    let first = "return document.querySelector('#table tbody').dataset.id";
    assert_eq!(browser.ask::<String>(first).await, "shop1", "the worst comes first");
    fleet.end().await;
}

#[tokio::test]
async fn a_ticket_that_waits_says_for_whom_and_why_as_status_does() {
    let mut fleet = Fleet::durable(issuer_settings(TWO_HOURS)).await;
    let scraper = Scraper::new();
    fleet.issuer.account(APPID, None, Some(AccountState::Frozen)).expect("an account");
    let ticket = "[credentials.ticket]\nprovider = \"wechat-ticket\"\nparent = \"shop\"\n";
    let text = fleet.configuration("token", "").replace(SHORT, PATIENT) + ticket;
    let configuration = fleet.write("evertoken.toml", &scraper.listening(&text));
    fleet.start(&configuration);
    let browser = Browser::open(&address(&scraper)).await;
    let sentence = "waits for the token of shop: WeChat answered 40243";
    browser.shows(&row("ticket"), &["missing", "from shop", "refresh.waiting", sentence]).await;
    let said = fleet.command(&["status", "--json", "--config", &configuration]).await.stdout;
    assert!(said.contains(sentence) && said.contains("refresh.waiting"), "{said}");
    let open = format!("document.querySelector('{} summary').click()", row("ticket"));
    browser.ask::<Option<bool>>(&open).await;
    browser.shows(&row("ticket"), &["To do:", "mend the parent"]).await;
    fleet.issuer.account(APPID, None, Some(AccountState::Ok)).expect("an account");
    make_due(&fleet, "shop", "epoch").await;
    browser.shows(&row("ticket"), &["fresh", "until"]).await;
    assert!(!browser.text(&row("ticket")).await.contains("waits"));
    fleet.end().await;
}

#[tokio::test]
async fn the_page_moves_with_the_time_and_with_each_refresh() {
    let (fleet, scraper) = fleet_of(1, 0).await;
    let browser = Browser::open(&address(&scraper)).await;
    browser.shows("#legend", &["1 refresh"]).await;
    let share = "return Number(document.querySelector('.fill').style.getPropertyValue('--share'))";
    let before: f64 = browser.ask(share).await;
    assert!(0.5 < before && before <= 1.0, "{before}");
    browser.sees("the bar moves", &format!("{share} < {before}")).await;
    let first = fleet.published().await;
    fleet.make_due().await;
    fleet.published_after(&first).await;
    browser.shows("#legend", &["2 refreshes"]).await;
    browser.shows(&row("shop"), &["2 of 2,000"]).await;
    fleet.end().await;
}

#[tokio::test]
async fn a_store_that_is_away_is_told_and_what_was_known_stays() {
    let (mut fleet, scraper) = fleet_of(1, 0).await;
    let browser = Browser::open(&address(&scraper)).await;
    browser.shows(&row("shop"), &["fresh"]).await;
    assert_eq!(browser.text("#away").await, "");
    fleet.redis.stop();
    browser.shows("#away", &["The store is away", "Away for", "what is shown is from"]).await;
    browser.shows("#verdict", &["Last known"]).await;
    browser.shows(&row("shop"), &["fresh", "until"]).await;
    fleet.redis.resume().await;
    browser.sees("it is back", "return document.getElementById('away').hidden").await;
    browser.shows("#verdict", &["The token is fresh"]).await;
    fleet.end().await;
}

#[tokio::test]
async fn a_token_that_ends_while_the_store_is_away_is_shown_as_missing() {
    let mut fleet = Fleet::durable(issuer_settings(Duration::from_secs(15))).await;
    let scraper = Scraper::new();
    let text = scraper.listening(&fleet.configuration("token", ""));
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    fleet.published().await;
    let browser = Browser::open(&address(&scraper)).await;
    browser.shows(&row("shop"), &["fresh"]).await;
    fleet.redis.stop();
    browser.shows("#away", &["The store is away"]).await;
    browser.shows(&row("shop"), &["missing", "ended", "Applications have no valid token"]).await;
    browser.shows("#verdict", &["1 of 1 credential needs a look"]).await;
    // Whoever comes now is told the same.
    let late = Browser::open(&address(&scraper)).await;
    late.shows(&row("shop"), &["missing", "ended"]).await;
    fleet.redis.resume().await;
    fleet.end().await;
}

#[tokio::test]
async fn a_worker_that_is_gone_is_told_with_the_age_of_what_is_shown() {
    let (mut fleet, scraper) = fleet_of(1, 0).await;
    let browser = Browser::open(&address(&scraper)).await;
    browser.shows(&row("shop"), &["fresh"]).await;
    fleet.workers[0].signal("KILL");
    browser.shows("#away", &["This page has lost its worker", "ago", "tried again"]).await;
    browser.shows("#link", &["no connection", "next try in"]).await;
    fleet.start("evertoken.toml");
    browser.sees("it is back", "return document.getElementById('away').hidden").await;
    browser.shows("#link", &["live"]).await;
    fleet.end().await;
}

#[tokio::test]
async fn the_workers_are_shown_with_one_that_went_silent() {
    let (mut fleet, scraper) = fleet_of(1, 0).await;
    let other = fleet.configuration("token", "");
    let other = fleet.write("other.toml", &other);
    let other = fleet.start(&other);
    let browser = Browser::open(&address(&scraper)).await;
    browser.shows("#workers-more", &["2 alive"]).await;
    browser.shows("#worker-rows", &["this one", "alive", env!("CARGO_PKG_VERSION")]).await;
    fleet.workers[other].signal("KILL");
    browser.shows("#workers-more", &["1 alive, 1 silent"]).await;
    browser.shows("#worker-rows", &["silent for", "worker.silent"]).await;
    fleet.end().await;
}

#[tokio::test]
async fn the_page_asks_for_the_token_of_the_listener_and_keeps_it_nowhere() {
    let mut fleet = Fleet::durable(issuer_settings(TWO_HOURS)).await;
    let scraper = Scraper::new();
    let token = "the-token-of-the-listener-0123456789";
    fleet.write("admin-token", token);
    let text = scraper.listening(&fleet.configuration("token", ""));
    let text = text.replacen("[admin]", "[admin]\ntoken = { file = \"admin-token\" }", 1);
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    fleet.published().await;
    let browser = Browser::open(&address(&scraper)).await;
    browser.shows("#gate", &["asks for its token"]).await;
    let enter = async |text: &str| {
        let field = browser.driver.active_element().await.expect("the field has the focus");
        field.send_keys(text.to_owned() + Key::Enter).await.expect("keys");
    };
    enter("another").await;
    browser.shows("#gate-refused", &["did not take"]).await;
    enter(token).await;
    browser.shows(&row("shop"), &["fresh"]).await;
    assert_eq!(browser.text("#gate").await, "");
    let kept = "return document.documentElement.outerHTML + document.getElementById('gate-token').value
        + JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + document.cookie + location.href";
    assert!(!browser.ask::<String>(kept).await.contains(token));
    fleet.end().await;
}

/// All that a browser has of the page: what it shows, what it loaded, what it was told.
const ALL_OF_IT: &str = "return (async () => {
    const loaded = performance.getEntriesByType('resource').map((each) => each.name);
    const texts = [document.documentElement.outerHTML, JSON.stringify(localStorage), document.cookie];
    for (const each of new Set([...loaded, location.href, 'status', 'metrics'])) {
        if (!each.endsWith('/events')) texts.push(await (await fetch(each)).text());
    }
    const reader = (await fetch('events')).body.pipeThrough(new TextDecoderStream()).getReader();
    let told = '';
    while (!told.includes('event: whole') || !told.endsWith('\\n\\n')) told += (await reader.read()).value;
    await reader.cancel();
    return [loaded, texts.join('\\n') + told];
})()";

#[tokio::test]
async fn no_token_and_no_secret_is_in_the_page_or_in_anything_it_loads() {
    let (fleet, scraper) = fleet_in_trouble().await;
    let address = address(&scraper);
    let browser = Browser::open(&address).await;
    browser.shows(&row("shop3"), &["suspect"]).await;
    let (loaded, all): (Vec<String>, String) = browser.ask(ALL_OF_IT).await;
    assert!(loaded.iter().any(|each| each.ends_with("page.js")), "{loaded:?}");
    assert!(loaded.iter().all(|each| each.starts_with(&address)), "nothing of others: {loaded:?}");
    assert!(
        all.contains("event: whole") && all.contains("secret.refused") && all.contains("shop3"),
        "{all}"
    );
    let tokens = fleet.issuer.tokens(None);
    assert!(3 <= tokens.len());
    let tokens = tokens.iter().map(|token| token.value.as_str());
    for secret in fleet.secrets.iter().map(String::as_str).chain(tokens) {
        assert!(!all.contains(secret), "the page shows a secret or a token");
    }
    fleet.end().await;
}

async fn axe_finds_nothing(browser: &Browser) {
    browser.ask::<Option<bool>>(&format!("{AXE}; window.axe = axe")).await;
    let found = "return axe.run().then((found) => found.violations.map(
        (each) => each.id + ': ' + each.nodes.map((node) => node.html).join(', ')))";
    let found: Vec<String> = browser.ask(found).await;
    assert!(found.is_empty(), "{found:#?}");
}

#[tokio::test]
async fn axe_finds_nothing_to_complain_of_on_wide_and_narrow_in_light_and_dark() {
    let (fleet, scraper) = fleet_in_trouble().await;
    let browser = Browser::open(&address(&scraper)).await;
    browser.shows(&row("shop3"), &["suspect"]).await;
    for (width, scheme) in [(1400, "light"), (1400, "dark"), (360, "light"), (360, "dark")] {
        browser.look(width, 900, scheme).await;
        axe_finds_nothing(&browser).await;
        let wide: u32 = browser.ask("return document.documentElement.scrollWidth").await;
        assert!(wide <= width, "{scheme}: it fits into {width}: {wide}");
    }
    fleet.end().await;
}

#[tokio::test]
async fn one_of_many_credentials_is_found_with_the_keyboard_alone() {
    let (fleet, scraper) = fleet_of(120, 0).await;
    let browser = Browser::open(&address(&scraper)).await;
    browser.shows("#pages", &["1 to 50 of 120"]).await;
    let press = async |keys: thirtyfour::TypingData| {
        let focused = browser.driver.active_element().await.expect("an element");
        focused.send_keys(keys).await.expect("keys");
    };
    let focused = "return document.activeElement.id || document.activeElement.className";
    press(Key::Tab.into()).await;
    assert_eq!(browser.ask::<String>(focused).await, "skip");
    press(Key::Enter.into()).await;
    assert_eq!(browser.ask::<String>(focused).await, "credentials");
    press(Key::Tab.into()).await;
    assert_eq!(browser.ask::<String>(focused).await, "find");
    press("shop11".into()).await;
    let ids =
        "return [...document.querySelectorAll('#table tbody')].map((each) => each.dataset.id)";
    let mut found: Vec<String> = browser.ask(ids).await;
    found.sort();
    let wanted = ["shop11", "shop110", "shop111", "shop112", "shop113", "shop114", "shop115"];
    assert_eq!(found[..7], wanted);
    assert_eq!(found.len(), 11, "shop116 to shop119 beside them");
    fleet.end().await;
}

#[tokio::test]
async fn the_page_works_behind_a_prefix_of_a_reverse_proxy() {
    let (fleet, scraper) = fleet_of(1, 0).await;
    let proxy = Proxy::prefix(fleet.path(), &scraper.listen, "/tools/evertoken").await;
    let address = format!("http://127.0.0.1:{}/tools/evertoken/", proxy.port());
    let browser = Browser::open(&address).await;
    browser.shows(&row("shop"), &["fresh"]).await;
    fleet.end().await;
}

/// A page that another site has in a frame, or that runs what is written into it, is a way in.
#[tokio::test]
async fn the_page_allows_nothing_but_its_own_files() {
    let (fleet, scraper) = fleet_of(1, 0).await;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    for file in ["", "page.css", "page.js", "findings.md"] {
        let answer = client.get(address(&scraper) + file).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{file}");
        let header = |name: &str| answer.headers()[name].to_str().expect("a text").to_owned();
        let policy = header("content-security-policy");
        for part in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'none'"] {
            assert!(policy.contains(part), "{file}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cache-control"), "no-store");
    }
    fleet.end().await;
}

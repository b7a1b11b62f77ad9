//! A call that finds two tokens dead, one after the other.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use axum::{
    Router,
    extract::{Query, State},
    routing::get,
};
use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    wait_until,
};
use tokio::{join, net::TcpListener, task::JoinSet};

use super::{CALL, Passing, TWO_HOURS, is_good};

/// What an issuer has given, and how far it is with the first call.
#[derive(Default)]
struct Issuer {
    given: AtomicUsize,
    has_a_call: AtomicBool,
    may_answer: AtomicBool,
}

/// An issuer whose third token is alive, and none before it. It answers a call with the first one late.
async fn issuer() -> (String, Arc<Issuer>, JoinSet<std::io::Result<()>>) {
    let issuer = Arc::<Issuer>::default();
    let token = async |State(issuer): State<Arc<Issuer>>| {
        let number = 1 + issuer.given.fetch_add(1, Ordering::SeqCst);
        format!("{{\"access_token\":\"t0k3n-number-{number}\",\"expires_in\":7200}}")
    };
    let call = async |State(issuer): State<Arc<Issuer>>,
                      Query(query): Query<Vec<(String, String)>>| {
        let has =
            |number| query.iter().any(|(_, value)| value == &format!("t0k3n-number-{number}"));
        if has(1) {
            issuer.has_a_call.store(true, Ordering::SeqCst);
            wait_until("it may answer", || issuer.may_answer.load(Ordering::SeqCst)).await;
        }
        if has(3) { "{\"ip_list\":[]}" } else { "{\"errcode\":40001,\"errmsg\":\"it is dead\"}" }
    };
    let routes = Router::new().route("/cgi-bin/token", get(token)).route(CALL, get(call));
    let routes = routes.with_state(Arc::clone(&issuer));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, routes).await });
    (base, issuer, serving)
}

#[tokio::test]
async fn a_call_whose_token_was_replaced_by_one_that_is_dead_is_made_with_the_next_one() {
    let fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let (base, issuer, _serving) = issuer().await;
    let passing = Passing::to(fleet, &base, 1, "forward = [\"/cgi-bin/\"]\ninject = true").await;
    let stand_in = passing.told().await;
    let replace = async {
        wait_until("it has a call", || issuer.has_a_call.load(Ordering::SeqCst)).await;
        let first = passing.fleet.published().await;
        passing.fleet.make_due().await;
        passing.fleet.published_after(&first).await;
        issuer.may_answer.store(true, Ordering::SeqCst);
    };
    let (answer, ()) = join!(passing.call(&stand_in), replace);
    assert!(is_good(&answer), "{answer:?}");
    assert_eq!(issuer.given.load(Ordering::SeqCst), 3, "one report, and one refresh for it");
    passing.end().await;
}

//! (f) What a refresh and a look cost Redis: the processor time of its process, shared by many of
//! them. The limit of a look is a plain HMGET of the same fields, measured in the same run.

use std::{sync::Arc, time::Duration};

use evertoken::{
    clock::Moment,
    credential::{CredentialId, Token},
    lease::{AttemptId, Epoch, Holder},
    store::{
        self, Asked, BeginRequest, Begun, Coordinate, Hearing, Protocol, Publication, StoreUrl,
    },
};
use evertoken_testkit::redis::RedisServer;
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::{Figure, median};

const CREDENTIALS: usize = 10_000;

/// Refreshes at once, and looks in one round trip.
const AT_ONCE: usize = 64;
const IN_A_LOOK: usize = 500;

/// How often each record is looked at in one measurement, and how many pairs of them there are.
const LOOKS: usize = 10;
const PAIRS: usize = 5;

/// A look also asks whether a token and a report stand.
const RATIO: f64 = 3.0;

/// A token of WeChat's has about so many characters.
const TOKEN: usize = 157;

pub(crate) async fn measure() -> Vec<Figure> {
    let directory = TempDir::new().expect("a directory");
    let redis = RedisServer::start(directory.path().join("redis")).await;
    let url = StoreUrl::parse(&redis.url()).expect("a URL");
    let store = store::open(&url, "evertoken", Holder::fresh(), Hearing::Nothing);
    store.identify_data().await.expect("redis answers");
    let ids: Vec<CredentialId> =
        (0..CREDENTIALS).map(|n| format!("c{n}").parse().expect("an id")).collect();

    let before = redis.cpu();
    refresh_all(&store, &ids).await;
    let refresh = each(redis.cpu() - before, CREDENTIALS);

    let mut connection = redis.connect().await;
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        let before = redis.cpu();
        for some in repeated(&ids) {
            store.look(some).await.expect("redis answers");
        }
        let look = each(redis.cpu() - before, LOOKS * CREDENTIALS);
        let before = redis.cpu();
        for some in repeated(&ids) {
            hmget(&mut connection, some).await;
        }
        pairs.push((look, each(redis.cpu() - before, LOOKS * CREDENTIALS)));
    }
    let look = median(pairs.iter().map(|(look, _)| *look).collect());
    let plain = median(pairs.iter().map(|(_, plain)| *plain).collect());
    let ratio = median(pairs.iter().map(|(look, plain)| look / plain).collect());
    let row = |what: &str, measured: String, limit: String, kept| Figure {
        what: what.to_owned(),
        measured,
        limit,
        kept,
    };
    vec![
        row(
            "Redis's processor for a refresh (load, begin, complete)",
            format!("{refresh:.1} µs"),
            String::new(),
            None,
        ),
        row("the same for a look at a record", format!("{look:.1} µs"), String::new(), None),
        row(
            "the same for a plain HMGET of its fields",
            format!("{plain:.1} µs"),
            String::new(),
            None,
        ),
        row(
            "ratio of the two, median of the pairs",
            format!("{ratio:.2}"),
            format!("at most {RATIO}"),
            Some(ratio <= RATIO),
        ),
    ]
}

fn each(all: Duration, count: usize) -> f64 {
    all.as_secs_f64() * 1e6 / count as f64
}

async fn refresh_all(store: &Arc<dyn Coordinate>, ids: &[CredentialId]) {
    let mut tasks = JoinSet::new();
    for some in ids.chunks(ids.len().div_ceil(AT_ONCE)) {
        let (store, some) = (Arc::clone(store), some.to_vec());
        tasks.spawn(async move {
            for id in some {
                refresh(&*store, &id).await;
            }
        });
    }
    tasks.join_all().await;
}

async fn refresh(store: &dyn Coordinate, id: &CredentialId) {
    let attempt = AttemptId::fresh();
    let request = BeginRequest {
        attempt: &attempt,
        lease: Duration::from_secs(9),
        quiet_period: Duration::from_secs(15),
        daily_quota: 2_000,
        quota_day_offset: Duration::from_secs(8 * 3600),
        account_fingerprint: "",
        endpoint_fingerprint: "",
        secrets: &[],
        settings_fingerprint: "0123abcd",
        with_grant: false,
        issues_anew: true,
        heard: Epoch::default(),
        waited: false,
    };
    let begun = store.begin(id, &request, Moment::now()).await.expect("redis answers").1;
    let Begun::Granted(permit) = begun else { panic!("{begun:?}") };
    let token = Token::new(&"t".repeat(TOKEN)).expect("a token");
    let publication = Publication {
        token: &token,
        expires_at: permit.lease.granted_at.plus(Duration::from_secs(7200)),
        due_at: permit.lease.granted_at.plus(Duration::from_secs(5400)),
        issues_anew: true,
        late: false,
        next_grant: None,
        first_seen: None,
        asked: Asked::default(),
    };
    store.complete(id, &permit.lease, publication).await.expect("redis answers");
}

/// All of `ids`, some at a time, again and again.
fn repeated(ids: &[CredentialId]) -> impl Iterator<Item = &[CredentialId]> {
    (0..LOOKS).flat_map(|_| ids.chunks(IN_A_LOOK))
}

async fn hmget(connection: &mut MultiplexedConnection, ids: &[CredentialId]) {
    let mut pipeline = redis::pipe();
    for id in ids {
        let record = format!("evertoken:{{{id}}}:record");
        pipeline.cmd("HMGET").arg(record).arg(evertoken_rules::FIELDS).ignore();
    }
    let () = pipeline.query_async(connection).await.expect("redis answers");
}

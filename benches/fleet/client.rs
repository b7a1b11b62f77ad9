//! (j) What an application's read costs: from the memory of the client library, beside the load of an
//! arc-swap and the cache of the library for Redis; and from Redis, beside a bare GET. And for how long a
//! replaced token is handed out from memory.

use std::{hint::black_box, time::Duration};

use arc_swap::ArcSwap;
use evertoken_client::{Client, CredentialId, Keys, Reader};
use evertoken_testkit::redis::RedisServer;
use redis::{
    AsyncCommands, AsyncConnectionConfig, ProtocolVersion, aio::MultiplexedConnection,
    caching::CacheConfig,
};
use tempfile::TempDir;
use tokio::runtime::Handle;

use crate::{Figure, median};

/// Reads of each thread, from memory; and reads from Redis.
const READS: u32 = 1_000_000;
const GETS: u32 = 5_000;

/// Pairs of a measure and its limit, of which the median counts.
const PAIRS: usize = 5;

/// A read from memory may take so many times what a load takes; one from Redis, what a GET takes.
const RATIOS: (f64, f64) = (3.0, 1.1);

/// Tokens that are replaced, and the life of those of which nobody tells.
const CHANGES: usize = 200;
const SHORT: Duration = Duration::from_secs(8);

/// The most for a read from memory, on one thread, in nanoseconds.
const AT_MOST: f64 = 20.0;

pub(crate) async fn measure() -> Vec<Figure> {
    let directory = TempDir::new().expect("a directory");
    let redis = RedisServer::start(directory.path().join("redis")).await;
    redis.command(&["SET", "evertoken:{shop}:token", &"t".repeat(136), "EX", "7200"]).await;
    let client = Client::open(&redis.url()).expect("a URL");
    client.token("shop").await.expect("a token");
    let cache = cache(&redis).await;
    let mut figures = Vec::new();
    for threads in [1, 8] {
        let pairs: Vec<_> =
            (0..PAIRS).map(|_| (at_hand(&client, threads), load(threads))).collect();
        let ours = median(pairs.iter().map(|(ours, _)| *ours).collect());
        let theirs = median(pairs.iter().map(|(_, theirs)| *theirs).collect());
        let ratio = median(pairs.iter().map(|(ours, theirs)| ours / theirs).collect());
        figures.push(Figure {
            what: format!("a read of a credential at hand, {threads} threads"),
            measured: format!("{ours:.1} ns"),
            limit: if threads == 1 { format!("at most {AT_MOST} ns") } else { String::new() },
            kept: (threads == 1).then_some(ours <= AT_MOST),
        });
        figures.push(ratio_of(
            &format!("the same beside an arc-swap load, {theirs:.1} ns"),
            ratio,
            RATIOS.0,
        ));
        figures.push(beside("a read by its id", threads, by_id(&client, threads)));
        let what = "a GET from the Redis library's cache";
        figures.push(beside(what, threads, from_cache(&cache, threads)));
    }
    figures.extend(told(&redis, &client).await);
    figures.push(untold(&redis, &client).await);
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        pairs.push((read(&redis).await, get(&redis).await));
    }
    let theirs = median(pairs.iter().map(|(_, theirs)| *theirs).collect());
    let ratio = median(pairs.iter().map(|(ours, theirs)| ours / theirs).collect());
    figures.push(ratio_of(
        &format!("a read from Redis beside a bare GET, {theirs:.1} µs"),
        ratio,
        RATIOS.1,
    ));
    figures
}

fn ratio_of(what: &str, ratio: f64, limit: f64) -> Figure {
    Figure {
        what: what.to_owned(),
        measured: format!("{ratio:.2}"),
        limit: format!("at most {limit}"),
        kept: Some(ratio <= limit),
    }
}

/// What no limit is set for.
fn beside(what: &str, threads: u32, nanos: f64) -> Figure {
    Figure {
        what: format!("{what}, {threads} threads"),
        measured: format!("{nanos:.1} ns"),
        limit: String::new(),
        kept: None,
    }
}

/// What each of so many threads takes for a turn, in nanoseconds.
fn on_threads(threads: u32, turns: impl Fn() + Sync) -> f64 {
    let began = evertoken::clock::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(&turns);
        }
    });
    began.elapsed().as_secs_f64() * 1e9 / f64::from(READS)
}

fn at_hand(client: &Client, threads: u32) -> f64 {
    let runtime = Handle::current();
    on_threads(threads, || {
        let mut shop = client.credential("shop").expect("an id");
        runtime.block_on(async {
            for _ in 0..READS {
                black_box(shop.token().await.expect("a token"));
            }
        });
    })
}

fn by_id(client: &Client, threads: u32) -> f64 {
    let runtime = Handle::current();
    on_threads(threads, || {
        runtime.block_on(async {
            for _ in 0..READS {
                black_box(client.token(black_box("shop")).await.expect("a token"));
            }
        });
    })
}

fn load(threads: u32) -> f64 {
    let swap = ArcSwap::from_pointee("t".repeat(136));
    on_threads(threads, || {
        for _ in 0..READS {
            black_box(black_box(&swap).load());
        }
    })
}

/// How long a replaced token is handed out, if the change is told.
async fn told(redis: &RedisServer, client: &Client) -> [Figure; 2] {
    let mut connection = redis.connect().await;
    let mut times = Vec::new();
    for number in 0..CHANGES {
        let token = format!("told-{number}");
        let () = connection.set_ex("evertoken:{shop}:token", &token, 7200).await.expect("redis");
        let began = evertoken::clock::now();
        let changed = r#"{"id":"shop","epoch":7,"expires_at":9,"due_at":8}"#;
        let () = connection.publish("evertoken:changed", changed).await.expect("redis");
        while client.token("shop").await.expect("a token").expose() != token {
            tokio::task::yield_now().await;
        }
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    [("median", CHANGES / 2), ("p99", CHANGES * 99 / 100 - 1)].map(|(what, place)| Figure {
        what: format!("a replaced token is handed out, {CHANGES} changes told, {what}"),
        measured: format!("{:.2} ms", times[place]),
        limit: String::new(),
        kept: None,
    })
}

/// The same, if it is not: the longest of many, which live too short to be kept for ten seconds.
async fn untold(redis: &RedisServer, client: &Client) -> Figure {
    let mut connection = redis.connect().await;
    let key = |number: usize| format!("evertoken:{{c{number}}}:token");
    let life = u64::try_from(SHORT.as_millis()).expect("a life");
    for number in 0..CHANGES {
        let () = connection.pset_ex(key(number), "old", life).await.expect("redis answers");
        client.token(&format!("c{number}")).await.expect("a token");
    }
    let mut published = Vec::new();
    for number in 0..CHANGES {
        let () = connection.pset_ex(key(number), "new", life).await.expect("redis answers");
        published.push((number, evertoken::clock::now()));
    }
    let mut longest = Duration::ZERO;
    while !published.is_empty() {
        let mut held = Vec::new();
        for (number, at) in published {
            let token = client.token(&format!("c{number}")).await.expect("a token");
            match token.expose() {
                "old" => held.push((number, at)),
                _ => longest = longest.max(at.elapsed()),
            }
        }
        published = held;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let limit = SHORT / 4;
    Figure {
        what: format!("the same of {CHANGES} changes that nobody tells, the longest"),
        measured: format!("{} ms", longest.as_millis()),
        limit: format!("at most {} ms", limit.as_millis()),
        kept: Some(longest <= limit),
    }
}

/// A connection that keeps what it has read, and hears from the server what is not so any more.
async fn cache(redis: &RedisServer) -> MultiplexedConnection {
    let info = redis.client().get_connection_info().clone();
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let client = redis::Client::open(info.set_redis_settings(settings)).expect("a client");
    let config = AsyncConnectionConfig::new().set_cache_config(CacheConfig::new());
    client.get_multiplexed_async_connection_with_config(&config).await.expect("a connection")
}

fn from_cache(cache: &MultiplexedConnection, threads: u32) -> f64 {
    let runtime = Handle::current();
    on_threads(threads, || {
        let mut cache = cache.clone();
        runtime.block_on(async {
            for _ in 0..READS {
                let token: Vec<u8> = cache.get("evertoken:{shop}:token").await.expect("a token");
                black_box(token);
            }
        });
    })
}

/// A read of the library, in microseconds.
async fn read(redis: &RedisServer) -> f64 {
    let reader = Reader::open(&redis.url(), Keys::DEFAULT_PREFIX).expect("a URL");
    let shop: CredentialId = "shop".parse().expect("an id");
    reader.get(&shop).await.expect("an answer");
    let began = evertoken::clock::now();
    for _ in 0..GETS {
        black_box(reader.get(&shop).await.expect("an answer"));
    }
    micros(began.elapsed())
}

/// A GET of the library for Redis, in microseconds.
async fn get(redis: &RedisServer) -> f64 {
    let mut connection = redis.connect().await;
    let began = evertoken::clock::now();
    for _ in 0..GETS {
        let token: Option<Vec<u8>> =
            connection.get("evertoken:{shop}:token").await.expect("an answer");
        black_box(token);
    }
    micros(began.elapsed())
}

fn micros(took: Duration) -> f64 {
    took.as_secs_f64() * 1e6 / f64::from(GETS)
}

//! Copies of tokens in keys that other SDKs read: they follow the token, end with it, and tell by their
//! absence that it is dead.

mod cluster;

use std::{collections::BTreeSet, time::Duration};

use evertoken_testkit::{
    fleet::{APPID, Fleet, PATIENT, SHORT, issuer_settings},
    redis::RedisServer,
    wait_for, wait_until,
};

/// Layouts of each encoding.
const ALSO_WRITE: &str = "also_write = [\"wxjava-mp\", \"wechatpy-2\", \
     { layout = \"easywechat-symfony\", prefix = \"ns\", key = \"wx-token\" }, \
     { layout = \"co-wechat-api\", key = \"co:{appid}\" }]";

/// The copy that `WxJava` reads: the token's bytes.
const COPY: &str = "wx:access_token:wx0123456789abcdef";

/// What is written beside it.
const MARK: &str = "evertoken:copy:{wx:access_token:wx0123456789abcdef}";

async fn text(redis: &RedisServer, key: &str) -> Option<String> {
    redis.ask::<Option<String>>(&["GET", key]).await.flatten()
}

/// Waits until the copy is this token.
async fn copied(redis: &RedisServer, token: &str) {
    wait_for("the copy is the token", || async {
        text(redis, COPY).await.filter(|copy| copy == token)
    })
    .await;
}

/// A fleet of three whose token lives for two hours, and its first token.
async fn three(also_write: &str) -> (Fleet, String) {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let text = fleet.configuration("token", also_write).replace(SHORT, PATIENT);
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start_many(3, &configuration);
    let token = fleet.published().await;
    fleet.all_know().await;
    (fleet, token)
}

/// How often a copy was taken for a report, by any worker.
fn changed(fleet: &Fleet) -> usize {
    fleet.workers.iter().map(|worker| worker.told("copy.changed")).sum()
}

#[tokio::test]
async fn each_copy_has_the_bytes_of_its_sdk_and_ends_with_the_token() {
    let (fleet, token) = three(ALSO_WRITE).await;
    let redis = &fleet.redis;
    let epoch = fleet.field("epoch").await.expect("an epoch");
    let expires_at: u64 = fleet.field("expires_at").await.expect("an end").parse().expect("ms");
    for (key, value) in [
        (COPY, token.clone()),
        ("wechatpy:wx0123456789abcdef_access_token", format!("\"{token}\"")),
        ("wechatpy:wx0123456789abcdef_access_token_expires_at", (expires_at / 1000).to_string()),
        ("ns:wx-token", format!("s:{}:\"{token}\";", token.len())),
        (
            "co:wx0123456789abcdef",
            format!("{{\"accessToken\":\"{token}\",\"expireTime\":{expires_at}}}"),
        ),
    ] {
        assert_eq!(text(redis, key).await.as_deref(), Some(&*value), "{key}");
        let mark = text(redis, &format!("evertoken:copy:{{{key}}}")).await.expect("a mark");
        assert!(mark.starts_with(&format!("{epoch} ")) && !mark.contains(&token), "{mark}");
        let left = |key| async move { redis.ask::<i64>(&["PTTL", key]).await.expect("an answer") };
        let (of_token, of_copy) = (left("evertoken:{shop}:token").await, left(key).await);
        assert!(0 < of_copy && of_token - of_copy < 60_000, "{key}: {of_copy} of {of_token}");
    }
    assert_eq!(fleet.summary().calls, 1);
    fleet.end().await;
}

#[tokio::test]
async fn token_and_copy_change_in_one_step() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(4))).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ALSO_WRITE));
    fleet.start_many(3, &configuration);
    fleet.published().await;
    let mut connection = fleet.redis.connect().await;
    let mut read = redis::pipe();
    read.atomic().get("evertoken:{shop}:token").get(COPY);
    let mut seen = BTreeSet::new();
    while seen.len() < 5 {
        let (token, copy): (Option<String>, Option<String>) =
            read.query_async(&mut connection).await.expect("redis answers");
        assert_eq!(token, copy, "after {} tokens", seen.len());
        seen.extend(token);
    }
    assert_eq!(changed(&fleet), 0, "no copy that has ended is taken for one that was deleted");
    fleet.end().await;
}

#[tokio::test]
async fn a_copy_that_an_sdk_deletes_or_replaces_is_a_report() {
    let (fleet, first) = three(ALSO_WRITE).await;
    // WxJava's way to say that a token is dead.
    fleet.issuer.kill(APPID).expect("an account");
    fleet.redis.command(&["DEL", COPY]).await;
    let second = fleet.published_after(&first).await;
    copied(&fleet.redis, &second).await;
    assert_eq!(fleet.summary().calls, 2, "one call, though each of three workers may notice");
    assert!(fleet.issuer.alive(&second).alive);
    // An SDK that fetches for itself puts its own token there.
    fleet.set_field("requests.last_at", 0).await;
    fleet.redis.command(&["SET", COPY, "an-sdks-own", "EX", "7000"]).await;
    let third = fleet.published_after(&second).await;
    copied(&fleet.redis, &third).await;
    assert_eq!(fleet.summary().calls, 3);
    assert!(2 <= changed(&fleet), "it is said");
    fleet.end().await;
}

#[tokio::test]
async fn an_sdk_that_deletes_its_copy_again_and_again_causes_no_call_too_many() {
    let (fleet, first) = three(ALSO_WRITE).await;
    fleet.redis.command(&["DEL", COPY]).await;
    let second = fleet.published_after(&first).await;
    copied(&fleet.redis, &second).await;
    fleet.all_know().await;
    let before = changed(&fleet);
    fleet.redis.command(&["DEL", COPY]).await;
    wait_until("it is noticed", || before < changed(&fleet)).await;
    wait_until("somebody says that it was no cure", || {
        fleet.workers.iter().any(|worker| 0 < worker.told("report.not_cured"))
    })
    .await;
    assert_eq!(fleet.summary().calls, 2, "a report in the minute after a refresh waits");
    assert_eq!(
        text(&fleet.redis, COPY).await,
        None,
        "what the SDK did stands until the next token"
    );
    fleet.end().await;
}

#[tokio::test]
async fn a_copy_that_is_missing_is_written_without_a_call() {
    let (mut fleet, token) = three("").await;
    assert_eq!(text(&fleet.redis, COPY).await, None);
    // Copies are asked for while the token stands, and their keys are lost later.
    let with = fleet.configuration("token", ALSO_WRITE).replace(SHORT, PATIENT);
    let configuration = fleet.write("with.toml", &with);
    let worker = fleet.start(&configuration);
    copied(&fleet.redis, &token).await;
    fleet.redis.command(&["DEL", COPY, MARK]).await;
    copied(&fleet.redis, &token).await;
    // Marks that nobody of ours can have written hold up nothing.
    for foreign in [&["SET", MARK, "8888888888888888 x"][..], &["LPUSH", MARK, "x"]] {
        fleet.redis.command(&["DEL", COPY, MARK]).await;
        fleet.redis.command(foreign).await;
        copied(&fleet.redis, &token).await;
    }
    assert_eq!(fleet.summary().calls, 1);
    assert!(0 < fleet.workers[worker].told("copy.written"));
    assert_eq!(changed(&fleet), 0);
    fleet.end().await;
}

#[tokio::test]
async fn all_copies_are_back_after_a_loss_of_all_data_without_a_call() {
    let (fleet, token) = three(ALSO_WRITE).await;
    fleet.redis.command(&["FLUSHALL"]).await;
    copied(&fleet.redis, &token).await;
    assert_eq!(fleet.published().await, token);
    assert_eq!((fleet.summary().calls, changed(&fleet)), (1, 0));
    fleet.end().await;
}

#[tokio::test]
async fn the_copy_of_another_account_goes_with_its_token() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let also_write = "also_write = [{ key = \"shops-token\", value = \"json-string\" }]";
    let text_of = fleet.configuration("token", also_write);
    let configuration = fleet.write("evertoken.toml", &text_of);
    let first = fleet.start(&configuration);
    let token = fleet.published().await;
    let copy = text(&fleet.redis, "shops-token").await;
    assert_eq!(copy, Some(format!("\"{token}\"")));
    let before = text(&fleet.redis, "evertoken:copy:{shops-token}").await.expect("a mark");
    fleet.workers[first].kill();
    // Nothing is begun sooner after a call for another account.
    fleet.set_field("attempt.granted_at", 1).await;
    let other = text_of.replace(APPID, "wx9999999999999999");
    let configuration = fleet.write("other.toml", &other);
    fleet.secrets.push("secret-of-wx9999999999999999".to_owned());
    // The issuer gives this account nothing.
    fleet.issuer.set(|settings| settings.latency_ms = 30_000).expect("settings");
    fleet.start(&configuration);
    wait_for("the token is withdrawn, and its copy", || async {
        let left = (fleet.redis.token().await, text(&fleet.redis, "shops-token").await);
        (left == (None, None)).then_some(())
    })
    .await;
    // A worker may still be about to write the old one: the mark of a later epoch keeps it out.
    let mark = text(&fleet.redis, "evertoken:copy:{shops-token}").await.expect("a mark");
    let [marked, of_token] = [&mark, &before]
        .map(|mark| mark.split(' ').next().and_then(|epoch| epoch.parse::<u64>().ok()));
    assert!(of_token < marked, "{before}, then {mark}");
    fleet.workers[1].kill();
    fleet.workers[1].ended().await;
    fleet.workers.clear();
    fleet.end().await;
}

/// An old worker of a fleet that was given another account, or the first look of a new one.
#[tokio::test]
async fn no_token_is_copied_into_the_key_of_another_account() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let also_write = "also_write = [{ key = \"token-of-{appid}\", value = \"raw\" }]";
    let text_of = fleet.configuration("token", also_write);
    let configuration = fleet.write("evertoken.toml", &text_of);
    let first = fleet.start(&configuration);
    let token = fleet.published().await;
    let own = text(&fleet.redis, &format!("token-of-{APPID}")).await;
    assert_eq!(own, Some(token));
    fleet.workers[first].kill();
    // Nothing is begun for another account within a minute of the last call.
    let other = text_of.replace(APPID, "wx9999999999999999");
    let configuration = fleet.write("other.toml", &other);
    fleet.secrets.push("secret-of-wx9999999999999999".to_owned());
    let second = fleet.start(&configuration);
    fleet.told(second, "records.looked").await;
    assert_eq!(text(&fleet.redis, "token-of-wx9999999999999999").await, None);
    fleet.end().await;
}

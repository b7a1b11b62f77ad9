#![cfg(feature = "tls")]

use super::*;

fn url(text: &str) -> RedisUrl {
    RedisUrl::parse(text, None).unwrap_or_else(|invalid| panic!("{text}: {invalid}"))
}

fn why(text: &str) -> String {
    RedisUrl::parse(text, None).expect_err(text).to_string()
}

#[test]
fn every_kind_of_redis_is_read_and_shown_without_its_login() {
    for (text, shown) in [
        ("redis://user:s3cr3t@10.0.0.1:6380/2", "10.0.0.1:6380"),
        ("redis://[::1]", "::1:6379"),
        ("rediss://:s3cr3t@cache.example", "cache.example:6379"),
        ("unix:///run/redis.sock?db=2&pass=s3cr3t", "/run/redis.sock"),
        ("redis+unix:///run/redis.sock", "/run/redis.sock"),
        (
            "redis+sentinel://user:s3cr3t@a:26380,b,[::1]/mymaster/3?sentinel_password=s3cr3t",
            "mymaster (sentinels a:26380, b:26379, ::1:26379)",
        ),
        ("rediss+sentinel://a/m", "m (sentinels a:26379)"),
        ("redis+cluster://user:s3cr3t@a,b:7001/", "a:6379, b:7001 (cluster)"),
        ("rediss+cluster://a/0", "a:6379 (cluster)"),
    ] {
        let url = url(text);
        assert_eq!(url.to_string(), shown);
        assert_eq!(url.uses_tls(), text.starts_with("rediss"));
        assert!(!format!("{url:?}").contains("s3cr3t"));
    }
}

#[test]
fn sentinels_have_a_login_of_their_own() {
    let text = "redis+sentinel://u:p%40@a/m/3?sentinel_username=v&sentinel_password=q%2F";
    let url = url(text);
    let Deployment::Sentinel(sentinel) = url.deployment() else { panic!("no sentinels") };
    let login = |settings: &RedisConnectionInfo| {
        (settings.username().map(str::to_owned), settings.password().map(str::to_owned))
    };
    let pair = |user: &str, password: &str| (Some(user.to_owned()), Some(password.to_owned()));
    assert_eq!(login(&sentinel.settings), pair("u", "p@"));
    assert_eq!(login(sentinel.sentinels[0].redis_settings()), pair("v", "q/"));
    assert_eq!((sentinel.settings.db(), &*sentinel.master), (3, "m"));
}

#[test]
fn what_is_malformed_is_named_with_an_example_and_without_the_password() {
    for (text, part) in [
        ("redis://u:s3cr3t@host:port", "it looks like redis://user:password@127.0.0.1:6379/0"),
        ("redis://u:s3cr3t@host/first", "its login, host, port or database is malformed"),
        ("redis://u:s3cr3t@host?db=1", "after the ? there may only be protocol"),
        ("rediss://u:s3cr3t@host#insecure", "nothing may follow a #"),
        ("redis+unix:///run/redis.sock?database=1", "there may only be db, user, pass"),
        ("redis+sentinel://u:s3cr3t@a,b", "does not say which master"),
        ("redis+sentinel://u:s3cr3t@a/m/first", "its database is no number"),
        ("redis+sentinel://u:s3cr3t@a/m?password=s3cr3t", "sentinel_username, sentinel_password"),
        ("redis+sentinel://u:s3cr3t@a,,b/m", "host 2 of the list"),
        ("redis+sentinel://u:s3/cr3t@a/m", "its database is no number"),
        ("redis+cluster://u:s3cr3t@a:x", "host 1 of the list"),
        ("redis+cluster://u:s3cr3t@a/1", "a cluster has no database but 0"),
        ("redis+cluster://", "host 1 of the list"),
    ] {
        let why = why(text);
        assert!(why.contains(part), "{text}: {why}");
        assert!(!why.contains("s3cr3t") && !why.contains("cr3t"), "{text}: {why}");
    }
}

#[test]
fn a_protocol_that_is_not_spoken_is_refused() {
    for (text, spoken) in [
        ("redis://a", None),
        ("redis://a?protocol=3", Some(ProtocolVersion::RESP3)),
        ("redis://a/0?protocol=resp3", Some(ProtocolVersion::RESP3)),
        ("redis://a?protocol=2", Some(ProtocolVersion::RESP2)),
        ("redis://a?protocol=resp2", Some(ProtocolVersion::RESP2)),
    ] {
        let url = url(text);
        assert_eq!(url.protocol(), spoken, "{text}");
        let Deployment::Single(client) = url.deployment() else { panic!("{text} is one server") };
        let spoken = spoken.unwrap_or(ProtocolVersion::RESP2);
        assert_eq!(client.get_connection_info().redis_settings().protocol(), spoken, "{text}");
    }
    let why = why("redis://a?protocol=4");
    assert!(why.contains("protocol may be 2 or 3"), "{why}");
}

#[test]
fn the_login_of_a_cloud_is_a_password_with_a_colon_in_it() {
    for text in ["redis://:instance:pass%40word@a", "redis://:instance%3Apass%40word@a"] {
        let url = url(text);
        let Deployment::Single(client) = url.deployment() else { panic!("{text} is one server") };
        let settings = client.get_connection_info().redis_settings();
        assert_eq!((settings.username(), settings.password()), (None, Some("instance:pass@word")));
    }
}

#[test]
fn certificates_are_for_tls_alone() {
    let none = || Certificates::new(None, None);
    assert!(RedisUrl::parse("rediss://a", Some(none())).is_ok());
    for text in ["redis://a", "unix:///a", "redis+cluster://a"] {
        let invalid = RedisUrl::parse(text, Some(none())).expect_err(text);
        assert!(invalid.to_string().contains("begins with rediss://"), "{invalid}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text: String) {
        let _ = RedisUrl::parse(&text, None);
        for scheme in ["redis", "redis+sentinel", "redis+cluster", "redis+unix"] {
            let _ = RedisUrl::parse(&format!("{scheme}://{text}"), None);
        }
    }
}

use super::{super::Level, *};

const GOOD: &str = "redis_version:7.0.15\r\nrole:master\r\nconnected_slaves:1\r\naof_enabled:1\r\n\
                    maxmemory_policy:noeviction\r\n";
const NOW: StoreTime = StoreTime::from_millis(1_700_000_000_000);

fn server(info: &str) -> ServerFacts {
    ServerFacts { address: None, info: info.to_owned().into(), time: Some(NOW) }
}

fn found(info: &str) -> Vec<Finding> {
    findings(&RedisFacts { servers: vec![server(info)], ..RedisFacts::default() }, NOW)
}

/// What is in danger, each by its name and its sentence.
fn dangers(findings: &[Finding]) -> Vec<(&str, String)> {
    let dangers = findings.iter().filter(|finding| finding.level == Level::Danger);
    dangers.map(|finding| (&*finding.name, finding.to_string())).collect()
}

fn is_good(finding: &Finding) -> bool {
    finding.level == Level::Good
}

#[test]
fn a_durable_server_is_good_in_every_respect() {
    let findings = found(GOOD);
    assert!(findings.iter().all(is_good), "{findings:#?}");
}

#[test]
fn each_danger_is_told() {
    let (aof, near) = ("aof_enabled:1", "role:master\nused_memory:95\nmaxmemory:100");
    let fails = "aof_enabled:1\naof_last_write_status:err";
    for (from, to, name, part) in [
        ("noeviction", "allkeys-lru", "redis.eviction", "set noeviction"),
        (aof, "aof_enabled:0", "redis.no_append_only_file", "set appendonly yes"),
        (aof, fails, "redis.append_only_file_fails", "see to the disk"),
        ("connected_slaves:1", "connected_slaves:0", "redis.no_replica", "no replica"),
        ("role:master", near, "redis.nearly_full", "95 % of maxmemory"),
    ] {
        let findings = found(&GOOD.replace(from, to));
        let dangers = dangers(&findings);
        let [(told, text)] = &dangers[..] else { panic!("{to}: {findings:#?}") };
        assert!(*told == name && text.contains(part), "{to}: {findings:#?}");
    }
    let silent = found("");
    assert!(dangers(&silent)[0].1.contains("it does not take INFO"));
}

#[test]
fn an_old_server_and_a_replica_are_bad() {
    let findings = found("redis_version:4.0.14\nrole:slave\n");
    let bad = findings.iter().filter(|finding| finding.level == Level::Bad);
    let names: Vec<&str> = bad.map(|finding| &*finding.name).collect();
    assert_eq!(names, ["redis.too_old", "store.read_only"]);
}

#[test]
fn a_sentinel_and_a_lone_node_of_a_cluster_are_bad() {
    for (mode, part) in [("sentinel", "redis+sentinel://"), ("cluster", "redis+cluster://")] {
        let findings = found(&format!("redis_mode:{mode}\r\n{GOOD}"));
        let bad = |f: &Finding| f.level == Level::Bad && f.text.contains(part);
        assert_eq!(findings.iter().filter(|f| bad(f)).count(), 1, "{findings:#?}");
    }
    let info = format!("redis_mode:cluster\r\n{GOOD}");
    let master = ServerFacts { address: Some("a:1".to_owned()), ..server(&info) };
    let findings = findings(&RedisFacts { servers: vec![master], ..RedisFacts::default() }, NOW);
    assert!(findings.iter().all(is_good), "{findings:#?}");
}

#[test]
fn a_valkey_is_called_by_its_name() {
    let findings = found(&format!("valkey_version:9.1.0\n{GOOD}"));
    assert_eq!(findings[0], Finding::good("redis.version", "Valkey 9.1.0"));
}

#[test]
fn clocks_that_disagree_are_told_with_what_it_means() {
    let facts = |times: &[u64]| {
        let after = |seconds: &u64| NOW.plus(Duration::from_secs(*seconds));
        let servers =
            times.iter().map(|time| ServerFacts { time: Some(after(time)), ..server(GOOD) });
        RedisFacts { servers: servers.collect(), ..RedisFacts::default() }
    };
    assert!(dangers(&findings(&facts(&[0, 3]), NOW)).is_empty());
    let ahead = findings(&facts(&[0]), NOW.plus(Duration::from_secs(60)));
    assert!(dangers(&ahead)[0].1.contains("60 s ahead of that of Redis"), "{ahead:#?}");
    let behind = findings(&facts(&[60]), NOW);
    assert!(dangers(&behind)[0].1.contains("60 s behind that of Redis"), "{behind:#?}");
    let apart = findings(&facts(&[0, 60]), NOW);
    assert!(dangers(&apart)[0].1.contains("clocks of the masters are 60 s apart"), "{apart:#?}");
}

#[test]
fn what_is_wrong_with_sentinels_is_told() {
    let says = |master: Option<&str>, no_quorum: Option<&str>| {
        Ok(WatchedMaster {
            master: master.map(str::to_owned),
            no_quorum: no_quorum.map(str::to_owned),
        })
    };
    let watchers = |all: Vec<Result<WatchedMaster, String>>| {
        let watcher = |says| SentinelFacts { address: "s:26379".to_owned(), says };
        sentinels(&all.into_iter().map(watcher).collect::<Vec<_>>())
    };
    let a = || says(Some("a:1"), None);
    assert_eq!(
        watchers(vec![a(), a(), a()]),
        [Finding::good("sentinel.agree", "3 of 3 sentinels name a:1")]
    );
    for (odd, part) in [
        (Err("refused".to_owned()), "s:26379: this sentinel says nothing: refused"),
        (says(None, None), "knows no master"),
        (says(Some("b:1"), None), "do not name the same master (a:1, a:1, b:1)"),
        (says(Some("a:1"), Some("NOQUORUM")), "could not have a failover: NOQUORUM"),
    ] {
        let findings = watchers(vec![a(), a(), odd]);
        let dangers = dangers(&findings);
        assert!(dangers.len() == 1 && dangers[0].1.contains(part), "{part}: {findings:#?}");
    }
    assert!(dangers(&watchers(vec![a()]))[0].1.contains("name three or more"));
}

#[test]
fn each_master_of_a_cluster_is_told_by_its_address() {
    let master =
        |at: u8, info: &str| ServerFacts { address: Some(format!("n{at}:1")), ..server(info) };
    let lonely = GOOD.replace("connected_slaves:1", "connected_slaves:0");
    let facts = RedisFacts {
        servers: vec![master(1, GOOD), master(2, &lonely)],
        cluster: Some("cluster_state:ok\r\n".to_owned().into()),
        ..RedisFacts::default()
    };
    let whole = findings(&facts, NOW);
    assert!(dangers(&whole)[0].1.starts_with("n2:1: no replica"), "{whole:#?}");
    assert!(whole.contains(&Finding::good("redis.cluster_whole", "the cluster has all its slots")));
    let facts = RedisFacts { cluster: Some("cluster_state:fail\r\n".to_owned().into()), ..facts };
    let down = findings(&facts, NOW);
    assert_eq!(down.last().map(|last| last.level), Some(Level::Bad));
}

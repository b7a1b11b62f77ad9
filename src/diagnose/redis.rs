//! What the facts about a Redis mean for tokens: each danger in a sentence, with its remedy. Pure.

use std::time::Duration;

use super::Finding;
use crate::{
    clock::StoreTime,
    store::{
        Lack,
        diagnosis::{Info, RedisFacts, SentinelFacts, ServerFacts, WatchedMaster},
    },
};

/// The oldest Redis that is supported.
const OLDEST: (u32, u32) = (5, 0);

/// How far two clocks may be apart before it is worth a word. Network time keeps them within
/// milliseconds.
const APART: Duration = Duration::from_secs(5);

/// The share of `maxmemory` above which a Redis is nearly full.
const NEARLY_FULL: f64 = 0.9;

/// What the facts mean. `local` is what this machine's clock showed when they were asked for.
pub(super) fn findings(facts: &RedisFacts, local: StoreTime) -> Vec<Finding> {
    let mut findings = Vec::new();
    for server in &facts.servers {
        let of_server = of_server(server).into_iter();
        findings.extend(match &server.address {
            Some(address) => of_server.map(|finding| finding.about(address)).collect::<Vec<_>>(),
            None => of_server.collect(),
        });
    }
    findings.extend(clocks(&facts.servers, local));
    if !facts.sentinels.is_empty() {
        findings.extend(sentinels(&facts.sentinels));
    }
    findings.extend(facts.cluster.as_ref().map(cluster));
    findings
}

fn of_server(server: &ServerFacts) -> Vec<Finding> {
    if server.info.is_empty() {
        return vec![Finding::danger("store.lacks", Lack::Info.to_string())];
    }
    let field = |name: &str| server.info.field(name).unwrap_or_default();
    let mut findings = vec![version(server)];
    match field("redis_mode") {
        "sentinel" => {
            findings.push(Finding::bad(
                "store.wrong_deployment",
                "this is a sentinel and holds no tokens: begin the store's URL with \
                 redis+sentinel:// and name the master that it watches",
            ));
            return findings;
        }
        // The masters of a cluster that was asked as one have addresses.
        "cluster" if server.address.is_none() => findings.push(Finding::bad(
            "store.wrong_deployment",
            "this Redis is one node of a cluster: begin the store's URL with redis+cluster://",
        )),
        _ => {}
    }
    if field("role") == "slave" {
        findings.push(Finding::bad(
            "store.read_only",
            "this Redis is a replica: name its master in the store's URL",
        ));
    }
    findings.extend(memory(server));
    findings.push(match field("aof_enabled") {
        "1" => Finding::good("redis.append_only_file", "persistence: append-only file"),
        _ => Finding::danger(
            "redis.no_append_only_file",
            "no append-only file: a restart of Redis may lose the newest tokens; set appendonly yes",
        ),
    });
    if field("aof_enabled") == "1" && field("aof_last_write_status") == "err" {
        findings.push(Finding::danger(
            "redis.append_only_file_fails",
            "the append-only file cannot be written: the next restart loses tokens; see to the disk",
        ));
    }
    match field("connected_slaves") {
        "0" => findings.push(Finding::danger(
            "redis.no_replica",
            "no replica: if this Redis is lost, applications have no tokens until it is back; add \
             one",
        )),
        replicas if field("role") == "master" => {
            findings.push(Finding::good("redis.replicas", format!("replicas: {replicas}")))
        }
        _ => {}
    }
    findings
}

fn version(server: &ServerFacts) -> Finding {
    let version = server.info.field("redis_version").unwrap_or_default();
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if (major, minor) < OLDEST {
        let text = format!("Redis {version} is too old: evertoken needs 5.0 or newer");
        return Finding::bad("redis.too_old", text);
    }
    match server.info.field("valkey_version") {
        Some(valkey) => Finding::good("redis.version", format!("Valkey {valkey}")),
        None => Finding::good("redis.version", format!("Redis {version}")),
    }
}

fn memory(server: &ServerFacts) -> Vec<Finding> {
    let mut findings = vec![match server.info.field("maxmemory_policy") {
        Some("noeviction") => Finding::good("redis.no_eviction", "maxmemory-policy is noeviction"),
        Some(policy) => {
            let text = format!(
                "maxmemory-policy is {policy}: when memory is short, Redis may drop tokens and \
                 records; set noeviction"
            );
            Finding::danger("redis.eviction", text)
        }
        None => {
            let text = "maxmemory-policy cannot be read: see to it that it is noeviction";
            Finding::danger("redis.eviction", text)
        }
    }];
    let number = |name: &str| server.info.field(name).and_then(|text| text.parse::<f64>().ok());
    if let (Some(used), Some(most)) = (number("used_memory"), number("maxmemory"))
        && 0.0 < most
        && most * NEARLY_FULL < used
    {
        let text = format!(
            "{:.0} % of maxmemory are used: a full Redis refuses new tokens; raise maxmemory",
            used / most * 100.0
        );
        findings.push(Finding::danger("redis.nearly_full", text));
    }
    findings
}

fn clocks(servers: &[ServerFacts], local: StoreTime) -> Option<Finding> {
    let times = || servers.iter().filter_map(|server| server.time);
    let (first, last) = (times().min()?, times().max()?);
    let apart = last.since(first);
    if APART < apart {
        let text = format!(
            "the clocks of the masters are {} s apart: when one takes over from another, tokens \
             seem to end earlier or later than they do; set them by network time",
            apart.as_secs()
        );
        return Some(Finding::danger("clock.differs", text));
    }
    let (behind, ahead) = (last.since(local), local.since(first));
    let (off, how) = if behind < ahead { (ahead, "ahead of") } else { (behind, "behind") };
    Some(if off <= APART {
        Finding::good("clock.agrees", "this machine's clock agrees with that of Redis")
    } else {
        let text = format!(
            "this machine's clock is {} s {how} that of Redis: tokens go by Redis's clock alone and \
             are not harmed by ours, but one of the two is wrong; a clock that is far off breaks TLS \
             and misleads readers of logs, and a Redis whose clock is set moves the end of every \
             token; set both by network time",
            off.as_secs()
        );
        Finding::danger("clock.differs", text)
    })
}

fn sentinels(watchers: &[SentinelFacts]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut named: Vec<&str> = Vec::new();
    for SentinelFacts { address, says } in watchers {
        let danger = |name, text| Finding::danger(name, text).about(address);
        match says {
            Err(why) => {
                let text =
                    format!("this sentinel says nothing: {why}; a failover takes most of them");
                findings.push(danger("sentinel.silent", text));
            }
            Ok(WatchedMaster { master: None, .. }) => {
                let text = "this sentinel knows no master of this name: correct its sentinel \
                            monitor line";
                findings.push(danger("sentinel.no_master", text.to_owned()));
            }
            Ok(WatchedMaster { master: Some(master), no_quorum }) => {
                named.push(master);
                findings.extend(no_quorum.as_ref().map(|why| {
                    let text = format!(
                        "this sentinel could not have a failover: {why}; bring the others back"
                    );
                    danger("sentinel.no_quorum", text)
                }));
            }
        }
    }
    let all = watchers.len();
    if named.iter().any(|name| Some(name) != named.first()) {
        let text = format!(
            "the sentinels do not name the same master ({}): a failover is under way, or they \
             cannot see each other",
            named.join(", ")
        );
        findings.push(Finding::danger("sentinel.disagree", text));
    } else if let Some(master) = named.first() {
        let text = format!("{} of {all} sentinels name {master}", named.len());
        findings.push(Finding::good("sentinel.agree", text));
    }
    if all < 3 {
        let text = format!(
            "{all} sentinels are named in the store's URL: name three or more, so that the loss of \
             one leaves others to ask"
        );
        findings.push(Finding::danger("sentinel.few", text));
    }
    findings
}

fn cluster(info: &Info) -> Finding {
    match info.field("cluster_state") {
        Some("ok") => Finding::good("redis.cluster_whole", "the cluster has all its slots"),
        _ => Finding::bad(
            "store.cluster_down",
            "the cluster is down: some slots have no master that can be reached; bring one back",
        ),
    }
}

#[cfg(test)]
mod tests;

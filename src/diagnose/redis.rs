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

fn good(text: impl Into<String>) -> Finding {
    Finding::Good(text.into())
}

fn danger(text: impl Into<String>) -> Finding {
    Finding::Danger(text.into())
}

fn of_server(server: &ServerFacts) -> Vec<Finding> {
    if server.info.is_empty() {
        return vec![danger(Lack::Info.to_string())];
    }
    let field = |name: &str| server.info.field(name).unwrap_or_default();
    let mut findings = vec![version(server)];
    match field("redis_mode") {
        "sentinel" => {
            findings.push(Finding::Bad(
                "this is a sentinel and holds no tokens: begin the store's URL with \
                 redis+sentinel:// and name the master that it watches"
                    .to_owned(),
            ));
            return findings;
        }
        // The masters of a cluster that was asked as one have addresses.
        "cluster" if server.address.is_none() => findings.push(Finding::Bad(
            "this Redis is one node of a cluster: begin the store's URL with redis+cluster://"
                .to_owned(),
        )),
        _ => {}
    }
    if field("role") == "slave" {
        findings.push(Finding::Bad(
            "this Redis is a replica: name its master in the store's URL".to_owned(),
        ));
    }
    findings.extend(memory(server));
    findings.push(match field("aof_enabled") {
        "1" => good("persistence: append-only file"),
        _ => danger(
            "no append-only file: a restart of Redis may lose the newest tokens; set appendonly yes",
        ),
    });
    if field("aof_enabled") == "1" && field("aof_last_write_status") == "err" {
        findings.push(danger(
            "the append-only file cannot be written: the next restart loses tokens; see to the disk",
        ));
    }
    match field("connected_slaves") {
        "0" => findings.push(danger(
            "no replica: if this Redis is lost, applications have no tokens until it is back; add \
             one",
        )),
        replicas if field("role") == "master" => {
            findings.push(good(format!("replicas: {replicas}")))
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
        return Finding::Bad(text);
    }
    match server.info.field("valkey_version") {
        Some(valkey) => good(format!("Valkey {valkey}")),
        None => good(format!("Redis {version}")),
    }
}

fn memory(server: &ServerFacts) -> Vec<Finding> {
    let mut findings = vec![match server.info.field("maxmemory_policy") {
        Some("noeviction") => good("maxmemory-policy is noeviction"),
        Some(policy) => danger(format!(
            "maxmemory-policy is {policy}: when memory is short, Redis may drop tokens and \
             records; set noeviction"
        )),
        None => danger("maxmemory-policy cannot be read: see to it that it is noeviction"),
    }];
    let number = |name: &str| server.info.field(name).and_then(|text| text.parse::<f64>().ok());
    if let (Some(used), Some(most)) = (number("used_memory"), number("maxmemory"))
        && 0.0 < most
        && most * NEARLY_FULL < used
    {
        findings.push(danger(format!(
            "{:.0} % of maxmemory are used: a full Redis refuses new tokens; raise maxmemory",
            used / most * 100.0
        )));
    }
    findings
}

fn clocks(servers: &[ServerFacts], local: StoreTime) -> Option<Finding> {
    let times = || servers.iter().filter_map(|server| server.time);
    let (first, last) = (times().min()?, times().max()?);
    let apart = last.since(first);
    if APART < apart {
        return Some(danger(format!(
            "the clocks of the masters are {} s apart: when one takes over from another, tokens \
             seem to end earlier or later than they do; set them by network time",
            apart.as_secs()
        )));
    }
    let (behind, ahead) = (last.since(local), local.since(first));
    let (off, how) = if behind < ahead { (ahead, "ahead of") } else { (behind, "behind") };
    Some(if off <= APART {
        good("this machine's clock agrees with that of Redis")
    } else {
        danger(format!(
            "this machine's clock is {} s {how} that of Redis: tokens go by Redis's clock alone and \
             are not harmed by ours, but one of the two is wrong; a clock that is far off breaks TLS \
             and misleads readers of logs, and a Redis whose clock is set moves the end of every \
             token; set both by network time",
            off.as_secs()
        ))
    })
}

fn sentinels(watchers: &[SentinelFacts]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut named: Vec<&str> = Vec::new();
    for SentinelFacts { address, says } in watchers {
        match says {
            Err(why) => findings.push(danger(format!(
                "sentinel {address} says nothing: {why}; a failover takes most of them"
            ))),
            Ok(WatchedMaster { master: None, .. }) => findings.push(danger(format!(
                "sentinel {address} knows no master of this name: correct its sentinel monitor line"
            ))),
            Ok(WatchedMaster { master: Some(master), no_quorum }) => {
                named.push(master);
                findings.extend(no_quorum.as_ref().map(|why| {
                    danger(format!(
                        "sentinel {address} could not have a failover: {why}; bring the others back"
                    ))
                }));
            }
        }
    }
    let all = watchers.len();
    if named.iter().any(|name| Some(name) != named.first()) {
        findings.push(danger(format!(
            "the sentinels do not name the same master ({}): a failover is under way, or they \
             cannot see each other",
            named.join(", ")
        )));
    } else if let Some(master) = named.first() {
        findings.push(good(format!("{} of {all} sentinels name {master}", named.len())));
    }
    if all < 3 {
        findings.push(danger(format!(
            "{all} sentinels are named in the store's URL: name three or more, so that the loss of \
             one leaves others to ask"
        )));
    }
    findings
}

fn cluster(info: &Info) -> Finding {
    match info.field("cluster_state") {
        Some("ok") => good("the cluster has all its slots"),
        _ => Finding::Bad(
            "the cluster is down: some slots have no master that can be reached; bring one back"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests;

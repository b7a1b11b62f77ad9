//! The way to each issuer, tried without a credential: what a call would meet before its secret is sent.

use futures_util::future::join_all;
use reqwest::Url;

use super::{Finding, Level};
use crate::{
    clock,
    config::Settings,
    credential::Chain,
    provider::{Credential, FetchError, Transport},
};

/// One place, by one way, and the credentials that go there.
struct Path<'a> {
    place: &'a Url,
    way: Transport,
    of: Vec<&'a Credential>,
}

/// Tries each way to each place once, all at a time. A place that is not reached is bad where a
/// credential has no other, and else a danger.
pub async fn issuers(settings: &Settings) -> Vec<Finding> {
    let deadline = clock::now() + settings.times.request_timeout;
    let mut paths: Vec<Path> = Vec::new();
    for credential in &*settings.credentials {
        let Some(way) = credential.provider.transport(deadline).await else { continue };
        let places = credential.provider.base_urls().into_iter().flat_map(|urls| urls.iter());
        for place in places {
            match paths.iter_mut().find(|path| path.place == place && path.way.is(&way)) {
                Some(path) => path.of.push(credential),
                None => paths.push(Path { place, way: way.clone(), of: vec![credential] }),
            }
        }
    }
    let deadline = clock::now() + settings.times.request_timeout;
    let tried = join_all(paths.iter().map(|path| path.way.reach(path.place, deadline))).await;
    let is_reached = |credential: &Credential| {
        let its = |path: &Path| path.of.iter().any(|other| other.id == credential.id);
        paths.iter().zip(&tried).any(|(path, tried)| tried.is_ok() && its(path))
    };
    let finding = |(path, tried): (&Path, &Result<(), FetchError>)| {
        let has_other = path.of.iter().all(|credential| is_reached(credential));
        told(path, tried, has_other).about(&names(&path.of))
    };
    paths.iter().zip(&tried).map(finding).collect()
}

fn told(path: &Path, tried: &Result<(), FetchError>, has_other: bool) -> Finding {
    let level = if has_other { Level::Danger } else { Level::Bad };
    match tried {
        Ok(()) => {
            let by = path.way.proxy().map(|proxy| format!(" by the proxy {proxy}"));
            let (issuer, by) = (path.place.authority(), by.unwrap_or_default());
            Finding::good("issuer.answers", format!("the issuer at {issuer} answers{by}"))
        }
        Err(error) => Finding::new(level, error.trouble.name(), Chain(error).to_string()),
    }
}

/// The first of the credentials, and how many there are more.
fn names(of: &[&Credential]) -> String {
    match of {
        [] => String::new(),
        [one] => one.id.to_string(),
        [one, more @ ..] => format!("{} and {} more", one.id, more.len()),
    }
}

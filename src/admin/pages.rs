//! `/status` in pieces that a worker can send to many at once. Pure.

use serde::{Deserialize, Serialize};

use crate::status::{CredentialStatus, Status};

/// The most credentials in one answer: it stays below a megabyte.
const MOST: usize = 1_000;

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    /// Credentials whose id comes after this one; all if none is named.
    after: Option<String>,
}

/// One answer: as `evertoken status --json` where there are no more than [`MOST`].
#[derive(Debug, Serialize)]
pub(super) struct Piece<'a> {
    credentials: &'a [CredentialStatus],
    /// There are more, after this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a str>,
}

/// The piece of `status` that is asked for. The credentials are in the order of their ids.
pub(super) fn piece<'a>(status: &'a Status, asked: &Asked) -> Piece<'a> {
    let all = status.credentials.as_slice();
    let first =
        asked.after.as_ref().map_or(0, |after| all.partition_point(|each| each.id <= *after));
    let left = all.get(first..).unwrap_or_default();
    match left.split_at_checked(MOST) {
        Some((credentials, rest)) if !rest.is_empty() => {
            Piece { credentials, next: credentials.last().map(|last| last.id.as_str()) }
        }
        _ => Piece { credentials: left, next: None },
    }
}

#[cfg(test)]
mod tests {
    use evertoken_testkit::provider::{Double, Unreachable};

    use super::*;
    use crate::{clock::StoreTime, provider::Credential, store::Glance};

    /// So many credentials, `c000000` and so on.
    fn status(count: usize) -> Status {
        let credential = |number| {
            let id = format!("c{number:06}").parse().expect("an id");
            let credential = Credential::new(id, Box::new(Double(Unreachable)));
            CredentialStatus::new(&credential, &Glance::default(), StoreTime::from_millis(1))
        };
        Status { credentials: (0..count).map(credential).collect() }
    }

    #[test]
    fn a_status_of_usual_size_is_whole_and_as_the_command_prints_it() {
        let status = status(MOST);
        let whole = serde_json::to_string(&status).expect("it is written");
        let piece =
            serde_json::to_string(&piece(&status, &Asked::default())).expect("it is written");
        assert_eq!(piece, whole);
    }

    #[test]
    fn a_hundred_thousand_credentials_come_in_pieces_of_bounded_size_and_each_comes_once() {
        let status = status(100_000);
        let (mut asked, mut ids) = (Asked::default(), Vec::new());
        loop {
            let piece = piece(&status, &asked);
            assert!(serde_json::to_string(&piece).expect("it is written").len() < 1_000_000);
            ids.extend(piece.credentials.iter().map(|each| each.id.clone()));
            let Some(next) = piece.next else { break };
            asked.after = Some(next.to_owned());
        }
        assert_eq!(ids, status.credentials.iter().map(|each| each.id.clone()).collect::<Vec<_>>());
    }
}

//! Whatever others write into a store, a channel, a command line or an environment: nothing panics,
//! nothing touches the published token, and what has no end is not read to its end.

mod file_records;
mod messages;
mod records;
mod sizes;
mod words;

use std::{sync::Arc, time::Duration};

use evertoken::{
    credential::CredentialId,
    lease::{AttemptId, Epoch, Lease, Reason},
    provider::Credential,
    status::Status,
    store::{
        Begun, Completed, Coordinate, Permit, Protocol, Publication, StoreError, StoreErrorKind,
    },
};
use evertoken_testkit::provider::{Double, Unreachable};
use tokio::runtime::Runtime;

use crate::contract::{failure, publication, request, token};

/// What was asked, and whether the store did it. Only a credential's own trouble is an excuse.
fn done<T>(what: &str, answer: Result<T, StoreError>) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer),
        Err(error) => {
            assert_eq!(error.kind(), StoreErrorKind::Entry, "{what}: {error}");
            None
        }
    }
}

/// Everything that publishes nothing. Tells the lease if one was granted.
async fn ask_everything(store: &Arc<dyn Coordinate>, id: &CredentialId) -> Option<Lease> {
    let ids = std::slice::from_ref(id);
    done("look", store.look(ids).await).expect("a look never fails for one credential");
    let credential = Credential::new(id.clone(), Box::new(Double(Unreachable)));
    let status = Status::read(&[credential], &**store).await.expect("a look never fails");
    let shown = serde_json::to_string(&status).expect("JSON");
    assert!(shown.len() < 3000 && !shown.chars().any(char::is_control), "{shown}");
    done("held", store.token_with_expiry(id).await);
    done("token", store.token(id).await);
    done("ask", store.request(id, 2000).await);
    // Of an attempt that nobody has begun, and of one that was begun long ago.
    for epoch in [0, u64::MAX / 2] {
        let lease = Lease {
            known: None,
            epoch: Epoch(epoch),
            attempt: AttemptId::fresh(),
            reason: Reason::Due,
            granted_at: Default::default(),
            asked: evertoken::clock::Moment::now(),
            length: Duration::from_secs(10),
        };
        done("fail", store.fail(id, &lease, &failure()).await);
        done("release", store.release(id, &lease, true).await);
    }
    let attempt = AttemptId::fresh();
    match done("begin", store.begin(id, &request(&attempt), evertoken::clock::Moment::now()).await)?
        .1
    {
        Begun::Granted(Permit { lease, .. }) => Some(lease),
        _ => None,
    }
}

/// Whether the token of this attempt was published.
async fn publishes(
    store: &Arc<dyn Coordinate>,
    id: &CredentialId,
    lease: &Lease,
    text: &str,
) -> bool {
    let text = token(text);
    let publication = Publication { late: true, ..publication(lease, &text) };
    let completed = done("complete", store.complete(id, lease, publication).await);
    !matches!(
        completed,
        None | Some((_, Completed::Fenced { .. } | Completed::Ended | Completed::Expired))
    )
}

fn runtime() -> Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime")
}

//! Whose call it is: what it shows in the place of its token is a stand-in or a key of a client into whose
//! calls tokens are put, or the token itself of another client.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::time::sleep;

use crate::door::{
    Door,
    clients::{Client, Clients},
    shelf::{AGE_FOR_WAITING, Shelf},
    stand_in::StandIn,
};

/// Who makes a call, and for which credential.
pub(super) struct Caller {
    pub(super) client: Arc<Client>,
    pub(super) shelf: Arc<Shelf>,
}

/// Who it may be.
pub(super) enum Who {
    Caller(Caller),
    /// This client, which may have several credentials, and does not say which one it means.
    OneOfSeveral(Arc<Client>),
    Nobody,
}

/// Those who show the token itself: a client, and each credential that it may have.
pub(super) struct Callers(Vec<(Arc<Client>, Arc<Shelf>)>);

// === impl Callers ===

impl Callers {
    pub(super) fn of(clients: &Clients) -> Self {
        let mut all: Vec<&Arc<Client>> = clients.by_keys().collect();
        all.dedup_by(|one, other| Arc::ptr_eq(one, other));
        let by_token = all.into_iter().filter(|client| {
            let forward = client.forward();
            forward.is_some() && !forward.injects
        });
        let pairs = by_token.flat_map(|client| {
            client.shelves().map(|shelf| (Arc::clone(client), Arc::clone(shelf)))
        });
        Self(pairs.collect())
    }

    /// Who shows this, for a call of this path.
    pub(super) async fn who(&self, door: &Door, text: &str, path: &str) -> Who {
        if let Some(stand_in) = StandIn::read(text) {
            let holder = door.clients.with_stand_in(&stand_in).await;
            let client = holder.map(|holder| holder.client);
            let caller = client.filter(|client| client.forward().injects).and_then(|client| {
                let shelf = Arc::clone(client.shelf(stand_in.id)?);
                Some(Caller { client, shelf })
            });
            return caller.map_or(Who::Nobody, Who::Caller);
        }
        if let Some(caller) = self.with_token(door, text, path, false).await {
            return Who::Caller(caller);
        }
        let holder = door.clients.with_key(text).await;
        let client = holder.map(|holder| holder.client);
        if let Some(client) = client.filter(|client| client.forward().injects) {
            return match client.only_shelf().cloned() {
                Some(shelf) => Who::Caller(Caller { client, shelf }),
                None => Who::OneOfSeveral(client),
            };
        }
        if self.0.is_empty() {
            return Who::Nobody;
        }
        // A token that was just published may be in the application's hands before the door has read it.
        sleep(AGE_FOR_WAITING).await;
        self.with_token(door, text, path, true).await.map_or(Who::Nobody, Who::Caller)
    }

    /// Who has this token. If several clients do, one whose calls of this path are passed on. A client
    /// without a key that can be used has nothing any more.
    async fn with_token(&self, door: &Door, text: &str, path: &str, again: bool) -> Option<Caller> {
        let with_key = self.0.iter().filter(|(client, _)| door.clients.has_key(client));
        let compared = with_key.map(async |(client, shelf)| {
            let is_its = shelf.shows(&*door.store, text, again).await;
            is_its.then(|| Caller { client: Arc::clone(client), shelf: Arc::clone(shelf) })
        });
        let mut holders: Vec<Caller> = join_all(compared).await.into_iter().flatten().collect();
        let permitted = holders.iter().position(|caller| caller.client.forward().permits(path));
        (!holders.is_empty()).then(|| holders.swap_remove(permitted.unwrap_or_default()))
    }
}

//! The task that follows: what workers tell is a hint to read again; that every token is read again in
//! time is the guarantee.

use std::{
    collections::BTreeSet,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::{
    StreamExt,
    future::{join, join_all},
};
use tokio::time::sleep;

use super::{Entry, Shared};
use crate::{CredentialId, clock::Moment};

/// The pause before the connection on which messages are heard is made again.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// How often it is looked whether a token is to be read again: at the most, and at the least.
const LOOK: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// So many messages that wait are one read of each token that they name.
const MESSAGES: usize = 256;

/// Follows until nobody holds the client any more.
pub(super) async fn follow(shared: Weak<Shared>) {
    join(hear(&shared), read_in_time(&shared)).await;
}

async fn hear(shared: &Weak<Shared>) {
    loop {
        let Some(source) = shared.upgrade().map(|shared| shared.source.clone()) else { return };
        if source.is_mute() {
            return;
        }
        if let Some(changes) = source.changes().await {
            // What was told before was not heard.
            read(shared, |_| true).await;
            let mut changes = changes.ready_chunks(MESSAGES);
            while let Some(ids) = changes.next().await {
                let ids: BTreeSet<CredentialId> = ids.into_iter().collect();
                read(shared, |entry| ids.contains(entry.id())).await;
            }
        }
        sleep(LISTEN_AGAIN).await;
    }
}

/// Reads what is wanted, each by a read that begins now.
async fn read(shared: &Weak<Shared>, is_wanted: impl Fn(&Entry) -> bool) {
    let Some(shared) = shared.upgrade() else { return };
    let entries = shared.entries.load_full();
    let wanted = entries.iter().filter(|entry| is_wanted(entry));
    join_all(wanted.map(|entry| entry.read_anew(&shared.source))).await;
}

async fn read_in_time(shared: &Weak<Shared>) {
    loop {
        let Some(strong) = shared.upgrade() else { return };
        let now = Moment::now();
        let entries = strong.entries.load_full();
        let due = entries.iter().filter(|entry| entry.next().is_some_and(|next| next <= now));
        join_all(due.map(|entry| entry.read(&strong.source))).await;
        let next = entries.iter().filter_map(|entry: &Arc<Entry>| entry.next()).min();
        // Nobody is kept from ending by a task that sleeps.
        drop((strong, entries));
        let pause = next.map_or(LOOK.1, |next| next.since(Moment::now()));
        sleep(pause.clamp(LOOK.0, LOOK.1)).await;
    }
}

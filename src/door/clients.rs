//! Who may ask: clients, their keys as they are now, and what each may have.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use subtle::{Choice, ConstantTimeEq};
use tokio::{sync::Mutex, time::Instant};
use tracing::{error, info};

use super::{
    shelf::{Current, Shelf},
    stand_in::{self, StandIn},
};
use crate::{
    clock,
    config::{DoorClient, Forward, MIN_KEY},
    credential::Chain,
    provider::{Credential, Secret, SecretSource},
};

/// How long after they were read a request is compared with keys. One that was taken out of its file
/// opens nothing any more after that.
const AGE: Duration = Duration::from_secs(1);

/// How long reading a key's file may take.
const READ_WITHIN: Duration = Duration::from_secs(2);

/// All clients, and their keys as they were last read.
pub(super) struct Clients {
    all: Vec<Arc<Client>>,
    keys: Mutex<Option<(Instant, Arc<[Key]>)>>,
}

/// One client.
pub(super) struct Client {
    name: String,
    keys: Vec<SecretSource>,
    shelves: Vec<Arc<Shelf>>,
    forward: Forward,
    /// It was said that a key of its cannot be used.
    is_unusable: AtomicBool,
}

/// A client that has proved itself, and by which key.
pub(super) struct Holder {
    pub(super) client: Arc<Client>,
    key: Secret,
}

/// A key, and whose it is.
type Key = (Arc<Client>, Secret);

// === impl Clients ===

impl Clients {
    pub(super) fn new(settings: Vec<DoorClient>, credentials: &[Arc<Credential>]) -> Self {
        let shelves: Vec<Arc<Shelf>> =
            credentials.iter().map(|each| Arc::new(Shelf::new(Arc::clone(each)))).collect();
        let client = |DoorClient { name, keys, credentials, forward }| {
            let seen = shelves.iter().filter(|shelf| credentials.contains(shelf.id()));
            let shelves = seen.cloned().collect();
            Arc::new(Client { name, keys, shelves, forward, is_unusable: AtomicBool::new(false) })
        };
        Self { all: settings.into_iter().map(client).collect(), keys: Mutex::default() }
    }

    /// Whose key that is, if it is somebody's. It is compared with every key to the end, so the time that
    /// it takes tells nothing of how near it came. What is the key of two clients is nobody's: it does
    /// not tell which of them asks.
    pub(super) async fn with_key(&self, given: &str) -> Option<Holder> {
        let keys = self.keys().await;
        let is = |key: &Secret| -> Choice { key.expose().as_bytes().ct_eq(given.as_bytes()) };
        let matches: Vec<(&Arc<Client>, Choice)> =
            keys.iter().map(|(client, key)| (client, is(key))).collect();
        let mut owners = matches.into_iter().filter(|(_, is)| bool::from(*is));
        let (owner, _) = owners.next()?;
        let is_one = owners.all(|(other, _)| Arc::ptr_eq(owner, other));
        is_one.then(|| Holder { client: Arc::clone(owner), key: Secret::new(given) })
    }

    /// Who shows this stand-in, if it was made with a key that the client still has.
    pub(super) async fn with_stand_in(&self, shown: &StandIn<'_>) -> Option<Arc<Client>> {
        let keys = self.keys().await;
        let mut own = keys.iter().filter(|(client, _)| client.name == shown.client);
        own.find(|(_, key)| shown.is_of(key)).map(|(client, _)| Arc::clone(client))
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Client>> {
        self.all.iter()
    }

    /// The keys as they are now, or were a moment ago. Whoever asks while they are read gets the same.
    async fn keys(&self) -> Arc<[Key]> {
        let asked = clock::now();
        let mut last = self.keys.lock().await;
        if let Some((at, keys)) = &*last
            && (asked <= *at || at.elapsed() < AGE)
        {
            return Arc::clone(keys);
        }
        let read = join_all(self.all.iter().map(|client| client.read()));
        let keys: Arc<[Key]> = read.await.into_iter().flatten().collect();
        *last = Some((clock::now(), Arc::clone(&keys)));
        keys
    }
}

// === impl Client ===

impl Client {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What it may have.
    pub(super) fn shelves(&self) -> &[Arc<Shelf>] {
        &self.shelves
    }

    /// What it may have, if that is a single one.
    pub(super) fn only_shelf(&self) -> Option<&Arc<Shelf>> {
        let mut all = self.shelves.iter();
        all.next().filter(|_| all.next().is_none())
    }

    /// Which calls are passed on for it.
    pub(super) fn forward(&self) -> &Forward {
        &self.forward
    }

    /// What it may have of this id, if it may. Of one that it may not have it learns as little as of one
    /// that is not there.
    pub(super) fn shelf(&self, id: &str) -> Option<&Arc<Shelf>> {
        self.shelves.iter().find(|shelf| shelf.id().as_str() == id)
    }

    /// Its keys as they are now. What is wrong with one is said once.
    async fn read(self: &Arc<Self>) -> Vec<Key> {
        let deadline = clock::now() + READ_WITHIN;
        let read = join_all(self.keys.iter().map(|key| usable(key, deadline))).await;
        let (good, bad): (Vec<_>, Vec<_>) = read.into_iter().partition(Result::is_ok);
        let client = self.name();
        match bad.into_iter().find_map(Result::err) {
            Some(why) if !self.is_unusable.swap(true, Ordering::Relaxed) => {
                error!(
                    event = "door.key_unusable",
                    client,
                    error = why,
                    "a key of a client of the door cannot be used: whoever sends it is refused"
                );
            }
            None if self.is_unusable.swap(false, Ordering::Relaxed) => {
                info!(event = "door.key_usable", client, "all keys of a client can be used again");
            }
            _ => {}
        }
        good.into_iter().flatten().map(|key| (Arc::clone(self), key)).collect()
    }
}

// === impl Holder ===

impl Deref for Holder {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Holder {
    /// What it is told as the token: the token itself, or its stand-in where tokens are put into its calls.
    pub(super) fn told(&self, shelf: &Shelf, current: &Current) -> Secret {
        match self.client.forward.injects {
            true => stand_in::made(self.name(), shelf.id(), &self.key),
            false => Secret::new(current.read.token.expose()),
        }
    }
}

/// A key as it is now, if it can be one.
///
/// # Errors
/// Why it cannot, in a sentence that shows nothing of it.
pub async fn usable(key: &SecretSource, deadline: Instant) -> Result<Secret, String> {
    let read = key.read(deadline).await.map_err(|error| Chain(&error).to_string())?;
    if read.expose().len() < MIN_KEY {
        return Err(format!(
            "{key:?} holds a key of fewer than {MIN_KEY} characters: it can be guessed"
        ));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients(keys: &[(&str, &[&str])]) -> Clients {
        let client = |(name, keys): &(&str, &[&str])| DoorClient {
            name: (*name).to_owned(),
            keys: keys.iter().map(|key| SecretSource::Value(Secret::new(*key))).collect(),
            credentials: Vec::new(),
            forward: Forward::default(),
        };
        Clients::new(keys.iter().map(client).collect(), &[])
    }

    #[tokio::test]
    async fn only_a_whole_key_opens_and_each_of_several_does() {
        let clients = clients(&[
            ("web", &["old-key-of-web-1", "new-key-of-web-1"]),
            ("app", &["key-of-the-app-01"]),
        ]);
        for (given, owner) in
            [("old-key-of-web-1", "web"), ("new-key-of-web-1", "web"), ("key-of-the-app-01", "app")]
        {
            assert_eq!(clients.with_key(given).await.expect("a client").name(), owner);
        }
        for bad in
            ["", "old-key-of-web-", "old-key-of-web-12", "OLD-key-of-web-1", "old-key-of-web-2"]
        {
            assert!(clients.with_key(bad).await.is_none(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_key_that_two_clients_have_or_that_is_short_opens_nothing() {
        let both = clients(&[("web", &["key-of-them-both"]), ("app", &["key-of-them-both"])]);
        assert!(both.with_key("key-of-them-both").await.is_none());
        let twice = clients(&[("web", &["key-of-web-alone", "key-of-web-alone"])]);
        assert!(twice.with_key("key-of-web-alone").await.is_some());
        assert!(clients(&[("web", &["short"])]).with_key("short").await.is_none());
    }
}

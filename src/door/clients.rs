//! Who may ask: clients, their keys as they are now, and what each may have.
//!
//! Keys are read again and again, whoever asks, so no request waits for a file that another one's key is
//! in.

use std::{
    collections::HashMap,
    convert::Infallible,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::{self, join_all};
use subtle::{Choice, ConstantTimeEq};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout_at},
};
use tracing::{error, info};

use super::{
    shelf::{Current, Shelf},
    stand_in::{self, StandIn},
};
use crate::{
    clock,
    config::{DoorClient, Forward, MIN_KEY},
    credential::{Chain, CredentialId},
    provider::{Credential, Secret, SecretSource},
};

/// How often a key is read.
const EVERY: Duration = Duration::from_millis(500);

/// How long a key counts after it was begun to be read: one that was taken out of its file opens nothing
/// any more after that. A file that takes longer to be read holds none.
const AGE: Duration = Duration::from_secs(1);

/// The keys of all clients.
pub(super) struct Clients {
    keys: Vec<Key>,
    /// One of them was read.
    read: Notify,
}

/// One client.
pub(super) struct Client {
    name: String,
    shelves: HashMap<CredentialId, Arc<Shelf>>,
    /// The same by kind of issuer and by what its settings call the account first.
    accounts: HashMap<(&'static str, String), Vec<Arc<Shelf>>>,
    forward: Forward,
}

/// A client that has proved itself, and by which key.
pub(super) struct Holder {
    pub(super) client: Arc<Client>,
    key: Secret,
}

/// A key, and whose it is.
struct Key {
    client: Arc<Client>,
    source: SecretSource,
    last: Mutex<Option<Reading>>,
}

/// What came of reading a key.
struct Reading {
    began: Instant,
    /// None if it cannot be used.
    key: Option<Secret>,
}

// === impl Clients ===

impl Clients {
    /// Their keys are read for the first time.
    pub(super) async fn new(settings: Vec<DoorClient>, credentials: &[Arc<Credential>]) -> Self {
        let shelves: HashMap<&CredentialId, Arc<Shelf>> = credentials
            .iter()
            .map(|each| (&each.id, Arc::new(Shelf::new(Arc::clone(each)))))
            .collect();
        let mut keys = Vec::new();
        for DoorClient { name, keys: sources, credentials, forward } in settings {
            let seen = credentials.iter().filter_map(|id| shelves.get(id).cloned());
            let client = Arc::new(Client::new(name, seen, forward));
            keys.extend(sources.into_iter().map(|source| Key {
                client: Arc::clone(&client),
                source,
                last: Mutex::default(),
            }));
        }
        let clients = Self { keys, read: Notify::new() };
        join_all(clients.keys.iter().map(Key::read)).await;
        clients
    }

    /// Reads the keys again and again, each for itself.
    pub(super) async fn follow(&self) -> Infallible {
        let follow = async |key: &Key| loop {
            let next = clock::now() + EVERY;
            key.read().await;
            self.read.notify_waiters();
            sleep_until(next).await;
        };
        let changing = self.keys.iter().filter(|key| !key.is_constant());
        join_all(changing.map(follow)).await;
        future::pending().await
    }

    /// Whose key that is, if it is somebody's. It is compared with every key to the end, so the time that
    /// it takes tells nothing of how near it came.
    pub(super) async fn with_key(&self, given: &str) -> Option<Holder> {
        self.holder(|_, key| key.expose().as_bytes().ct_eq(given.as_bytes())).await
    }

    /// Who shows this stand-in, if it was made with a key that the client still has, and no other one.
    pub(super) async fn with_stand_in(&self, shown: &StandIn<'_>) -> Option<Holder> {
        let is = |client: &Client, key: &Secret| match client.name == shown.client {
            true => shown.is_of(key),
            false => Choice::from(0),
        };
        let holder = self.holder(is).await?;
        self.with_key(holder.key.expose()).await
    }

    /// Whose key it is that `is` the one that is looked for. What is the key of two clients is nobody's: it
    /// does not tell which of them asks. If it is nobody's so far, those that are late are waited for.
    async fn holder(&self, is: impl Fn(&Client, &Secret) -> Choice) -> Option<Holder> {
        let ends = clock::now() + AGE;
        loop {
            let read = self.read.notified();
            let now = clock::now();
            let compared: Vec<_> = self
                .keys
                .iter()
                .map(|each| {
                    each.now(now).map(|key| (is_it(&is, &each.client, key.as_ref()), each, key))
                })
                .collect();
            let mut owners = compared.iter().flatten().filter(|(is, ..)| bool::from(*is));
            if let Some((_, owner, Some(key))) = owners.next() {
                let is_one = owners.all(|(_, other, _)| Arc::ptr_eq(&owner.client, &other.client));
                let client = Arc::clone(&owner.client);
                return is_one.then(|| Holder { client, key: key.clone() });
            }
            let is_late = compared.iter().any(Option::is_none);
            if !is_late || timeout_at(ends, read).await.is_err() {
                return None;
            }
        }
    }

    /// Whether a client has a key that can be used now.
    pub(super) fn has_key(&self, client: &Arc<Client>) -> bool {
        let now = clock::now();
        let mut own = self.keys.iter().filter(|key| Arc::ptr_eq(&key.client, client));
        own.any(|key| key.now(now).flatten().is_some())
    }

    /// Each of them, once for each of its keys.
    pub(super) fn by_keys(&self) -> impl Iterator<Item = &Arc<Client>> {
        self.keys.iter().map(|key| &key.client)
    }
}

// === impl Client ===

impl Client {
    fn new(name: String, seen: impl Iterator<Item = Arc<Shelf>>, forward: Forward) -> Self {
        let mut accounts: HashMap<_, Vec<_>> = HashMap::new();
        let mut shelves = HashMap::new();
        for shelf in seen {
            let provider = &shelf.credential().provider;
            if let Some((_, account)) = provider.names().into_iter().next() {
                accounts.entry((provider.kind(), account)).or_default().push(Arc::clone(&shelf));
            }
            shelves.insert(shelf.id().clone(), shelf);
        }
        Self { name, shelves, accounts, forward }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What it may have of this id, if it may. Of one that it may not have it learns as little as of one
    /// that is not there.
    pub(super) fn shelf(&self, id: &str) -> Option<&Arc<Shelf>> {
        self.shelves.get(&id.parse::<CredentialId>().ok()?)
    }

    /// Which calls are passed on for it.
    pub(super) fn forward(&self) -> &Forward {
        &self.forward
    }

    /// What it may have.
    pub(super) fn shelves(&self) -> impl Iterator<Item = &Arc<Shelf>> {
        self.shelves.values()
    }

    /// What it may have, if that is a single one.
    pub(super) fn only_shelf(&self) -> Option<&Arc<Shelf>> {
        let mut all = self.shelves.values();
        all.next().filter(|_| all.next().is_none())
    }

    /// What it may have of an account: of an issuer of this kind, by the first of its names.
    pub(super) fn shelves_of(&self, kind: &'static str, account: &str) -> &[Arc<Shelf>] {
        self.accounts.get(&(kind, account.to_owned())).map_or(&[], Vec::as_slice)
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
            true => stand_in::made(self.name(), shelf.id().as_str(), &self.key),
            false => Secret::new(current.read.token.expose()),
        }
    }
}

// === impl Key ===

impl Key {
    /// Reads it as it is now. What is wrong with it is said once.
    async fn read(&self) {
        let began = clock::now();
        let read = usable(&self.source).await;
        let client = self.client.name();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let was_usable = last.as_ref().is_none_or(|last| last.key.is_some());
        match &read {
            Err(why) if was_usable => error!(
                event = "door.key_unusable",
                client,
                error = why,
                "a key of a client of the door cannot be used: whoever sends it is refused"
            ),
            Ok(_) if !was_usable => {
                info!(event = "door.key_usable", client, "a key of a client can be used again");
            }
            _ => {}
        }
        *last = Some(Reading { began, key: read.ok() });
    }

    /// What it is: `None` if it was not read for too long, none in it if it cannot be used. One that stands
    /// in the configuration does not change.
    fn now(&self, now: Instant) -> Option<Option<Secret>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let lasts = |last: &&Reading| self.is_constant() || now < last.began + AGE;
        last.as_ref().filter(lasts).map(|last| last.key.clone())
    }

    fn is_constant(&self) -> bool {
        matches!(self.source, SecretSource::Value(_))
    }
}

fn is_it(is: impl Fn(&Client, &Secret) -> Choice, client: &Client, key: Option<&Secret>) -> Choice {
    key.map_or(Choice::from(0), |key| is(client, key))
}

/// A key as it is now, if it can be one.
///
/// # Errors
/// Why it cannot, in a sentence that shows nothing of it.
pub async fn usable(key: &SecretSource) -> Result<Secret, String> {
    let read = key.read(clock::now() + AGE).await.map_err(|error| Chain(&error).to_string())?;
    if read.expose().len() < MIN_KEY {
        return Err(format!(
            "{key:?} holds a key of fewer than {MIN_KEY} characters: it can be guessed"
        ));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use futures_util::FutureExt;
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use tempfile::TempDir;
    use tokio::time::sleep;

    use super::*;
    use crate::provider::SecretFile;

    async fn clients(clients: &[(&str, &[SecretSource])]) -> Clients {
        let client = |(name, keys): &(&str, &[SecretSource])| DoorClient {
            name: (*name).to_owned(),
            keys: keys.to_vec(),
            credentials: Vec::new(),
            forward: Forward::default(),
        };
        Clients::new(clients.iter().map(client).collect(), &[]).await
    }

    fn key(text: &str) -> SecretSource {
        SecretSource::Value(Secret::new(text))
    }

    #[tokio::test]
    async fn only_a_whole_key_opens_and_each_of_several_does() {
        let clients = clients(&[
            ("web", &[key("old-key-of-web-1"), key("new-key-of-web-1")]),
            ("app", &[key("key-of-the-app-01"), key("short")]),
        ])
        .await;
        for (given, owner) in
            [("old-key-of-web-1", "web"), ("new-key-of-web-1", "web"), ("key-of-the-app-01", "app")]
        {
            assert_eq!(clients.with_key(given).await.expect("a client").name(), owner);
        }
        for bad in [
            "",
            "old-key-of-web-",
            "old-key-of-web-12",
            "OLD-key-of-web-1",
            "old-key-of-web-2",
            "short",
        ] {
            assert!(clients.with_key(bad).await.is_none(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_key_that_two_clients_have_opens_nothing() {
        let same = || key("key-of-them-both");
        let both = clients(&[("web", &[same()]), ("app", &[same()])]).await;
        assert!(both.with_key("key-of-them-both").await.is_none());
        let twice = clients(&[("web", &[same(), same()])]).await;
        assert!(twice.with_key("key-of-them-both").await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_was_taken_out_of_its_file_opens_nothing_a_second_after_it_was_read() {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("key");
        fs::write(&path, "old-key-of-web-1").expect("a file");
        let web = [SecretSource::File(SecretFile::new(&path))];
        let clients = clients(&[("web", &web)]).await;
        fs::write(&path, "new-key-of-web-1").expect("a file");
        assert!(clients.with_key("old-key-of-web-1").await.is_some());
        sleep(AGE).await;
        assert!(clients.with_key("old-key-of-web-1").await.is_none());
        let opened = tokio::select! {
            never = clients.follow() => match never {},
            opened = clients.with_key("new-key-of-web-1") => opened,
        };
        assert!(opened.is_some(), "it is waited for");
    }

    /// Nobody writes to the pipe: whoever opens it waits for ever, as on a mount that hangs.
    #[tokio::test]
    async fn a_key_whose_file_hangs_keeps_no_other_client_waiting() {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("key");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
        let hanging = [SecretSource::File(SecretFile::new(&path))];
        let clients = clients(&[("web", &[key("key-of-web-alone")]), ("app", &hanging)]).await;
        let follow = clients.follow();
        tokio::pin!(follow);
        let never = (&mut follow).now_or_never();
        let others = clients.with_key("key-of-web-alone").now_or_never();
        let own = tokio::select! {
            never = &mut follow => match never {},
            opened = clients.with_key("key-of-the-app-01") => opened,
        };
        // Whoever opened it goes on, or this would not end.
        fs::OpenOptions::new().write(true).open(&path).expect("somebody reads");
        assert!(never.is_none() && own.is_none());
        assert!(others.expect("at once").is_some());
    }
}

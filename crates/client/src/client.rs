//! The client of an application: the current token from memory, reports, and the whole dance of
//! reading, calling, reporting and calling once more.
//!
//! It keeps what it has read, and hands it out only for a while after it was last seen to stand. A task
//! follows what workers tell, and reads again in time; where that task is late, whoever asks reads.

mod credential;
mod current;
mod entry;
mod files;
mod follow;
mod source;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{task::JoinSet, time::sleep};

pub use self::{credential::Credential, current::Current};
use self::{entry::Entry, source::Source};
use crate::{
    CredentialId, InvalidId, InvalidStoreUrl, ReadError, ReportError, StoreUrl, Token,
    clock::Moment,
};

/// How long a caller waits for the successor of a token that it has reported.
const SUCCESSOR: Duration = Duration::from_secs(2);

/// The pause between two reads meanwhile.
const READ_AGAIN: Duration = Duration::from_millis(20);

/// Reads current tokens from memory while they are valid, and reports dead ones. Clones share all of it.
///
/// It belongs to the tokio runtime in which it is first asked.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

/// What the clones of a client share with the task that follows.
struct Shared {
    source: Source,
    /// By id, in order: there are few, and looking one up costs less than a hash.
    entries: ArcSwap<Vec<Arc<Entry>>>,
    adding: Mutex<()>,
    follower: Mutex<JoinSet<()>>,
}

/// There is no token to be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TokenError {
    /// What was asked for can be no credential.
    #[error("{0:?} is no id of a credential")]
    Id(String, #[source] InvalidId),
    /// None is valid: nothing is published. Try again in a second, or tell your own caller to.
    #[error("no token of {0} is valid: `evertoken status` tells why")]
    NoneValid(CredentialId),
    /// It cannot be read, and none that was read before is valid any more.
    #[error(transparent)]
    Read(#[from] ReadError),
}

// === impl Client ===

impl Client {
    /// A client of the fleet whose `[store] url` this is, of which the README has all forms:
    /// `redis://user:password@host:6379/0`, `redis+sentinel://…`, `redis+cluster://…`, or `file:DIR` for
    /// the processes of one machine. It connects when it is first asked.
    ///
    /// # Errors
    /// If the URL is none.
    pub fn open(url: &str) -> Result<Self, InvalidStoreUrl> {
        Ok(Self::new(StoreUrl::parse(url)?, crate::Keys::DEFAULT_PREFIX))
    }

    /// The same for a URL that was read, with certificates perhaps, and for a fleet whose keys may begin
    /// with another `prefix` than [`Keys::DEFAULT_PREFIX`](crate::Keys::DEFAULT_PREFIX).
    #[must_use]
    pub fn new(url: StoreUrl, prefix: &str) -> Self {
        let (entries, adding) = (ArcSwap::default(), Mutex::default());
        let (source, follower) = (Source::new(url, prefix), Mutex::default());
        Self { shared: Arc::new(Shared { source, entries, adding, follower }) }
    }

    /// The current token of a credential. It is in memory but for the first time, and after a pause of
    /// the runtime; all who wait for it then wait for one read.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn token(&self, id: &str) -> Result<Current, TokenError> {
        let entries = self.shared.entries.load();
        if let Ok(at) = find(&entries, id)
            && let Some(entry) = entries.get(at)
            && let Some(current) = entry.held()
        {
            return Ok(current);
        }
        drop(entries);
        let entry = self.shared.entry(id)?;
        self.shared.follow();
        entry.read(&self.shared.source).await
    }

    /// A credential of this client, at hand for those who ask for its token often.
    ///
    /// # Errors
    /// If it is no id.
    pub fn credential(&self, id: &str) -> Result<Credential, TokenError> {
        Ok(Credential::new(self.clone(), &*self.shared.entry(id)?))
    }

    /// Reports a token as dead. Workers refresh it if it is the current one, once for all who report it.
    /// Report only what the issuer has called dead, and only if it is still the current one; or leave
    /// both to [`Self::call`].
    ///
    /// # Errors
    /// [`ReportError`]. The report may stand nevertheless, and may be made again.
    pub async fn report(&self, id: &str, token: &Token) -> Result<(), ReportError> {
        let id = id.parse().map_err(|invalid| ReportError::Id(id.to_owned(), invalid))?;
        self.shared.source.report(&id, token).await
    }

    /// Makes a call with the current token. If the answer says that the token is dead, the call is made
    /// once more, with another one: the one that stands now, or, if it is the same, the one that a
    /// worker brings when it is reported. If none comes within two seconds, the first answer is given.
    ///
    /// # Errors
    /// [`TokenError`], if there is no token to begin with.
    pub async fn call<T, F: Future<Output = T>>(
        &self,
        id: &str,
        mut call: impl FnMut(Current) -> F,
        is_dead: impl Fn(&T) -> bool,
    ) -> Result<T, TokenError> {
        let token = self.token(id).await?;
        let answer = call(token.clone()).await;
        if !is_dead(&answer) {
            return Ok(answer);
        }
        Ok(match self.successor(id, &token).await {
            Some(successor) => call(successor).await,
            None => answer,
        })
    }

    /// Another token than this one, which is dead: the current one, or the one that comes for a report.
    async fn successor(&self, id: &str, dead: &Token) -> Option<Current> {
        let entry = self.shared.entry(id).ok()?;
        let other = async || {
            let read = entry.read_anew(&self.shared.source).await.ok();
            read.filter(|current| **current != *dead)
        };
        if let Some(current) = other().await {
            return Some(current);
        }
        self.report(id, dead).await.ok()?;
        let ends = Moment::now().plus(SUCCESSOR);
        while Moment::now() < ends {
            sleep(READ_AGAIN).await;
            if let Some(current) = other().await {
                return Some(current);
            }
        }
        None
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

// === impl Shared ===

impl Shared {
    /// Sees to it that what is held is followed. A runtime that has ended has taken its task with it.
    fn follow(self: &Arc<Self>) {
        let mut follower = self.follower.lock().unwrap_or_else(PoisonError::into_inner);
        while follower.try_join_next().is_some() {}
        if follower.is_empty() {
            follower.spawn(follow::follow(Arc::downgrade(self)));
        }
    }

    /// What is held of a credential.
    fn entry(&self, id: &str) -> Result<Arc<Entry>, TokenError> {
        let invalid = |invalid| TokenError::Id(id.to_owned(), invalid);
        let known =
            |entries: &[Arc<Entry>]| find(entries, id).ok().and_then(|at| entries.get(at).cloned());
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = self.entries.load();
        if let Some(entry) = known(&entries) {
            return Ok(entry);
        }
        let entry = Arc::new(Entry::new(id.parse().map_err(invalid)?));
        let mut entries = entries.to_vec();
        entries.insert(find(&entries, id).unwrap_or_else(|at| at), Arc::clone(&entry));
        self.entries.store(Arc::new(entries));
        Ok(entry)
    }
}

fn find(entries: &[Arc<Entry>], id: &str) -> Result<usize, usize> {
    entries.binary_search_by(|entry| entry.id().as_str().cmp(id))
}

//! Copies of tokens in keys that other SDKs read. They follow from what is published: no rule decides
//! about them.
//!
//! Beside each copy stands a mark, in the same slot: under which epoch it was written, and a fingerprint
//! of what was. So no copy goes back; one that is missing is written again; and one that somebody has
//! deleted or replaced is told from one that was never written. To an SDK, that is the way of saying that
//! the token is dead: it is reported.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, PoisonError, RwLock},
};

use evertoken_rules::{Changes, MAX_COPY, Published, TokenCopy};
use futures_util::future::{join_all, try_join_all};
use redis::{RedisError, Value};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::{
    RedisStore, commit, errors,
    keys::Keys,
    script::{Arguments, Script},
};
use crate::{Coordinate, Mended, StoreError};
use evertoken_client::{CredentialId, Epoch, Token};
use evertoken_clock::StoreTime;

/// The most copies of one token. Each has keys of its own in a script.
pub(super) const MOST_COPIES: usize = 8;

/// No mark is longer, in bytes.
const MAX_MARK: isize = 63;

/// An epoch is the time of its grant: none is so far ahead of another, ms. `copy.lua` has the same.
const A_MONTH: u64 = 31 * 86_400_000;

/// Writes one copy apart from its commit. The first key is for the time alone, where a server has none.
static COPY: LazyLock<Script> = LazyLock::new(|| {
    let before = "local now = time()\nlocal life = ms(tonumber(ARGV[1]) - now)\nlocal copied = 1\n";
    Script::new([include_str!("time.lua"), before, &commit::copy_at(2), "return 'OK'\n"].concat())
});

/// The copies of each credential that has any.
#[derive(Default)]
pub(super) struct Copies(RwLock<HashMap<CredentialId, Arc<[TokenCopy]>>>);

/// A copy that is to be written, or goes.
pub(super) struct Write {
    key: String,
    mark_key: String,
    epoch: Epoch,
    ends: StoreTime,
    /// Nothing if it goes.
    value: Option<SecretString>,
}

/// How a copy stands beside what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// As it was written for this token or a later one, or it cannot be told.
    Right,
    /// It was not written for this token.
    Missing,
    /// It was written for this token, and something else stands there now, or nothing.
    Changed,
    /// This user may not read it.
    Refused,
}

type Answers = [Result<Value, RedisError>; 2];

// === impl Copies ===

impl Copies {
    pub(super) fn set(&self, id: &CredentialId, copies: &[TokenCopy]) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match copies.get(..MOST_COPIES).unwrap_or(copies) {
            [] => all.remove(id),
            some => all.insert(id.clone(), some.into()),
        };
    }

    pub(super) fn of(&self, id: &CredentialId) -> Option<Arc<[TokenCopy]>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}

// === impl Write ===

impl Write {
    /// What follows from a commit.
    pub(super) fn all(keys: &Keys, copies: &[TokenCopy], changes: &Changes) -> Vec<Self> {
        match (&changes.token, &changes.record.published) {
            (Some(token), Some(published)) => Self::of(keys, copies, token, published),
            _ if changes.withdraw => {
                let (epoch, ends) = (changes.record.begun(), StoreTime::default());
                let goes = |copy| Self::new(keys, copy, epoch, ends, None);
                copies.iter().map(goes).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The copies of a token that is published so.
    fn of(keys: &Keys, copies: &[TokenCopy], token: &Token, published: &Published) -> Vec<Self> {
        let write = |copy: &TokenCopy| {
            let value = Some(copy.of(token, published));
            Self::new(keys, copy, published.epoch, published.expires_at, value)
        };
        copies.iter().map(write).collect()
    }

    fn new(
        keys: &Keys,
        copy: &TokenCopy,
        epoch: Epoch,
        ends: StoreTime,
        value: Option<SecretString>,
    ) -> Self {
        Self { key: copy.key.clone(), mark_key: keys.mark(&copy.key), epoch, ends, value }
    }

    /// Its keys and its two arguments.
    pub(super) fn add_to(&self, call: &mut Arguments) {
        let value = self.value.as_ref().map_or("", |value| value.expose_secret());
        let mark = format!("{} {}", self.epoch.0, fingerprint(value.as_bytes()));
        call.key(&self.key).key(&self.mark_key).arg(mark).arg(value);
    }
}

// === impl RedisStore ===

impl RedisStore {
    /// Writes each of these by itself, unless that of a later token stands there. Of each, whether this
    /// user may.
    pub(super) async fn write_apart(&self, copies: &[Write]) -> Vec<Result<bool, StoreError>> {
        let each = copies.iter().map(async |copy| {
            let mut on = self.link.connection().await?;
            let mut call = Arguments::default();
            call.key(format!("{}:clock", copy.mark_key)).arg(copy.ends.as_millis());
            copy.add_to(&mut call);
            match COPY.run::<Value>(&mut on, &call).await {
                Ok(_) => Ok(true),
                Err(error) if errors::is_refused(&error) => Ok(false),
                Err(error) => Err(self.link.failed(on.generation, error).await),
            }
        });
        join_all(each).await
    }

    /// For each of these credentials, whether a copy of the token of this epoch is not as it should be.
    /// What cannot be read is told by whoever mends it.
    pub(super) async fn copies_differ(
        &self,
        published: &[(&CredentialId, Epoch)],
    ) -> Result<Vec<bool>, StoreError> {
        let copies: Vec<_> = published.iter().map(|(id, _)| self.copies.of(id)).collect();
        let keys: Vec<&str> =
            copies.iter().flatten().flat_map(|all| all.iter()).map(|copy| &*copy.key).collect();
        let mut answers = self.read_copies(&keys).await?.into_iter();
        let differs = |(copies, (_, epoch)): (&Option<Arc<[TokenCopy]>>, &(_, Epoch))| {
            let count = copies.as_ref().map_or(0, |copies| copies.len());
            // Each answer is taken, whatever the first ones tell.
            let standings = answers.by_ref().take(count).map(|answer| standing(&answer, *epoch));
            standings.fold(false, |differs, standing| differs | (standing != Standing::Right))
        };
        Ok(copies.iter().zip(published).map(differs).collect())
    }

    /// Writes what is missing, and reports the token if a copy was deleted or replaced. The keys are those
    /// of the account of this fingerprint: the token of another one has nothing to do there.
    pub(super) async fn mend(
        &self,
        id: &CredentialId,
        account: &str,
    ) -> Result<Mended, StoreError> {
        let mut mended = Mended::default();
        let Some(copies) = self.copies.of(id) else { return Ok(mended) };
        let seen = self.load_snapshot(id, false).await?;
        if seen.record.is_of_another_account(account) {
            return Ok(mended);
        }
        let token = seen.token.as_ref().and_then(|token| Token::new(token.expose()).ok());
        let (Some(token), Some(published)) = (token, &seen.record.published) else {
            return Ok(mended);
        };
        let keys: Vec<&str> = copies.iter().map(|copy| &*copy.key).collect();
        let answers = self.read_copies(&keys).await?;
        let mut missing = Vec::new();
        for (write, answer) in
            Write::of(&self.keys, &copies, &token, published).into_iter().zip(&answers)
        {
            match standing(answer, published.epoch) {
                Standing::Right => {}
                Standing::Missing => missing.push(write),
                Standing::Changed => mended.changed.push(write.key),
                Standing::Refused => mended.refused.push(write.key),
            }
        }
        for (write, written) in missing.iter().zip(self.write_apart(&missing).await) {
            let place = if written? { &mut mended.written } else { &mut mended.refused };
            place.push(write.key.clone());
        }
        if !mended.changed.is_empty() && !seen.is_rejected() {
            self.report(id, &token).await?;
            mended.reported = true;
        }
        Ok(mended)
    }

    /// Those of the keys of copies, and of their marks, that this user may not use as a worker does. Nothing
    /// is written.
    ///
    /// # Errors
    /// [`StoreError`], if something else is wrong than that it is refused.
    pub async fn refused_copies(
        &self,
        copies: impl Iterator<Item = &str> + Send,
    ) -> Result<Vec<String>, StoreError> {
        // The keys of a script are judged before it is run.
        let nothing = Script::new("return 'OK'");
        let mut refused = Vec::new();
        let keys = copies.flat_map(|copy| [copy.to_owned(), self.keys.mark(copy)]);
        for key in keys.collect::<Vec<_>>() {
            let mut on = self.link.connection().await?;
            let mut call = Arguments::default();
            call.key(&key);
            match nothing.run::<Value>(&mut on, &call).await {
                Ok(_) => {}
                Err(error) if errors::is_refused(&error) => refused.push(key),
                Err(error) => return Err(self.link.failed(on.generation, error).await),
            }
        }
        Ok(refused)
    }

    /// What stands in each of these keys, and then in its mark: whoever reads the mark of one epoch has
    /// not read what was written under a later one.
    async fn read_copies(&self, keys: &[&str]) -> Result<Vec<Answers>, StoreError> {
        // A pipeline stays in one slot of a cluster.
        let at_once = if self.link.is_cluster() { 1 } else { usize::MAX };
        let parts = keys.chunks(at_once.min(keys.len().max(1))).map(async |keys| {
            let mut pipeline = redis::pipe();
            pipeline.ignore_errors();
            for key in keys {
                pipeline.getrange(*key, 0, MAX_COPY as isize).getrange(
                    self.keys.mark(key),
                    0,
                    MAX_MARK,
                );
            }
            let answers: Vec<Result<Value, RedisError>> = self.query(&pipeline).await?;
            let (pairs, _) = answers.as_chunks::<2>();
            Ok::<_, StoreError>(pairs.to_vec())
        });
        Ok(try_join_all(parts).await?.concat())
    }
}

/// How a copy stands, by what was read of it and its mark, while the token of `epoch` is published.
fn standing([copy, mark]: &Answers, epoch: Epoch) -> Standing {
    if [copy, mark].iter().any(|answer| answer.as_ref().is_err_and(errors::is_refused)) {
        return Standing::Refused;
    }
    // Of what could not be read nothing is known, as while a slot moves. A key of another type is read.
    let is_unread = |answer: &Result<Value, RedisError>| {
        answer.as_ref().is_err_and(|error| error.code() != Some("WRONGTYPE"))
    };
    if is_unread(copy) || is_unread(mark) {
        return Standing::Right;
    }
    let Some((of, known)) = bytes(mark).and_then(written) else { return Standing::Missing };
    // That of a withdrawal: nothing was written for this token yet.
    if of == epoch && known == fingerprint(b"") {
        return Standing::Missing;
    }
    if of != epoch {
        let is_later = (epoch.0..epoch.0.saturating_add(A_MONTH)).contains(&of.0);
        return if is_later { Standing::Right } else { Standing::Missing };
    }
    let is_right = bytes(copy).is_some_and(|copy| fingerprint(copy) == known);
    if is_right { Standing::Right } else { Standing::Changed }
}

/// What a mark says: under which epoch the copy was written, and what was.
fn written(mark: &[u8]) -> Option<(Epoch, &str)> {
    let (epoch, known) = std::str::from_utf8(mark).ok()?.split_once(' ')?;
    Some((Epoch(epoch.parse().ok()?), known))
}

fn bytes(answer: &Result<Value, RedisError>) -> Option<&[u8]> {
    match answer {
        Ok(Value::BulkString(bytes)) => Some(bytes),
        _ => None,
    }
}

/// A short hash of what was written: it tells whether that is what stands there, and no more.
fn fingerprint(value: &[u8]) -> String {
    Sha256::digest(value).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(copy: &str, mark: &str) -> Answers {
        [copy, mark].map(|text| Ok(Value::BulkString(text.as_bytes().to_vec())))
    }

    #[test]
    fn a_copy_is_changed_only_if_it_was_written_for_the_token_that_stands() {
        let mark = |epoch: u64| format!("{epoch} {}", fingerprint(b"T"));
        let at = |copy, mark: &str| standing(&answers(copy, mark), Epoch(7));
        assert_eq!(at("T", &mark(7)), Standing::Right);
        assert_eq!(at("", &mark(7)), Standing::Changed, "deleted");
        assert_eq!(at("U", &mark(7)), Standing::Changed, "replaced");
        assert_eq!(at("U", &mark(6)), Standing::Missing);
        assert_eq!(at("U", &mark(8)), Standing::Right, "that of a later token");
        let withdrawn = format!("7 {}", fingerprint(b""));
        assert_eq!(at("", &withdrawn), Standing::Missing, "the attempt that withdrew brings it");
        assert_eq!(at("U", "9999999999999 x"), Standing::Missing, "nobody has begun that");
        assert_eq!(at("U", ""), Standing::Missing);
        assert_eq!(at("U", "seven x"), Standing::Missing);
    }

    #[test]
    fn what_cannot_be_read_was_not_deleted() {
        let [copy, mark] = answers("T", &format!("7 {}", fingerprint(b"T")));
        let moving = || Err((redis::ErrorKind::Io, "it moves").into());
        assert_eq!(standing(&[moving(), mark], Epoch(7)), Standing::Right);
        assert_eq!(standing(&[copy, moving()], Epoch(7)), Standing::Right);
    }

    #[test]
    fn the_keys_of_each_copy_stand_in_the_script_as_literals() {
        let text = commit::commit_of(2);
        for key in ["KEYS[7]", "KEYS[8]", "KEYS[9]", "KEYS[10]"] {
            assert!(text.contains(key), "{key}");
        }
        assert!(!text.contains("KEYS[11]") && !text.contains("COPY") && !text.contains("MARK"));
        assert!(!commit::commit_of(0).contains("KEYS[7]"));
    }
}

//! What was decided, to Redis: the arguments of `commit.lua`, and its answer.

use std::{sync::LazyLock, time::Duration};

use redis::RedisResult;
use tokio::time::timeout;

use super::{
    RedisStore, answers,
    copies::{MOST_COPIES, Write},
    errors,
    keys::Keys,
    link::Connected,
    script::{Arguments, Script},
};
use crate::{
    Committed, StoreError, StoreErrorCode, Timed,
    protocol::{COMMIT_WITHIN, changed_fields},
};
use evertoken_client::{CredentialId, Token, messages::Changed};
use evertoken_clock::millis;
use evertoken_rules::{Changes, Foreign, Grant, LockChange, Message, Snapshot};

/// How many fields `commit.lua` sets with one command.
const SET_AT_ONCE: usize = 4;

/// How long a commit waits for copies that are written apart. What is not written by then is mended.
const COPIES_WITHIN: Duration = Duration::from_secs(1);

/// The one script by which anything changes, by the number of copies that it writes: each of their
/// keys stands in it as a literal.
static COMMITS: LazyLock<Vec<Script>> =
    LazyLock::new(|| (0..=MOST_COPIES).map(|copies| Script::new(commit_of(copies))).collect());

/// The text of a commit that writes so many copies.
pub(super) fn commit_of(copies: usize) -> String {
    const COMMIT: &str = concat!(include_str!("time.lua"), include_str!("commit.lua"));
    COMMIT.replace("-- COPIES\n", &(0..copies).map(|at| copy_at(7 + 2 * at)).collect::<String>())
}

/// The text that writes one copy, whose key has this number, and its mark the next.
pub(super) fn copy_at(number: usize) -> String {
    let text = include_str!("copy.lua").lines().filter(|line| !line.starts_with("--"));
    let text = text.collect::<Vec<_>>().join("\n") + "\n";
    text.replace("COPY", &number.to_string()).replace("MARK", &(number + 1).to_string())
}

// === impl RedisStore ===

impl RedisStore {
    pub(super) async fn commit_changes(
        &self,
        id: &CredentialId,
        seen: &Snapshot,
        changes: &Changes,
    ) -> Result<Timed<Committed>, StoreError> {
        let mut on = self.link.connection().await?;
        // What another server has lost is to be found out first: a call may be in flight of which it
        // has not heard.
        if matches!(changes.lock, LockChange::Take { .. }) && self.seen.is_another(&on.server) {
            let message = "another Redis answers than before: its data is compared first";
            return Err(StoreError::new(StoreErrorCode::AnotherServer, message));
        }
        let copies = self
            .copies
            .of(id)
            .map_or_else(Vec::new, |copies| Write::all(&self.keys, &copies, changes));
        // In a cluster they are in other slots.
        let mut are_within = !copies.is_empty() && !self.link.is_cluster();
        let within: &[Write] = if are_within { &copies } else { &[] };
        let mut answer = self.run_commit(&mut on, id, seen, changes, within).await;
        // For want of a right to one of their keys, or for they are not of one server behind a proxy.
        if are_within && answer.as_ref().is_err_and(errors::is_refused) {
            are_within = false;
            answer = self.run_commit(&mut on, id, seen, changes, &[]).await;
        }
        let (answer, now, revision): (String, u64, u64) = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let failed = self.link.failed(on.generation, error).await;
                return match failed.code() {
                    // The script cannot tell which key it is; a load can.
                    StoreErrorCode::WrongType => {
                        Err(self.load_snapshot(id, false).await.err().unwrap_or(failed))
                    }
                    _ => Err(failed),
                };
            }
        };
        let committed = match &*answer {
            "committed" => {
                if !are_within && !copies.is_empty() {
                    let _ = timeout(COPIES_WITHIN, self.write_apart(&copies)).await;
                }
                self.tell(id, changes.message).await;
                Committed::Done(revision)
            }
            "conflict" => Committed::Conflict,
            _ => return Err(answers::unexpected("commit")),
        };
        Ok((evertoken_clock::StoreTime::from_millis(now), committed))
    }

    /// Runs the script, which also writes these copies.
    async fn run_commit(
        &self,
        on: &mut Connected,
        id: &CredentialId,
        seen: &Snapshot,
        changes: &Changes,
        copies: &[Write],
    ) -> RedisResult<(String, u64, u64)> {
        let mut call = Arguments::default();
        call.key(self.keys.record(id))
            .key(self.keys.lock(id))
            .key(self.keys.token(id))
            .key(self.keys.rejected(id))
            .arg(seen.record.revision)
            .arg(seen.now.as_millis())
            .arg(millis(COMMIT_WITHIN));
        add_lock(&mut call, &changes.lock);
        call.arg(changes.token.as_ref().map_or("", |token| token.expose()))
            .arg(changes.record.expires_at().unwrap_or_default().as_millis())
            .arg(match (changes.clear_report, changes.withdraw) {
                (_, true) => "withdraw",
                (true, false) => "clear",
                (false, false) => "",
            });
        add_grant(&mut call, changes.grant.as_ref());
        call.arg(changes.token.as_ref().and_then(Token::fields).unwrap_or_default());
        add_keys(&mut call, &self.keys, id, changes, copies);
        add_copies(&mut call, copies);
        add_fields(&mut call, seen, changes);
        #[expect(clippy::indexing_slicing, reason = "no more of them are kept for a credential")]
        COMMITS[copies.len()].run(on, &call).await
    }

    /// Sends the message of a commit. Whatever becomes of it, what is committed stands.
    async fn tell(&self, id: &CredentialId, message: Option<Message>) {
        if let Some((channel, message)) = message.map(|message| spelled(&self.keys, id, message)) {
            let _ = self.publish(channel, &message).await;
        }
    }
}

fn add_lock(call: &mut Arguments, lock: &LockChange) {
    match lock {
        LockChange::Keep => call.arg("keep").arg("").arg(""),
        LockChange::Take { by, length, .. } => call.arg("take").arg(by).arg(millis(*length)),
        LockChange::Shorten(length) => call.arg("shorten").arg("").arg(millis(*length)),
        LockChange::Free { by, .. } => call.arg("free").arg(by).arg(""),
    };
}

/// A message as it is sent, and where.
fn spelled(keys: &Keys, id: &CredentialId, message: Message) -> (String, String) {
    match message {
        Message::Look => (keys.rejected_channel(), id.as_str().to_owned()),
        Message::Changed { epoch, expires_at, due_at } => {
            let message = Changed { id: id.clone(), epoch, expires_at, due_at };
            #[expect(clippy::expect_used, reason = "numbers and an id always have a text")]
            let message = serde_json::to_string(&message).expect("plain fields have a text");
            (keys.changed_channel(), message)
        }
    }
}

/// These keys are named only where they are used: few users of a Redis need a right to them.
fn add_keys(
    call: &mut Arguments,
    keys: &Keys,
    id: &CredentialId,
    changes: &Changes,
    copies: &[Write],
) {
    let has_fields = changes.token.as_ref().is_some_and(|token| token.fields().is_some());
    let names_fields = has_fields || changes.withdraw || !copies.is_empty();
    if changes.grant.is_some() || names_fields {
        call.key(keys.grant(id));
    }
    if names_fields {
        call.key(keys.fields(id));
    }
}

fn add_copies(call: &mut Arguments, copies: &[Write]) {
    call.arg(2 * copies.len());
    for copy in copies {
        copy.add_to(call);
    }
}

fn add_grant(call: &mut Arguments, grant: Option<&Grant>) {
    match grant {
        None => call.arg("").arg("").arg(""),
        Some(Grant { current, previous, generation }) => call
            .arg(current.expose())
            .arg(previous.as_ref().map_or("", Foreign::expose))
            .arg(generation),
    };
}

/// The fields to set, and the names of those to delete.
fn add_fields(call: &mut Arguments, seen: &Snapshot, changes: &Changes) {
    let (mut set, mut delete) = (Vec::new(), Vec::new());
    for (name, value) in changed_fields(seen, changes) {
        match value {
            Some(value) => set.push([name.to_owned(), value]),
            None => delete.push(name),
        }
    }
    // The script sets so many at a time. To set one twice does no harm.
    while let Some(last) = set.last()
        && !set.len().is_multiple_of(SET_AT_ONCE)
    {
        set.push(last.clone());
    }
    call.arg(2 * set.len()).arg(set.concat()).arg(delete);
}

//! What was decided, to Redis: the arguments of `commit.lua`, and its answer.

use evertoken_rules::{Changes, Foreign, Grant, LockChange, Message, Snapshot};
use redis::ScriptInvocation;

use super::{RedisStore, answers, keys::Keys};
use crate::{
    Committed, StoreError, StoreErrorCode, Timed,
    protocol::{COMMIT_WITHIN, changed_fields},
};
use evertoken_client::{CredentialId, messages::Changed};
use evertoken_clock::millis;

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
        let mut call = self.commit.prepare_invoke();
        call.key(self.keys.lock(id))
            .key(self.keys.record(id))
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
        add_message(&mut call, &self.keys, id, changes.message);
        add_grant(&mut call, &self.keys, id, changes.grant.as_ref());
        add_fields(&mut call, seen, changes);
        match call.invoke_async::<(String, u64, u64)>(&mut on.connection).await {
            Ok((answer, now, revision)) => {
                let committed = match &*answer {
                    "committed" => Committed::Done(revision),
                    "conflict" => Committed::Conflict,
                    _ => return Err(answers::unexpected("commit")),
                };
                Ok((evertoken_clock::StoreTime::from_millis(now), committed))
            }
            Err(error) => Err(self.link.failed(on.generation, error).await),
        }
    }
}

fn add_lock(call: &mut ScriptInvocation<'_>, lock: &LockChange) {
    match lock {
        LockChange::Keep => call.arg("keep").arg("").arg(""),
        LockChange::Take { by, length, .. } => call.arg("take").arg(by).arg(millis(*length)),
        LockChange::Shorten(length) => call.arg("shorten").arg("").arg(millis(*length)),
        LockChange::Free { by, .. } => call.arg("free").arg(by).arg(""),
    };
}

fn add_message(
    call: &mut ScriptInvocation<'_>,
    keys: &Keys,
    id: &CredentialId,
    message: Option<Message>,
) {
    match message {
        None => call.arg("").arg(""),
        Some(Message::Look) => call.arg(keys.rejected_channel()).arg(id.as_str()),
        Some(Message::Changed { epoch, expires_at, due_at }) => {
            let message = Changed { id: id.clone(), epoch, expires_at, due_at };
            #[expect(clippy::expect_used, reason = "numbers and an id always have a text")]
            let message = serde_json::to_string(&message).expect("plain fields have a text");
            call.arg(keys.changed_channel()).arg(message)
        }
    };
}

/// The key is named only where there is a grant: few users of a Redis need a right to it.
fn add_grant(
    call: &mut ScriptInvocation<'_>,
    keys: &Keys,
    id: &CredentialId,
    grant: Option<&Grant>,
) {
    match grant {
        None => call.arg("").arg("").arg(""),
        Some(Grant { current, previous, generation }) => call
            .key(keys.grant(id))
            .arg(current.expose())
            .arg(previous.as_ref().map_or("", Foreign::expose))
            .arg(generation),
    };
}

/// The fields to set, and the names of those to delete.
fn add_fields(call: &mut ScriptInvocation<'_>, seen: &Snapshot, changes: &Changes) {
    let (mut set, mut delete) = (Vec::new(), Vec::new());
    for (name, value) in changed_fields(seen, changes) {
        match value {
            Some(value) => set.extend([name.to_owned(), value]),
            None => delete.push(name),
        }
    }
    call.arg(set.len()).arg(set).arg(delete);
}

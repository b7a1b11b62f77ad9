//! A notice in words. Pure.

use std::time::Duration;

use serde::Serialize;

use crate::{clock::StoreTime, finding, status::CredentialStatus, store::Notice};

/// The longest sentence of an error, in characters: a robot of `WeCom` takes 2048 bytes in all.
const LONGEST: usize = 300;

/// What a person is told, as a command and `shape = "json"` get it. A contract: moments are Unix
/// milliseconds by the store's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// The stable name of what is wrong.
    pub finding: String,
    /// The user's name for what it is about.
    pub credential: String,
    /// Whether it has begun or is over.
    pub state: State,
    /// Since when it is so, or was.
    pub since: Option<u64>,
    /// How long it lasted, if it is over.
    pub lasted_s: Option<u64>,
    /// When the published token ends, if one is published.
    pub token_ends_at: Option<u64>,
    /// The machine that tells.
    pub host: String,
    /// All of it in sentences.
    pub text: String,
}

/// Whether a finding has begun or is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It has begun.
    Begun,
    /// It is over.
    Over,
}

// === impl Message ===

impl Message {
    /// What to tell at `now` of a credential that is so.
    #[must_use]
    pub fn new(notice: &Notice, status: &CredentialStatus, host: &str, now: StoreTime) -> Self {
        let since = Some(notice.since).filter(|since| *since != StoreTime::default());
        let lasted = since.filter(|_| notice.is_over).map(|since| now.since(since).as_secs());
        let token_ends_at = status.expires_at;
        let token = match token_ends_at.map(StoreTime::from_millis) {
            Some(end) => format!("The present token lasts until {end}."),
            None => "No valid token is published.".to_owned(),
        };
        let (id, name) = (&status.id, &notice.name);
        let text = if notice.is_over {
            let lasted = lasted.map(Duration::from_secs).map(humantime::format_duration);
            let lasted = lasted.map(|lasted| format!(" after {lasted}")).unwrap_or_default();
            format!("evertoken: {id} is well again: {name} is over{lasted}. {token} ({host})")
        } else {
            let since = since.map(|since| format!(" Since {since}.")).unwrap_or_default();
            let sentence = sentence(name, status);
            format!(
                "evertoken: {id} needs a person: {name}. {sentence}{since} {token} What to do: \
                 evertoken explain {name} ({host})"
            )
        };
        Self {
            finding: name.clone(),
            credential: id.clone(),
            state: if notice.is_over { State::Over } else { State::Begun },
            since: since.map(StoreTime::as_millis),
            lasted_s: lasted,
            token_ends_at,
            host: host.to_owned(),
            text,
        }
    }

    /// Tells that notices were left out, and that this is the last one of an hour, the so-manieth.
    pub(super) fn add(&mut self, left_out: u64, last: Option<usize>) {
        if 0 < left_out {
            self.text += &format!(" {left_out} notices before it were left out: evertoken status.");
        }
        if let Some(most) = last {
            self.text += &format!(
                " This worker tells {most} notices an hour, and this was the last: evertoken status \
                 shows all."
            );
        }
    }
}

/// What is wrong: as `status` says it, or as the documents explain it.
fn sentence(name: &str, status: &CredentialStatus) -> String {
    let known = status.error.as_deref().filter(|_| status.finding.as_deref() == Some(name));
    let explained = || finding::explain(name)?.split("\n\n").nth(1);
    let text = known.or_else(explained).unwrap_or("The refresh fails").replace('\n', " ");
    let mut shown: String = text.chars().take(LONGEST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    } else if !shown.ends_with('.') {
        shown.push('.');
    }
    shown
}

// === impl State ===

impl State {
    /// In one word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Over => "over",
        }
    }
}

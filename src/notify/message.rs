//! A notice in words. Pure.

use std::time::Duration;

use serde::Serialize;

use crate::{board::Trouble, clock::StoreTime, finding, status::CredentialStatus, store::Notice};

/// The longest sentence of an error, in characters: a robot of `WeCom` takes 2048 bytes in all.
const LONGEST: usize = 300;

/// What a person is told, as a command and `shape = "json"` get it. A contract: moments are Unix
/// milliseconds by the store's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// The stable name of what is wrong.
    pub finding: String,
    /// The user's name for the credential that it is about; `None` if it is about the fleet.
    pub credential: Option<String>,
    /// Whether it has begun or is over.
    pub state: State,
    /// Since when it is so, or was.
    pub since: Option<u64>,
    /// How long it lasted, if it is over.
    pub lasted_s: Option<u64>,
    /// When the published token ends, if one is published; the first of them that ends, if it is about
    /// the fleet.
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
    pub fn of_credential(
        notice: &Notice,
        status: &CredentialStatus,
        host: &str,
        now: StoreTime,
    ) -> Self {
        let since = Some(notice.since).filter(|since| *since != StoreTime::default());
        let lasted = since.filter(|_| notice.is_over).map(|since| now.since(since).as_secs());
        let token_ends_at = status.expires_at;
        let token = match token_ends_at.map(StoreTime::from_millis) {
            Some(end) => format!("The present token lasts until {end}."),
            None => "No valid token is published.".to_owned(),
        };
        let (id, name) = (&status.id, &notice.name);
        let text = if notice.is_over {
            let lasted = after(lasted);
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
            credential: Some(id.clone()),
            state: if notice.is_over { State::Over } else { State::Begun },
            since: since.map(StoreTime::as_millis),
            lasted_s: lasted,
            token_ends_at,
            host: host.to_owned(),
            text,
        }
    }

    /// What to tell of the fleet: a trouble that has begun, or is over after so many seconds. `first` is
    /// the token that ends first.
    #[must_use]
    pub fn of_fleet(
        trouble: &Trouble,
        lasted_s: Option<u64>,
        first: Option<&(String, u64)>,
        host: &str,
    ) -> Self {
        let Trouble { finding: name, since, text } = trouble;
        let token = first.map(|(id, end)| {
            let end = StoreTime::from_millis(*end);
            format!(" The first token to end is that of {id}, at {end}.")
        });
        let token = token.unwrap_or_default();
        let text = if lasted_s.is_some() {
            format!("evertoken: {name} is over{}.{token} ({host})", after(lasted_s))
        } else {
            let since = since.map(StoreTime::from_millis);
            let since = since.map(|since| format!(" Since {since}.")).unwrap_or_default();
            let sentence = closed(text);
            format!(
                "evertoken: the fleet needs a person: {name}. {sentence}{since}{token} What to do: \
                 evertoken explain {name} ({host})"
            )
        };
        Self {
            finding: name.clone(),
            credential: None,
            state: if lasted_s.is_some() { State::Over } else { State::Begun },
            since: *since,
            lasted_s,
            token_ends_at: first.map(|(_, end)| *end),
            host: host.to_owned(),
            text,
        }
    }

    /// Tells that notices were left out, and that this is the last one of an hour, of so many.
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

fn after(lasted_s: Option<u64>) -> String {
    let lasted = lasted_s.map(Duration::from_secs).map(humantime::format_duration);
    lasted.map(|lasted| format!(" after {lasted}")).unwrap_or_default()
}

/// What is wrong: as `status` says it, or as the documents explain it.
fn sentence(name: &str, status: &CredentialStatus) -> String {
    let known = status.error.as_deref().filter(|_| status.finding.as_deref() == Some(name));
    let explained = || finding::explain(name)?.split("\n\n").nth(1);
    closed(&known.or_else(explained).unwrap_or("The refresh fails").replace('\n', " "))
}

/// With an end, and not too long.
fn closed(text: &str) -> String {
    let mut shown: String = text.chars().take(LONGEST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    } else if !shown.ends_with(['.', '?']) {
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

//! A scenario file: a start, and steps that do something, let time pass, and expect something.
//!
//! The files are for people who know no Rust. A word that is not known here is an error, so that
//! no expectation is written down and never looked at.

use std::{fmt, time::Duration};

use serde::Deserialize;

/// One file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Story {
    /// What is told, in a sentence.
    pub(crate) story: String,
    pub(crate) start: Start,
    /// How it is told on a real Redis, if it can be.
    pub(crate) redis: Option<OnRedis>,
    #[serde(rename = "step")]
    pub(crate) steps: Vec<Step>,
}

/// How things are before the first step. No token has been issued, no worker runs yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Start {
    /// How many workers are started at one moment.
    pub(crate) workers: usize,
    pub(crate) endpoint: Endpoint,
    /// How long a new token lives.
    pub(crate) lifetime: Span,
    /// How long a token lives on at `token` after its successor was issued.
    #[serde(default = "five_minutes")]
    pub(crate) overlap: Span,
    /// How long before its end `stable_token` gives a new token.
    #[serde(default = "five_minutes")]
    pub(crate) window: Span,
    /// How often the published token is probed.
    pub(crate) verify_every: Option<Span>,
}

/// How a story is told against a real Redis, worker processes and the simulator.
#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OnRedis {
    /// How many seconds of the story pass in a real second.
    pub(crate) scale: u32,
    /// How many of its steps are told: the first ones.
    pub(crate) steps: usize,
}

/// Which rules the issuer keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Endpoint {
    /// A new token each call.
    Token,
    /// The same token until a window before its end.
    StableToken,
}

/// How the issuer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mood {
    /// It answers.
    Up,
    /// No connection can be made: nothing reaches it.
    Unreachable,
    /// It does what is asked, and its answer never arrives.
    Silent,
    /// It answers that it is busy (errcode -1).
    Busy,
    /// It answers that the address is not in the account's list (errcode 40164).
    RefusesAddress,
}

/// A step: what happens, then how long it lasts, then what is expected at its end.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// What the step shows, in a sentence.
    pub(crate) says: String,
    /// The issuer becomes like this.
    pub(crate) issuer: Option<Mood>,
    /// Tokens issued from now on live this long.
    pub(crate) lifetime: Option<Span>,
    /// The issuer accepts this secret alone.
    pub(crate) secret_at_issuer: Option<String>,
    /// Another system fetches two tokens of the account: at `token`, the published one is dead.
    #[serde(default)]
    pub(crate) refreshed_elsewhere: bool,
    /// The workers' file holds this secret.
    pub(crate) secret_of_workers: Option<String>,
    /// These workers stop in order, and start anew. They are counted from 1.
    #[serde(default)]
    pub(crate) restart: Vec<usize>,
    /// These workers are killed, and stay dead.
    #[serde(default)]
    pub(crate) kill: Vec<usize>,
    /// The worker that was last allowed to call the issuer is killed.
    #[serde(default)]
    pub(crate) kill_holder: bool,
    /// These workers start.
    #[serde(default)]
    pub(crate) start: Vec<usize>,
    /// Time passes until then.
    pub(crate) until: Option<Until>,
    /// After that, this much time passes.
    pub(crate) advance: Option<Span>,
    #[serde(default)]
    pub(crate) expect: Expect,
}

/// A moment that is not known when the file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Until {
    /// The next refresh is due, as the record said when the step began.
    Due,
}

/// What is expected at the end of a step. What is not named is not looked at, except that no
/// application reads a dead token, that none is ever without a token once there was one, and that no
/// two calls overlap, a probe with a call neither.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    /// Calls that reached the issuer since the start.
    pub(crate) calls: Option<Count>,
    /// Calls that reached the issuer in this step.
    pub(crate) new_calls: Option<Count>,
    /// Calls that were tried in this step, those that could not be sent included.
    pub(crate) new_tries: Option<Count>,
    /// Probes of the published token that reached the issuer in this step.
    pub(crate) new_probes: Option<Count>,
    /// Applications may read a dead token in this step: somebody else has killed it.
    #[serde(default)]
    pub(crate) dead_reads: bool,
    /// The time between a call of this step and the one before it, for every call of this step.
    pub(crate) gaps: Option<[Span; 2]>,
    /// The longest of these less the shortest.
    pub(crate) gaps_differ_by: Option<[Span; 2]>,
    pub(crate) token: Option<Token>,
    pub(crate) state: Option<State>,
    /// Failed tries in a row.
    pub(crate) failures: Option<Count>,
    /// The next refresh is due this much later.
    pub(crate) due_in: Option<[Span; 2]>,
    /// Whether the due moment is the one that stood when the step began.
    pub(crate) due: Option<Due>,
    /// How long after the due moment that stood when the step began its first call came.
    pub(crate) late_by: Option<[Span; 2]>,
    /// The published token ends this much later.
    pub(crate) expires_in: Option<[Span; 2]>,
    /// How much of the step applications were without a token. Not at all, if it is not named.
    pub(crate) without_token: Option<[Span; 2]>,
    /// What the last error says, in part; an empty text if there is none.
    pub(crate) error: Option<String>,
}

/// What applications read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Token {
    /// A token that the issuer accepts.
    Valid,
    /// Nothing.
    None,
    /// The token that they read when the step began.
    Same,
    /// Another one, that the issuer accepts.
    New,
}

/// The state of a credential, as `evertoken status` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Fresh,
    Suspect,
    Failing,
    Missing,
}

/// Whether the due moment has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Due {
    Same,
    New,
}

/// So many, or from so many to so many.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Count {
    Exactly(u64),
    Between([u64; 2]),
}

/// A time, as `1h 30m`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Span(pub(crate) Duration);

// === impl Story ===

impl Story {
    /// Reads a file's text.
    pub(crate) fn read(text: &str) -> Self {
        toml::from_str(text).unwrap_or_else(|error| panic!("this is no story:\n{error}"))
    }
}

// === impl Count ===

impl Count {
    pub(crate) fn holds(self, count: u64) -> bool {
        match self {
            Self::Exactly(expected) => count == expected,
            Self::Between([least, most]) => (least..=most).contains(&count),
        }
    }
}

// === impl Span ===

impl TryFrom<String> for Span {
    type Error = humantime::DurationError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        humantime::parse_duration(&text).map(Self)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", humantime::format_duration(self.0))
    }
}

fn five_minutes() -> Span {
    Span(Duration::from_secs(300))
}

//! What there is to say of a platform: how it is configured, asked and understood. Data; what is done
//! with it is in `client` and `answer`.

use std::time::Duration;

use evertoken_rules::policy::Issuance;

use reqwest::Method;

use crate::{Carrier, Remedy, Trouble};

/// China's day is that of all platforms whose documents speak of a day.
pub(super) const CHINAS_DAY: Duration = Duration::from_secs(8 * 3600);

/// One kind of issuer.
#[derive(Debug)]
pub(crate) struct Platform {
    /// As the configuration spells it.
    pub(super) kind: &'static str,
    /// As people call it, in messages.
    pub(super) name: &'static str,
    pub(super) owner: Owner,
    /// The setting that chooses one of the endpoints, and what it is: the first is the default. None if
    /// there is only one.
    pub(super) choice: Option<(&'static str, &'static str)>,
    pub(super) endpoints: &'static [Endpoint],
    /// The setting that chooses one of the places where the platform stands. None if there is one.
    pub(super) region: Option<(&'static str, &'static str)>,
}

/// Whose token it is.
#[derive(Debug)]
pub(super) enum Owner {
    /// An account's, which is named by these settings, and proves itself by this one: each with what it
    /// is, in words.
    Account { names: &'static [(&'static str, &'static str)], secret: (&'static str, &'static str) },
    /// That of another credential: of one of these kinds, and of one of these endpoints there, if any
    /// are named.
    Parent { kinds: &'static [&'static str], endpoints: &'static [&'static str] },
}

/// One way to get tokens.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// The word of the setting that chooses it.
    pub(super) word: &'static str,
    /// Where it stands, by the word of the region.
    pub(super) hosts: &'static [(&'static str, &'static str)],
    pub(super) call: Call,
    /// Where the token and its life stand in an answer, as `data.access_token`. A life is a number of
    /// seconds, or a text with one.
    pub(super) token: &'static str,
    pub(super) lifetime: &'static str,
    pub(super) issuance: Issuance,
    /// It repeats a token, and tells its whole life again.
    pub(super) tells_whole_life: bool,
    pub(super) longest_life: Duration,
    pub(super) daily_quota: u64,
    pub(super) answers: &'static Answers,
    pub(super) probe: Option<Probe>,
    pub(super) danger: Option<&'static str>,
    /// How the platform's API is called with its tokens, where that is known.
    pub(super) calls: Option<Calls>,
}

/// How an API is called with a token.
#[derive(Debug)]
pub(super) struct Calls {
    pub(super) carrier: Carrier,
    /// How its errors are told, and which of them mean that the token is dead.
    pub(super) answers: &'static Answers,
}

/// A cheap call that tries a token and changes nothing.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) call: Call,
    /// What stands in an answer if the token works.
    pub(super) alive: &'static str,
    pub(super) answers: &'static Answers,
}

/// One request.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) verb: Verb,
    pub(super) path: &'static str,
    pub(super) place: Place,
    pub(super) fields: &'static [(&'static str, Part)],
    /// A header with what stands before its value.
    pub(super) header: Option<(&'static str, &'static str, Part)>,
}

/// The method of a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verb {
    Get,
    Post,
}

/// Where the fields of a request stand.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Query,
    Json,
    Form,
}

/// What stands in a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Text(&'static str),
    /// The account's first name.
    Account,
    Secret,
    /// The parent's token, or the one that is tried.
    Token,
    /// Whether the token before is to be made void.
    Revoke,
}

/// How errors are told.
#[derive(Debug)]
pub(super) struct Answers {
    /// Where a code stands, the most telling place first.
    pub(super) codes: &'static [&'static str],
    /// What stands there if all is well, as it is written. Where nothing stands, all is well, too.
    pub(super) good: &'static str,
    /// Errors have other HTTP statuses than 200.
    pub(super) with_status: bool,
    /// Where a text for people stands.
    pub(super) text: &'static str,
    pub(super) errors: &'static [Known],
    /// The codes that mean that the token is dead which the call was made with.
    pub(super) dead: &'static [&'static str],
}

/// Errors of one meaning: their codes as they are written, of which one with a star at its end is the
/// beginning of many; what is wrong; what to do; and what to tell an operator, who finds the account in
/// place of `{account}`, and the worker's address in place of `{address}`.
#[derive(Debug)]
pub(super) struct Known(
    pub(super) &'static [&'static str],
    pub(super) Trouble,
    pub(super) Asks,
    pub(super) &'static str,
);

/// What an error asks for, with seconds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asks {
    Retry,
    Wait(u64),
    NextDay,
    AnotherWorker(u64),
    Operator,
}

// === impl Call ===

impl Call {
    pub(super) const fn new(
        verb: Verb,
        path: &'static str,
        place: Place,
        fields: &'static [(&'static str, Part)],
    ) -> Self {
        Self { verb, path, place, fields, header: None }
    }
}

// === impl Verb ===

impl From<Verb> for Method {
    fn from(verb: Verb) -> Self {
        match verb {
            Verb::Get => Self::GET,
            Verb::Post => Self::POST,
        }
    }
}

// === impl Answers ===

impl Answers {
    /// What a code means.
    pub(super) fn known(&self, code: &str) -> Option<&'static Known> {
        self.errors.iter().find(|known| known.0.iter().any(|each| matches(each, code)))
    }

    /// Whether it means that the token is dead which the call was made with.
    pub(super) fn is_dead(&self, code: &str) -> bool {
        self.dead.iter().any(|each| matches(each, code))
    }
}

fn matches(pattern: &str, code: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == code, |begin| code.starts_with(begin))
}

// === impl Asks ===

impl From<Asks> for Remedy {
    fn from(asks: Asks) -> Self {
        match asks {
            Asks::Retry => Self::Retry,
            Asks::Wait(seconds) => Self::Wait(Duration::from_secs(seconds)),
            Asks::NextDay => Self::WaitForWindow,
            Asks::AnotherWorker(seconds) => Self::AnotherWorker(Duration::from_secs(seconds)),
            Asks::Operator => Self::Operator,
        }
    }
}

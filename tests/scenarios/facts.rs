//! What is the case at a moment of a story, and whether it is what a step expects. Pure.

use std::time::Duration;

use crate::story::{Count, Due, Expect, Span, State, Token};

/// How things are. Moments are reckoned from the beginning of the story.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) now: Duration,
    /// When each call reached the issuer.
    pub(crate) calls: Vec<Duration>,
    pub(crate) tries: u64,
    /// Probes that reached the issuer.
    pub(crate) probes: u64,
    pub(crate) overlapped: u64,
    /// What applications read.
    pub(crate) token: Option<String>,
    pub(crate) state: State,
    pub(crate) failures: u64,
    pub(crate) due_at: Option<Duration>,
    pub(crate) expires_at: Option<Duration>,
    pub(crate) error: Option<String>,
    /// The worker that was last allowed to call the issuer.
    pub(crate) holder: Option<String>,
    /// How long applications were without a token since they first had one.
    pub(crate) without_token: Duration,
    /// Dead tokens that applications read.
    pub(crate) dead: Vec<String>,
}

/// What is not as expected, a sentence each.
struct Complaints {
    sentences: Vec<String>,
    /// How much any time may be out.
    slack: Duration,
}

// === impl Facts ===

impl Facts {
    /// How things are before anything has happened.
    pub(crate) fn of_nothing() -> Self {
        Self {
            now: Duration::ZERO,
            calls: Vec::new(),
            tries: 0,
            probes: 0,
            overlapped: 0,
            token: None,
            state: State::Missing,
            failures: 0,
            due_at: None,
            expires_at: None,
            error: None,
            holder: None,
            without_token: Duration::ZERO,
            dead: Vec::new(),
        }
    }
}

// === impl Expect ===

impl Expect {
    /// What is not as expected, a sentence each, given how things were when the step began. Any
    /// time may be out by `slack`: nothing on a paused clock.
    pub(crate) fn complaints(&self, before: &Facts, after: &Facts, slack: Duration) -> Vec<String> {
        let mut complaints = Complaints { sentences: Vec::new(), slack };
        complaints.of_what_always_holds(self, before, after);
        let new = &after.calls[before.calls.len()..];
        complaints.count("calls", self.calls, after.calls.len() as u64);
        complaints.count("new_calls", self.new_calls, new.len() as u64);
        complaints.count("new_tries", self.new_tries, after.tries - before.tries);
        complaints.count("new_probes", self.new_probes, after.probes - before.probes);
        complaints.count("failures", self.failures, after.failures);

        let gaps = gaps(before.calls.last().copied(), new);
        for &gap in &gaps {
            complaints.range("gaps", self.gaps, Some(gap));
        }
        if self.gaps.is_some() && gaps.is_empty() {
            complaints.sentences.push("gaps: no call was made".to_owned());
        }
        let longest = gaps.iter().max().zip(gaps.iter().min());
        let differ = longest.map(|(longest, shortest)| *longest - *shortest);
        complaints.range("gaps_differ_by", self.gaps_differ_by, differ);

        let from_now = |moment: Option<Duration>| moment.map(|at| at.saturating_sub(after.now));
        complaints.range("due_in", self.due_in, from_now(after.due_at));
        complaints.range("expires_in", self.expires_in, from_now(after.expires_at));
        let late = before.due_at.zip(new.first()).and_then(|(due, call)| call.checked_sub(due));
        complaints.range("late_by", self.late_by, late);

        let due = if before.due_at == after.due_at { Due::Same } else { Due::New };
        complaints.equal("due", self.due, due);
        complaints.equal("state", self.state, after.state);
        if let Some(expected) = self.token
            && !is_as_expected(expected, before, after)
        {
            let (before, after) = (&before.token, &after.token);
            complaints
                .sentences
                .push(format!("token: expected {expected:?}, was {before:?}, is {after:?}"));
        }
        if let Some(part) = &self.error
            && !is_said(part, after.error.as_deref())
        {
            complaints
                .sentences
                .push(format!("error: expected {part:?} in it, is {:?}", after.error));
        }
        complaints.sentences
    }
}

/// Whether an error says this, in part; no text stands for no error.
fn is_said(part: &str, error: Option<&str>) -> bool {
    error.map_or(part.is_empty(), |error| !part.is_empty() && error.contains(part))
}

/// The verdict on a dead token is the reader's: here it is enough that one is read.
fn is_as_expected(expected: Token, before: &Facts, after: &Facts) -> bool {
    match expected {
        Token::Valid => after.token.is_some(),
        Token::None => after.token.is_none(),
        Token::Same => after.token.is_some() && after.token == before.token,
        Token::New => after.token.is_some() && after.token != before.token,
    }
}

fn gaps(last: Option<Duration>, new: &[Duration]) -> Vec<Duration> {
    let calls: Vec<Duration> = last.into_iter().chain(new.iter().copied()).collect();
    calls.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

// === impl Complaints ===

impl Complaints {
    fn of_what_always_holds(&mut self, expect: &Expect, before: &Facts, after: &Facts) {
        let all = after.dead.len() - before.dead.len();
        if let Some(dead) = after.dead.get(before.dead.len())
            && !expect.dead_reads
        {
            self.sentences.push(format!("{all} reads found a dead token, the first in {dead}"));
        }
        if 0 < after.overlapped {
            self.sentences.push(format!("{} calls overlapped with others", after.overlapped));
        }
        let without = after.without_token - before.without_token;
        let never = [Span(Duration::ZERO); 2];
        self.range("without_token", Some(expect.without_token.unwrap_or(never)), Some(without));
    }

    fn count(&mut self, what: &str, expected: Option<Count>, is: u64) {
        if let Some(expected) = expected
            && !expected.holds(is)
        {
            self.sentences.push(format!("{what}: expected {expected:?}, is {is}"));
        }
    }

    fn range(&mut self, what: &str, expected: Option<[Span; 2]>, is: Option<Duration>) {
        let Some([least, most]) = expected else { return };
        let slack = self.slack;
        if !is.is_some_and(|is| least.0 <= is + slack && is <= most.0 + slack) {
            let is = is.map(Span);
            self.sentences.push(format!("{what}: expected {least:?} to {most:?}, is {is:?}"));
        }
    }

    fn equal<T: Copy + PartialEq + std::fmt::Debug>(
        &mut self,
        what: &str,
        expected: Option<T>,
        is: T,
    ) {
        if let Some(expected) = expected
            && expected != is
        {
            self.sentences.push(format!("{what}: expected {expected:?}, is {is:?}"));
        }
    }
}

//! Telling a person: a notice goes to a command or to a URL, as `[notify]` says.
//!
//! What is to be told of a credential, and by which worker of the fleet, the rules decide; what is to be
//! told of the fleet itself, `fleet` does. Here it is put into words and delivered. No notice holds a token or a secret, and a URL, which is the secret of a robot, is printed
//! nowhere.

mod command;
mod fleet;
mod message;
mod post;

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rustix::system::uname;
use tokio::time::{Instant, timeout};
use tracing::{debug, info, warn};

pub use self::{
    fleet::tell_of_fleet,
    message::{Message, State},
    post::Shape,
};
use crate::{clock, provider::SecretSource, store::Delivery};

/// How long a delivery may take.
const WITHIN: Duration = Duration::from_secs(10);

/// A worker delivers so many notices in an hour.
const AN_HOUR: usize = 20;

const HOUR: Duration = Duration::from_secs(3600);

/// `[notify]`: where notices go to.
#[derive(Clone, Debug)]
pub enum Way {
    /// A command with its arguments, which no shell sees.
    Command(Vec<String>),
    /// A URL.
    Post {
        /// The URL.
        url: SecretSource,
        /// What is posted there.
        shape: Shape,
    },
}

/// Delivers notices.
#[derive(Debug)]
pub struct Notifier {
    way: Way,
    client: reqwest::Client,
    host: String,
    sent: Mutex<Sent>,
}

/// What was delivered in the last hour, and how many were left out since.
#[derive(Debug, Default)]
struct Sent {
    at: VecDeque<Instant>,
    left_out: u64,
}

/// A place among the notices of an hour.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    left_out: u64,
    is_last: bool,
}

// === impl Notifier ===

impl Notifier {
    /// One that delivers this `way`.
    ///
    /// # Errors
    /// If no HTTPS client can be built.
    pub fn new(way: Way) -> reqwest::Result<Self> {
        crate::tls::use_ring();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let host = uname().nodename().to_string_lossy().into_owned();
        Ok(Self { way, client, host, sent: Mutex::default() })
    }

    /// The machine, pod or container that tells.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Delivers a notice, unless so many were delivered that a person reads them no more.
    pub async fn deliver(&self, mut message: Message) -> Delivery {
        let place = self.with_sent(|sent| sent.place(clock::now()));
        let (credential, finding) = (message.credential.clone(), message.finding.clone());
        let Some(place) = place else {
            debug!(event = "notify.left_out", credential, finding, "too many notices this hour");
            return Delivery::Made;
        };
        message.add(place.left_out, place.is_last.then_some(AN_HOUR));
        let state = message.state.as_str();
        match self.send(&message).await {
            Ok(()) => {
                info!(event = "notify.sent", credential, finding, state, "a person was told");
                Delivery::Made
            }
            Err(error) => {
                self.with_sent(|sent| sent.give_back(&place));
                warn!(
                    event = "notify.failed",
                    credential,
                    finding,
                    state,
                    error,
                    "a notice could not be delivered: see [notify]"
                );
                Delivery::Failed
            }
        }
    }

    async fn send(&self, message: &Message) -> Result<(), String> {
        let sent = async {
            match &self.way {
                Way::Command(command) => command::run(command, message).await,
                Way::Post { url, shape } => post::post(&self.client, url, *shape, message).await,
            }
        };
        let late = || format!("it took longer than {} s", WITHIN.as_secs());
        timeout(WITHIN, sent).await.map_err(|_| late())?
    }

    fn with_sent<T>(&self, change: impl FnOnce(&mut Sent) -> T) -> T {
        change(&mut self.sent.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

// === impl Way ===

impl Way {
    /// Where notices go to, with nothing of a URL but its host, and whether nobody on the way can read
    /// them.
    ///
    /// # Errors
    /// If the URL cannot be read, or is none.
    pub async fn place(&self, deadline: Instant) -> Result<(String, bool), String> {
        match self {
            Self::Command(command) => {
                let program = command.first().map_or("", String::as_str);
                Ok((format!("the command {program}"), true))
            }
            Self::Post { url, shape } => {
                let url = post::read(url, deadline).await?;
                let host = url.host_str().unwrap_or_default();
                let is_near = ["localhost", "127.0.0.1", "[::1]"].contains(&host);
                let is_hidden = url.scheme() == "https" || is_near;
                Ok((format!("{host}, in the shape {}", shape.as_str()), is_hidden))
            }
        }
    }
}

/// Whether this text is a URL that can be posted to.
#[must_use]
pub fn is_url(text: &str) -> bool {
    post::parse(text).is_ok()
}

// === impl Sent ===

impl Sent {
    fn place(&mut self, now: Instant) -> Option<Place> {
        while self.at.front().is_some_and(|at| HOUR <= now.saturating_duration_since(*at)) {
            self.at.pop_front();
        }
        if AN_HOUR <= self.at.len() {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.at.push_back(now);
        let left_out = std::mem::take(&mut self.left_out);
        Some(Place { left_out, is_last: self.at.len() == AN_HOUR })
    }

    fn give_back(&mut self, place: &Place) {
        self.at.pop_back();
        self.left_out = self.left_out.saturating_add(place.left_out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_are_told_in_an_hour_and_the_next_one_tells_how_many_were_left_out() {
        let (mut sent, start) = (Sent::default(), clock::now());
        let places: Vec<_> = (0..50).map(|_| sent.place(start)).collect();
        let told: Vec<_> = places.into_iter().flatten().collect();
        assert_eq!(told.len(), 20);
        let lasts: Vec<_> = told.iter().map(|place| place.is_last).collect();
        assert_eq!(lasts.iter().position(|is_last| *is_last), Some(19), "the last one says so");
        assert_eq!(sent.place(start + HOUR), Some(Place { left_out: 30, is_last: false }));
    }

    #[test]
    fn a_place_that_was_not_used_is_given_back_with_what_it_was_to_tell() {
        let (mut sent, start) = (Sent { left_out: 3, ..Sent::default() }, clock::now());
        let place = sent.place(start).expect("a place");
        sent.give_back(&place);
        assert_eq!((sent.at.len(), sent.left_out), (0, 3));
    }
}

//! Configuration: a TOML file and the environment, to settings. Every mistake at once, each with its
//! place.
//!
//! The environment is a value that `main` hands in; nothing here reads the process. A file
//! is taken apart in `config/document.rs`; texts become trees in `config/tree.rs`, trees become
//! settings in `config/read.rs`.

mod copies;
mod derived;
mod document;
mod door;
mod environment;
mod fields;
mod forward;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz_properties;
mod notify;
mod read;
mod section;
mod tree;

use std::{
    fmt,
    fs::File,
    io::Read,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use secrecy::{ExposeSecret, SecretString};

pub use self::{
    door::{DoorClient, DoorSettings, MIN_KEY},
    environment::{Environment, TOKEN_VARIABLE},
    forward::{Forward, ForwardPath, InvalidForwardPath},
};
use crate::{
    credential::CredentialId,
    notify::Way,
    provider::{BaseUrls, Credential, SecretSource, Transport, fingerprint},
    refresh::Times,
    store::StoreUrl,
};

/// What the user wants, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[store]`.
    pub store: StoreSettings,
    /// `[worker]`.
    pub times: Times,
    /// `[worker] calls_at_once`, for one issuer; none if the worker decides.
    pub calls_at_once: Option<usize>,
    /// `[admin]`; `None` if it is off.
    pub admin: Option<AdminSettings>,
    /// `[door]`; `None` if it is off.
    pub door: Option<DoorSettings>,
    /// `[notify]`; `None` if nobody is told.
    pub notify: Option<Way>,
    /// `[credentials.ID]`, by id.
    pub credentials: Arc<[Arc<Credential>]>,
    /// The way to issuers, which all credentials share.
    pub transport: Transport,
    /// Where the settings came from, for the log.
    pub origin: String,
}

/// `[store]`.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// Where the store is.
    pub url: StoreUrl,
    /// The first part of every key in Redis.
    pub prefix: String,
    /// Nobody named a store: it is a directory of this machine.
    pub is_default: bool,
}

/// `[admin]`, where there is a listener.
#[derive(Clone, Debug)]
pub struct AdminSettings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The names by which it may be asked, beside those of this machine, in small letters.
    pub hosts: Vec<String>,
    /// What opens the pages that tell of credentials; none if they are open to everybody.
    pub token: Option<SecretSource>,
}

/// What the command line says about the configuration.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--store`. It may hold a password.
    pub store: Option<SecretString>,
}

/// One mistake in the configuration, where it is, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// A file and line, a variable, or an option.
    pub place: String,
    /// What is wrong, and how to mend it. It never repeats a secret.
    pub message: String,
}

/// All mistakes in the configuration.
#[derive(Clone, Debug)]
pub struct Mistakes(pub Vec<Mistake>);

/// Where a file is looked for if none is named.
const FILES: [&str; 2] = ["evertoken.toml", "/etc/evertoken/evertoken.toml"];

/// The longest file that is read, in bytes: a million credentials of 250 bytes fit.
const MAX_FILE: u64 = 256 * 1024 * 1024;

/// The most ids that a sentence names.
const MOST_IDS: usize = 20;

/// The longest line that tells a mistake, in characters.
const MAX_LINE: usize = 1000;

// === impl Settings ===

impl Settings {
    /// A fingerprint of what all workers of a fleet are to have in common; no secret is in it. A proxy is not:
    /// each machine may have a way of its own.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let each = self.credentials.iter().map(|credential| {
            let Credential { id, daily_quota, quiet_period, verify_every, .. } = &**credential;
            let endpoint = credential.endpoint_fingerprint();
            let places = credential.provider.base_urls().into_iter().flat_map(BaseUrls::iter);
            let places: Vec<&str> = places.map(reqwest::Url::as_str).collect();
            let places = places.join(" ");
            format!("{id} {endpoint} {daily_quota} {quiet_period:?} {verify_every:?} {places}")
        });
        let times = format!("{:?}", self.times);
        let parts: Vec<String> = each.chain([times]).collect();
        fingerprint(parts.iter().map(String::as_str))
    }

    /// Reads the file and the environment, in the current directory.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn load(given: &Given, environment: &Environment) -> Result<Self, Mistakes> {
        let found = match &given.config {
            Some(path) => Some(path.clone()),
            None => FILES.iter().map(PathBuf::from).find(|path| path.exists()),
        };
        let text = match &found {
            Some(path) => Some((path.as_path(), read_file(path)?)),
            None => None,
        };
        let text = text.as_ref().map(|(path, text)| (*path, text.as_str()));
        let store = given.store.as_ref().map(ExposeSecret::expose_secret);
        Self::read(text, store, environment)
    }

    /// Reads a text, if there is one, and the environment; and the files of `[store.tls]`, if any are
    /// named.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn read(
        file: Option<(&Path, &str)>,
        store: Option<&str>,
        environment: &Environment,
    ) -> Result<Self, Mistakes> {
        let mut mistakes = Vec::new();
        let tree = tree::build(file, store, environment, &mut mistakes);
        let origin = match file {
            Some((path, _)) => format!("{} and the environment", path.display()),
            None => "the environment; there is no evertoken.toml here".to_owned(),
        };
        let settings = read::settings(tree, environment, origin, &mut mistakes);
        match settings {
            Some(settings) if mistakes.is_empty() => Ok(settings),
            _ => {
                // In the order of a file's lines.
                mistakes.sort_by_key(|mistake| line(&mistake.place));
                Err(Mistakes(mistakes))
            }
        }
    }

    /// The configured credential with this id.
    ///
    /// # Errors
    /// A sentence that names the ids that are configured.
    pub fn credential(&self, id: &CredentialId) -> Result<&Credential, Mistakes> {
        let found = self.credentials.iter().find(|credential| credential.id == *id);
        found
            .map(|credential| &**credential)
            .ok_or_else(|| Mistakes::one("ID", format!("no credential {id}; {}", self.known_ids())))
    }

    /// Which credentials are configured, in words.
    #[must_use]
    pub fn known_ids(&self) -> String {
        let ids = self.credentials.iter().map(|credential| credential.id.as_str());
        match ids.clone().take(MOST_IDS).collect::<Vec<_>>()[..] {
            [] => format!("none is configured ({})", self.origin),
            ref some if MOST_IDS < ids.len() => format!("configured are: {}, …", some.join(", ")),
            ref all => format!("configured are: {}", all.join(", ")),
        }
    }

    /// Whether at least one credential is configured.
    ///
    /// # Errors
    /// A sentence that says how to configure one.
    pub fn some_credential(&self) -> Result<(), Mistakes> {
        if !self.credentials.is_empty() {
            return Ok(());
        }
        let message = format!(
            "no credential is configured ({}): add a section [credentials.NAME] with appid and \
             secret to evertoken.toml, or set EVERTOKEN_CREDENTIALS__NAME__APPID and \
             EVERTOKEN_CREDENTIALS__NAME__SECRET",
            self.origin
        );
        Err(Mistakes::one("[credentials]", message))
    }
}

// === impl Mistakes ===

impl Mistakes {
    /// A single mistake.
    pub fn one(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self(vec![Mistake { place: place.into(), message: message.into() }])
    }
}

impl fmt::Display for Mistakes {
    /// A line for each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Mistake { place, message }) in self.0.iter().enumerate() {
            if 0 < at {
                writeln!(f)?;
            }
            // Names and values of the user's: they must not move a terminal's cursor or flood it.
            let line = format!("{place}: {message}");
            let shown = line.chars().map(|char| if char.is_control() { ' ' } else { char });
            write!(f, "{}", shown.take(MAX_LINE).collect::<String>())?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// The line that a place names; what is no line comes last.
fn line(place: &str) -> u32 {
    place.rsplit_once(':').and_then(|(_, line)| line.parse().ok()).unwrap_or(u32::MAX)
}

fn read_file(path: &Path) -> Result<String, Mistakes> {
    let mistake = |message| Mistakes::one(path.display().to_string(), message);
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text))
        .map_err(|error| mistake(format!("the file cannot be read: {error}")))?;
    if MAX_FILE < text.len() as u64 {
        return Err(mistake("the file is longer than 256 MiB: is it the right one?".to_owned()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;

//! Providers: our side of the conversation with issuers.
//!
//! A provider makes one attempt one HTTP request, and turns whatever came back into a token or into
//! an error that says what to do. It knows nothing of leases, stores or schedules.
//!
//! ```text
//! a section of the configuration ── Fields ──► Credential ── provider: one of KINDS
//!                                                                │ fetch, probe
//!                                                                ▼
//!                                       issuer ◄── one request ── Transport
//! ```
//!
//! - [`Provider`]: what each kind can do. [`FetchError`]: what an error asks for.
//! - [`Fields`]: how settings are read, whatever they are written in. [`Credential`]: all settings of
//!   one, from file to use. [`KINDS`]: every kind that is built in.
//! - [`SecretSource`]: where a secret is read from. [`Secrets`]: one, or several while one is rotated.
//!   [`Transport`]: HTTP as providers need it.
//! - One module for each kind: its settings, its client, what its answers mean. [`wechat`]. Kinds that
//!   differ in names and paths alone are rows of a table: `platform`.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod answer;
mod base_urls;
mod calls;
mod copies;
mod credential;
mod error;
mod fields;
mod fingerprint;
pub mod github;
mod issued;
mod jwt;
mod lookups;
pub mod oauth2;
mod on_time;
mod platform;
mod proxy;
mod registry;
mod route;
mod secret;
mod secret_file;
mod secrets;
mod times;
mod transport;
mod trouble;
pub mod wechat;

use std::{fmt, future, time::Duration};

use evertoken_client::{CredentialId, Token};
use evertoken_rules::policy::Issuance;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

pub use self::{
    base_urls::{BaseUrls, InvalidBaseUrls},
    calls::{Calls, Carrier},
    copies::{Copied, Item},
    credential::Credential,
    error::{Fate, FetchError, Remedy},
    fields::Fields,
    fingerprint::fingerprint,
    issued::{Inputs, Issued, Probed},
    proxy::{Proxy, Way},
    registry::{KINDS, Kind},
    secret::{Secret, SecretSource},
    secret_file::SecretFile,
    secrets::{MOST_SECRETS, Secrets},
    transport::{InvalidTransport, Transport},
    trouble::Trouble,
};

/// Our code that speaks to one kind of issuer, for one account. Its `Debug` shows no secret.
pub trait Provider: fmt::Debug + Send + Sync {
    /// The kind of issuer, as the configuration spells it.
    fn kind(&self) -> &'static str;

    /// What the issuer knows it by.
    fn account(&self) -> Account<'_>;

    /// How the issuer answers a repeated call.
    fn issuance(&self) -> Issuance;

    /// Calls a day that a new account has.
    fn daily_quota(&self) -> u64;

    /// How far the day by which the issuer counts its quota is ahead of UTC.
    fn quota_day_offset(&self) -> Duration;

    /// What about these settings endangers tokens, if anything does.
    fn danger(&self) -> Option<&'static str> {
        None
    }

    /// Where the secret goes without TLS over a network, if it does.
    fn in_clear(&self) -> Option<&str> {
        self.base_urls()?.in_clear()
    }

    /// Where the issuer is asked, if that is configured.
    fn base_urls(&self) -> Option<&BaseUrls> {
        None
    }

    /// How its API is called with its tokens, where such calls can be passed on.
    fn calls(&self) -> Option<Calls<'_>> {
        None
    }

    /// Whether the issuer answers a call of its API that the token is dead. It has done nothing then.
    fn says_dead(&self, _status: u16, _body: &[u8]) -> bool {
        false
    }

    /// The way to these, as a call takes it, if what it needs can be read by `deadline`.
    fn transport(&self, _deadline: Instant) -> BoxFuture<'_, Option<Transport>> {
        Box::pin(future::ready(None))
    }

    /// What its settings call the account, and which of its tokens, by their names there: what a
    /// template of `also_write` can name. Never a secret.
    fn names(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// The credentials whose tokens a call needs.
    fn inputs(&self) -> &[CredentialId] {
        &[]
    }

    /// Takes over what it needs of the settings of a credential that it has named: the account, for
    /// one. All of this is done once, when the configuration is read.
    ///
    /// # Errors
    /// Why the token of that credential is of no use, in a sentence that lacks its subject.
    fn derive_from(&mut self, _parent: &dyn Provider) -> Result<(), String> {
        Ok(())
    }

    /// A fingerprint of the account that a token has to be of which a call needs, if that is known. What
    /// stands in the store may still be of an account that was configured before.
    fn account_of_input(&self, _parent: &CredentialId) -> Option<&str> {
        None
    }

    /// Whether the issuer tells the whole life at each call, though it repeats the token: then its end
    /// is what the first answer said.
    fn tells_whole_life(&self) -> bool {
        false
    }

    /// Whether there is a cheap call by which a token can be tried.
    fn has_probe(&self) -> bool {
        true
    }

    /// Whether the issuer is asked with a grant, and hands back the next one. The first one is a
    /// setting.
    fn has_grant(&self) -> bool {
        false
    }

    /// Whether something of an answer is published beside the token.
    fn has_fields(&self) -> bool {
        false
    }

    /// The secrets from which one is chosen for a call; none if another credential's token stands in their
    /// place.
    fn secrets(&self) -> Option<&Secrets> {
        None
    }

    /// A fingerprint of the settings, all secrets among them, that changes when they change. It lets a
    /// worker see that what the issuer refused is not what it would send now. It is a short hash:
    /// eight hexadecimal digits, too few to tell a secret. Empty if no secret can be read by
    /// `deadline`.
    fn settings_fingerprint(&self, deadline: Instant) -> BoxFuture<'_, String>;

    /// The same of each secret and of which token it is for, wherever the issuer is reached: one node
    /// of a fleet may reach it by another way. Empty for one that cannot be read.
    fn secret_fingerprints(&self, deadline: Instant) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async move { vec![self.settings_fingerprint(deadline).await] })
    }

    /// Whether what a call needs can be read by `deadline`: with each of the secrets, if there are any.
    /// Calls nobody.
    fn readable(&self, deadline: Instant) -> BoxFuture<'_, Vec<Result<(), FetchError>>>;

    /// What about the settings looks mistyped, though it may be right; never a secret. Empty if the
    /// secret cannot be read by `deadline`.
    fn oddities(&self, _deadline: Instant) -> BoxFuture<'_, Vec<String>> {
        Box::pin(future::ready(Vec::new()))
    }

    /// One attempt: at most one HTTP request is sent, and the call ends by `deadline`.
    ///
    /// # Errors
    /// [`FetchError`], classed by what it asks for.
    fn fetch<'a>(
        &'a self,
        deadline: Instant,
        inputs: &'a Inputs,
    ) -> BoxFuture<'a, Result<Issued, FetchError>>;

    /// Asks the issuer, by a cheap call that changes nothing there, whether `token` still works. One
    /// HTTP request is sent, and the call ends by `deadline`.
    fn probe<'a>(&'a self, token: &'a Token, deadline: Instant) -> BoxFuture<'a, Probed>;
}

/// What an issuer knows a credential by. Two credentials with one account would end each other's
/// tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Account<'a> {
    /// Which issuer it is, for limits that hold for all accounts there: a host name.
    pub issuer: &'a str,
    /// The account's name there.
    pub name: &'a str,
    /// Which of the account's tokens, where it has several that do not touch each other.
    pub token: &'a str,
}

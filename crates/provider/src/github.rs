//! GitHub Apps: tokens of an installation.
//!
//! The app signs a JWT with its private key and gets a token for one installation, of an hour. Tokens of
//! one installation live beside each other to their own end.
//!
//! - `settings`: what an operator says of an app. `client`: the request. `answer`: what an answer means,
//!   pure.

mod answer;
mod client;
mod settings;

pub use self::client::GitHubApp;

/// The kind of issuer, as the configuration spells it.
pub(crate) const KIND: &str = "github-app";

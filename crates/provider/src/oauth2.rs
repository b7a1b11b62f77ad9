//! OAuth 2.0 at any issuer: client credentials (RFC 6749 section 4.4), and assertions that a client signs
//! (RFC 7523), as a grant or in place of its secret.
//!
//! Each call gives a new token, and those before live on to their own end, so a call that was lost or
//! made twice does no harm. An issuer counts no calls by the day, but it may ask for a pause.
//!
//! - `settings`: what an operator says of a client. `proof`: what proves it; `identity`: what it
//!   shows in TLS. `client`: the request.
//! - `answer`: what an answer means. `expiry`: how long a token lives. `refusal`: what an error asks
//!   for. All pure.

mod answer;
mod client;
mod expiry;
mod identity;
mod params;
mod path;
mod proof;
mod refusal;
mod settings;

pub use self::client::OAuth2;

/// The kind of issuer, as the configuration spells it.
pub(crate) const KIND: &str = "oauth2";

/// The same, where assertions are signed.
pub(crate) const KIND_JWT: &str = "oauth2-jwt";

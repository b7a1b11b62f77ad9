//! WeChat official accounts and mini programs.
//!
//! Two endpoints (`wechat-api.md` sections 1 and 2): `POST /cgi-bin/stable_token` in normal mode,
//! which repeats a token until 300 s before its end, and the older `GET /cgi-bin/token`, which
//! issues anew at each call.
//!
//! - `settings`: what an operator says of an account. `client`: the requests.
//! - `answer`: what an answer means, pure. `probe`: what one to a probe means, pure.
//! - `pasted`: what cannot be an `AppID` or an `AppSecret`, or does not look like one, pure.

mod answer;
mod client;
#[cfg(any(test, fuzzing))]
#[expect(clippy::expect_used, clippy::indexing_slicing, reason = "a property that fails panics")]
mod fuzz_properties;
mod pasted;
mod probe;
mod settings;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub use self::fuzz_properties::hold as fuzz_answer;
pub(crate) use self::pasted::impossible;
pub use self::{
    client::WeChat,
    settings::{Endpoint, InvalidAppId, Settings},
};

/// The kind of issuer, as the configuration spells it.
pub(crate) const KIND: &str = "wechat";

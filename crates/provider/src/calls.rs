//! How an application calls an issuer's API with a token. The door passes such calls on.

use reqwest::Url;

use crate::route::Route;

/// How the API of an issuer is called.
#[derive(Clone, Copy, Debug)]
pub struct Calls<'a> {
    route: &'a Route,
    at: usize,
    base: &'a Url,
    /// Where a request has the token.
    pub carrier: Carrier,
}

/// Where a request has the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// In this field of the query.
    Query(&'static str),
    /// In this header, in lower case, behind this text.
    Header(&'static str, &'static str),
}

// === impl Calls ===

impl<'a> Calls<'a> {
    /// By the entry point at which the next token would be asked for.
    pub(crate) fn by(route: &'a Route, carrier: Carrier) -> Option<Self> {
        let (at, base) = route.entries().next()?;
        Some(Self { route, at, base, carrier })
    }

    /// Where the API stands.
    #[must_use]
    pub fn base(&self) -> &'a Url {
        self.base
    }

    /// It could not be reached there: the next call goes to another entry point.
    pub(crate) fn leave(&self) {
        self.route.leave(self.at);
    }
}

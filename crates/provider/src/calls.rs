//! How an application calls an issuer's API with a token. The door passes such calls on.

use reqwest::Url;

/// How the API of an issuer is called.
#[derive(Clone, Copy, Debug)]
pub struct Calls<'a> {
    /// Where it stands: the entry point at which the next token would be asked for.
    pub base: &'a Url,
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

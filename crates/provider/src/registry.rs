//! The kinds of issuers that are built in.

use crate::{Fields, Provider, Transport, github, oauth2, wechat};

/// Every kind, the default first. To add one: its module, and its line here.
pub const KINDS: &[Kind] = &[
    Kind { name: wechat::KIND, read: wechat::WeChat::read },
    Kind { name: oauth2::KIND, read: oauth2::OAuth2::read },
    Kind { name: oauth2::KIND_JWT, read: oauth2::OAuth2::read_jwt },
    Kind { name: github::KIND, read: github::GitHubApp::read },
];

/// A kind of issuer.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// As the configuration spells it.
    pub name: &'static str,
    /// Reads the settings that are its own; `None` if any is missing or wrong.
    pub read: fn(&mut dyn Fields, &Transport) -> Option<Box<dyn Provider>>,
}

//! Faults: what is to go wrong with the next calls, and with whose.
//!
//! This file holds the orders and finds the one that fits a call.
//! It carries none of them out: `answer` spoils replies, `wire` breaks connections.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::account::Endpoint;

/// An order to spoil calls. The first order that fits a call is the one that is used.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Which endpoint; `None` means both that issue tokens.
    pub endpoint: Option<Endpoint>,
    /// Only calls that name this appid.
    pub appid: Option<String>,
    /// Only calls from this address.
    pub caller: Option<IpAddr>,
    /// How many calls to spoil; 0 means all until the faults are cleared.
    pub count: u64,
    /// What to do to them.
    pub kind: FaultKind,
}

/// Ways for a call to go wrong. The first group answers in place of the issuer, so that no
/// token changes. With the second the issuer does its work, and the answer suffers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// An error answer.
    Errcode {
        /// The number.
        code: i64,
        /// The text; a fitting one if absent. The request id is added.
        #[serde(default)]
        message: Option<String>,
    },
    /// An error answer whose number is written as a string.
    ErrcodeString {
        /// The number.
        code: i64,
    },
    /// Another HTTP status, with an HTML body.
    HttpStatus {
        /// The status, from 200 to 599.
        status: u16,
        /// The HTML; a short page if absent.
        #[serde(default)]
        body: Option<String>,
    },
    /// An HTML page with status 200, as a captive portal sends.
    #[serde(rename = "html_200")]
    Html200,
    /// Status 200 and no body.
    EmptyBody,
    /// The connection is reset without handling.
    ResetBefore,
    /// A 301 to another address.
    Redirect {
        /// The value of the `Location` header.
        location: String,
    },
    /// A JSON array instead of an object.
    NotObject,
    /// A body whose token is not UTF-8.
    InvalidUtf8,

    /// Handled only after a delay.
    Hang {
        /// The delay in milliseconds.
        ms: u64,
    },
    /// Handled at once, answered after a delay.
    HangAfter {
        /// The delay in milliseconds.
        ms: u64,
    },
    /// Handled, then the connection is reset without an answer.
    ResetAfter,
    /// The answer stops in the middle.
    Truncated,
    /// The body comes one byte at a time.
    SlowBody {
        /// The pause before each byte, in milliseconds.
        ms: u64,
    },
    /// A good answer that also says `"errcode":0`.
    ErrcodeZeroWithToken,
    /// A good answer with another `expires_in`. The token lives as long as ever.
    ExpiresIn {
        /// What to say instead; `null` leaves the field out.
        value: Value,
    },
    /// A good answer with another `access_token`. The real one is issued, and lost.
    AccessToken {
        /// What to say instead; `null` is sent as `null`.
        value: Value,
    },
    /// A good answer, padded.
    Huge {
        /// The length of the body in bytes, if the answer is not longer already.
        bytes: usize,
    },
}

/// Whom a call concerns, for finding its fault.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) appid: &'a str,
    pub(super) caller: IpAddr,
}

/// The orders that are not used up, in the order they were given.
#[derive(Default)]
pub(super) struct FaultQueue(Vec<Fault>);

// === impl Fault ===

impl Fault {
    /// Spoils one call to either issuing endpoint, whoever makes it.
    pub fn new(kind: FaultKind) -> Self {
        Self { endpoint: None, appid: None, caller: None, count: 1, kind }
    }

    /// Only at this endpoint.
    #[must_use]
    pub fn at(self, endpoint: Endpoint) -> Self {
        Self { endpoint: Some(endpoint), ..self }
    }

    /// Only for this appid.
    #[must_use]
    pub fn of_account(self, appid: &str) -> Self {
        Self { appid: Some(appid.to_owned()), ..self }
    }

    /// Only from this address.
    #[must_use]
    pub fn of_caller(self, caller: IpAddr) -> Self {
        Self { caller: Some(caller), ..self }
    }

    /// For this many calls; 0 means until cleared.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self { count, ..self }
    }

    fn fits(&self, target: Target<'_>) -> bool {
        let here = match self.endpoint {
            Some(endpoint) => endpoint == target.endpoint,
            None => target.endpoint != Endpoint::GetApiDomainIp,
        };
        here && self.appid.as_deref().is_none_or(|appid| appid == target.appid)
            && self.caller.is_none_or(|caller| caller == target.caller)
    }
}

// === impl FaultKind ===

impl FaultKind {
    /// Its name in control bodies and in the journal.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Errcode { .. } => "errcode",
            Self::ErrcodeString { .. } => "errcode_string",
            Self::HttpStatus { .. } => "http_status",
            Self::Html200 => "html_200",
            Self::EmptyBody => "empty_body",
            Self::ResetBefore => "reset_before",
            Self::Redirect { .. } => "redirect",
            Self::NotObject => "not_object",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::Hang { .. } => "hang",
            Self::HangAfter { .. } => "hang_after",
            Self::ResetAfter => "reset_after",
            Self::Truncated => "truncated",
            Self::SlowBody { .. } => "slow_body",
            Self::ErrcodeZeroWithToken => "errcode_zero_with_token",
            Self::ExpiresIn { .. } => "expires_in",
            Self::AccessToken { .. } => "access_token",
            Self::Huge { .. } => "huge",
        }
    }

    /// Whether the issuer is never asked.
    pub(super) fn replaces_handling(&self) -> bool {
        matches!(
            self,
            Self::Errcode { .. }
                | Self::ErrcodeString { .. }
                | Self::HttpStatus { .. }
                | Self::Html200
                | Self::EmptyBody
                | Self::ResetBefore
                | Self::Redirect { .. }
                | Self::NotObject
                | Self::InvalidUtf8
        )
    }

    /// The error that the caller is told instead of the issuer's answer.
    pub(super) fn errcode(&self) -> Option<i64> {
        match self {
            Self::Errcode { code, .. } | Self::ErrcodeString { code } => Some(*code),
            _ => None,
        }
    }

    /// Delays in milliseconds: before the handling, and after it.
    pub(super) fn delays(&self) -> (u64, u64) {
        match self {
            Self::Hang { ms } => (*ms, 0),
            Self::HangAfter { ms } => (0, *ms),
            _ => (0, 0),
        }
    }
}

// === impl FaultQueue ===

impl FaultQueue {
    pub(super) fn push(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault of this call, if it has one, counted as used.
    pub(super) fn take(&mut self, target: Target<'_>) -> Option<FaultKind> {
        let at = self.0.iter().position(|fault| fault.fits(target))?;
        let fault = self.0.get_mut(at)?;
        match fault.count {
            1 => return Some(self.0.remove(at).kind),
            0 => {}
            _ => fault.count -= 1,
        }
        Some(fault.kind.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: Target<'_> = Target {
        endpoint: Endpoint::Token,
        appid: "wxa",
        caller: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7)),
    };

    fn queue(faults: impl IntoIterator<Item = Fault>) -> FaultQueue {
        FaultQueue(faults.into_iter().collect())
    }

    #[test]
    fn faults_are_used_in_order_and_used_up() {
        let mut queue = queue([
            Fault::new(FaultKind::EmptyBody).times(2),
            Fault::new(FaultKind::Truncated).of_account("wxa"),
        ]);
        let names: Vec<_> = (0..4).map(|_| queue.take(HERE).map(|kind| kind.name())).collect();
        assert_eq!(names, [Some("empty_body"), Some("empty_body"), Some("truncated"), None]);
    }

    #[test]
    fn a_fault_waits_for_the_call_it_was_meant_for() {
        let mut queue = queue([Fault::new(FaultKind::EmptyBody)
            .at(Endpoint::StableToken)
            .of_account("wxb")
            .of_caller([10, 0, 0, 8].into())]);
        assert!(queue.take(HERE).is_none());
        let meant =
            Target { endpoint: Endpoint::StableToken, appid: "wxb", caller: [10, 0, 0, 8].into() };
        assert!(queue.take(meant).is_some());
    }

    #[test]
    fn a_fault_with_count_zero_stays_until_cleared() {
        let mut queue = queue([Fault::new(FaultKind::ResetAfter).times(0)]);
        assert!((0..10).all(|_| queue.take(HERE).is_some()));
        queue.clear();
        assert!(queue.take(HERE).is_none());
    }

    #[test]
    fn a_fault_for_any_endpoint_spares_business_calls() {
        let mut queue = queue([Fault::new(FaultKind::EmptyBody)]);
        assert!(queue.take(Target { endpoint: Endpoint::GetApiDomainIp, ..HERE }).is_none());
    }
}

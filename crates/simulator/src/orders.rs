//! Orders: what control asks of the issuer, and the JSON bodies it comes in.
//!
//! The same functions serve HTTP (`control`) and the methods of `Simulator`.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::account::{AccountState, Appid, Endpoint};
use super::fault::{Fault, FaultKind};
use super::issuer::{CallerState, Issuer};

/// The longest padded answer, in bytes: more than any client should read.
const HUGE_LIMIT: usize = 256 * 1024 * 1024;

/// What the calls to the issuing endpoints came to.
///
/// A faulted call counts under `faults`, and also under what the issuer did with it, if it
/// was asked. So the parts may add up to more than `calls`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Calls to `token` and `stable_token`.
    pub calls: u64,
    /// Calls for which a new token was issued.
    pub issued: u64,
    /// Calls that were given the same token again.
    pub repeated: u64,
    /// Calls that the issuer itself refused.
    pub refused: u64,
    /// Calls that met a fault.
    pub faults: u64,
    /// Calls that arrived while another for the same account and endpoint was waiting. A
    /// caller that has hung up waits no longer.
    pub overlaps: u64,
    /// Calls with a wrong secret.
    pub wrong_secrets: u64,
    /// Tokens that work now, at both endpoints.
    pub live: u64,
}

/// A body of `POST /_control/accounts`. No `Debug`: it may hold a secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountOrder {
    pub(super) appid: String,
    pub(super) secret: Option<String>,
    pub(super) state: Option<AccountState>,
}

/// A body of `POST /_control/callers`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallerOrder {
    pub(super) ip: IpAddr,
    pub(super) state: CallerState,
}

/// A body of `POST /_control/foreign`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ForeignOrder {
    pub(super) appid: String,
    pub(super) endpoint: Endpoint,
}

/// A body of `POST /_control/kill`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KillOrder {
    pub(super) appid: String,
}

/// An order that cannot be carried out. Says why, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidOrder(pub(super) String);

// === impl Issuer ===

impl Issuer {
    /// Queues a fault.
    pub(super) fn add_fault(&mut self, fault: Fault) -> Result<(), InvalidOrder> {
        match &fault.kind {
            FaultKind::HttpStatus { status, .. } if !(200..=599).contains(status) => {
                Err(InvalidOrder("status must be from 200 to 599".to_owned()))
            }
            FaultKind::Redirect { location } if !location.bytes().all(|b| b.is_ascii_graphic()) => {
                Err(InvalidOrder("location must be visible ASCII".to_owned()))
            }
            FaultKind::Huge { bytes } if HUGE_LIMIT < *bytes => {
                Err(InvalidOrder(format!("bytes must be at most {HUGE_LIMIT}")))
            }
            _ => {
                self.faults.push(fault);
                Ok(())
            }
        }
    }

    /// Changes an account's secret, its state, or both.
    pub(super) fn change_account(&mut self, order: AccountOrder) -> Result<(), InvalidOrder> {
        let AccountOrder { appid, secret, state } = order;
        if appid.is_empty() {
            return Err(InvalidOrder("appid must not be empty".to_owned()));
        }
        if secret.as_deref() == Some("") {
            return Err(InvalidOrder("secret must not be empty".to_owned()));
        }
        if secret.is_none() && !self.knows(&appid) && !self.accounts.contains_key(&*appid) {
            return Err(unknown_account(&appid));
        }
        let account = self.accounts.entry(self.shared_appid(&appid)).or_default();
        account.secret = secret.or(account.secret.take());
        account.state = state.unwrap_or(account.state);
        Ok(())
    }

    /// Issues a token that no caller receives. It counts against no quota.
    pub(super) fn issue_foreign(
        &mut self,
        appid: &str,
        endpoint: Endpoint,
        now_ms: u64,
    ) -> Result<u64, InvalidOrder> {
        if endpoint == Endpoint::GetApiDomainIp {
            return Err(InvalidOrder("endpoint must be token or stable_token".to_owned()));
        }
        if !self.knows(appid) && !matches!(endpoint, Endpoint::Of(_)) {
            return Err(unknown_account(appid));
        }
        let appid: Appid = self.shared_appid(appid);
        Ok(self.issue(&appid, endpoint, true, now_ms).id)
    }

    /// Ends an account's tokens at both endpoints at once. Returns how many.
    pub(super) fn kill(&mut self, appid: &str, now_ms: u64) -> Result<usize, InvalidOrder> {
        if !self.knows(appid) && !self.accounts.contains_key(appid) {
            return Err(unknown_account(appid));
        }
        let Some(account) = self.accounts.get_mut(appid) else { return Ok(0) };
        let retired = account.kill(now_ms);
        self.ledger.retire(&retired, true);
        Ok(retired.len())
    }

    /// The counts of one account, or of all that were ever named.
    pub(super) fn summary(&self, appid: Option<&str>, now_ms: u64) -> Summary {
        let chosen: Vec<_> = match appid {
            Some(appid) => self.accounts.get(appid).into_iter().collect(),
            None => self.accounts.values().collect(),
        };
        chosen.into_iter().fold(Summary::default(), |sum, account| {
            let counts = &account.counts;
            Summary {
                calls: sum.calls + counts.calls,
                issued: sum.issued + counts.issued,
                repeated: sum.repeated + counts.repeated,
                refused: sum.refused + counts.refused,
                faults: sum.faults + counts.faults,
                overlaps: sum.overlaps + counts.overlaps,
                wrong_secrets: sum.wrong_secrets + counts.wrong_secrets,
                live: sum.live + account.live(now_ms),
            }
        })
    }

    /// Forgets everything and returns to the settings of the start.
    pub(super) fn reset(&mut self) {
        self.settings = self.first_settings.clone();
        self.accounts.clear();
        self.callers.clear();
        self.faults.clear();
        self.journal.clear();
        self.ledger.clear();
    }
}

fn unknown_account(appid: &str) -> InvalidOrder {
    InvalidOrder(format!("there is no account {appid}"))
}

// === impl Fault ===

impl Fault {
    /// Reads a body of `POST /_control/faults`.
    pub(super) fn from_json(body: Value) -> Result<Self, InvalidOrder> {
        let Value::Object(mut fields) = body else {
            return Err(InvalidOrder("the body must be a JSON object".to_owned()));
        };
        let endpoint = match take::<String>(&mut fields, "endpoint")?.as_deref() {
            None => return Err(InvalidOrder("endpoint is missing".to_owned())),
            Some("any") => None,
            Some(name) => Some(read("endpoint", name.into())?),
        };
        let appid = take(&mut fields, "appid")?;
        let caller = take(&mut fields, "caller")?;
        let count = take(&mut fields, "count")?.unwrap_or(1);
        let kind: FaultKind = read("kind", Value::Object(fields.clone()))?;
        // serde ignores unknown fields of a tagged enum. What was understood comes out
        // again when the kind is written; anything else was not.
        let understood = serde_json::to_value(&kind).unwrap_or_default();
        if let Some(unknown) = fields.keys().find(|name| understood.get(name.as_str()).is_none()) {
            let kind = kind.name();
            return Err(InvalidOrder(format!("unknown field `{unknown}` of a fault {kind}")));
        }
        Ok(Self { endpoint, appid, caller, count, kind })
    }
}

fn take<T: serde::de::DeserializeOwned>(
    fields: &mut Map<String, Value>,
    name: &str,
) -> Result<Option<T>, InvalidOrder> {
    fields.remove(name).map_or(Ok(None), |value| read(name, value))
}

fn read<T: serde::de::DeserializeOwned>(name: &str, value: Value) -> Result<T, InvalidOrder> {
    serde_json::from_value(value).map_err(|error| InvalidOrder(format!("{name}: {error}")))
}

// === impl InvalidOrder ===

impl fmt::Display for InvalidOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidOrder {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fault_order_is_read_whole() {
        let fault = Fault::from_json(json!({
            "endpoint": "stable_token", "appid": "wxa", "caller": "10.0.0.7",
            "kind": "hang", "ms": 50, "count": 0
        }))
        .unwrap();
        assert_eq!(fault.endpoint, Some(Endpoint::StableToken));
        assert_eq!((fault.count, fault.kind), (0, FaultKind::Hang { ms: 50 }));
    }

    #[test]
    fn a_fault_order_with_an_unknown_field_is_refused() {
        for body in [
            json!({"endpoint": "any", "kind": "reset_before", "ms": 5}),
            json!({"endpoint": "any", "kind": "hang", "ms": 5, "secs": 5}),
            json!({"endpoint": "any", "kind": "no_such"}),
            json!({"endpoint": "all", "kind": "hang", "ms": 5}),
            json!({"kind": "hang", "ms": 5}),
        ] {
            assert!(Fault::from_json(body.clone()).is_err(), "{body}");
        }
    }

    #[test]
    fn an_absent_expires_in_is_ordered_with_null() {
        let body = json!({"endpoint": "any", "kind": "expires_in", "value": null});
        let fault = Fault::from_json(body).unwrap();
        assert_eq!(fault.kind, FaultKind::ExpiresIn { value: Value::Null });
        assert!(Fault::from_json(json!({"endpoint": "any", "kind": "expires_in"})).is_err());
    }
}

//! A provider whose issuer stands in the test itself.

use std::{fmt, future::Future, time::Duration};

use evertoken_client::{CredentialId, Token};
use evertoken_provider::{
    Account, Fate, FetchError, Inputs, Issued, Probed, Provider, Remedy, Trouble,
};
use evertoken_rules::policy::Issuance;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

/// What an issuer in the test does. What it does not say is as with the older of WeChat's endpoints.
pub trait Issuer: Send + Sync {
    /// One call, which ends by `deadline`.
    fn call(
        &self,
        deadline: Instant,
        inputs: &Inputs,
    ) -> impl Future<Output = Result<Issued, FetchError>> + Send;

    /// What it says of a token.
    fn probe(&self, _token: &Token, _deadline: Instant) -> impl Future<Output = Probed> + Send {
        std::future::ready(Probed::Alive)
    }

    /// Its host.
    fn host(&self) -> &str {
        "issuer.test"
    }

    /// How it answers a repeated call.
    fn issuance(&self) -> Issuance {
        Issuance::Anew
    }

    /// The credentials whose tokens a call needs.
    fn inputs(&self) -> &[CredentialId] {
        &[]
    }

    /// Whether it is asked with a grant.
    fn has_grant(&self) -> bool {
        false
    }

    /// How far its day is ahead of UTC.
    fn quota_day_offset(&self) -> Duration {
        Duration::from_secs(8 * 3600)
    }

    /// The fingerprint of the settings.
    fn settings_fingerprint(&self) -> String {
        "aaaaaaaa".to_owned()
    }
}

/// A provider that speaks to such an issuer.
pub struct Double<I>(pub I);

/// An issuer that is not there.
pub struct Unreachable;

// === impl Unreachable ===

impl Issuer for Unreachable {
    async fn call(&self, _: Instant, _: &Inputs) -> Result<Issued, FetchError> {
        Err(FetchError::new(
            Trouble::IssuerUnreachable,
            Remedy::Retry,
            Fate::NotSent,
            "no connection",
        ))
    }
}

// === impl Double ===

impl<I: Issuer> Provider for Double<I> {
    fn kind(&self) -> &'static str {
        "wechat"
    }

    fn account(&self) -> Account<'_> {
        Account { issuer: self.0.host(), name: "wx0123456789abcdef", token: "token" }
    }

    fn issuance(&self) -> Issuance {
        self.0.issuance()
    }

    fn daily_quota(&self) -> u64 {
        2_000
    }

    fn quota_day_offset(&self) -> Duration {
        self.0.quota_day_offset()
    }

    fn inputs(&self) -> &[CredentialId] {
        self.0.inputs()
    }

    fn has_grant(&self) -> bool {
        self.0.has_grant()
    }

    fn settings_fingerprint(&self, _deadline: Instant) -> BoxFuture<'_, String> {
        Box::pin(std::future::ready(self.0.settings_fingerprint()))
    }

    fn readable(&self, _deadline: Instant) -> BoxFuture<'_, Vec<Result<(), FetchError>>> {
        Box::pin(std::future::ready(vec![Ok(())]))
    }

    fn fetch<'a>(
        &'a self,
        deadline: Instant,
        inputs: &'a Inputs,
    ) -> BoxFuture<'a, Result<Issued, FetchError>> {
        Box::pin(self.0.call(deadline, inputs))
    }

    fn probe<'a>(&'a self, token: &'a Token, deadline: Instant) -> BoxFuture<'a, Probed> {
        Box::pin(self.0.probe(token, deadline))
    }
}

impl<I> fmt::Debug for Double<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an issuer in the test")
    }
}

//! What the tests do to a store behind its back, on each kind of store.

mod files;
mod redis;

use std::{collections::BTreeMap, path::Path, time::Duration};

use evertoken::credential::CredentialId;

pub(crate) use self::{files::OnFiles, redis::OnRedis};

/// A store of a test's own, and its insides. Fields have the names of the contract on both; an
/// absent one and an empty one are the same.
pub(crate) trait Bench: Sized {
    async fn start(directory: &Path) -> Self;

    /// Where workers find the store.
    fn url(&self) -> String;

    async fn field(&self, id: &CredentialId, name: &str) -> Option<String>;

    async fn set(&self, id: &CredentialId, name: &str, value: &str);

    async fn unset(&self, id: &CredentialId, name: &str);

    async fn record(&self, id: &CredentialId) -> BTreeMap<String, String>;

    /// The token, as applications read it.
    async fn shown(&self, id: &CredentialId) -> Option<String>;

    /// Something else stands in the token's place.
    async fn replace_token(&self, id: &CredentialId, text: &str);

    async fn reported(&self, id: &CredentialId) -> Option<String>;

    /// The report that stands becomes older.
    async fn age_report(&self, id: &CredentialId, by: Duration);

    /// Whether somebody holds the lock that is the lease.
    async fn leased(&self, id: &CredentialId) -> bool;

    /// The lease ends by its time, with its holder alive.
    async fn end_lease(&self, id: &CredentialId);

    async fn lose_token(&self, id: &CredentialId);

    async fn lose_record(&self, id: &CredentialId);

    async fn lose_everything(&self);
}

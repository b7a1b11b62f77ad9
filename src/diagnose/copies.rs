//! The copies for other SDKs: whether this user may write them.

use super::Finding;
use crate::{
    config::Settings,
    store::{RedisStore, StoreError},
};

/// The copies that this user may not write, if there are any. Tokens are published without them.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn refused(
    redis: &RedisStore,
    settings: &Settings,
) -> Result<Option<Finding>, StoreError> {
    let copies = settings.credentials.iter().flat_map(|credential| &*credential.copies);
    let refused = redis.refused_copies(copies.map(|copied| &*copied.copy.key)).await?;
    if refused.is_empty() {
        return Ok(None);
    }
    let patterns: Vec<String> = refused.iter().map(|key| format!("~{}", escaped(key))).collect();
    let text = format!(
        "this user may not write {}, so copies are left out: grant it the keys with \
         ACL SETUSER NAME {}",
        refused.join(", "),
        patterns.join(" ")
    );
    Ok(Some(Finding::danger("copy.refused", text)))
}

/// The pattern of an ACL that stands for this key alone.
fn escaped(key: &str) -> String {
    let special =
        |char: char| if "*?[]\\".contains(char) { format!("\\{char}") } else { char.to_string() };
    key.chars().map(special).collect()
}

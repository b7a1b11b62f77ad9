//! The secrets of an account, where it may have several: while one is rotated, the new one and the old one
//! are listed. With which the issuer is asked, the record tells.

use std::{fmt, iter};

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::{FetchError, Fields, Secret, SecretSource, fingerprint::fingerprint};

/// One secret or several, the preferred first.
#[derive(Clone)]
pub struct Secrets {
    first: SecretSource,
    others: Box<[SecretSource]>,
}

/// The most that are taken: workers of one fleet may have different ones for a while, and the record knows
/// eight.
pub const MOST_SECRETS: usize = 4;

// === impl Secrets ===

impl Secrets {
    /// These, of which there is one at least.
    #[must_use]
    pub fn new(first: SecretSource, others: Vec<SecretSource>) -> Self {
        Self { first, others: others.into() }
    }

    /// Each of them, the preferred first.
    pub fn iter(&self) -> impl Iterator<Item = &SecretSource> {
        iter::once(&self.first).chain(&self.others)
    }

    /// Whether there is more than one.
    #[must_use]
    pub fn are_several(&self) -> bool {
        !self.others.is_empty()
    }

    /// The one at this place as people know it: `the 2nd of 2 secrets (file /run/secrets/shop-1)`.
    #[must_use]
    pub fn name(&self, place: usize) -> String {
        if !self.are_several() {
            return "the secret".to_owned();
        }
        let of = 1 + self.others.len();
        let number = place + 1;
        let nth = match number {
            1 => "st",
            2 => "nd",
            3 => "rd",
            _ => "th",
        };
        match self.iter().nth(place) {
            Some(SecretSource::File(file)) => {
                format!("the {number}{nth} of {of} secrets ({file:?})")
            }
            _ => format!("the {number}{nth} of {of} secrets"),
        }
    }

    /// The setting `name`, of which `impossible` may tell why a text can be no secret, in a sentence that
    /// lacks its subject. A text is judged at once; a file when it is read.
    pub(crate) fn read_setting(
        fields: &mut dyn Fields,
        name: &'static str,
        impossible: impl Fn(&str) -> Option<String>,
    ) -> Option<Self> {
        let secrets = fields.secrets(name)?;
        let wrong: Vec<String> = secrets
            .iter()
            .enumerate()
            .filter_map(|(place, source)| {
                let SecretSource::Value(value) = source else { return None };
                let it = if secrets.are_several() { secrets.name(place) } else { "it".to_owned() };
                impossible(value.expose()).map(|what| format!("{it} {what}"))
            })
            .collect();
        for what in &wrong {
            fields.wrong(name, what);
        }
        wrong.is_empty().then_some(secrets)
    }

    /// The one at this place as it is now, of which `impossible` may tell why it can be none.
    ///
    /// # Errors
    /// If it cannot be read, or can be none.
    pub(crate) async fn read(
        &self,
        place: usize,
        deadline: Instant,
        impossible: impl Fn(&str) -> Option<String>,
    ) -> Result<Secret, FetchError> {
        let source = self.iter().nth(place).unwrap_or(&self.first);
        source.read_possible(deadline, impossible).await
    }

    /// Whether each of them can be read by `deadline`, and can be one.
    pub(crate) async fn readable(
        &self,
        deadline: Instant,
        impossible: impl Fn(&str) -> Option<String>,
    ) -> Vec<Result<(), FetchError>> {
        let each = self
            .iter()
            .map(async |source| source.read_possible(deadline, &impossible).await.map(drop));
        join_all(each).await
    }

    /// All of them as they are now; none for one that cannot be read by `deadline`, or, if there are
    /// others, can be none.
    pub(crate) async fn now(
        &self,
        deadline: Instant,
        impossible: impl Fn(&str) -> Option<String>,
    ) -> SecretsNow {
        if !self.are_several() {
            return SecretsNow(vec![self.first.read(deadline).await.ok()]);
        }
        let each = self.iter().map(|source| source.read_possible(deadline, &impossible));
        SecretsNow(join_all(each).await.into_iter().map(Result::ok).collect())
    }
}

impl From<SecretSource> for Secrets {
    fn from(source: SecretSource) -> Self {
        Self::new(source, Vec::new())
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.are_several() {
            f.debug_list().entries(self.iter()).finish()
        } else {
            self.first.fmt(f)
        }
    }
}

/// Secrets as they were read, each if it could be.
pub(crate) struct SecretsNow(Vec<Option<Secret>>);

// === impl SecretsNow ===

impl SecretsNow {
    /// What stands for a secret where there is none to be shown.
    pub(crate) fn empty() -> Self {
        Self(vec![Some(Secret::new(""))])
    }

    /// The fingerprint of each, between what stands `before` and `after` it; empty for what is none.
    pub(crate) fn each(&self, before: &[&str], after: &[&str]) -> Vec<String> {
        let of = |secret: &Option<Secret>| match secret {
            Some(secret) => {
                let parts = before.iter().copied().chain([secret.expose()]);
                fingerprint(parts.chain(after.iter().copied()))
            }
            None => String::new(),
        };
        self.0.iter().map(of).collect()
    }

    /// The fingerprint of all together; empty if none could be read.
    pub(crate) fn together<'a>(
        &'a self,
        before: &[&'a str],
        after: impl Iterator<Item = &'a str>,
    ) -> String {
        if self.0.iter().all(Option::is_none) {
            return String::new();
        }
        let all = self.0.iter().map(|secret| secret.as_ref().map_or("", Secret::expose));
        fingerprint(before.iter().copied().chain(all).chain(after))
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use tempfile::TempDir;

    use super::*;
    use crate::SecretFile;

    const NONE: fn(&str) -> Option<String> = |_| None;

    #[tokio::test]
    async fn one_that_cannot_be_read_leaves_the_others_their_fingerprints() {
        let directory = TempDir::new().expect("a directory");
        let paths = ["new", "old"].map(|name| directory.path().join(name));
        fs::write(&paths[1], "s3cr3t").expect("a file");
        let [new, old] = paths.each_ref().map(|path| SecretSource::File(SecretFile::new(path)));
        let both = Secrets::new(new, vec![old.clone()]);
        let deadline = evertoken_clock::now() + Duration::from_secs(5);
        let before = both.now(deadline, NONE).await;
        let alone = Secrets::from(old).now(deadline, NONE).await;
        let [new, old] = &before.each(&["a"], &["z"])[..] else { panic!("two") };
        assert_eq!((new.as_str(), old), ("", &alone.each(&["a"], &["z"])[0]));
        let together = before.together(&["a"], iter::empty());
        fs::write(&paths[0], "n3w").expect("a file");
        let after = both.now(deadline, NONE).await;
        assert_ne!(after.together(&["a"], iter::empty()), together, "a change is noticed");
        assert!(after.each(&[], &[]).iter().all(|each| each.len() == 8));
        assert_eq!(both.readable(deadline, NONE).await.len(), 2);
    }

    #[test]
    fn each_is_named_by_its_place_and_its_file_and_prints_no_secret() {
        let file = SecretSource::File(SecretFile::new("/run/secrets/shop"));
        let secrets = Secrets::new(SecretSource::Value(Secret::new("s3cr3t")), vec![file]);
        assert_eq!(secrets.name(0), "the 1st of 2 secrets");
        assert_eq!(secrets.name(1), "the 2nd of 2 secrets (file /run/secrets/shop)");
        assert!(!format!("{secrets:?} {secrets:#?}").contains("s3cr3t"));
    }
}

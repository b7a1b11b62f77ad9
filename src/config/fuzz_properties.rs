//! What holds for a configuration of any bytes.

use std::path::Path;

use super::{Environment, Settings};

/// A secret that stands where a secret belongs, and that nothing may show.
const PLANTED: &str = "pl4nted-s3cr3t";

/// The longest line that a mistake may take, in characters.
const LONGEST_LINE: usize = 1000;

/// Whatever stands in the file and in the environment: mistakes are told in short lines, and no
/// secret is shown. The file's text comes first, then `NAME=VALUE`s, with a NUL between each.
///
/// # Panics
/// If a claim does not hold.
pub fn hold(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    // The fuzzer learns what is planted, and would plant it where it may be shown.
    if text.contains(PLANTED) {
        return;
    }
    let mut parts = text.split('\0');
    let file = parts.next().unwrap_or_default();
    let given = parts
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (format!("EVERTOKEN_{name}"), value.to_owned()));
    let planted = [
        ("PLANTED", PLANTED.to_owned()),
        ("EVERTOKEN_CREDENTIALS__PLANTED__SECRET", PLANTED.to_owned()),
        ("EVERTOKEN_STORE__URL", format!("redis://:{PLANTED}@127.0.0.1")),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    let environment: Environment = given.chain(planted).collect();
    match Settings::read(Some((Path::new("evertoken.toml"), file)), None, &environment) {
        Ok(settings) => {
            assert!(!format!("{settings:?}").contains(PLANTED), "settings show a secret");
            assert!(settings.times.request_timeout < settings.times.lease);
            for credential in &*settings.credentials {
                let account = credential.provider.account();
                assert!(!account.issuer.is_empty() && !account.name.is_empty());
                assert!(0 < credential.daily_quota);
            }
        }
        Err(mistakes) => {
            let said = mistakes.to_string();
            assert!(!said.contains(PLANTED), "a mistake shows a secret");
            for line in said.split('\n') {
                assert!(line.chars().count() <= LONGEST_LINE, "{} bytes in a line", line.len());
                assert!(!line.chars().any(char::is_control), "{line:?}");
            }
        }
    }
}

//! The targets of the fuzzer: one for each thing that is read and that others have written.
//!
//! A target takes any bytes and claims what holds for them; it calls what the program calls. The
//! claims stand beside what they are about; those of other crates, in them. They exist under the
//! fuzzer and in tests alone: a test replays the fuzzer's seeds, and inputs made from them.

pub use crate::{cli::fuzz_properties::hold as arguments, config::fuzz_properties::hold as config};
use crate::{credential::Chain, store::StoreUrl};

/// A password that no URL may show.
const PLANTED: &str = "pl4nted-s3cr3t";

/// Whatever the URL of a store is, its password is shown by nothing.
///
/// # Panics
/// If a claim does not hold.
pub fn store_url(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let shown = |url: &str| match StoreUrl::parse(url) {
        Ok(url) => format!("{url} {url:?}"),
        Err(invalid) => format!("{} {invalid:?}", Chain(&invalid)),
    };
    let _ = shown(&text);
    // The path of a file has no password. The fuzzer learns what is planted, and would have it shown
    // as a host, in capitals, with blanks or escapes.
    let plain: String = text.chars().filter(char::is_ascii_graphic).collect();
    let learnt = plain != text || plain.contains('%') || plain.to_lowercase().contains(PLANTED);
    let takes_one = !text.starts_with("file:") && !learnt;
    if let Some((scheme, rest)) = text.split_once("//").filter(|_| takes_one) {
        let said = shown(&format!("{scheme}//:{PLANTED}@{rest}"));
        assert!(!said.contains(PLANTED), "a password is shown");
    }
}

#[cfg(test)]
mod tests {
    use evertoken_testkit::seeds::replay;

    use super::*;

    #[test]
    fn whatever_others_have_written_is_survived() {
        replay("config", config, 500);
        replay("store_url", store_url, 2_000);
        replay("arguments", arguments, 500);
    }
}

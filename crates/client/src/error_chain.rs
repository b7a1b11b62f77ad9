//! An error and its causes in one line.
//!
//! Errors print only themselves and keep their source; whoever shows one to a person shows the
//! chain. Nothing here decides what an error means.

use std::{error::Error, fmt};

/// Prints an error and its causes as `what: why: why`.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a>(pub &'a (dyn Error + 'a));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            // Some libraries tell theirs in several lines.
            let text = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
            // Libraries often repeat their cause in their own text.
            if !said.contains(&text) {
                write!(f, ": {text}")?;
            }
            said = text;
            next = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the store cannot be reached")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_cause_in_several_lines_is_told_in_one() {
        let error = Outer(std::io::Error::other("parse error\nunexpected `84`\n"));
        let said = "the store cannot be reached: parse error unexpected `84`";
        assert_eq!(Chain(&error).to_string(), said);
    }

    #[test]
    fn a_chain_says_what_and_why() {
        let error = Outer(std::io::Error::other("connection refused"));
        assert_eq!(Chain(&error).to_string(), "the store cannot be reached: connection refused");
    }
}

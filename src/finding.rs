//! What each finding means: its section of `docs/findings.md`, under its stable name.

/// All sections, as people read them.
const SECTIONS: &str = include_str!("../docs/findings.md");

/// How a section begins.
const HEADING: &str = "\n## ";

/// What a finding means, what applications notice of it, and what to do; nothing if there is none of
/// this name.
#[must_use]
pub fn explain(name: &str) -> Option<&'static str> {
    sections().find(|(names, _)| names.split(", ").any(|each| each == name)).map(|(_, text)| text)
}

/// What to do about it, in one line, as people read it.
#[must_use]
pub fn to_do(name: &str) -> Option<String> {
    let (_, text) = explain(name)?.split_once("**To do:**")?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" ").replace('`', ""))
}

/// The names of all findings.
pub fn names() -> impl Iterator<Item = &'static str> {
    sections().flat_map(|(names, _)| names.split(", "))
}

/// Each section's names, and its text with them.
fn sections() -> impl Iterator<Item = (&'static str, &'static str)> {
    SECTIONS.split(HEADING).skip(1).filter_map(|section| {
        let text = section.split("\n# ").next().unwrap_or(section).trim();
        Some((text.lines().next()?, text))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::provider::Trouble;

    #[test]
    fn a_finding_is_explained_with_what_is_noticed_and_what_to_do() {
        let said = explain("secret.refused").expect("a section");
        assert!(said.starts_with("secret.refused\n"), "{said}");
        for part in ["does not take the AppSecret", "**Applications notice**", "**To do:**"] {
            assert!(said.contains(part), "{said}");
        }
        assert!(!said.contains("secret.unreadable"), "it ends where the next one begins: {said}");
        assert_eq!(explain("store.busy"), explain("store.loading"), "they share a section");
        assert_eq!(explain("secret"), None);
    }

    #[test]
    fn every_section_tells_what_is_noticed_and_what_to_do() {
        for (names, text) in sections() {
            assert!(text.contains("**Applications notice**"), "{names}");
            assert!(text.contains("**To do:**"), "{names}");
        }
        let said = to_do("secret.refused").expect("something to do");
        assert!(said.starts_with("the console does not show a secret again"), "{said}");
        assert!(said.ends_with("Then evertoken refresh ID."), "{said}");
    }

    #[test]
    fn each_name_has_one_section_and_each_trouble_a_name() {
        let all: Vec<&str> = names().collect();
        let unique: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(unique.len(), all.len());
        for trouble in Trouble::ALL {
            assert!(unique.contains(trouble.name()), "{trouble:?}");
        }
        let troubles: BTreeSet<&str> = Trouble::ALL.iter().map(|each| each.name()).collect();
        assert_eq!(troubles.len(), Trouble::ALL.len());
    }
}

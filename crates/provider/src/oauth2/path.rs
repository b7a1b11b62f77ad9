//! Where in an answer a value stands.

use std::fmt;

use serde_json::{Map, Value};

/// The name of a field, or the names down to it with dots: `access_token`, `data.access_token`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Path(Box<str>);

// === impl Path ===

impl Path {
    /// Takes the text as a path.
    ///
    /// # Errors
    /// If one of its names is empty.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.split('.').any(str::is_empty) {
            return Err(format!("{text:?} is no field, as access_token or data.access_token"));
        }
        Ok(Self(text.into()))
    }

    /// As the configuration spells it.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The value that stands there. A field whose own name has dots is found, too.
    pub(super) fn find<'a>(&self, answer: &'a Map<String, Value>) -> Option<&'a Value> {
        if let Some(value) = answer.get(&*self.0) {
            return Some(value);
        }
        let (first, rest) = self.0.split_once('.')?;
        rest.split('.').try_fold(answer.get(first)?, |value, name| value.get(name))
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_found_by_its_name_or_by_the_names_down_to_it() {
        let answer = json!({"a": 1, "b": {"c": {"d": 2}}, "e.f": 3});
        let find = |text: &str| {
            Path::parse(text).expect("a path").find(answer.as_object().expect("one")).cloned()
        };
        assert_eq!(
            ["a", "b.c.d", "e.f"].map(find),
            [Some(json!(1)), Some(json!(2)), Some(json!(3))]
        );
        assert_eq!(["x", "a.x", "b.c.x", "b.c.d.e"].map(find), [None, None, None, None]);
        for text in ["", ".a", "a.", "a..b"] {
            Path::parse(text).expect_err(text);
        }
    }
}

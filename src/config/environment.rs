//! The environment as a value.

use std::{collections::BTreeMap, fmt};

/// The variable in which `evertoken exec` hands a token on. It sets nothing.
pub const TOKEN_VARIABLE: &str = "EVERTOKEN_TOKEN";

/// The environment, read once by `main`. It may hold secrets, so it prints only names.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

// === impl Environment ===

impl Environment {
    /// A variable's value, if it is set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Each name with its value, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter()
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(variables: T) -> Self {
        Self(variables.into_iter().collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

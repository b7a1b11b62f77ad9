//! Texts by name: further parameters of a request, or claims of an assertion.

use std::fmt;

use crate::{Fields, fingerprint::fingerprint};

/// Texts by name, in their order. One may be a secret, so none prints itself.
#[derive(Clone, Default)]
pub(super) struct Params(pub(super) Vec<(String, String)>);

// === impl Params ===

impl Params {
    /// Reads a table. What has a setting of `own` is not to stand in it.
    pub(super) fn read(fields: &mut dyn Fields, name: &'static str, own: &[(&str, &str)]) -> Self {
        let params = Self(fields.table(name).unwrap_or_default());
        for (param, setting) in own {
            if params.names(param) {
                fields.wrong(name, &format!("{param} has a setting of its own: {setting}"));
            }
        }
        params
    }

    /// Whether there is one of this name.
    pub(super) fn names(&self, name: &str) -> bool {
        self.0.iter().any(|(given, _)| given == name)
    }

    /// A short hash of all of them.
    pub(super) fn fingerprint(&self) -> String {
        fingerprint(self.0.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]))
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

//! The text that Redis answers to `INFO` and its kin: a field a line.

/// What a server says of itself; empty if it may not be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info(String);

// === impl Info ===

impl Info {
    /// One of its fields.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Info {
    fn from(text: String) -> Self {
        Self(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "# Replication\r\nrole:master\r\nmaster_replid:1f8a\r\nmaster_replid2:0000\r\n";
        let info = Info::from(text.to_owned());
        assert_eq!(info.field("master_replid"), Some("1f8a"));
        assert_eq!(info.field("role"), Some("master"));
        assert_eq!(info.field("master"), None);
        assert_eq!(Info::default().field("role"), None);
    }
}

//! What is said on the channel of changes. A hint: losing a message may delay work, never lose it,
//! and anybody may have written it. The other channel carries a plain id.

use serde::{Deserialize, Serialize};

use crate::{CredentialId, Epoch, StoreTime};

/// A token was published, or its due time has changed. Fields may be added, never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Which credential.
    pub id: CredentialId,
    /// The epoch of the published token.
    pub epoch: Epoch,
    /// When it ends.
    pub expires_at: StoreTime,
    /// When the next refresh should begin.
    pub due_at: StoreTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = r#"{"id":"shop","epoch":7,"expires_at":9,"due_at":8}"#;

    #[test]
    fn the_message_is_that_of_the_contract() {
        let changed: Changed = serde_json::from_str(MESSAGE).expect("the message is understood");
        assert_eq!((changed.id.as_str(), changed.epoch), ("shop", Epoch(7)));
        assert_eq!(serde_json::to_string(&changed).expect("it has a text"), MESSAGE);
    }

    #[test]
    fn a_message_of_a_later_version_is_understood() {
        let later = MESSAGE.replace('}', r#","more":[]}"#);
        assert!(serde_json::from_str::<Changed>(&later).is_ok());
    }

    #[test]
    fn a_message_about_no_id_is_refused() {
        let foreign = MESSAGE.replace("shop", "{shop}");
        assert!(serde_json::from_str::<Changed>(&foreign).is_err());
    }
}

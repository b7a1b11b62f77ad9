//! The numbers of a sheet, whoever wrote them.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// What is no whole number of a sane length counts as absent, as in the scripts.
pub(super) fn number<'de, D: Deserializer<'de>, N: Number>(deserializer: D) -> Result<N, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let sane = value.as_u64().filter(|number| *number <= 9 * 10_u64.pow(15));
    Ok(sane.map(N::of).unwrap_or_default())
}

/// A number of the sheet.
pub(super) trait Number: Default {
    fn of(number: u64) -> Self;
}

impl Number for u64 {
    fn of(number: u64) -> Self {
        number
    }
}

impl Number for Option<u64> {
    fn of(number: u64) -> Self {
        Some(number)
    }
}

impl Number for u32 {
    fn of(number: u64) -> Self {
        Self::try_from(number).unwrap_or(Self::MAX)
    }
}

//! Answers of commands to values. They are read with distrust: something else may have written them.

use redis::Value;

use crate::{StoreError, StoreErrorCode};
use evertoken_client::Token;
use evertoken_clock::StoreTime;

/// The server answered something else than was agreed.
pub(super) fn unexpected(what: &str) -> StoreError {
    let message = format!("Redis answered {what} with something that this version does not know");
    StoreError::new(StoreErrorCode::ForeignValue, message)
}

/// The answer of `TIME`, or of the script in its place.
pub(super) fn time(value: &Value) -> Result<StoreTime, StoreError> {
    if let Some(millis) = count(value) {
        return Ok(StoreTime::from_millis(millis));
    }
    let (seconds, micros): (u64, u64) =
        redis::from_redis_value_ref(value).map_err(|_| unexpected("TIME"))?;
    Ok(StoreTime::from_millis(seconds.saturating_mul(1000).saturating_add(micros / 1000)))
}

/// A token as it stands in its key.
pub(super) fn token(bytes: &[u8]) -> Result<Token, StoreError> {
    // What is no text is no token either.
    Token::new(&String::from_utf8_lossy(bytes)).map_err(|invalid| {
        let message = "the token's key holds something that is not a token";
        StoreError::new(StoreErrorCode::ForeignValue, message).caused_by(invalid)
    })
}

/// A number of a record, if it is one.
pub(super) fn count(value: &Value) -> Option<u64> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
        _ => None,
    }
}

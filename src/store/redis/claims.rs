//! What holds for whatever stands in Redis, and for every message of any bytes.

use redis::{PushInfo, PushKind, RedisError, Value};

use super::{
    answers::{self, Answer, RECORD_FIELDS},
    hints,
    keys::Keys,
};
use crate::{
    clock::StoreTime,
    store::{Glance, Hint, claims::shows_nothing_strange},
};

/// A record's fields may hold anything, and be of any type: what is shown of them is short and
/// moves no cursor. The fields of a hash are split by line feeds; an empty one is absent.
///
/// # Panics
/// If a claim does not hold.
pub fn hold(bytes: &[u8]) {
    let fields = bytes.split(|byte| *byte == b'\n').map(|field| match field {
        b"" => Value::Nil,
        field => Value::BulkString(field.to_vec()),
    });
    let fields: Vec<Value> = fields.take(RECORD_FIELDS.len() + 1).collect();
    let parts: Vec<_> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).take(9).collect();
    reads(&Answer::new(&parts));
    if let Ok(token) = answers::token(bytes) {
        assert_eq!(token.expose().as_bytes(), bytes, "another token than stands there");
    }
    shows(&[Ok(Value::Array(fields)), Ok(Value::Int(1)), Ok(Value::Int(0))]);
    // The same bytes as a server's reply, which may nest and be of any type.
    if let Ok(reply) = redis::parse_redis_value(bytes) {
        shows(&[Ok(reply.clone())]);
        if let Value::Array(values) = reply {
            shows(&values.into_iter().map(Ok).collect::<Vec<_>>());
        }
    }
}

fn shows(values: &[Result<Value, RedisError>]) {
    let now = StoreTime::from_millis(1_700_000_000_000);
    let Glance { record, .. } = answers::glance(now, values);
    if let Some(record) = record {
        shows_nothing_strange(&record);
    }
}

fn reads(answer: &Answer) {
    let _ = (answer.verb(), answer.now(), answer.number(2), answer.reason(3), answer.duration(4));
}

/// Only a short message of the contract is a hint, and reads back as what it says.
///
/// # Panics
/// If a claim does not hold.
pub fn hold_for_messages(bytes: &[u8]) {
    let keys = Keys::new("evertoken");
    for channel in [keys.changed_channel(), keys.rejected_channel()] {
        let read = |text: &[u8]| {
            let data = [channel.as_bytes(), text].map(|bytes| Value::BulkString(bytes.to_vec()));
            hints::read(&PushInfo { kind: PushKind::Message, data: data.to_vec() }, &keys)
        };
        let hint = read(bytes);
        let Some(told) = &hint else { continue };
        assert!(bytes.len() <= 1024, "{} bytes were read", bytes.len());
        let Hint::Look(id) = told else { panic!("no message says that messages were missed") };
        let is_changed = channel == keys.changed_channel();
        let again = if is_changed { format!(r#"{{"id":"{id}"}}"#) } else { id.to_string() };
        assert_eq!(read(again.as_bytes()), hint, "{again}");
    }
}

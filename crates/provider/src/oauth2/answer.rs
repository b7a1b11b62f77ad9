//! What an answer of an OAuth issuer means: bytes to a token, or to an error by remedy. Pure.

use evertoken_client::{MAX_FIELDS_LEN, StoreTime, Token};
use serde_json::{Map, Value};

use super::{expiry::Expiry, path::Path, proof::Proof, refusal};
use crate::{Fate, FetchError, Issued, Remedy, Trouble, answer::object, transport::Answer};

/// Where what matters stands in an answer.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) token_field: Path,
    pub(super) expiry: Expiry,
    /// What else of it stands beside the token.
    pub(super) beside: Vec<Path>,
}

// === impl Shape ===

impl Shape {
    /// Reads an answer to a client that has shown `proof` in a call that was granted at `granted_at`.
    ///
    /// # Errors
    /// What the issuer says, by its remedy. Whoever answers with something else, with a token that
    /// cannot be found for one, is asked again when a person may have mended it.
    pub(super) fn read(
        &self,
        proof: &Proof,
        granted_at: StoreTime,
        answer: &Answer,
    ) -> Result<Issued, FetchError> {
        let is_success = (200..300).contains(&answer.status);
        let object = match object(&answer.body) {
            Ok(object) => object,
            Err(_) if !is_success => return Err(refusal::untold(answer, "is an error")),
            Err(what) => return Err(refusal::untold(answer, what)),
        };
        // Some say so with the status of a success.
        if let Some(Value::String(code)) = object.get("error") {
            let error = refusal::told(code, proof.client(), answer);
            // An assertion is dated by the store's clock; a secret is not.
            let is_dated = matches!(proof, Proof::Assertion(_));
            return Err(if is_dated { error.and(&answer.times.apart(granted_at)) } else { error });
        }
        if !is_success {
            return Err(refusal::untold(answer, "is an error"));
        }
        let odd = |what: &str| {
            let Answer { status, media_type, body, .. } = answer;
            let size = body.len();
            let message = format!("the answer {what} (HTTP {status}, {media_type}, {size} bytes)");
            FetchError::new(Trouble::IssuerUnclear, Remedy::Operator, Fate::Unknown, message)
        };
        let field = self.token_field.as_str();
        let Some(Value::String(token)) = self.token_field.find(&object) else {
            return Err(odd(&format!("has no token in {field}: see token_field")));
        };
        let token = Token::new(token).map_err(|invalid| {
            odd(&format!("has a token in {field} that cannot be one")).caused_by(invalid)
        })?;
        let now = answer.times.date.unwrap_or(granted_at);
        let lifetime = self.expiry.lifetime(&object, token.expose(), now);
        let lifetime = lifetime.map_err(|what| odd(&what))?;
        let token = match self.beside(&object) {
            Some(fields) if MAX_FIELDS_LEN < fields.len() => {
                return Err(odd(
                    "has more beside the token than the 4096 bytes that fit: see fields",
                ));
            }
            Some(fields) => token.with_fields(fields),
            None => token,
        };
        Ok(Issued::new(token, lifetime))
    }

    /// What is to stand beside the token, if anything is: an object with what is there of it, by the
    /// paths as they are configured.
    fn beside(&self, answer: &Map<String, Value>) -> Option<String> {
        if self.beside.is_empty() {
            return None;
        }
        let found = self
            .beside
            .iter()
            .filter_map(|path| Some((path.as_str().to_owned(), path.find(answer)?.clone())));
        Some(Value::Object(found.collect()).to_string())
    }
}

#[cfg(test)]
mod tests;

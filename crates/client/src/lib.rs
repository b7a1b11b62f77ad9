//! What an application and evertoken agree upon: names of credentials, tokens, and the store's time.
//!
//! It depends on nothing of the worker's.

mod epoch;
mod error_chain;
mod id;
mod time;
mod token;

pub use self::{
    epoch::Epoch,
    error_chain::Chain,
    id::{CredentialId, InvalidId, MAX_ID_LEN},
    time::{StoreTime, millis},
    token::{InvalidToken, MAX_TOKEN_LEN, Token},
};

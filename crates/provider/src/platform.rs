//! Platforms that differ in names and paths alone: each is a row of a table, and what is done with a
//! row stands once. No issuer's name stands in the code.
//!
//! - `row`: what there is to say of a platform. `table`: each of them, with its sources.
//! - `settings`: what an operator says of a credential. `client`: the requests.
//! - `answer`: what an answer means, pure.
//!
//! To add one: its row, its line in `KINDS`, its row in the simulator, and its page in `docs/issuers`.

mod answer;
mod client;
mod row;
mod settings;
pub(crate) mod table;
#[cfg(test)]
mod tests;

use self::{client::Client, row::Platform};
use crate::{Fields, Provider, Transport};

/// Reads a credential of this platform; `None` if any of its settings is missing or wrong.
pub(crate) fn read(
    platform: &'static Platform,
    fields: &mut dyn Fields,
    transport: &Transport,
) -> Option<Box<dyn Provider>> {
    let settings = settings::Settings::read(platform, fields)?;
    Some(Box::new(Client::new(settings, transport.clone())))
}

//! `evertoken get`: the current token, in the form that its reader takes.

use std::{
    io::{Write, stdout},
    sync::Arc,
};

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::{
    CommandError, current,
    helper::{self, Operation},
    known, native, store,
};
use crate::{
    config::{Environment, Mistakes, Settings},
    credential::CredentialId,
    store::{Coordinate, TokenWithExpiry},
};

/// What `get` is asked for.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The credential
    pub(super) id: CredentialId,
    /// What git or docker want of their helper: they append it
    operation: Option<Operation>,
    /// For whom it is printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Print a JSON object with the token's expiry and epoch: the same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// The user name that git and docker are told [default: x-access-token]
    #[arg(long, value_name = "NAME", value_parser = helper::username)]
    pub(super) username: Option<String>,
    /// Fetch a token first if none is valid, under the same lease as the workers
    #[arg(long)]
    pub(super) fetch: bool,
}

/// For whom the token is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The token alone
    Text,
    /// A JSON object with the token's expiry and epoch
    Json,
    /// What kubectl reads, and all else that has a kubeconfig
    Kubernetes,
    /// An answer to docker, from a credential helper
    Docker,
    /// An answer to git, from a credential helper
    Git,
    /// A file of secrets for Envoy (SDS)
    Envoy,
}

pub(super) async fn run(
    settings: &Settings,
    environment: &Environment,
    options: &Options,
) -> Result<(), CommandError> {
    let Options { id, fetch, .. } = options;
    known(settings, id)?;
    let format = if options.json { Format::Json } else { options.format };
    match (format, options.operation) {
        (Format::Git, Some(operation)) => return helper::git(settings, options, operation).await,
        (Format::Docker, Some(operation)) => {
            return helper::docker(settings, options, operation).await;
        }
        (Format::Git | Format::Docker, None) => {
            return Err(usage("it is missing: git and docker append get, store or erase"));
        }
        (_, Some(_)) => return Err(usage("only git and docker have one: --format git")),
        (_, None) => {}
    }
    let store = store(settings);
    if format == Format::Text {
        let token = current::token(settings, id, &store, *fetch).await?;
        return Ok(writeln!(stdout(), "{}", token.expose())?);
    }
    // Before anything is fetched.
    let version = match format {
        Format::Kubernetes => native::exec_credential_version(environment),
        _ => Ok(""),
    };
    let version =
        version.map_err(|why| CommandError::Usage(Mistakes::one(native::EXEC_INFO, why)))?;
    let mut token = current::token_with_expiry(settings, id, &store, *fetch).await?;
    let answer = match format {
        Format::Kubernetes => native::exec_credential(&token, version).to_string(),
        Format::Envoy => native::envoy(id, &token).to_string(),
        _ => {
            let fields = fields(settings, id, &store, &mut token).await?;
            native::json(id, &token, fields).map_err(std::io::Error::other)?
        }
    };
    Ok(writeln!(stdout(), "{answer}")?)
}

fn usage(why: &str) -> CommandError {
    CommandError::Usage(Mistakes::one("OPERATION", why.to_owned()))
}

/// What stands beside the token, if the configuration has any. If another token came meanwhile, it is that
/// one's.
async fn fields(
    settings: &Settings,
    id: &CredentialId,
    store: &Arc<dyn Coordinate>,
    token: &mut TokenWithExpiry,
) -> Result<Option<Value>, CommandError> {
    if !settings.credential(id).is_ok_and(|each| each.provider.has_fields()) {
        return Ok(None);
    }
    if let Some(now) = store.token_with_fields(id).await? {
        *token = now;
    }
    Ok(token.token.fields().and_then(|text| serde_json::from_str(text).ok()))
}

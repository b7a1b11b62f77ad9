//! The settings of a credential at a platform, in the words of its console.

use evertoken_client::CredentialId;

use super::row::{Endpoint, Owner, Platform};
use crate::{BaseUrls, Fields, Secrets, wechat::impossible};

/// The longest name of an account.
const MAX_NAME: usize = 128;

/// One credential.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) platform: &'static Platform,
    pub(super) endpoint: &'static Endpoint,
    pub(super) whose: Whose,
    pub(super) base_urls: BaseUrls,
    /// Somebody has named where the issuer is asked.
    pub(super) is_elsewhere: bool,
}

/// Whose token it is.
#[derive(Clone, Debug)]
pub(super) enum Whose {
    /// An account's: all of its names with a slash between, each by its setting, and its secrets.
    Account { name: Box<str>, names: Names, secrets: Secrets },
    /// That of this credential, whose account is told once it is known: its name, its names by their
    /// settings, and its fingerprint.
    Parent { id: [CredentialId; 1], account: Box<str>, names: Names, fingerprint: Option<Box<str>> },
}

/// What names an account, by the settings.
pub(super) type Names = Box<[(&'static str, Box<str>)]>;

// === impl Settings ===

impl Settings {
    pub(super) fn read(platform: &'static Platform, fields: &mut dyn Fields) -> Option<Self> {
        let whose = match &platform.owner {
            Owner::Account { names, secret } => read_account(names, *secret, fields),
            Owner::Parent { .. } => read_parent(fields),
        };
        let endpoint = chosen(platform, fields);
        let hosts = endpoint.map_or(&[][..], |endpoint| endpoint.hosts);
        let host = match platform.region {
            Some((name, what)) => {
                let choices: Vec<_> = hosts.iter().map(|(word, host)| (*word, *host)).collect();
                fields.choice(name, what, &choices).or(hosts.first().map(|(_, host)| *host))
            }
            None => hosts.first().map(|(_, host)| *host),
        };
        let given = fields.base_urls("base_url", host.unwrap_or("https://api.example"));
        let is_elsewhere = given.is_some();
        let base_urls = given.or_else(|| BaseUrls::parse(&[host?]).ok());
        Some(Self {
            platform,
            endpoint: endpoint?,
            whose: whose?,
            base_urls: base_urls?,
            is_elsewhere,
        })
    }

    /// What messages call the account.
    pub(super) fn account(&self) -> &str {
        match &self.whose {
            Whose::Account { name, .. } => name,
            Whose::Parent { account, .. } => account,
        }
    }

    /// The name that stands in requests.
    pub(super) fn first_name(&self) -> &str {
        match &self.whose {
            Whose::Account { names, .. } => names.first().map_or("", |(_, first)| first),
            Whose::Parent { .. } => "",
        }
    }

    pub(super) fn parent(&self) -> Option<&CredentialId> {
        match &self.whose {
            Whose::Account { .. } => None,
            Whose::Parent { id: [id], .. } => Some(id),
        }
    }
}

/// The endpoint that is chosen; the first, if none is.
fn chosen(platform: &'static Platform, fields: &mut dyn Fields) -> Option<&'static Endpoint> {
    let Some((name, what)) = platform.choice else { return platform.endpoints.first() };
    let choices: Vec<_> = platform.endpoints.iter().map(|each| (each.word, each)).collect();
    fields.choice(name, what, &choices).or(platform.endpoints.first())
}

fn read_account(
    names: &'static [(&'static str, &'static str)],
    (secret_name, secret_what): (&'static str, &'static str),
    fields: &mut dyn Fields,
) -> Option<Whose> {
    let read: Vec<_> = names
        .iter()
        .map(|(name, what)| {
            let given = fields.parsed(name, checked);
            fields.required(name, what, given)
        })
        .collect();
    let secrets = Secrets::read_setting(fields, secret_name, impossible);
    let secrets = fields.required(secret_name, secret_what, secrets);
    let texts: Vec<String> = read.into_iter().collect::<Option<_>>()?;
    let name = texts.join("/").into();
    let texts = texts.into_iter().map(String::into_boxed_str);
    let names = names.iter().map(|(name, _)| *name).zip(texts).collect();
    Some(Whose::Account { name, names, secrets: secrets? })
}

fn read_parent(fields: &mut dyn Fields) -> Option<Whose> {
    let id = fields.parsed("parent", |text| {
        text.parse::<CredentialId>().map_err(|invalid| invalid.to_string())
    });
    let what = "the name of the credential whose token it is got with: parent = \"shop\"";
    let id = fields.required("parent", what, id)?;
    let account = id.as_str().into();
    Some(Whose::Parent { id: [id], account, names: Names::default(), fingerprint: None })
}

fn checked(text: &str) -> Result<String, String> {
    if let Some(what) = impossible(text) {
        return Err(format!("it {what}"));
    }
    if !(1..=MAX_NAME).contains(&text.len()) {
        return Err(format!("it has 1 to {MAX_NAME} characters"));
    }
    Ok(text.to_owned())
}

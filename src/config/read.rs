//! The tree to settings. What cannot be read is a mistake, and reading goes on, so that all
//! mistakes are told at once.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use super::{
    AdminSettings, Environment, Mistake, Settings, StoreSettings, copies, derived, door,
    fields::CredentialFields,
    notify,
    section::Section,
    tree::{Place, Table, Value},
};
use crate::{
    credential::Chain,
    credential::CredentialId,
    provider::{BaseUrls, Credential, Transport, Way},
    refresh::Times,
    store::{Certificates, StoreUrl, some_certificate, some_key},
};

const STORE_URL: &str = "file:./evertoken-data";
const PREFIX: &str = "evertoken";
const REQUEST_TIMEOUT: Duration = Duration::from_secs(8);
const LEASE: Duration = Duration::from_secs(10);
const ADMIN: &str = "127.0.0.1:9464";

/// Reads all settings. Mistakes are added to `mistakes`; what was wrong has its default here.
pub(super) fn settings(
    tree: Table,
    environment: &Environment,
    origin: String,
    mistakes: &mut Vec<Mistake>,
) -> Option<Settings> {
    let mut root = Section::new("", tree, mistakes);
    let store = root.section("store");
    let worker = root.section("worker");
    let admin = root.section("admin");
    let notices = root.section("notify");
    let credentials = root.section("credentials");
    let door = root.section("door");
    root.end();

    let store = read_store(store, mistakes);
    let read = read_worker(worker, environment, mistakes);
    let ReadWorker { times, calls_at_once, way, authorities } = read;
    let admin = read_admin(admin, environment, mistakes);
    let notify = notify::read(notices, environment, mistakes);
    let door = door::read(door, &credentials, environment, mistakes);
    let transport = Transport::new(times.request_timeout);
    let transport = match authorities {
        Some(file) => transport.trusting(file),
        None => transport,
    };
    let transport = transport.by(way);
    let kept = store.as_ref().map(|store| (&store.url, &*store.prefix));
    let mut credentials = read_credentials(credentials, environment, &transport, kept, mistakes);
    if let Some(door) = &door {
        door.hasten(&mut credentials);
        mistakes.extend(door.mistakes(&credentials));
    }
    let credentials = credentials.into();
    let store = store?;
    Some(Settings {
        store,
        times,
        calls_at_once,
        admin,
        door,
        notify,
        credentials,
        transport,
        origin,
    })
}

fn read_store(table: Table, mistakes: &mut Vec<Mistake>) -> Option<StoreSettings> {
    let mut section = Section::new("store.", table, mistakes);
    let url = section.text("url");
    let prefix = section.parsed("prefix", |text| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        let good = (1..=64).contains(&text.len()) && text.bytes().all(allowed);
        good.then(|| text.to_owned())
            .ok_or_else(|| "a prefix is 1 to 64 characters of A-Z a-z 0-9 . _ : -".to_owned())
    });
    let is_default = url.is_none();
    let (place, url) = url.unwrap_or_else(|| (Place::named("the default"), STORE_URL.to_owned()));
    let tls = section.section("tls");
    section.end();
    let certificates = read_certificates(tls, mistakes)?;
    let url = StoreUrl::parse_with(&url, certificates).map_err(|invalid| {
        let message = format!("store.url: {}", Chain(&invalid));
        mistakes.push(Mistake { place: place.to_string(), message });
    });
    let prefix = prefix.unwrap_or_else(|| PREFIX.to_owned());
    Some(StoreSettings { url: url.ok()?, prefix, is_default })
}

/// `[store.tls]`, its files read; none if no file is named.
fn read_certificates(table: Table, mistakes: &mut Vec<Mistake>) -> Option<Option<Certificates>> {
    let before = mistakes.len();
    let mut section = Section::new("store.tls.", table, mistakes);
    let authority = section.file("ca_cert_file", some_certificate).map(|(_, pem)| pem);
    let place = ["cert_file", "key_file"]
        .into_iter()
        .find_map(|name| section.table.get(name).map(|node| node.place.clone()));
    let names = ["cert_file", "key_file"].map(|name| section.table.contains_key(name));
    if names[0] != names[1] {
        let message = "store.tls.cert_file and store.tls.key_file go together";
        section.mistake(&place.unwrap_or_else(|| Place::named("store.tls")), message.to_owned());
    }
    let certificate = section.file("cert_file", some_certificate).map(|(_, pem)| pem);
    let key = section.file("key_file", some_key).map(|(_, pem)| pem);
    section.end();
    if before < mistakes.len() {
        return None;
    }
    let client = certificate.zip(key);
    let any = authority.is_some() || client.is_some();
    Some(any.then(|| Certificates::new(authority, client)))
}

/// What `[worker]` says.
struct ReadWorker {
    times: Times,
    calls_at_once: Option<usize>,
    way: Way,
    /// A file of authorities that are trusted beside the machine's.
    authorities: Option<PathBuf>,
}

fn read_worker(table: Table, environment: &Environment, mistakes: &mut Vec<Mistake>) -> ReadWorker {
    let mut section = Section::new("worker.", table, mistakes);
    let place = ["lease", "request_timeout"]
        .into_iter()
        .find_map(|name| section.table.get(name).map(|node| node.place.clone()));
    let short = Duration::from_millis(100);
    let request_timeout = section.duration("request_timeout", short).unwrap_or(REQUEST_TIMEOUT);
    let lease = section.duration("lease", short).unwrap_or(LEASE);
    if lease <= request_timeout {
        let message = format!(
            "worker.lease ({}) must exceed worker.request_timeout ({}): a call to the issuer has \
             to end while its lease lives",
            humantime::format_duration(lease),
            humantime::format_duration(request_timeout),
        );
        section.mistake(&place.unwrap_or_else(|| Place::named("the defaults")), message);
    }
    let calls_at_once = section.positive("calls_at_once");
    let calls_at_once = calls_at_once.map(|most| usize::try_from(most).unwrap_or(usize::MAX));
    let authorities = section.file("ca_cert_file", some_certificate).map(|(path, _)| path);
    let mut fields =
        CredentialFields { section, place: &Place::named("worker"), environment, last: &mut None };
    let way = Way::read(&mut fields);
    fields.section.end();
    ReadWorker { times: Times { request_timeout, lease }, calls_at_once, way, authorities }
}

fn read_admin(
    table: Table,
    environment: &Environment,
    mistakes: &mut Vec<Mistake>,
) -> Option<AdminSettings> {
    let mut section = Section::new("admin.", table, mistakes);
    let listen = section.listen("listen", ADMIN);
    let (_, texts) = section.texts("hosts").unzip();
    let mut hosts = Vec::new();
    for (place, text) in texts.into_iter().flatten() {
        match host_name(&text) {
            Some(host) => hosts.push(host),
            None => section.mistake(&place, format!(
                "admin.hosts: {text:?} is not the name of a host, as status.example.com, with neither \
                 scheme nor port"
            )),
        }
    }
    let token = section.secret("token", environment);
    section.end();
    let listen = listen.unwrap_or_else(|| ADMIN.parse().ok())?;
    Some(AdminSettings { listen, hosts, token })
}

/// The name of a host in small letters, or an address of the older kind.
fn host_name(text: &str) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let good = (1..=253).contains(&text.len()) && text.bytes().all(allowed);
    good.then(|| text.trim_end_matches('.').to_ascii_lowercase())
}

fn read_credentials(
    mut table: Table,
    environment: &Environment,
    transport: &Transport,
    store: Option<(&StoreUrl, &str)>,
    mistakes: &mut Vec<Mistake>,
) -> Vec<Arc<Credential>> {
    let mut read = Vec::new();
    let mut unread = Vec::new();
    table.sort_unstable_keys();
    // Neighbours mostly have the same entry points, and share them.
    let mut last: Option<BaseUrls> = None;
    for (name, node) in table {
        let place = node.place;
        let id = match name.parse::<CredentialId>() {
            Ok(id) => id,
            Err(invalid) => {
                let message = format!("credentials.{name:?}: {invalid}");
                mistakes.push(Mistake { place: place.to_string(), message });
                continue;
            }
        };
        let Value::Table(table) = node.value else {
            unread.push(id.clone());
            let message = format!("credentials.{id} must be a section: [credentials.{id}]");
            mistakes.push(Mistake { place: place.to_string(), message });
            continue;
        };
        let prefix = format!("credentials.{id}.");
        let parent = table.get("parent").map(|node| node.place.clone());
        let also_write = table.get("also_write").map(|node| node.place.clone());
        let section = Section::new(&prefix, *table, mistakes);
        let mut fields = CredentialFields { section, place: &place, environment, last: &mut last };
        let credential = Credential::read(id.clone(), &mut fields, transport);
        fields.section.end();
        match credential {
            Some(credential) => {
                let needs = parent.unwrap_or_else(|| place.clone());
                read.push(Read { credential, place, needs, also_write });
            }
            None => unread.push(id),
        }
    }
    derived::derive(&mut read, &unread, mistakes);
    copies::find(&mut read, store, mistakes);
    let places: Vec<Place> = read.iter().map(|each| each.place.clone()).collect();
    let credentials: Vec<_> = read.into_iter().map(|each| Arc::new(each.credential)).collect();
    one_account_each(&credentials, &places, mistakes);
    credentials
}

/// A credential, and where its section stands and what it says of the one that it is derived from.
pub(super) struct Read {
    pub(super) credential: Credential,
    place: Place,
    pub(super) needs: Place,
    /// Where it says which copies it has, if it does.
    pub(super) also_write: Option<Place>,
}

fn one_account_each(
    credentials: &[Arc<Credential>],
    places: &[Place],
    mistakes: &mut Vec<Mistake>,
) {
    let mut accounts = HashMap::new();
    for (credential, place) in credentials.iter().zip(places) {
        let account = (credential.provider.kind(), credential.provider.account());
        if let Some(other) = accounts.insert(account, &credential.id) {
            let message = format!(
                "credentials.{} and credentials.{other} are one account: each refresh of one would \
                 kill the other's token; keep one of them",
                credential.id
            );
            mistakes.push(Mistake { place: place.to_string(), message });
        }
    }
}

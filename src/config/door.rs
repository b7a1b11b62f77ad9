//! `[door]`: who may ask it for which tokens.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf, sync::Arc};

use indexmap::IndexSet;

use super::{
    Environment, Forward, Mistake, forward,
    section::Section,
    tree::{Node, Place, Table, Value},
};
use crate::{
    credential::CredentialId,
    policy::Issuance,
    provider::{Credential, SecretSource},
    store::{some_certificate, some_key},
};

const EXAMPLE: &str = "127.0.0.1:8080";
const FORWARD_EXAMPLE: &str = "127.0.0.1:8081";

/// The shortest key that is taken, in characters: a shorter one can be guessed.
pub const MIN_KEY: usize = 16;

/// The longest name of a client, in characters. It is a label of metrics.
const MAX_NAME: usize = 64;

/// `[door]`, where there is one.
#[derive(Clone, Debug)]
pub struct DoorSettings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where it listens for calls that are passed on to issuers; it answers there as elsewhere, too.
    pub forward_listen: Option<SocketAddr>,
    /// The files of its certificate and of the key of that, both in PEM; none if it speaks no TLS.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// `[door.clients.NAME]`, by name.
    pub clients: Vec<DoorClient>,
}

/// `[door.clients.NAME]`.
#[derive(Clone, Debug)]
pub struct DoorClient {
    /// The user's name for it.
    pub name: String,
    /// What it may prove itself with; each of them is valid. Files are read again.
    pub keys: Vec<SecretSource>,
    /// Whose tokens it may have.
    pub credentials: Vec<CredentialId>,
    /// Which calls are passed on for it.
    pub forward: Forward,
}

// === impl DoorSettings ===

impl DoorSettings {
    /// The address at which keys and tokens cross a network in clear, if there is one.
    #[must_use]
    pub fn in_clear(&self) -> Option<SocketAddr> {
        let is_far = |listen: &SocketAddr| !listen.ip().to_canonical().is_loopback();
        let all = [Some(self.listen), self.forward_listen].into_iter().flatten();
        all.into_iter().find(is_far).filter(|_| self.tls.is_none())
    }

    /// What is wrong with what is passed on for its clients.
    pub(super) fn mistakes<'a>(
        &'a self,
        credentials: &'a [Arc<Credential>],
    ) -> impl Iterator<Item = Mistake> + 'a {
        forward::mistakes(&self.clients, credentials)
    }

    /// Has what its clients may see refreshed as early as its issuer allows, unless the user has named
    /// another time: whoever asks for a token that lasts is kept waiting until then.
    pub(super) fn hasten(&self, credentials: &mut [Arc<Credential>]) {
        let seen: BTreeSet<&CredentialId> =
            self.clients.iter().flat_map(|client| &client.credentials).collect();
        for credential in credentials.iter_mut().filter(|each| seen.contains(&each.id)) {
            if let Some(credential) = Arc::get_mut(credential)
                && let Issuance::Repeats { window } = credential.provider.issuance()
            {
                credential.refresh_before.get_or_insert(window);
            }
        }
    }
}

/// Reads the section. `credentials` is the section of these, by name.
pub(super) fn read(
    table: Table,
    credentials: &Table,
    environment: &Environment,
    mistakes: &mut Vec<Mistake>,
) -> Option<DoorSettings> {
    let mut section = Section::new("door.", table, mistakes);
    let listen = section.listen("listen", EXAMPLE);
    let listens_at = section.place_of("listen");
    // A door that is closed passes nothing on, and needs no listener.
    let forward_listen = section.listen("forward_listen", FORWARD_EXAMPLE).flatten();
    if let Some(place) = section.place_of("forward_listen")
        && forward_listen.is_some()
        && listen.flatten() == forward_listen
    {
        let message = "door.forward_listen is door.listen, too: calls are passed on by a listener of their \
                       own, which also gives tokens";
        section.mistake(&place, message.to_owned());
    }
    let tls = read_tls(&mut section);
    let clients = section.section("clients");
    section.end();
    let is_empty = clients.is_empty();
    let mut read: Vec<DoorClient> = Vec::new();
    let mut keys = Keys::default();
    for (name, node) in clients {
        let forwards = forward_listen.is_some() || listen.flatten().is_none();
        read.extend(read_client(
            name,
            node,
            credentials,
            environment,
            &mut keys,
            forwards,
            mistakes,
        ));
    }
    read.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    let listen = listen.flatten()?;
    if is_empty {
        let message = "a door without clients answers nobody: add a section [door.clients.NAME] with \
                       keys and credentials";
        let place = listens_at.unwrap_or_else(|| Place::named("door.listen")).to_string();
        mistakes.push(Mistake { place, message: message.to_owned() });
    }
    Some(DoorSettings { listen, forward_listen, tls, clients: read })
}

fn read_tls(section: &mut Section<'_>) -> Option<(PathBuf, PathBuf)> {
    let names = ["tls_cert_file", "tls_key_file"];
    let given = names.map(|name| section.table.get(name).map(|node| node.place.clone()));
    if let [Some(place), None] | [None, Some(place)] = &given {
        let message = "door.tls_cert_file and door.tls_key_file go together";
        section.mistake(place, message.to_owned());
    }
    let certificate = section.file("tls_cert_file", some_certificate).map(|(path, _)| path);
    let key = section.file("tls_key_file", some_key).map(|(path, _)| path);
    certificate.zip(key)
}

fn read_client(
    name: String,
    node: Node,
    credentials: &Table,
    environment: &Environment,
    all_keys: &mut Keys,
    forwards: bool,
    mistakes: &mut Vec<Mistake>,
) -> Option<DoorClient> {
    let place = node.place;
    let mut wrong = |message: String| {
        mistakes.push(Mistake { place: place.to_string(), message });
        None
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !(1..=MAX_NAME).contains(&name.len()) || !name.bytes().all(allowed) {
        return wrong(format!(
            "door.clients.{name:?}: a name is 1 to {MAX_NAME} characters of A-Z a-z 0-9 . _ -"
        ));
    }
    let Value::Table(table) = node.value else {
        return wrong(format!("door.clients.{name} must be a section: [door.clients.{name}]"));
    };
    let prefix = format!("door.clients.{name}.");
    let mut section = Section::new(&prefix, *table, mistakes);
    let keys = read_keys(&mut section, &place, environment, &name, all_keys);
    let seen = read_seen(&mut section, &place, credentials);
    let forward = forward::read(&mut section, forwards);
    section.end();
    Some(DoorClient { name, keys, credentials: seen, forward })
}

/// The keys of all clients so far, to notice one that is given twice.
#[derive(Default)]
struct Keys(Vec<(SecretSource, String)>);

// === impl Keys ===

impl Keys {
    /// Whose it is already, if it is anybody's. Notes that it is of this client.
    fn owner_before(&mut self, key: &SecretSource, client: &str) -> Option<String> {
        let is_same = |other: &SecretSource| match (key, other) {
            (SecretSource::Value(one), SecretSource::Value(other)) => {
                one.expose() == other.expose()
            }
            (SecretSource::File(one), SecretSource::File(other)) => one.path() == other.path(),
            _ => false,
        };
        let before = self.0.iter().find(|(other, _)| is_same(other)).map(|(_, name)| name.clone());
        self.0.push((key.clone(), client.to_owned()));
        before
    }
}

fn read_keys(
    section: &mut Section<'_>,
    client: &Place,
    environment: &Environment,
    name: &str,
    all: &mut Keys,
) -> Vec<SecretSource> {
    let field = section.name_of("keys");
    let is_given = section.table.contains_key("keys");
    let keys = section.secret_list("keys", environment);
    if !is_given || keys.as_ref().is_some_and(Vec::is_empty) {
        let place = section.place_of("keys").unwrap_or_else(|| client.clone());
        let message = format!(
            "{field} names no key: give keys = [{{ file = \"…\" }}], which the client sends in place \
             of a secret"
        );
        section.mistake(&place, message);
    }
    let mut read = Vec::new();
    for (place, key) in keys.into_iter().flatten() {
        if let SecretSource::Value(text) = &key
            && text.expose().len() < MIN_KEY
        {
            let message = format!(
                "{field}: a key of fewer than {MIN_KEY} characters can be guessed: make one with \
                 openssl rand -hex 32"
            );
            section.mistake(&place, message);
        }
        if let Some(before) = all.owner_before(&key, name) {
            let message = format!(
                "{field}: the client {before} has this key already: who sends it could be either; \
                 give each client keys of its own"
            );
            section.mistake(&place, message);
        }
        read.push(key);
    }
    read
}

fn read_seen(section: &mut Section<'_>, client: &Place, credentials: &Table) -> Vec<CredentialId> {
    let field = section.name_of("credentials");
    let (place, texts) = section.texts("credentials").unzip();
    let texts = texts.unwrap_or_default();
    if texts.is_empty() {
        let place = place.unwrap_or_else(|| client.clone());
        let message = format!(
            "{field} names no credential: give credentials = [\"ID\"], whose tokens the client may have"
        );
        section.mistake(&place, message);
    }
    let mut seen = IndexSet::new();
    for (place, text) in texts {
        let id = text.parse::<CredentialId>().ok().filter(|_| credentials.contains_key(&text));
        match id.map(|id| seen.insert(id)) {
            Some(true) => {}
            Some(false) => {
                let message = format!("{field}: {text} is given twice: keep one of the two");
                section.mistake(&place, message);
            }
            None => {
                let known: Vec<&str> = credentials.keys().map(String::as_str).take(20).collect();
                let known = known.join(", ");
                let message =
                    format!("{field}: there is no credential {text:?}; there are: {known}");
                section.mistake(&place, message);
            }
        }
    }
    seen.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use super::super::{Environment, Mistakes, Settings};

    const KEY: &str = "hidden-key-of-web";

    fn read(door: &str) -> Result<Settings, Mistakes> {
        let text = format!(
            "[credentials.shop]\nappid = \"wx1\"\nsecret = \"s\"\n[credentials.other]\nappid = \
             \"wx2\"\nsecret = \"s\"\n{door}\n"
        );
        let variables = [
            ("WEB_KEY", KEY),
            ("EVERTOKEN_DOOR__CLIENTS__LISTED__KEYS__0__FILE", "one"),
            ("EVERTOKEN_DOOR__CLIENTS__LISTED__KEYS__1__FILE", "other"),
        ];
        // All but the first are of a client that only one test has.
        let most = if door.contains("clients.listed") { 3 } else { 1 };
        let variables = variables.into_iter().take(most);
        let environment: Environment =
            variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Settings::read(Some((Path::new("evertoken.toml"), &text)), None, &environment)
    }

    #[test]
    fn variables_number_the_keys_of_a_client() {
        let door = "[door]\nlisten = \"[::1]:1\"\n[door.clients.listed]\ncredentials = [\"shop\"]";
        let door = read(door).expect("good settings").door.expect("a door");
        assert_eq!(door.clients[0].keys.len(), 2);
    }

    #[test]
    fn clients_have_keys_of_their_own_and_no_key_is_printed() {
        let settings = read(
            "[door]\nlisten = \"127.0.0.1:8080\"\n[door.clients.web]\nkeys = [{ env = \"WEB_KEY\" }, { \
             file = \"new\" }]\ncredentials = [\"shop\"]\n[door.clients.app]\nkeys = \
             \"hidden-key-of-app\"\ncredentials = \"shop\"",
        )
        .expect("good settings");
        assert!(!format!("{settings:?}").contains("hidden"), "{settings:?}");
        let door = settings.door.expect("a door");
        assert_eq!(door.in_clear(), None);
        let [app, web] = &door.clients[..] else { panic!("two clients") };
        assert_eq!((app.name.as_str(), web.name.as_str()), ("app", "web"));
        assert_eq!((web.keys.len(), web.credentials[0].as_str()), (2, "shop"));
    }

    #[test]
    fn what_clients_may_see_is_refreshed_as_early_as_its_issuer_allows() {
        let settings = read(
            "[door]\nlisten = \"127.0.0.1:8080\"\n[door.clients.web]\nkeys = { file = \"web\" }\n\
             credentials = [\"shop\"]",
        )
        .expect("good settings");
        let [other, shop] = &settings.credentials[..] else { panic!("two credentials") };
        assert_eq!(other.refresh_before, None);
        assert_eq!(shop.refresh_before, Some(Duration::from_secs(300)));
    }

    #[test]
    fn a_door_is_off_unless_it_is_opened() {
        assert!(read("").expect("good settings").door.is_none());
        assert!(read("[door]\nlisten = \"off\"").expect("good settings").door.is_none());
    }

    #[test]
    fn each_mistake_has_its_place_and_all_are_told_together() {
        let door = "[door]\nlisten = \"8080\"\ntls_key_file = \"nowhere\"\n[door.clients.web]\nkeys = \
                    [\"hidden\", { env = \"WEB_KEY\" }]\ncredentials = [\"shop\", \"nobody\", \
                    \"shop\"]\nforward = [\"a\"]\ninject = \"yes\"\n[door.clients.app]\nkeys = [{ env = \
                    \"WEB_KEY\" }]\n[door.clients.none]\ncredentials = [\"shop\"]\nkeys = []";
        let told = read(door).expect_err("mistakes").to_string();
        assert!(!told.contains("hidden"), "{told}");
        let expected = [
            "evertoken.toml:8: door.listen: \"8080\" is not an address",
            "evertoken.toml:9: door.tls_cert_file and door.tls_key_file go together",
            "evertoken.toml:9: door.tls_key_file: the file nowhere",
            "evertoken.toml:11: door.clients.web.keys: a key of fewer than 16",
            "evertoken.toml:12: door.clients.web.credentials: there is no credential \"nobody\"; there \
             are: shop, other",
            "evertoken.toml:12: door.clients.web.credentials: shop is given twice",
            "evertoken.toml:13: door.clients.web.forward: \"a\": a path begins with /",
            "evertoken.toml:14: door.clients.web.inject must be true or false",
            "evertoken.toml:15: door.clients.app.credentials names no credential",
            "evertoken.toml:16: door.clients.app.keys: the client web has this key already",
            "evertoken.toml:19: door.clients.none.keys names no key",
        ];
        let lines: Vec<&str> = told.lines().collect();
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.starts_with(expected), "{line}\n{expected}");
        }
        assert_eq!(lines.len(), expected.len(), "{told}");
        let told = read("[door]\nlisten = \"0.0.0.0:1\"").expect_err("no clients").to_string();
        assert!(told.starts_with("evertoken.toml:8: a door without clients"), "{told}");
    }
}

//! `forward` and `inject` of a client of the door: which calls of its issuer's API are passed on for it.

use std::{collections::BTreeSet, fmt, sync::Arc};

use super::{Mistake, door::DoorClient, section::Section, tree::Place};
use crate::{credential::CredentialId, provider::Credential};

/// The most credentials of a client whose calls carry the token itself: whose call it is, is told by
/// comparing it with the token of each.
const MOST_BY_TOKEN: usize = 64;

/// Which calls are passed on for a client.
#[derive(Clone, Debug, Default)]
pub struct Forward {
    /// The paths; none if nothing is passed on.
    paths: Vec<ForwardPath>,
    /// The client never has a token: it is put into its calls.
    pub injects: bool,
    /// Where the paths are given.
    place: Option<Place>,
}

/// A path, or all paths below one that ends with `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardPath(Box<str>);

/// The text is no such path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a path begins with / and has neither query, nor blanks, nor percent signs, nor . or .. as a part; \
     one that ends with / stands for all paths below it"
)]
pub struct InvalidForwardPath(());

// === impl ForwardPath ===

impl ForwardPath {
    /// Takes a text as a path.
    ///
    /// # Errors
    /// [`InvalidForwardPath`].
    pub fn parse(text: &str) -> Result<Self, InvalidForwardPath> {
        let is_plain = |char: char| char.is_ascii_graphic() && !"%?#\\*".contains(char);
        let inner = text.strip_prefix('/').ok_or(InvalidForwardPath(()))?;
        let parts = inner.strip_suffix('/').unwrap_or(inner);
        let is_part = |part: &str| !matches!(part, "" | "." | "..");
        let is_good = parts.is_empty() && text == "/" || parts.split('/').all(is_part);
        match is_good && text.chars().all(is_plain) {
            true => Ok(Self(text.into())),
            false => Err(InvalidForwardPath(())),
        }
    }

    fn permits(&self, path: &str) -> bool {
        match self.0.ends_with('/') {
            true => path.starts_with(&*self.0),
            false => path == &*self.0,
        }
    }
}

// === impl Forward ===

impl Forward {
    /// Whether anything is passed on.
    #[must_use]
    pub fn is_some(&self) -> bool {
        !self.paths.is_empty()
    }

    /// Whether a call of this path is. Calls below `/sns/` have tokens of users (`wechat-api.md` section 8):
    /// with the account's they would be answered as if that were dead.
    #[must_use]
    pub fn permits(&self, path: &str) -> bool {
        let is_of_users = self.injects && path.starts_with("/sns/");
        !is_of_users && self.paths.iter().any(|each| each.permits(path))
    }

    /// What is wrong with it for these credentials, which are all of its client's.
    fn wrong_for(&self, credentials: &[&Credential]) -> Option<String> {
        if !self.injects && MOST_BY_TOKEN < credentials.len() {
            return Some(format!(
                "whose call it is would be told by comparing its token with those of more than \
                 {MOST_BY_TOKEN} credentials: set inject = true, or give each application a client of \
                 its own"
            ));
        }
        let lacking = credentials.iter().find(|each| each.provider.calls().is_none())?;
        let (id, kind) = (&lacking.id, lacking.provider.kind());
        Some(format!(
            "{id} ({kind}) has no API whose calls can be passed on: wechat, wecom, dingtalk, and feishu's \
             tenant and app have; give the client credentials of these alone"
        ))
    }
}

/// The paths.
impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<&str> = self.paths.iter().map(|ForwardPath(path)| &**path).collect();
        f.write_str(&paths.join(", "))
    }
}

/// Reads the two settings. `listens` tells whether the door has a listener for such calls.
pub(super) fn read(section: &mut Section<'_>, listens: bool) -> Forward {
    let (forward, inject) = (section.name_of("forward"), section.name_of("inject"));
    let given = section.texts("forward");
    let at = given.as_ref().map(|(place, _)| place.clone());
    let mut paths = Vec::new();
    for (place, text) in given.map(|(_, texts)| texts).unwrap_or_default() {
        match ForwardPath::parse(&text) {
            Ok(path) => paths.push(path),
            Err(invalid) => section.mistake(&place, format!("{forward}: {text:?}: {invalid}")),
        }
    }
    if let Some(place) = at.as_ref().filter(|_| !listens && !paths.is_empty()) {
        let message = format!(
            "{forward}: calls are passed on by a listener of their own: set door.forward_listen"
        );
        section.mistake(place, message);
    }
    let injects = section.flag("inject").unwrap_or_default();
    if let Some(place) = section.place_of("inject").filter(|_| injects && paths.is_empty()) {
        let message = format!(
            "{inject}: tokens are put into calls that are passed on, and none is: give {forward}"
        );
        section.mistake(&place, message);
    }
    Forward { paths, injects, place: at }
}

/// What is wrong with what is passed on for clients, as far as it takes the credentials to tell.
pub(super) fn mistakes<'a>(
    clients: &'a [DoorClient],
    credentials: &'a [Arc<Credential>],
) -> impl Iterator<Item = Mistake> + 'a {
    clients.iter().filter(|client| client.forward.is_some()).filter_map(|client| {
        let ids: BTreeSet<&CredentialId> = client.credentials.iter().collect();
        let seen = credentials.iter().filter(|each| ids.contains(&each.id));
        let seen: Vec<&Credential> = seen.map(|each| &**each).collect();
        let wrong = client.forward.wrong_for(&seen)?;
        let place = client.forward.place.as_ref()?.to_string();
        let message = format!("door.clients.{}.forward: {wrong}", client.name);
        Some(Mistake { place, message })
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{
        super::{Environment, Settings},
        *,
    };

    /// The mistakes of a configuration with this door, and with as many credentials of WeChat.
    fn mistakes_of(door: &str, count: usize) -> Vec<String> {
        let mut text = format!("[door]\nlisten = \"127.0.0.1:1\"\n{door}\n");
        for number in 0..count {
            text += &format!("[credentials.c{number}]\nappid = \"wx{number}\"\nsecret = \"s\"\n");
        }
        text += "[credentials.ticket]\nprovider = \"wechat-ticket\"\nparent = \"c0\"\nticket = \"jsapi\"\n";
        let read =
            Settings::read(Some((Path::new("a.toml"), &text)), None, &Environment::default());
        read.err()
            .map_or_else(Vec::new, |told| told.to_string().lines().map(str::to_owned).collect())
    }

    #[test]
    fn what_cannot_be_passed_on_is_told_by_its_place() {
        let client = "[door.clients.web]\nkeys = { file = \"web\" }\ncredentials = ";
        let all = |count: usize| {
            let ids: Vec<String> = (0..count).map(|number| format!("\"c{number}\"")).collect();
            format!("[{}]", ids.join(", "))
        };
        let listens = "forward_listen = \"127.0.0.1:2\"";
        let with =
            |listens: &str, ids: &str, more: &str| format!("{listens}\n{client}{ids}\n{more}");
        for (door, told) in [
            (
                with("", "\"c0\"", "forward = \"/\""),
                "a.toml:7: door.clients.web.forward: calls are passed on by",
            ),
            (
                with(listens, "\"c0\"", "inject = true"),
                "a.toml:7: door.clients.web.inject: tokens are put into",
            ),
            (
                with(listens, "\"ticket\"", "forward = \"/\""),
                "a.toml:7: door.clients.web.forward: ticket (wechat-ticket) has no API",
            ),
            (
                with(listens, &all(65), "forward = \"/\""),
                "a.toml:7: door.clients.web.forward: whose call it is would be told",
            ),
        ] {
            let found = mistakes_of(&door, 65);
            assert!(found.len() == 1 && found[0].starts_with(told), "{found:?}\n{told}");
        }
        for door in [
            with(listens, &all(65), "forward = [\"/cgi-bin/\"]\ninject = true"),
            with(listens, &all(64), "forward = \"/cgi-bin/,/wxa/\"\ninject = false"),
        ] {
            assert_eq!(mistakes_of(&door, 65), Vec::<String>::new());
        }
    }

    fn forward(paths: &[&str]) -> Forward {
        let paths = paths.iter().map(|path| ForwardPath::parse(path).expect("a path")).collect();
        Forward { paths, injects: false, place: None }
    }

    #[test]
    fn a_path_is_itself_and_one_that_ends_with_a_slash_is_all_below() {
        let some = forward(&["/cgi-bin/user/", "/wxa/getwxacode"]);
        for path in ["/cgi-bin/user/", "/cgi-bin/user/info", "/cgi-bin/user/a/b", "/wxa/getwxacode"]
        {
            assert!(some.permits(path), "{path}");
        }
        for path in
            ["/", "/cgi-bin/user", "/cgi-bin/users", "/wxa/getwxacode/", "/wxa/getwxacodeunlimit"]
        {
            assert!(!some.permits(path), "{path}");
        }
        assert!(forward(&["/"]).permits("/any/thing"));
        assert!(!forward(&[]).permits("/"));
    }

    #[test]
    fn what_could_stand_for_another_path_is_none() {
        for bad in [
            "", "cgi-bin/", "//", "/a//b", "/a/../b", "/./a", "/..", "/a?b", "/a%2fb", "/a b",
            "/a/*",
        ] {
            assert_eq!(ForwardPath::parse(bad), Err(InvalidForwardPath(())), "{bad}");
        }
    }
}

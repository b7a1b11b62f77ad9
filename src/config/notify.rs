//! `[notify]`: where notices go to.

use super::{
    Environment, Mistake,
    section::Section,
    tree::{Node, Table, Value},
};
use crate::{
    notify::{Shape, Way, is_url},
    provider::SecretSource,
};

/// Reads the section. Nobody is told if it is absent or empty.
pub(super) fn read(
    table: Table,
    environment: &Environment,
    mistakes: &mut Vec<Mistake>,
) -> Option<Way> {
    let mut section = Section::new("notify.", table, mistakes);
    let is_command = section.table.contains_key("command");
    let is_url = section.table.contains_key("url");
    let command = read_command(&mut section);
    let url = read_url(&mut section, environment);
    let shape = section.parsed("shape", |text| {
        let names = Shape::ALL.map(Shape::as_str).join(", ");
        let found = Shape::ALL.into_iter().find(|shape| shape.as_str() == text);
        found.ok_or_else(|| format!("{text:?} is none; there are: {names}"))
    });
    if is_command && let Some(place) = section.place_of("url") {
        let message = "notify.command and notify.url exclude each other: keep one of them";
        section.mistake(&place, message.to_owned());
    }
    if !is_url && let Some(place) = section.place_of("shape") {
        let message = "notify.shape is of what is posted to notify.url: give that, or remove it";
        section.mistake(&place, message.to_owned());
    }
    section.end();
    let post = url.map(|url| Way::Post { url, shape: shape.unwrap_or(Shape::Json) });
    command.map(Way::Command).or(post)
}

fn read_command(section: &mut Section<'_>) -> Option<Vec<String>> {
    let Node { place, value, .. } = section.take("command")?;
    let parts: Option<Vec<String>> = match value {
        Value::List(items) => items
            .into_iter()
            .map(|item| if let Value::Text(text) = item.value { Some(text) } else { None })
            .collect(),
        _ => None,
    };
    let parts = parts.filter(|parts| parts.first().is_some_and(|program| !program.is_empty()));
    if parts.is_none() {
        let message =
            "notify.command must be a list of texts: [\"/usr/bin/program\", \"--option\"]";
        section.mistake(&place, message.to_owned());
    }
    parts
}

fn read_url(section: &mut Section<'_>, environment: &Environment) -> Option<SecretSource> {
    let url = section.secret("url", environment)?;
    if let SecretSource::Value(text) = &url
        && !is_url(text.expose())
    {
        let place = section.place_of("url")?;
        section.mistake(&place, "notify.url must be a URL as https://HOST/…".to_owned());
        return None;
    }
    Some(url)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Environment, Mistakes, Settings};
    use crate::notify::{Shape, Way};

    fn read(section: &str) -> Result<Settings, Mistakes> {
        let text = format!("[notify]\n{section}\n");
        let environment: Environment =
            [("ROBOT".to_owned(), "https://robot.example/hidden".to_owned())].into_iter().collect();
        Settings::read(Some((Path::new("evertoken.toml"), &text)), None, &environment)
    }

    #[test]
    fn a_command_or_a_url_is_read_and_no_url_is_printed() {
        let command = read(r#"command = ["/bin/page", "--now"]"#).expect("good settings").notify;
        assert!(matches!(command, Some(Way::Command(parts)) if parts == ["/bin/page", "--now"]));
        assert!(read("").expect("good settings").notify.is_none());
        let named = "url = { env = \"ROBOT\" }\nshape = \"wecom\"";
        for section in [named, "url = \"https://robot.example/hidden\"\nshape = \"wecom\""] {
            let settings = read(section).expect("good settings");
            assert!(!format!("{settings:?}").contains("hidden"), "{settings:?}");
            assert!(matches!(settings.notify, Some(Way::Post { shape: Shape::Wecom, .. })));
        }
    }

    #[test]
    fn each_mistake_has_its_place_and_repeats_no_url() {
        let cases = [
            (
                "command = \"page --now\"",
                "evertoken.toml:2: notify.command must be a list of texts",
            ),
            ("command = []", "evertoken.toml:2: notify.command must be a list of texts"),
            ("url = \"hidden/path\"", "evertoken.toml:2: notify.url must be a URL"),
            (
                "url = \"https://a/hidden\"\nshape = \"irc\"",
                "evertoken.toml:3: notify.shape: \"irc\" is none; there are: json, slack",
            ),
            (
                "command = [\"a\"]\nurl = \"https://a/hidden\"",
                "evertoken.toml:3: notify.command and notify.url exclude each other",
            ),
            ("command = [\"a\"]\nshape = \"slack\"", "evertoken.toml:3: notify.shape is of what"),
            ("shape = \"slack\"", "evertoken.toml:2: notify.shape is of what"),
            (
                "url = \"https://a/hidden\"\nhost = \"b\"",
                "evertoken.toml:3: notify.host is not known; there are: command, url, shape",
            ),
        ];
        for (section, expected) in cases {
            let Err(mistakes) = read(section) else { panic!("{section} is taken") };
            let told = mistakes.to_string();
            assert!(told.starts_with(expected), "{section}: {told}");
            assert!(!told.contains("hidden"), "{told}");
            assert_eq!(told.lines().count(), 1, "{told}");
        }
    }
}

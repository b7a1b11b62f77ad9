//! What `docs/issuers/oauth2.md` tells to paste, pasted as it stands: only the issuer's address and the
//! places of secrets are the test's.

use evertoken_testkit::fleet::{Fleet, issuer_settings};

use super::{TWO_HOURS, end};
use crate::tls::certificates;

/// The blocks of a page in this language.
pub(super) fn blocks(page: &str, language: &str) -> Vec<String> {
    let path = format!("{}/docs/issuers/{page}.md", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("a page");
    let begin = format!("```{language}\n");
    let rests = text.split(&begin).skip(1);
    rests.filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect()
}

/// What stands behind `name` in quotation marks.
fn quoted<'a>(block: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = block.split_once(&format!("{name} = \""))?;
    rest.split('"').next()
}

/// A section of the page, with the simulator's address and a file for its secret; and its id.
fn placed(fleet: &mut Fleet, block: &str, url: &str) -> (String, String) {
    let id = block.split(['.', ']']).nth(1).expect("a section").to_owned();
    let client = quoted(block, "client_id").expect("a client").to_owned();
    let secret = format!("secret-of-{client}");
    fleet.secrets.push(secret.clone());
    let given = quoted(block, "token_url").expect("a URL");
    let mut section = block.replace(given, url);
    if block.contains("client_cert") {
        // No TLS is asked for here: `certificate.rs` has a door that asks.
        certificates(fleet.path());
        fleet.issuer.oauth().certified(&client);
        section = section.replace("/run/secrets/bank.crt", "cert.pem");
        section = section.replace("/run/secrets/bank.key", "key.pem");
    } else if let Some(file) = quoted(block, "{ file") {
        fleet.write(&id, &secret);
        section = section.replace(file, &id);
    }
    (id, section)
}

#[tokio::test]
async fn every_configuration_of_the_page_about_client_credentials_brings_a_token_with_one_command()
{
    let sections = blocks("oauth2", "toml");
    assert_eq!(sections.len(), 7);
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let url = format!("{}/oauth2/token", fleet.issuer.base_url());
    for block in &sections {
        let (id, section) = placed(&mut fleet, block, &url);
        let text = format!("[store]\nurl = \"{}\"\n{section}", fleet.redis.url());
        fleet.write("evertoken.toml", &text);
        let got = fleet.command(&["get", &id, "--fetch"]).await;
        assert!(got.status.success(), "{id}: {}", got.stderr);
        assert!(fleet.issuer.oauth().is_alive(got.stdout.trim()), "{id}");
    }
    end(fleet).await;
}

#[tokio::test]
async fn the_commands_of_the_page_about_client_credentials_do_what_it_says() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let url = format!("{}/oauth2/token", fleet.issuer.base_url());
    let (id, section) = placed(&mut fleet, &blocks("oauth2", "toml")[0], &url);
    let text =
        format!("[store]\nurl = \"{}\"\n[admin]\nlisten = \"off\"\n{section}", fleet.redis.url());
    fleet.write("evertoken.toml", &text);
    let commands = blocks("oauth2", "sh").concat();
    let words: Vec<Vec<&str>> =
        commands.lines().map(|line| line.split(' ').skip(1).collect()).collect();
    assert_eq!(words.len(), 3, "{words:?}");
    let checked = fleet.command(&words[0]).await;
    assert!(
        checked.stdout.contains("reports: client-reports"),
        "{}{}",
        checked.stdout,
        checked.stderr
    );
    let got = fleet.command(&words[1]).await;
    assert!(got.status.success(), "{}", got.stderr);
    assert_eq!(words[2], ["reject", &*id, "-"]);
    end(fleet).await;
}

//! What the runbook tells to type. Each command in it is run here as it stands, or is quoted from what
//! another test runs; one that is neither fails.

use std::{
    collections::BTreeSet,
    fs,
    process::{Command, Output},
    time::Duration,
};

use evertoken_testkit::{
    fleet::{APPID, Fleet, SECRET, issuer_settings},
    wait_for,
};

use super::home;

const TWO_HOURS: Duration = Duration::from_secs(7200);

/// The programs whose names begin a command, beside evertoken itself.
const PROGRAMS: [&str; 8] =
    ["ACL", "docker", "journalctl", "kubectl", "make", "printf", "redis-cli", "systemctl"];

fn text(file: &str) -> String {
    fs::read_to_string(home().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// All that a document tells to type: what stands in quotation, and the lines of its blocks.
fn commands(document: &str) -> BTreeSet<String> {
    let text = text(document);
    let (mut quoted, mut lines) = (Vec::new(), Vec::new());
    for (at, part) in text.split("```").enumerate() {
        match at % 2 {
            0 => quoted.extend(part.split('`').skip(1).step_by(2)),
            _ => lines.extend(part.strip_prefix("sh\n").into_iter().flat_map(str::lines)),
        }
    }
    let lines = lines.iter().map(|line| line.split(" #").next().unwrap_or_default().trim());
    let all = quoted.into_iter().chain(lines).map(str::to_owned);
    all.filter(|command| {
        let program = command.split(' ').next().unwrap_or_default();
        program == "evertoken" && command.contains(' ') || PROGRAMS.contains(&program)
    })
    .collect()
}

fn of_runbook(program: &str) -> BTreeSet<String> {
    let all = commands("docs/operating.md").into_iter();
    all.filter(|command| command.split(' ').next() == Some(program)).collect()
}

/// The one command of the runbook that begins so.
fn the(start: &str) -> String {
    let all = commands("docs/operating.md");
    let found: Vec<&String> = all.iter().filter(|command| command.starts_with(start)).collect();
    assert_eq!(found.len(), 1, "the runbook has one {start}");
    found[0].clone()
}

fn sh(fleet: &Fleet, command: &str) -> Output {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(fleet.path());
    tokio::task::block_in_place(|| shell.output()).expect("a shell is there")
}

/// A worker that publishes, and whose secret is in a file.
async fn fleet() -> Fleet {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let secret = format!("\"{}\"", SECRET);
    let configuration = fleet.configuration("stable_token", "");
    let configuration = configuration.replace(&secret, "{ file = \"shop\" }");
    fleet.write("shop", SECRET);
    fleet.write("evertoken.toml", &configuration);
    fleet.start("evertoken.toml");
    fleet.published().await;
    fleet
}

/// `evertoken WORDS`, as it is typed.
async fn typed(fleet: &mut Fleet, command: &str) -> i32 {
    let command = command.replace("ID", "shop").replace("NAME", "secret.refused");
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    let ended = fleet.command(&words).await;
    let code = ended.status.code().expect("it ended by itself");
    // A file that stands, or a command that is only named, is no mistake in what is told to type.
    let is_fine = |said: &str| said.contains("is there already") || said.contains("are missing");
    assert!(code != 64 || is_fine(&ended.stderr), "`{command}`: {}", ended.stderr);
    code
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_runbook_is_run_by_a_test_or_quoted_from_one() {
    let mut fleet = fleet().await;
    for command in of_runbook("evertoken") {
        // Refreshes that are asked for are a minute apart.
        fleet.set_field("requests.last_at", 0).await;
        assert_eq!(typed(&mut fleet, &command).await, 0, "`{command}`");
    }
    fleet.end().await;

    let elsewhere = ["tools/compose", "Makefile", "docker-compose.yml"].map(text).concat();
    for command in commands("docs/operating.md") {
        let words: Vec<&str> = command.split(' ').collect();
        let is_known = match words[..] {
            ["evertoken", ..] => true,
            ["make", target] => elsewhere.contains(&format!("\n{target}:")),
            ["make", "bench", rows] => {
                let row = rows.strip_prefix("ROWS=").expect("the rows that are measured");
                home().join(format!("benches/fleet/{row}.rs")).exists()
            }
            // tools/compose does the same, word for word.
            ["docker", "stop" | "rm"] => {
                elsewhere.contains(&format!("\"docker\", \"{}\"", words[1]))
            }
            ["docker", "compose", "up", "-d", "--no-recreate", "evertoken"] => {
                elsewhere.contains("fleet.up(\"--no-recreate\", \"evertoken\")")
                    && elsewhere.contains("self(\"up\", \"-d\"")
            }
            ["docker", "compose", "build"] => text("Dockerfile").contains("AS worker"),
            ["docker", "compose", "logs", service] => {
                elsewhere.contains(&format!("\n  {service}:\n"))
            }
            ["systemctl", "restart", unit] | ["journalctl", "-u", unit] => {
                home().join(format!("deploy/systemd/{unit}.service")).exists()
            }
            ["kubectl", "logs"] => true,
            // The tests below.
            ["printf", ..] | ["ACL", "LOAD"] => true,
            _ => false,
        };
        assert!(is_known, "`{command}` of the runbook is run by no test, and quoted from none");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_other_documents_is_understood() {
    let mut fleet = fleet().await;
    for document in ["docs/findings.md", "docs/redis-services.md", "SECURITY.md"] {
        for command in commands(document).iter().filter(|text| text.starts_with("evertoken ")) {
            typed(&mut fleet, command).await;
        }
    }
    fleet.end().await;
}

/// With the list of files that the runbook names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_runbooks_way_to_rotate_a_secret_brings_a_token_by_the_new_one() {
    const NEW: &str = "0123456789abcdef0123456789abcdef";
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    fleet.secrets.push(NEW.to_owned());
    let runbook = text("docs/operating.md");
    let list = runbook.split('`').find(|quoted| quoted.starts_with("secret = [")).expect("a list");
    let plain = format!("secret = \"{SECRET}\"");
    let configuration = fleet.configuration("stable_token", "").replace(&plain, list);
    fleet.write("evertoken.toml", &configuration);
    fleet.write("shop-1", SECRET);
    fleet.start("evertoken.toml");
    let first = fleet.published().await;
    assert_eq!(typed(&mut fleet, "evertoken check").await, 0);
    fleet.issuer.account(APPID, Some(NEW), None).expect("an account");
    let changed = sh(&fleet, &the("printf").replace("NEW", NEW));
    assert!(changed.status.success() && changed.stdout.is_empty(), "{changed:?}");
    fleet.issuer.kill(APPID).expect("an account");
    assert_eq!(typed(&mut fleet, "evertoken refresh shop").await, 0);
    let second = fleet.published_after(&first).await;
    assert!(fleet.issuer.alive(&second).alive);
    assert_eq!(fleet.summary().wrong_secrets, 0, "the new one was read before the call");
    let told = fleet.command(&["status", "shop"]).await.stdout;
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("the 1st of 2 secrets (file shop-2) works"), "{told}");
    assert!(told.contains("it may go, here and at the issuer"), "{told}");
    fleet.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_runbooks_way_to_shut_out_a_reader_takes_its_password_away_at_once() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let file = directory.path().join("users.acl");
    let rules = text("deploy/redis/users.acl");
    fs::write(&file, &rules).expect("a file");
    let options = ["--aclfile", file.to_str().expect("a text")];
    let fleet = Fleet::on(issuer_settings(TWO_HOURS), &options).await;
    let port = fleet.redis.port();
    let as_user = |user: &str, words: &str| {
        let words = format!("redis-cli -p {port} --no-auth-warning --user {user} --pass {words}");
        let said = sh(&fleet, &words);
        String::from_utf8([said.stdout, said.stderr].concat()).expect("a text")
    };
    let read = "change-me-reader GET 'evertoken:{shop}:token'";
    assert_eq!(as_user("reader", read).trim(), "", "there is no token, and a reader may ask");
    fs::write(&file, rules.replace("change-me-reader", "another")).expect("a file");
    let loaded = as_user("admin", &format!("change-me-admin {}", the("ACL")));
    assert_eq!(loaded.trim(), "OK");
    wait_for("the old password is refused", || async {
        as_user("reader", read).contains("WRONGPASS").then_some(())
    })
    .await;
    fleet.end().await;
}

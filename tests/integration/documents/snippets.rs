//! What the README tells to paste, pasted as it stands: into Python, into a shell, into Redis.

use std::{
    fs::File,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use evertoken_testkit::{
    fleet::{APPID, Fleet, issuer_settings},
    wait_until,
};
use redis::AsyncCommands;

use super::home;

const TWO_HOURS: Duration = Duration::from_secs(7200);

/// The only block of the README in this language that holds `part`.
fn block(language: &str, part: &str) -> String {
    let readme = std::fs::read_to_string(home().join("README.md")).expect("the README");
    let begin = format!("```{language}\n");
    let blocks = readme.split(&begin).skip(1).filter_map(|rest| rest.split("```").next());
    let found: Vec<&str> = blocks.filter(|block| block.contains(part)).collect();
    assert_eq!(found.len(), 1, "the README has one block in {language} with {part}");
    found[0].to_owned()
}

/// A program's end, while the simulator answers on another thread.
fn output(command: &mut Command) -> Output {
    tokio::task::block_in_place(|| command.output()).expect("the program is there")
}

/// What an application with the README's snippet prints, with redis-py's defaults or with texts.
fn application(fleet: &Fleet, values: &str, later: Option<&str>) -> String {
    let home = home().join("tests/integration/documents/python");
    for file in ["application.py", "redis_stand_in.py"] {
        std::fs::copy(home.join(file), fleet.path().join(file)).expect("a copy");
    }
    fleet.write("snippet.py", &block("python", "def call_wechat"));
    let mut python = Command::new("python3");
    python.current_dir(fleet.path()).args(["-B", "application.py"]);
    python.args([&fleet.redis.port().to_string(), &fleet.issuer.base_url(), values]);
    python.args(later).env("no_proxy", "*");
    let ended = output(&mut python);
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success(), "{said}{}", String::from_utf8_lossy(&ended.stderr));
    said
}

#[test]
fn the_chinese_readme_tells_the_same_program() {
    let chinese = std::fs::read_to_string(home().join("README.zh-CN.md")).expect("the README");
    assert!(chinese.contains(&block("python", "def call_wechat")), "the programs differ");
}

async fn report(fleet: &Fleet) -> Option<String> {
    let mut connection = fleet.redis.connect().await;
    connection.get("evertoken:{shop}:rejected").await.expect("redis answers")
}

async fn runs_in_python(values: &str) {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let said = application(&fleet, values, None);
    assert!(said.starts_with("LookupError: no token of shop is valid"), "{said}");

    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    fleet.start(&configuration);
    let first = fleet.published().await;
    let said = application(&fleet, values, None);
    assert!(said.contains("ip_list"), "{said}");
    assert_eq!(report(&fleet).await, None, "a token that works is not reported");

    fleet.issuer.kill(APPID).expect("an account");
    let said = application(&fleet, values, None);
    assert!(said.contains("4000") || said.contains("42001"), "{said}");
    let second = fleet.published_after(&first).await;
    let said = application(&fleet, values, None);
    assert!(said.contains("ip_list"), "{said}");
    assert_eq!(fleet.summary().calls, 2);

    // A worker was faster than the answer.
    fleet.workers[0].signal("TERM");
    fleet.workers[0].ended().await;
    let mut connection = fleet.redis.connect().await;
    let () = redis::pipe()
        .set("evertoken:{shop}:token", &first)
        .del("evertoken:{shop}:rejected")
        .query_async(&mut connection)
        .await
        .expect("redis answers");
    let said = application(&fleet, values, Some(&second));
    assert!(said.contains("ip_list"), "{said}");
    assert_eq!(report(&fleet).await, None, "a token that was replaced is not reported");
    fleet.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_readmes_python_reads_reports_and_bears_nil_with_the_defaults_of_redis_py() {
    runs_in_python("bytes").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_readmes_python_reads_reports_and_bears_nil_with_decoded_answers() {
    runs_in_python("text").await;
}

/// What is said to Redis in the README's chapter for applications, by its command.
fn said_to_redis(command: &str) -> String {
    let readme = std::fs::read_to_string(home().join("README.md")).expect("the README");
    let chapter = readme.split("\n## ").find(|chapter| chapter.starts_with("Reading from"));
    let spans = chapter.expect("the chapter").split('`').skip(1).step_by(2);
    let found = spans.filter(|span| span.starts_with(&format!("{command} "))).collect::<Vec<_>>();
    assert_eq!(found.len(), 1, "the chapter has one {command}");
    found[0].to_owned()
}

/// The README's words after `redis-cli`, as they are typed into a shell.
fn redis_cli(fleet: &Fleet, words: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec redis-cli -p {} {words}", fleet.redis.port())]);
    shell
}

fn answer(fleet: &Fleet, words: &str) -> String {
    String::from_utf8(output(&mut redis_cli(fleet, words)).stdout)
        .expect("a text")
        .trim()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_readmes_lines_for_redis_read_report_and_hear_of_the_next_token() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    assert_eq!(answer(&fleet, &said_to_redis("GET")), "", "nil");
    fleet.start(&configuration);
    let first = fleet.published().await;
    assert_eq!(answer(&fleet, &said_to_redis("GET")), first);

    let heard = fleet.path().join("heard");
    let mut listener = redis_cli(&fleet, &said_to_redis("SUBSCRIBE"));
    let listener = listener.stdin(Stdio::null()).stdout(File::create(&heard).expect("a file"));
    let mut listener = listener.spawn().expect("redis-cli is there");
    let hears = |part: &str| std::fs::read_to_string(&heard).is_ok_and(|text| text.contains(part));
    wait_until("it listens", || hears("subscribe")).await;
    let report = said_to_redis("SET").replace("<token>", &first);
    assert_eq!(answer(&fleet, &report), "OK");
    answer(&fleet, &said_to_redis("PUBLISH"));
    fleet.published_after(&first).await;
    wait_until("the next token is told", || hears(r#"{"id":"shop","#)).await;
    listener.kill().expect("it runs");
    listener.wait().expect("it ended");

    let numbers = answer(&fleet, &said_to_redis("HMGET"));
    assert_eq!(numbers.lines().filter(|line| line.parse::<u64>().is_ok()).count(), 3, "{numbers}");
    fleet.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_readmes_one_command_puts_a_token_on_stdout_without_redis() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    fleet.redis.stop();
    fleet
        .issuer
        .account(APPID, Some("0123456789abcdef0123456789abcdef"), None)
        .expect("an account");
    let bin = Path::new(env!("CARGO_BIN_EXE_evertoken")).parent().expect("a folder");
    let run = || {
        let mut shell = Command::new("sh");
        shell.args(["-c", &block("sh", "get shop --fetch")]).current_dir(fleet.path()).env_clear();
        shell.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
        shell.env("EVERTOKEN_CREDENTIALS__SHOP__BASE_URL", fleet.issuer.base_url());
        output(&mut shell)
    };
    let first = run();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let token = String::from_utf8(first.stdout).expect("a text");
    assert!(fleet.issuer.alive(token.trim()).alive);
    assert_eq!(String::from_utf8(run().stdout).expect("a text"), token);
    assert_eq!(fleet.summary().calls, 1);
    fleet.end().await;
}

#[tokio::test]
async fn the_readmes_first_configuration_is_a_good_one() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let text = block("toml", "[store]").replace("redis://127.0.0.1:6379/0", &fleet.redis.url());
    let text = text.replace("/run/secrets/shop", "shop.secret");
    fleet.write("shop.secret", "0123456789abcdef0123456789abcdef");
    fleet.write("evertoken.toml", &text);
    let checked = fleet.command(&["check"]).await;
    assert_eq!(checked.status.code(), Some(0), "{}{}", checked.stdout, checked.stderr);
    assert!(!checked.stdout.contains("danger  shop"), "{}", checked.stdout);
    fleet.end().await;
}

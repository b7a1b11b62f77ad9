//! The examples for applications, run as they are printed, in each language of which Debian has a client,
//! against a fleet and the simulated issuer. `make examples` runs those in Go and Java, too.

#[path = "../../examples/rust/main.rs"]
#[expect(dead_code, reason = "its main reads the command line")]
mod rust;

use std::{
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use evertoken_client::Client;
use evertoken_testkit::{
    fleet::{APPID, Fleet, PATIENT, SHORT, issuer_settings},
    wait_for,
};
use redis::AsyncCommands;

const TWO_HOURS: Duration = Duration::from_secs(7200);

/// Runs an example. The simulated issuer answers on another thread meanwhile.
fn run(fleet: &Fleet, command: &[&str], store: &str) -> Output {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let (program, arguments) = command.split_first().expect("a program");
    let mut command = Command::new(program);
    command.current_dir(home).args(arguments).args([store, &*fleet.issuer.base_url()]);
    // Debian's modules of Node.js lie where only Debian's own Node.js looks.
    command.env("NODE_PATH", "/usr/share/nodejs").env("no_proxy", "*");
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    tokio::task::block_in_place(|| command.output()).expect("the program is there")
}

fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{err}")
}

async fn report(fleet: &Fleet) -> Option<String> {
    let mut connection = fleet.redis.connect().await;
    connection.get("evertoken:{shop}:rejected").await.expect("redis answers")
}

/// Bears that nothing is published; uses a token; has a dead one replaced, and calls once more.
async fn serves(command: &[&str], store: impl Fn(&Fleet) -> String) {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let store = store(&fleet);
    let none = run(&fleet, command, &store);
    assert!(!none.status.success(), "{}", said(&none));
    assert!(said(&none).contains("no token of shop is valid"), "{}", said(&none));

    let text = fleet.configuration("token", "").replace(SHORT, PATIENT);
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    let first = fleet.published().await;
    let good = run(&fleet, command, &store);
    assert!(good.status.success() && said(&good).contains("ip_list"), "{}", said(&good));
    assert_eq!(report(&fleet).await, None, "a token that works is not reported");

    fleet.issuer.kill(APPID).expect("an account");
    let cured = run(&fleet, command, &store);
    assert!(cured.status.success() && said(&cured).contains("ip_list"), "{}", said(&cured));
    assert_ne!(fleet.published().await, first);
    assert_eq!(fleet.summary().calls, 2, "one for its report");
    fleet.end().await;
}

fn url(fleet: &Fleet) -> String {
    fleet.redis.url()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_in_python_reads_reports_and_calls_once_more() {
    // Debian's own, which has Debian's modules.
    serves(&["/usr/bin/python3", "python/shop.py"], url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_in_node_reads_reports_and_calls_once_more() {
    serves(&["node", "node/shop.js"], url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_in_ruby_reads_reports_and_calls_once_more() {
    serves(&["ruby", "ruby/shop.rb"], url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_in_php_reads_reports_and_calls_once_more() {
    serves(&["php", "php/shop.php"], |fleet| format!("127.0.0.1:{}", fleet.redis.port())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_for_the_shell_reads_reports_and_calls_once_more() {
    serves(&["sh", "shell/shop.sh"], url).await;
}

/// What coreutils make of a text.
fn sha1(text: &str) -> String {
    let told = Command::new("sh").args(["-c", "printf %s \"$0\" | sha1sum", text]).output();
    let told = String::from_utf8(told.expect("a shell").stdout).expect("text");
    told.split(' ').next().expect("a sum").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_with_a_ticket_signs_a_page_as_wechat_checks_it() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let source = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/python/ticket.py"),
    );
    let source = source.expect("the example");
    // The section stands in its head, indented.
    let section = source.lines().skip_while(|line| !line.contains("[credentials.shop-jsapi]"));
    let section: Vec<_> = section.take_while(|line| *line != "\"\"\"").map(str::trim).collect();
    let text = format!("{}{}\n", fleet.configuration("token", ""), section.join("\n"));
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    let connection = fleet.redis.connect().await;
    let ticket: String = wait_for("a ticket is published", || {
        let mut connection = connection.clone();
        async move { connection.get("evertoken:{shop-jsapi}:token").await.ok() }
    })
    .await;
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/python");
    let page = "https://shop.example/pay?order=1";
    let command = Command::new("/usr/bin/python3")
        .args(["ticket.py", &fleet.redis.url(), APPID, &format!("{page}#top")])
        .current_dir(home)
        .output();
    let told = command.expect("Python is there");
    assert!(told.status.success(), "{}", said(&told));
    let signed: serde_json::Value = serde_json::from_slice(&told.stdout).expect("JSON");
    let (nonce, at) = (signed["nonceStr"].as_str().expect("a text"), &signed["timestamp"]);
    let text = format!("jsapi_ticket={ticket}&noncestr={nonce}&timestamp={at}&url={page}");
    assert_eq!((&signed["signature"], &signed["appId"]), (&sha1(&text).into(), &APPID.into()));
    fleet.end().await;
}

/// Their clients come from the registries of their languages: by `make examples`, not by every test run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Go, Maven and the network"]
async fn the_examples_in_go_and_java_read_report_and_call_once_more() {
    serves(&["go", "-C", "go", "run", "."], url).await;
    let java = "mvn -q -B -f java/pom.xml compile exec:java -Dexec.args=\"$0 $1\"";
    serves(&["sh", "-c", java], url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_in_rust_reads_reports_and_calls_once_more() {
    evertoken::tls::use_ring();
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let client = Client::open(&fleet.redis.url()).expect("a URL");
    let wechat = fleet.issuer.base_url();
    let none = rust::domain_ips(&client, &wechat).await.expect_err("nothing is published");
    assert!(none.to_string().contains("no token of shop is valid"), "{none}");
    let text = fleet.configuration("token", "").replace(SHORT, PATIENT);
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    let call = || async { rust::domain_ips(&client, &wechat).await.ok() };
    let good = wait_for("a token is used", call).await;
    assert!(good.to_string().contains("ip_list"), "{good}");
    fleet.issuer.kill(APPID).expect("an account");
    let cured = rust::domain_ips(&client, &wechat).await.expect("an answer");
    assert!(cured.to_string().contains("ip_list"), "{cured}");
    assert_eq!(fleet.summary().calls, 2, "one for its report");
    fleet.end().await;
}

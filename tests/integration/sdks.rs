//! Real SDKs, unmodified, read copies: each by eight processes, through several lives of a token, while
//! workers are killed. `make sdks` fetches them; one that cannot be had is left out, and that is said.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use evertoken_testkit::{
    fleet::{Fleet, PATIENT, SHORT, issuer_settings},
    process::Process,
    wait_until,
};

const TWO_HOURS: Duration = Duration::from_secs(7200);

const PROCESSES: usize = 8;

/// Tokens that each process is to use.
const TOKENS: usize = 10;

/// Where an SDK lies, if it could be had.
#[expect(clippy::print_stderr, reason = "whoever runs it is told")]
fn fetched(sdk: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/sdks").join(sdk);
    let is_there = folder.join(".version").exists();
    if !is_there {
        eprintln!("{sdk} is not there, and is left out: tools/sdks fetches it");
    }
    is_there.then_some(folder)
}

/// How many tokens a process has used.
fn used(process: &Process) -> usize {
    process.stdout().lines().filter(|line| line.starts_with("token ")).count()
}

/// The processes of an application, and what ends them.
struct Application {
    processes: Vec<Process>,
    stop: PathBuf,
}

impl Application {
    fn start(fleet: &Fleet, command: &[&str], environment: &[(&str, &str)]) -> Self {
        let stop = fleet.path().join("stop");
        let (port, issuer) = (fleet.redis.port().to_string(), fleet.issuer.base_url());
        let stopped_by = stop.display().to_string();
        let (program, first) = command.split_first().expect("a program");
        let arguments = [first, &[&*port, &*issuer, &*stopped_by]].concat();
        let environment = [environment, &[("PATH", "/usr/bin:/bin"), ("no_proxy", "*")]].concat();
        let processes = (0..PROCESSES)
            .map(|number| {
                let name = format!("sdk-{number}");
                Process::of(Path::new(program), fleet.path(), &name, &arguments, &environment)
            })
            .collect();
        Self { processes, stop }
    }

    /// Waits until each process has used so many tokens.
    async fn use_tokens(&mut self, count: usize) {
        wait_until("every process uses the new token", || {
            self.processes.iter_mut().all(|process| {
                assert!(process.is_running(), "it has ended: {}", process.stderr());
                count <= used(process)
            })
        })
        .await;
    }

    async fn end(mut self) {
        std::fs::write(&self.stop, "").expect("a file");
        for process in &mut self.processes {
            let ended = process.ended().await;
            assert!(ended.status.success(), "a call failed: {}", ended.stderr);
        }
    }
}

/// Has `command` use one token after the other; a worker is killed now and then.
async fn uses_every_token(also_write: &str, command: &[&str], environment: &[(&str, &str)]) {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let text = fleet.configuration("token", &format!("also_write = [{also_write}]"));
    let configuration = fleet.write("evertoken.toml", &text.replace(SHORT, PATIENT));
    fleet.start_many(3, &configuration);
    let mut token = fleet.published().await;
    let mut application = Application::start(&fleet, command, environment);
    for count in 1..=TOKENS {
        application.use_tokens(count).await;
        if count % 3 == 0 {
            fleet.workers[count / 3 - 1].kill();
            fleet.workers[count / 3 - 1].ended().await;
            fleet.start(&configuration);
        }
        if count < TOKENS {
            fleet.make_due().await;
            token = fleet.published_after(&token).await;
        }
    }
    application.end().await;
    assert_eq!(fleet.summary().calls, TOKENS as u64, "evertoken's, and no fetch of the SDK's own");
    let changed: usize = fleet.workers.iter().map(|worker| worker.told("copy.changed")).sum();
    assert_eq!(changed, 0);
    fleet.end().await;
}

fn program(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdks").join(name).display().to_string()
}

fn in_folder(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn wechatpy_1_8_reads_a_copy() {
    let Some(folder) = fetched("wechatpy") else { return };
    let python = in_folder(&folder, "bin/python");
    uses_every_token("\"wechatpy\"", &[&python, &program("with_wechatpy.py")], &[]).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn wechatpy_2_reads_a_copy() {
    let Some(folder) = fetched("wechatpy-2") else { return };
    let python = in_folder(&folder, "bin/python");
    uses_every_token("\"wechatpy-2\"", &[&python, &program("with_wechatpy.py")], &[]).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn co_wechat_api_reads_a_copy() {
    let Some(folder) = fetched("co-wechat-api") else { return };
    let modules = in_folder(&folder, "node_modules");
    let also_write = r#"{ layout = "co-wechat-api", key = "co:{appid}" }"#;
    let command = ["/usr/bin/node", &program("co-wechat-api.js")];
    uses_every_token(also_write, &command, &[("NODE_PATH", &modules)]).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn node_easywechat_reads_a_copy() {
    let Some(folder) = fetched("node-easywechat") else { return };
    let modules = in_folder(&folder, "node_modules");
    let also_write = r#"{ layout = "node-easywechat", key = "wx-token" }"#;
    let command = ["/usr/bin/node", &program("node-easywechat.js")];
    uses_every_token(also_write, &command, &[("NODE_PATH", &modules)]).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn the_cache_of_easywechat_reads_a_copy() {
    let Some(folder) = fetched("symfony") else { return };
    let symfony = in_folder(&folder, "usr/share/php");
    let also_write = r#"{ layout = "easywechat-symfony", prefix = "ns", key = "wx-token" }"#;
    let command = ["/usr/bin/php", &program("symfony.php")];
    uses_every_token(also_write, &command, &[("SYMFONY", &symfony)]).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn silenceper_reads_a_copy() {
    let Some(folder) = fetched("silenceper") else { return };
    let silenceper = in_folder(&folder, "silenceper");
    uses_every_token("\"silenceper-officialaccount\"", &[&silenceper], &[]).await;
}

/// Feishu gives the same token again for most of its life, so these live for seconds.
#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn lark_oapi_reads_a_copy() {
    let Some(folder) = fetched("lark-python") else { return };
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(12))).await;
    fleet.secrets.push("secret-of-cli1".to_owned());
    let text = format!(
        "[store]\nurl = \"{}\"\n[worker]\n{SHORT}\n[admin]\nlisten = \"off\"\n[credentials.shop]\n\
         provider = \"feishu\"\napp_id = \"cli1\"\napp_secret = \"secret-of-cli1\"\nbase_url = \"{}\"\n\
         refresh_before = \"3s\"\nalso_write = [\"lark-python\"]\n",
        fleet.redis.url(),
        fleet.issuer.base_url(),
    );
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start_many(3, &configuration);
    fleet.published().await;
    let python = in_folder(&folder, "bin/python");
    let mut application = Application::start(&fleet, &[&python, &program("with_lark.py")], &[]);
    application.use_tokens(3).await;
    application.end().await;
    let calls = fleet.calls();
    let is_fetch =
        |endpoint| serde_json::to_value(endpoint).is_ok_and(|name| name == "feishu_tenant");
    let fetches = calls.iter().filter(|call| is_fetch(call.endpoint)).count();
    let told = |event| fleet.workers.iter().map(|worker| worker.told(event)).sum::<usize>();
    let ours = told("refresh.published") + told("refresh.repeated");
    assert!(fetches <= ours + 1, "{fetches} fetches, of which {ours} are evertoken's");
    fleet.end().await;
}

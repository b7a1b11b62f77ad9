//! SDKs that can only move all of their calls: the listener that passes calls on is their one host, and a
//! key of the door takes the place of their secret. They hold neither secret nor token.

use std::time::Duration;

use evertoken_simulator::Endpoint;
use evertoken_testkit::{
    fleet::{APPID, Fleet, PATIENT, SECRET, issuer_settings},
    process::Process,
    proxy::Proxy,
    redis::free_port,
    wait_until,
};

use super::{Application, Program, calls_at, door::WEB, fetched, in_folder, replace_worker, said};

/// Tokens that live one after the other during a run.
const TOKENS: usize = 10;

/// How long an SDK keeps what it was told as its token, at the most.
const KEPT: Duration = Duration::from_secs(8);

/// Whose credential `shop` is.
struct Platform {
    /// Its section, without the address.
    section: &'static str,
    secret: &'static str,
    /// Where the issuer gives tokens, as it counts calls.
    place: &'static str,
    /// What is passed on.
    forward: &'static str,
    /// Has the published token die before its end.
    kill: fn(&Fleet),
    /// Whether it gives the same token again until that one ends.
    repeats: bool,
}

static WECHAT: Platform = Platform {
    section: "appid = \"wx0123456789abcdef\"\nsecret = \"secret-of-wx0123456789abcdef\"\n\
              endpoint = \"token\"\n",
    secret: SECRET,
    place: "token",
    forward: "/cgi-bin/",
    // Two refreshes by somebody else: two tokens are alive, and ours is neither of them.
    kill: |fleet| {
        for _ in 0..2 {
            fleet.issuer.foreign(APPID, Endpoint::Token).expect("an account");
        }
    },
    repeats: false,
};

static WECOM: Platform = Platform {
    section: "provider = \"wecom\"\ncorpid = \"ww1\"\nagentid = \"7\"\nsecret = \"secret-of-ww1/7\"\n",
    secret: "secret-of-ww1/7",
    place: "wecom",
    forward: "/cgi-bin/",
    kill: |fleet| {
        fleet.issuer.kill("ww1/7").expect("an account");
    },
    repeats: true,
};

static FEISHU: Platform = Platform {
    section: "provider = \"feishu\"\napp_id = \"cli1\"\napp_secret = \"secret-of-cli1\"\n",
    secret: "secret-of-cli1",
    place: "feishu_tenant",
    forward: "/open-apis/",
    kill: |fleet| {
        fleet.issuer.kill("cli1").expect("an account");
    },
    repeats: true,
};

/// Three workers, of which each passes calls on, and the address of all.
struct Passing {
    fleet: Fleet,
    platform: &'static Platform,
    configurations: Vec<String>,
    balancer: Proxy,
}

// === impl Passing ===

impl Passing {
    /// For an SDK that asks for the next token when `margin` is left of one.
    async fn open(platform: &'static Platform, margin: Duration) -> Self {
        let mut fleet = Fleet::new(issuer_settings(margin + KEPT)).await;
        fleet.secrets.extend([WEB.to_owned(), platform.secret.to_owned()]);
        let store = format!("[store]\nurl = \"{}\"\n", fleet.redis.url());
        let base = fleet.issuer.base_url();
        let ports = [free_port(), free_port(), free_port()];
        let configurations = ports.map(|port| {
            let text = format!(
                "{store}[worker]\n{PATIENT}\n[admin]\nlisten = \"off\"\n\
                 [door]\nlisten = \"127.0.0.1:{}\"\nforward_listen = \"127.0.0.1:{port}\"\n\
                 [door.clients.web]\nkeys = [\"{WEB}\"]\ncredentials = [\"shop\"]\n\
                 forward = [\"{}\"]\ninject = true\n\
                 [credentials.shop]\nbase_url = \"{base}\"\n{}",
                free_port(),
                platform.forward,
                platform.section,
            );
            fleet.write(&format!("evertoken-{port}.toml"), &text)
        });
        for configuration in &configurations {
            fleet.start(configuration);
        }
        fleet.published().await;
        fleet.all_told("door.listening").await;
        let balancer = Proxy::balancer(fleet.path(), &ports, "http").await;
        Self { fleet, platform, configurations: configurations.to_vec(), balancer }
    }

    /// An application whose SDK has the one address makes calls with every token of `shop`, of which two
    /// die early at the least: no call of it fails, it holds no token, and only evertoken asks the issuer.
    async fn serve(mut self, sdk: &Program) {
        let url = format!("http://127.0.0.1:{}", self.balancer.port());
        let mut application = Application::start(&self.fleet, sdk, &url);
        for count in 1..=TOKENS {
            more_calls(&mut application).await;
            replace_worker(&mut self.fleet, &self.configurations, count);
            if count < TOKENS {
                let token = self.fleet.published().await;
                if self.platform.repeats || count.is_multiple_of(4) {
                    self.dies_early().await;
                } else {
                    self.fleet.make_due().await;
                }
                self.fleet.published_after(&token).await;
            }
        }
        holds_no_token(&application);
        application.end().await;
        self.only_evertoken_has_asked();
        self.fleet.end().await;
    }

    /// The published token dies before its end. A call that finds it dead reports it.
    async fn dies_early(&self) {
        // As if a minute had passed since the last report.
        self.fleet.set_field("requests.last_at", 0).await;
        (self.platform.kill)(&self.fleet);
    }

    fn only_evertoken_has_asked(&self) {
        let workers = &self.fleet.workers;
        let told = |event| workers.iter().map(|worker| worker.told(event)).sum::<usize>();
        let ours = told("refresh.published") + told("refresh.repeated");
        let fetches = calls_at(&self.fleet, self.platform.place);
        assert!(TOKENS <= fetches, "they are counted: {fetches}");
        // Of a worker that was killed in a call, nothing is told.
        assert!(fetches <= ours + 3, "{fetches} fetches, of which {ours} are evertoken's");
        let wrong_secrets = self.fleet.issuer.summary(None).wrong_secrets;
        assert_eq!(wrong_secrets, 0, "an SDK asks the issuer, with its key");
    }
}

/// Waits until each process has made ten calls at the least, from now on.
async fn more_calls(application: &mut Application) {
    let processes = &mut application.processes;
    let before: Vec<usize> = processes.iter().map(|process| said(process, "called ")).collect();
    wait_until("every process has made ten calls", || {
        processes.iter_mut().zip(&before).all(|(process, before)| {
            assert!(process.is_running(), "a call failed: {}", process.stderr());
            before + 2 <= said(process, "called ")
        })
    })
    .await;
}

/// What every process has said as its token is one stand-in, all the time.
fn holds_no_token(application: &Application) {
    let said: String = application.processes.iter().map(Process::stdout).collect();
    let held: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("holds ")).collect();
    assert_eq!(held.len(), application.processes.len(), "it stays the same: {held:?}");
    assert!(held[0].starts_with("evertoken~web~shop~"), "no stand-in: {held:?}");
    assert!(held.iter().all(|token| *token == held[0]), "not the same: {held:?}");
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn co_wechat_api_calls_through_foreign_refreshes() {
    let Some(folder) = fetched("co-wechat-api") else { return };
    let passing = Passing::open(&WECHAT, Duration::from_secs(10)).await;
    passing.serve(&Program::node(&folder, "forward/co-wechat-api.js")).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn node_easywechat_calls_through_foreign_refreshes() {
    let Some(folder) = fetched("node-easywechat") else { return };
    let passing = Passing::open(&WECHAT, Duration::from_secs(10)).await;
    passing.serve(&Program::node(&folder, "forward/node-easywechat.js")).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn wechatpy_1_8_calls_through_foreign_refreshes() {
    let Some(folder) = fetched("wechatpy") else { return };
    let passing = Passing::open(&WECHAT, Duration::from_secs(60)).await;
    passing.serve(&Program::python(&folder, "forward/with_wechatpy.py")).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn wechatpy_2_calls_through_foreign_refreshes() {
    let Some(folder) = fetched("wechatpy-2") else { return };
    let passing = Passing::open(&WECHAT, Duration::from_secs(60)).await;
    passing.serve(&Program::python(&folder, "forward/with_wechatpy.py")).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn silenceper_calls_through_foreign_refreshes() {
    let Some(folder) = fetched("silenceper") else { return };
    let passing = Passing::open(&WECHAT, Duration::from_secs(300)).await;
    passing.serve(&Program::new(&[&in_folder(&folder, "silenceper"), "forward"])).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn wxjava_for_official_accounts_calls_through_foreign_refreshes() {
    let Some(folder) = fetched("wxjava") else { return };
    let passing = Passing::open(&WECHAT, Duration::from_secs(200)).await;
    passing.serve(&Program::java(&folder, "MpPassedOn")).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn wxjava_for_wecom_calls_through_deaths_of_tokens() {
    let Some(folder) = fetched("wxjava") else { return };
    let passing = Passing::open(&WECOM, Duration::from_secs(200)).await;
    passing.serve(&Program::java(&folder, "CpPassedOn")).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn larks_node_sdk_calls_through_deaths_of_tokens() {
    let Some(folder) = fetched("lark-node") else { return };
    let passing = Passing::open(&FEISHU, Duration::from_secs(180)).await;
    passing.serve(&Program::node(&folder, "forward/with-lark.js")).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn lark_oapi_calls_through_deaths_of_tokens() {
    let Some(folder) = fetched("lark-python") else { return };
    let passing = Passing::open(&FEISHU, Duration::from_secs(600)).await;
    passing.serve(&Program::python(&folder, "forward/with_lark.py")).await;
}

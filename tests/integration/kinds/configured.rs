//! One credential of each kind that can be configured, and what its issuer does. The settings are in
//! `all.toml`.

use std::{process::Command, time::Duration};

use evertoken_simulator::Settings;
use evertoken_testkit::fleet::{Fleet, PATIENT, issuer_settings};

use self::Gives::{Anew, Another, Last, Longer, Same};

/// The platforms' two hours take so long here, and the rest of their times is in proportion. What lives on
/// for five minutes does so for 2.5 s: a process of a busy machine gets its turn within that.
pub(super) const LIFE: Duration = Duration::from_secs(60);

/// How long an issuer takes to answer, once it has issued: time for a kill to strike in.
const REPLY_LATENCY: Duration = Duration::from_millis(120);

const SECTIONS: &str = include_str!("all.toml");

/// A credential.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) id: &'static str,
    /// The simulator's word for the place that gives its tokens.
    pub(super) place: &'static str,
    /// As the simulator calls it.
    pub(super) account: &'static str,
    pub(super) gives: Gives,
}

/// What a call gives while a token lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gives {
    /// Another one, which ends the one before after five minutes.
    Anew,
    /// Another one, at once or in the last minutes, and both live to their ends.
    Another,
    /// Another one in the last minute alone. That is half a second here, and a process that is late asks
    /// when its token seems to have less left than it has.
    Last,
    /// The same with a longer life.
    Longer,
    /// The same to its end: it is asked for now and then.
    Same,
}

const fn kept(id: &'static str, place: &'static str, account: &'static str, gives: Gives) -> Kept {
    Kept { id, place, account, gives }
}

pub(super) static ALL: [Kept; 27] = [
    kept("old", "token", "wxold", Anew),
    kept("mini", "stable_token", "wxmini", Another),
    kept("mini-jsapi", "wechat_jsapi", "wxmini", Same),
    kept("mini-card", "wechat_card", "wxmini", Same),
    kept("mini-sdk", "wechat_sdk", "wxmini", Same),
    kept("corp", "wecom", "ww1/7", Same),
    kept("corp-8", "wecom", "ww1/8", Same),
    kept("corp-jsapi", "wecom_corp", "ww1/7", Same),
    kept("corp-agent", "wecom_agent_config", "ww1/8", Same),
    kept("office", "feishu_tenant", "cli1", Another),
    kept("office-app", "feishu_app", "cli2", Another),
    kept("office-jwt", "feishu_client_credentials", "cli3", Anew),
    kept("office-jsapi", "feishu_jsapi", "cli1", Same),
    kept("ding", "dingtalk_new", "d1", Longer),
    kept("ding-old", "dingtalk_old", "d2", Longer),
    kept("ding-jsapi", "dingtalk_jsapi", "d1", Same),
    kept("bot", "qq_bot", "102", Last),
    kept("video", "douyin_stable_client", "aw1", Same),
    kept("video-old", "douyin_client", "aw2", Anew),
    kept("video-app", "douyin_mini_app", "aw3", Anew),
    kept("video-game", "douyin_mini_game", "aw4", Anew),
    kept("video-stable", "douyin_stable_mini_game", "aw5", Same),
    kept("play", "kuaishou_mini_program", "ks1", Another),
    kept("play-game", "kuaishou_mini_game", "ks2", Same),
    kept("cloud", "oauth", "client-cloud", Another),
    kept("sheets", "oauth", "client-sheets", Another),
    kept("code", "github", "12345", Another),
];

// === impl Kept ===

impl Kept {
    /// How long a token lives.
    pub(super) fn life(&self) -> Duration {
        match self.place {
            "kuaishou_mini_program" => LIFE * 24,
            "kuaishou_mini_game" => LIFE / 2,
            _ => LIFE,
        }
    }
}

/// A Redis with nothing in it, an issuer of each kind, and the name of a configuration with all.
pub(super) async fn fleet() -> (Fleet, String) {
    let life_ms = LIFE.as_millis() as u64;
    let latency_ms = REPLY_LATENCY.as_millis() as u64;
    let overlap_ms = life_ms / 24;
    let settings = Settings { overlap_ms, reply_latency_ms: latency_ms, ..issuer_settings(LIFE) };
    let mut fleet = Fleet::new(settings).await;
    fleet.issuer.oauth().set(|oauth| {
        (oauth.lifetime_ms, oauth.latency_ms) = (life_ms, latency_ms);
    });
    let public = make_key(&mut fleet, "sheets.pem");
    fleet.issuer.oauth().key("client-sheets", &public);
    let public = make_key(&mut fleet, "code.pem");
    let github = fleet.issuer.github();
    github.app("12345", &public);
    github.install(987_654, "12345");
    github.lifetime(LIFE);
    let secrets = SECTIONS.split('"').filter(|text| text.starts_with("secret-of-"));
    fleet.secrets.extend(secrets.map(str::to_owned));
    let (store, issuer) = (fleet.redis.url(), fleet.issuer.base_url());
    let text = format!(
        "[store]\nurl = \"{store}\"\n[worker]\n{PATIENT}\n[admin]\nlisten = \"off\"\n{}",
        SECTIONS.replace("ISSUER", &issuer)
    );
    let configuration = fleet.write("evertoken.toml", &text);
    (fleet, configuration)
}

/// Makes a private key, and tells its public half.
fn make_key(fleet: &mut Fleet, name: &str) -> String {
    let options = ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out"];
    let public = ["pkey", "-pubout", "-in"];
    let openssl = |options: &[&str]| {
        let command =
            Command::new("openssl").args(options).arg(name).current_dir(fleet.path()).output();
        command.expect("openssl is there").stdout
    };
    openssl(&options);
    let public = String::from_utf8(openssl(&public)).expect("a key in PEM");
    let key = std::fs::read_to_string(fleet.path().join(name)).expect("a key");
    fleet.secrets.push(key.lines().nth(1).expect("a line").to_owned());
    public
}

//! Every kind of the table in one configuration, kept fresh by three workers on a real Redis, against
//! the simulator that plays each as its documents describe it.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use evertoken::clock::WallClock;
use evertoken_simulator::{CallFilter, Endpoint, Outcome, TokenState};
use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    wait_for,
};

/// The platforms' two hours take so long here.
const LIFE: Duration = Duration::from_secs(12);

/// Each credential: its name, its settings, and the simulator's word for the place that gives it.
/// A bot of QQ is not among them: of two hours that take seconds, its last minute is too short to be met.
const ALL: [(&str, &str, &str); 22] = [
    ("mini", "provider=wechat appid=wxmini secret=secret-of-wxmini", "stable_token"),
    ("mini-jsapi", "provider=wechat-ticket parent=mini", "wechat_jsapi"),
    ("mini-card", "provider=wechat-ticket parent=mini ticket=wx_card", "wechat_card"),
    ("mini-sdk", "provider=wechat-ticket parent=mini ticket=sdk", "wechat_sdk"),
    ("corp", "provider=wecom corpid=ww1 agentid=7 secret=secret-of-ww1/7", "wecom"),
    ("corp-8", "provider=wecom corpid=ww1 agentid=8 secret=secret-of-ww1/8", "wecom"),
    ("corp-jsapi", "provider=wecom-ticket parent=corp", "wecom_corp"),
    ("corp-agent", "provider=wecom-ticket parent=corp-8 ticket=agent_config", "wecom_agent_config"),
    ("office", "provider=feishu app_id=cli1 app_secret=secret-of-cli1", "feishu_tenant"),
    ("office-app", "provider=feishu kind=app app_id=cli2 app_secret=secret-of-cli2", "feishu_app"),
    (
        "office-jwt",
        "provider=feishu kind=client_credentials region=lark app_id=cli3 app_secret=secret-of-cli3",
        "feishu_client_credentials",
    ),
    ("office-jsapi", "provider=feishu-ticket parent=office", "feishu_jsapi"),
    ("ding", "provider=dingtalk client_id=d1 client_secret=secret-of-d1", "dingtalk_new"),
    (
        "ding-old",
        "provider=dingtalk api=old client_id=d2 client_secret=secret-of-d2",
        "dingtalk_old",
    ),
    ("ding-jsapi", "provider=dingtalk-ticket parent=ding", "dingtalk_jsapi"),
    ("video", "provider=douyin client_key=aw1 secret=secret-of-aw1", "douyin_stable_client"),
    (
        "video-old",
        "provider=douyin kind=client_token client_key=aw2 secret=secret-of-aw2",
        "douyin_client",
    ),
    (
        "video-app",
        "provider=douyin kind=mini_app client_key=aw3 secret=secret-of-aw3",
        "douyin_mini_app",
    ),
    (
        "video-game",
        "provider=douyin kind=mini_game client_key=aw4 secret=secret-of-aw4",
        "douyin_mini_game",
    ),
    (
        "video-stable",
        "provider=douyin kind=stable_mini_game client_key=aw5 secret=secret-of-aw5",
        "douyin_stable_mini_game",
    ),
    ("play", "provider=kuaishou app_id=ks1 app_secret=secret-of-ks1", "kuaishou_mini_program"),
    (
        "play-game",
        "provider=kuaishou kind=mini_game app_id=ks2 app_secret=secret-of-ks2",
        "kuaishou_mini_game",
    ),
];

fn configuration(fleet: &mut Fleet) -> String {
    let mut text = format!(
        "[store]\nurl = \"{}\"\n[worker]\nrequest_timeout = \"800ms\"\nlease = \"1s\"\n\
         [admin]\nlisten = \"off\"\n",
        fleet.redis.url()
    );
    for (id, settings, _) in ALL {
        let _ = writeln!(text, "[credentials.{id}]");
        for setting in settings.split(' ') {
            let (name, value) = setting.split_once('=').expect("a setting");
            let _ = writeln!(text, "{name} = \"{value}\"");
            if value.starts_with("secret-of-") {
                fleet.secrets.push(value.to_owned());
            }
        }
        if !settings.contains("parent=") {
            let _ = writeln!(text, "base_url = \"{}\"", fleet.issuer.base_url());
        }
    }
    text
}

/// A place by its word.
fn place(word: &str) -> Endpoint {
    serde_json::from_value(serde_json::json!(word)).expect("a place")
}

/// How many tokens were issued at each place, and how many calls were answered otherwise than with one.
fn counted(fleet: &Fleet) -> (BTreeMap<&'static str, usize>, usize) {
    let calls = fleet.issuer.calls(&CallFilter::default());
    let mut issued = BTreeMap::new();
    for (_, _, word) in ALL {
        let here = calls.iter().filter(|call| call.endpoint == place(word));
        issued.insert(word, here.filter(|call| call.outcome == Outcome::Issued).count());
    }
    let is_good =
        |outcome| matches!(outcome, Outcome::Issued | Outcome::Repeated | Outcome::Pending);
    (issued, calls.iter().filter(|call| !is_good(call.outcome)).count())
}

#[tokio::test]
async fn every_kind_comes_up_from_nothing_and_no_dead_token_is_read_for_three_lifetimes() {
    let mut fleet = Fleet::new(issuer_settings(LIFE)).await;
    let text = configuration(&mut fleet);
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start_many(3, &configuration);
    let all = wait_for("every credential has a token", || async {
        let published = fleet.all_published().await;
        (published.len() == ALL.len()).then_some(published)
    })
    .await;
    assert_eq!(all.len(), ALL.len());
    let (issued, refused) = counted(&fleet);
    for (word, count) in &issued {
        let credentials = ALL.iter().filter(|each| each.2 == *word).count();
        assert_eq!(*count, credentials, "one call for each credential at {word}");
    }
    assert_eq!(refused, 0, "nothing was asked in vain");

    let issued_of = |word: &str| counted(&fleet).0[word];
    wait_for("three lifetimes have passed", || async {
        // What ends while it is read was alive when it was asked for.
        let asked = WallClock::System.now().as_millis();
        for (key, token) in fleet.all_published().await {
            let verdict = fleet.issuer.alive_at(&token, asked);
            let is_good = matches!(verdict.reason, TokenState::Alive | TokenState::Unknown);
            assert!(is_good, "{key} is dead: {verdict:?}");
        }
        // Those that are given anew only at their end count the lifetimes.
        ["wechat_jsapi", "wecom", "feishu_jsapi"]
            .iter()
            .all(|word| 4 <= issued_of(word))
            .then_some(())
    })
    .await;
    let (issued, refused) = counted(&fleet);
    assert_eq!(refused, 0, "{issued:?}");
    for worker in &fleet.workers {
        assert_eq!(worker.told("refresh.failed") + worker.told("refresh.refused"), 0);
    }
    fleet.end().await;
}

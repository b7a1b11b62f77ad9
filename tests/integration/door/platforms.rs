//! What SDKs of `WeCom`, Feishu and `DingTalk` ask for: a door in front of the simulators of these.

use std::time::Duration;

use evertoken_simulator::OAuthFault;
use evertoken_testkit::{
    fleet::{Fleet, PATIENT, issuer_settings},
    redis::free_port,
};
use reqwest::RequestBuilder;
use serde_json::{Map, Value, json};

use super::{APP, Answered, Front, TWO_HOURS, WEB, answered, key_of};

/// Credentials of each platform. Those whose ids end with 9 have no token.
const SECTIONS: &str = include_str!("platforms.toml");

/// What stands beside the token of `cloud`.
pub(super) const FIELD: (&str, &str) = ("instance_url", "https://eu1.example");

/// Who may have what: `web` and `app` one of each, and `both` two applications of one company.
const CLIENTS: [(&str, &str); 3] = [
    (
        "web",
        "\"cloud\", \"corp\", \"office\", \"office-app\", \"ding\", \"ding-old\", \"corp-9\", \"office-9\", \
         \"office-app-9\", \"ding-9\", \"ding-old-9\"",
    ),
    ("app", "\"corp-8\", \"office-app-8\", \"ding-8\", \"ding-old-8\""),
    ("both", "\"corp-8\", \"corp-agent-8\", \"office-8\""),
];

/// One path.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) path: &'static str,
    pub(super) method: &'static str,
    /// Where the account and the key stand that are asked with, and what accounts begin with: the client
    /// `web` may have the one with a 1, `app` the one with an 8.
    asked: [&'static str; 2],
    accounts: &'static str,
    /// Where the token stands, and what is left of it.
    token: &'static str,
    seconds: &'static str,
    /// Whose it is, for `web` and the first account.
    id: &'static str,
    /// Where a code stands, and which it is, with the status: of a refusal, where no account is named,
    /// where there is no key, and where there is no token.
    code: &'static str,
    refused: (u16, &'static str),
    no_account: (u16, &'static str),
    no_key: (u16, &'static str),
    no_token: (u16, &'static str),
}

const WECOM: Place = Place {
    path: "/cgi-bin/gettoken",
    method: "get",
    asked: ["corpid", "corpsecret"],
    accounts: "ww",
    token: "access_token",
    seconds: "expires_in",
    id: "corp",
    code: "errcode",
    refused: (200, "40091"),
    no_account: (200, "41002"),
    no_key: (200, "41004"),
    no_token: (200, "-1"),
};

const FEISHU: Place = Place {
    path: "/open-apis/auth/v3/tenant_access_token/internal",
    method: "post",
    asked: ["app_id", "app_secret"],
    accounts: "cli",
    token: "tenant_access_token",
    seconds: "expire",
    id: "office",
    code: "code",
    refused: (200, "10015"),
    no_account: (200, "10003"),
    no_key: (200, "10003"),
    no_token: (200, "2200"),
};

const DINGTALK: Place = Place {
    path: "/v1.0/oauth2/accessToken",
    method: "post",
    asked: ["appKey", "appSecret"],
    accounts: "d",
    token: "accessToken",
    seconds: "expireIn",
    id: "ding",
    code: "code",
    refused: (400, "invalidClientIdOrSecret"),
    no_account: (400, "MissingappKey"),
    no_key: (400, "MissingappSecret"),
    no_token: (503, "ServiceUnavailable"),
};

pub(super) const PLACES: [Place; 5] = [
    WECOM,
    FEISHU,
    Place {
        path: "/open-apis/auth/v3/app_access_token/internal",
        token: "app_access_token",
        id: "office-app",
        ..FEISHU
    },
    DINGTALK,
    Place {
        path: "/gettoken",
        asked: ["appkey", "appsecret"],
        accounts: "d",
        id: "ding-old",
        refused: (200, "40096"),
        no_account: (200, "40035"),
        no_key: (200, "40035"),
        ..WECOM
    },
];

// === impl Place ===

impl Place {
    /// A request with an account and a key; what is empty is left out.
    pub(super) fn request(&self, front: &Front, account: &str, key: &str) -> RequestBuilder {
        let given = self.asked.into_iter().zip([account, key]);
        let given = given.filter(|(_, text)| !text.is_empty());
        if self.method == "get" {
            return front.get(self.path).query(&given.collect::<Vec<_>>());
        }
        let fields = given.map(|(name, text)| (name.to_owned(), text.into()));
        front.post(self.path).json(&fields.collect::<Map<_, Value>>())
    }

    pub(super) fn account(&self, number: u8) -> String {
        format!("{}{number}", self.accounts)
    }

    async fn ask(&self, front: &Front, account: &str, key: &str) -> Answered {
        answered(self.request(front, account, key)).await
    }

    /// The status and the code of an answer without a token.
    fn failed(&self, answered: &Answered) -> (u16, String) {
        assert!(answered.body[self.token].is_null(), "{answered:?}");
        let code = &answered.body[self.code];
        (answered.status, code.as_str().map_or_else(|| code.to_string(), str::to_owned))
    }
}

pub(super) async fn front() -> Front {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let url = OAuthFault::Changed(json!({ FIELD.0: FIELD.1 }));
    fleet.issuer.oauth().fault(url, 1);
    let secrets = SECTIONS.split('"').filter(|text| text.starts_with("secret-of-"));
    fleet.secrets.extend(secrets.map(str::to_owned));
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let sections = SECTIONS.replace("ISSUER", &fleet.issuer.base_url()).replace("NOBODY", &nobody);
    let text = format!(
        "[store]\nurl = \"{}\"\n[worker]\n{PATIENT}\n[admin]\nlisten = \"off\"\n{sections}\n",
        fleet.redis.url()
    );
    let with_token = SECTIONS.matches("ISSUER\"").count() + 1;
    let mut front = Front::open(fleet, &text, "", &CLIENTS, with_token).await;
    let tokens = front.fleet.issuer.oauth().tokens();
    front.fleet.secrets.extend(tokens.iter().map(|token| token.as_str().to_owned()));
    front
}

#[tokio::test]
async fn each_platforms_path_answers_as_its_platform_with_what_is_left() {
    let front = front().await;
    let calls = front.fleet.calls().len();
    for place in PLACES {
        let answered = place.ask(&front, &place.account(1), WEB).await;
        assert_eq!(answered.status, 200, "{answered:?}");
        let token = front.published(place.id).await;
        assert_eq!(answered.body[place.token], token.as_str(), "{}", place.path);
        let told = answered.body[place.seconds].as_u64().expect("seconds");
        let left = front.left(place.id).await;
        assert!(left <= told + 2 && told <= left + 2, "{}: {told} {left}", place.path);
        let is_good = ["errcode", "code"].iter().any(|name| answered.body[name] == 0);
        assert_eq!(is_good, place.path != DINGTALK.path, "{answered:?}");
        assert!(answered.headers.contains("no-store"), "{}", answered.headers);
    }
    assert!(front.fleet.calls().len() <= calls + 5, "the door asks nobody");
    front.end().await;
}

/// A wrong key, an account that is not there, and another client's.
#[tokio::test]
async fn no_platforms_answer_tells_which_accounts_there_are() {
    let front = front().await;
    let wrong = format!("{WEB}0");
    for place in PLACES {
        let [own, others, nobodys] = [1, 8, 7].map(|number| place.account(number));
        let asked = [(&own, &*wrong), (&own, APP), (&others, WEB), (&nobodys, WEB)];
        let mut said = Vec::new();
        for (account, key) in asked {
            let started = evertoken::clock::now();
            let answered = place.ask(&front, account, key).await;
            assert!(Duration::from_secs(1) <= started.elapsed(), "{account}: it comes late");
            assert_eq!(place.failed(&answered), (place.refused.0, place.refused.1.to_owned()));
            said.push(answered.body.to_string());
        }
        said.dedup();
        assert_eq!(said.len(), 1, "{said:?}");
    }
    front.end().await;
}

#[tokio::test]
async fn what_a_platform_is_not_asked_rightly_or_has_not_is_told_in_its_own_codes() {
    let front = front().await;
    for place in PLACES {
        let (own, empty) = (place.account(1), place.account(9));
        for (account, key, expected) in [
            ("", WEB, place.no_account),
            (&*own, "", place.no_key),
            ("", "", place.no_key),
            (&*empty, WEB, place.no_token),
        ] {
            let failed = place.failed(&place.ask(&front, account, key).await);
            assert_eq!(failed, (expected.0, expected.1.to_owned()), "{} {account}", place.path);
        }
        let other =
            if place.method == "get" { front.post(place.path) } else { front.get(place.path) };
        let other = answered(other).await;
        assert!(other.status == 404 || other.body["errcode"] == 43001, "{other:?}");
        if place.method == "post" {
            for body in ["{", "[]", &"a".repeat(9_000)] {
                let answered = answered(front.post(place.path).body(body.to_owned())).await;
                assert!(!place.failed(&answered).1.is_empty(), "{answered:?}");
            }
        }
    }
    front.end().await;
}

#[tokio::test]
async fn the_answer_about_an_app_has_the_tenants_token_too_if_the_client_may_have_it() {
    let front = front().await;
    let [_, _, place, ..] = PLACES;
    let both = place.ask(&front, "cli1", WEB).await;
    assert_eq!(both.body["tenant_access_token"], front.published("office").await.as_str());
    let [told, app, tenant] = [
        both.body["expire"].as_u64().expect("seconds"),
        front.left("office-app").await,
        front.left("office").await,
    ];
    assert!(told <= app.min(tenant) + 2, "{told}: {app} and {tenant}");
    let alone = place.ask(&front, "cli8", APP).await;
    assert_eq!(alone.body["app_access_token"], front.published("office-app-8").await.as_str());
    assert!(alone.body["tenant_access_token"].is_null(), "{alone:?}");
    front.end().await;
}

#[tokio::test]
async fn a_client_with_two_applications_of_a_company_is_told_to_be_two() {
    let front = front().await;
    let answered = WECOM.ask(&front, "ww8", &key_of("both")).await;
    assert_eq!(WECOM.failed(&answered), (200, "41011".to_owned()));
    assert!(answered.body["errmsg"].as_str().expect("a text").contains("a client of its own"));
    front.end().await;
}

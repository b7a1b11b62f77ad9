use std::time::Duration;

mod proxies;
mod secrets;
mod variables;

use super::*;

const WHOLE: &str = r#"
[store]
url = "redis://user:hidden-password@10.0.0.1:6380/2"
prefix = "tokens"

[worker]
request_timeout = "2s"
lease = "3s"

[admin]
listen = "off"

[credentials.shop]
provider = "wechat"
appid = "wx0123456789abcdef"
secret = { file = "/run/secrets/shop" }
endpoint = "token"
base_url = ["https://api.weixin.qq.com", "https://api2.weixin.qq.com"]
refresh_before = "5m"
quiet_period = "20s"
daily_quota = 200
verify_every = "10m"

[credentials.mini]
appid = "wxfedcba9876543210"
secret = { env = "MINI_SECRET" }
"#;

fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn read(text: &str, pairs: &[(&str, &str)]) -> Result<Settings, Mistakes> {
    Settings::read(Some((Path::new("evertoken.toml"), text)), None, &environment(pairs))
}

fn mistakes(text: &str, pairs: &[(&str, &str)]) -> Vec<String> {
    let Err(mistakes) = read(text, pairs) else { panic!("no mistake was found") };
    mistakes.to_string().lines().map(str::to_owned).collect()
}

#[test]
fn every_setting_is_read() {
    let settings = read(WHOLE, &[("MINI_SECRET", "s3cr3t")]).expect("good settings");
    assert_eq!(settings.store.prefix, "tokens");
    assert_eq!(settings.store.url.to_string(), "10.0.0.1:6380");
    assert_eq!(settings.times.lease, Duration::from_secs(3));
    assert!(settings.admin.is_none());
    let [mini, shop] = &settings.credentials[..] else { panic!("two credentials") };
    let account = mini.provider.account();
    assert_eq!((mini.id.as_str(), account.token), ("mini", "stable_token"));
    assert_eq!((account.issuer, account.name), ("api.weixin.qq.com", "wxfedcba9876543210"));
    assert_eq!((mini.daily_quota, mini.quiet_period), (500_000, Duration::ZERO));
    assert_eq!(shop.provider.account().token, "token");
    assert!(format!("{shop:?}").contains("api2.weixin.qq.com"), "{shop:?}");
    assert_eq!((shop.daily_quota, shop.quiet_period), (200, Duration::from_secs(20)));
    assert_eq!(shop.refresh_before, Some(Duration::from_secs(300)));
    assert!(!format!("{settings:?}").contains("s3cr3t"));
    assert!(!format!("{settings:?}").contains("hidden-password"));
}

/// `check` compares it with what the workers run with.
#[test]
fn a_fingerprint_tells_whatever_a_fleet_is_to_have_in_common_and_no_secret() {
    let text = |worker: &str, shop: &str| {
        format!(
            "[worker]\n{worker}\n[credentials.shop]\nappid = \"wx1\"\nsecret = \"s\"\n{shop}\n\
             [credentials.reports]\nprovider = \"oauth2\"\nclient_id = \"c\"\n\
             client_secret = \"s\"\ntoken_url = \"https://a.example/token\"\n"
        )
    };
    let of = |text: &str| read(text, &[]).expect("settings").fingerprint();
    let plain = text("", "");
    let mut seen = vec![of(&plain)];
    for other in [
        text("lease = \"20s\"", ""),
        text("", "base_url = \"https://api2.weixin.qq.com\""),
        text("", "base_url = [\"https://api.weixin.qq.com\", \"https://api2.weixin.qq.com\"]"),
        text("", "daily_quota = 7"),
        plain.replace("https://a.example/token", "https://a.example/oauth/token"),
        plain.replace("wx1", "wx2"),
    ] {
        let other_one = of(&other);
        assert!(!seen.contains(&other_one), "{other}");
        seen.push(other_one);
    }
    assert_eq!(of(&plain.replace("secret = \"s\"", "secret = \"t\"")), seen[0]);
    assert_eq!(of(&text("", "proxy = \"socks5://10.0.0.9:1080\"")), seen[0], "a machine's own");
}

#[test]
fn all_mistakes_are_told_at_once_each_with_its_place() {
    let text = r#"
[store]
url = "mysql://10.0.0.1"
prefixx = "a"
[worker]
request_timeout = "10s"
lease = "8s"
[credentials.shop]
appid = "wx 1"
secret = ""
endpoint = "stable"
daily_quota = 0
refresh_before = "soon"
"#;
    let expected = [
        "evertoken.toml:3: store.url: the scheme must be redis://",
        "evertoken.toml:4: store.prefixx is not known; there are: url, prefix",
        "evertoken.toml:7: worker.lease (8s) must exceed worker.request_timeout (10s)",
        "evertoken.toml:9: credentials.shop.appid: it holds blanks",
        "evertoken.toml:10: credentials.shop.secret must be a text",
        "evertoken.toml:11: credentials.shop.endpoint: \"stable\" is not an endpoint",
        "evertoken.toml:12: credentials.shop.daily_quota must be a whole number",
        "evertoken.toml:13: credentials.shop.refresh_before: \"soon\" is not a duration",
        "EVERTOKEN_WORKER__LEESE: worker.leese is not known",
    ];
    let told = mistakes(text, &[("EVERTOKEN_WORKER__LEESE", "1s")]);
    for start in expected {
        assert!(told.iter().any(|line| line.starts_with(start)), "{start}\nnot in {told:#?}");
    }
    assert_eq!(told.len(), expected.len(), "{told:#?}");
}

#[test]
fn a_time_without_a_unit_is_told_with_the_form_that_it_should_have() {
    let told = mistakes("[worker]\nrequest_timeout = 8\n", &[]);
    let expected =
        "evertoken.toml:2: worker.request_timeout needs a unit, in quotes: is \"8s\" meant?";
    assert_eq!(told, [expected]);
}

#[test]
fn a_text_without_quotation_marks_is_told_how_it_should_stand() {
    let told = mistakes("[credentials.shop]\nappid = wx1\nsecret = \"s\"\n", &[]);
    let expected =
        "evertoken.toml:2: a text stands in quotation marks, as in appid = \"wx0123456789abcdef\"";
    assert_eq!(told[0], expected, "{told:?}");
}

#[test]
fn a_key_that_is_given_twice_is_named_with_both_of_its_places() {
    let shop = "[credentials.shop]\nappid = \"wx1\"\nsecret = \"s\"\n";
    let other = "[credentials.b]\nappid = \"wx2\"\nsecret = \"s\"\n";
    let told = mistakes(&format!("{other}{shop}\"appid\" = \"wx3\"\n"), &[]);
    assert_eq!(
        told,
        ["evertoken.toml:7: \"appid\" is given twice, first in line 5: keep one of the two"]
    );
    let told = mistakes(&format!("{shop}{other}{shop}"), &[]);
    assert!(told[0].starts_with("evertoken.toml:7: shop is given twice"), "{told:?}");
    let told = mistakes("[store]\ntls = { a = 1, a = 2 }\n", &[]);
    assert!(told[0].starts_with("evertoken.toml:2: a is given twice, first in line 2"), "{told:?}");
}

#[test]
fn a_missing_appid_and_secret_are_named_with_their_section() {
    let told = mistakes("[store]\n\n[credentials.shop]\n", &[]);
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].starts_with("evertoken.toml:3: credentials.shop.appid is missing"));
    assert!(told[1].starts_with("evertoken.toml:3: credentials.shop.secret is missing"));
}

#[test]
fn two_credentials_with_one_account_are_refused() {
    let text = "[credentials.a]\nappid = \"wx1\"\nsecret = \"s\"\n\
                [credentials.b]\nappid = \"wx1\"\nsecret = \"s\"\n";
    // At whatever entry point of its issuer.
    let elsewhere = text.to_owned() + "base_url = \"https://api2.weixin.qq.com\"\n";
    for text in [text, &elsewhere] {
        let told = mistakes(text, &[]);
        assert!(told[0].contains("credentials.b and credentials.a are one account"), "{told:?}");
    }
}

#[test]
fn a_mistake_in_a_secret_does_not_show_it() {
    let text = "[credentials.a]\nappid = \"wx1\"\nsecret = { fil = \"s3cr3t\" }\n";
    assert!(!mistakes(text, &[]).concat().contains("s3cr3t"));
    let url = "[store]\nurl = \"redis://:s3cr3t@host:port\"\n";
    assert!(!mistakes(url, &[]).concat().contains("s3cr3t"));
    let bare = "[store]\nurl = \"s3cr3t@host\"\n";
    assert!(!mistakes(bare, &[]).concat().contains("s3cr3t"));
}

#[test]
fn a_file_that_is_not_toml_is_told_with_its_line() {
    let told = mistakes("[store]\nurl = redis\n", &[]);
    assert!(told[0].starts_with("evertoken.toml:2: "), "{told:?}");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}", name in "[A-Z_]{0,20}", value in ".{0,50}") {
        let name = format!("EVERTOKEN_{name}");
        let _ = read(&text, &[(&name, &value)]);
    }
}

#[test]
fn a_file_for_tls_that_is_of_no_use_is_told_with_its_place() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let file = directory.path().join("text.pem");
    std::fs::write(&file, "no PEM").expect("a file");
    let text = format!(
        "[store]\nurl = \"rediss://10.0.0.1\"\n[store.tls]\nca_cert_file = \"/nowhere/ca.pem\"\n\
         cert_file = {file:?}\nkey = 1\n"
    );
    let relative = mistakes(&text, &[("EVERTOKEN_STORE__TLS__CA_CERT_FILE", "no/ca.pem")]).concat();
    let told = "the file no/ca.pem (from where evertoken was started) cannot be read";
    assert!(relative.contains(told), "{relative}");
    let found = mistakes(&text, &[("EVERTOKEN_STORE__TLS__CA_CERT_FILE", "/elsewhere/ca.pem")]);
    let expected = [
        "evertoken.toml:5: store.tls.cert_file and store.tls.key_file go together",
        "evertoken.toml:5: store.tls.cert_file: the file",
        "evertoken.toml:6: store.tls.key is not known; there are: ca_cert_file, cert_file, key_file",
        "EVERTOKEN_STORE__TLS__CA_CERT_FILE: store.tls.ca_cert_file: the file /elsewhere/ca.pem \
         cannot be read",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\n{expected}");
    }
    assert!(found[1].ends_with("it holds no certificate in PEM (-----BEGIN …)"), "{}", found[1]);
}

#[test]
fn a_name_of_any_depth_is_no_setting_and_ends_nothing() {
    let name = format!("EVERTOKEN_A{}", "__A".repeat(40_000));
    let told = mistakes("", &[(&name, "1")]);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].chars().count() <= MAX_LINE);
    for text in [format!("a{} = 1\n", ".a".repeat(40_000)), format!("a = {}", "[".repeat(40_000))] {
        assert!(read(&text, &[]).is_err());
    }
}

#[test]
fn a_name_cannot_move_the_cursor() {
    let told = mistakes("\"\\u001b[2J\\n\" = 1\n", &[("EVERTOKEN_A\n__B", "x")]);
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(!told.concat().contains('\u{1b}'), "{told:#?}");
}

#[test]
fn a_file_without_an_end_is_told() {
    let error = read_file(Path::new("/dev/zero")).expect_err("it has no end");
    assert_eq!(
        error.to_string(),
        "/dev/zero: the file is longer than 256 MiB: is it the right one?"
    );
}

proptest::proptest! {
    /// Whatever surrounds a secret in its place, a mistake does not show it.
    #[test]
    fn no_secret_is_shown_however_it_is_written(
        before in "[^\n\r{}=]{0,5}", after in "[^\n\r{}]{0,5}", key in "(secret|daily_quota|endpoint)",
    ) {
        let text = format!("[credentials.a]\nappid = \"wx1\"\nsecret = {before}s3cr3t{after}\n");
        let url = format!("[store]\nurl = {before}redis://:s3cr3t@{after}\n");
        let table = format!("[credentials.a]\nsecret = {{ {key} = {before}s3cr3t{after} }}\n");
        for text in [text, url, table] {
            if let Err(mistakes) = read(&text, &[]) {
                proptest::prop_assert!(!mistakes.to_string().contains("s3cr3t"), "{}", mistakes);
            }
        }
    }
}

#[test]
fn a_token_is_probed_every_second_at_the_most() {
    let shop = |every: &str| WHOLE.replace("\"10m\"", every);
    let said = mistakes(&shop("\"500ms\""), &[("MINI_SECRET", "s")]);
    assert!(said[0].contains("credentials.shop.verify_every: 500ms is out of range: 1s to 30days"));
    let settings = read(&shop("\"1s\""), &[("MINI_SECRET", "s")]).expect("settings");
    let every = settings.credentials.iter().map(|credential| credential.verify_every);
    assert_eq!(every.collect::<Vec<_>>(), [None, Some(Duration::from_secs(1))]);
}

#[test]
fn nothing_that_is_configured_prints_a_secret() {
    let text = WHOLE.replace("{ env = \"MINI_SECRET\" }", "\"s3cr3t-in-the-file\"");
    let url = "redis+sentinel://u:s3cr3t@a,b/m?sentinel_password=s3cr3t";
    let environment = environment(&[
        ("MINI_SECRET", "s3cr3t"),
        ("EVERTOKEN_CREDENTIALS__SHOP__SECRET", "s3cr3t"),
        ("EVERTOKEN_CREDENTIALS__SHOP__DAILY_QUOTA", "500"),
        ("EVERTOKEN_STORE__URL", "redis+cluster://u:s3cr3t@a,b"),
    ]);
    let file = Some((Path::new("evertoken.toml"), &*text));
    let given = Given { config: None, store: Some(url.into()) };
    let tree = tree::build(file, Some(url), &environment, &mut Vec::new());
    let settings = Settings::read(file, Some(url), &environment).expect("good settings");
    for (what, printed) in [
        ("environment", format!("{environment:?}")),
        ("command line", format!("{given:?}")),
        ("tree", format!("{tree:?}")),
        ("settings", format!("{settings:#?}")),
        ("store", format!("{:?} {0}", settings.store.url)),
        ("mistake", mistakes(&text, &[("EVERTOKEN_STORE__URL", "redis://:s3cr3t@a:b")]).join(" ")),
    ] {
        assert!(!printed.is_empty() && !printed.contains("s3cr3t"), "{what}: {printed}");
    }
}

#[test]
fn what_no_secret_or_appid_can_be_is_told_by_its_place_and_not_repeated() {
    for (secret, told) in [
        ("'s3cr3t'", "it stands in quotation marks: remove them"),
        ("SECRET=s3cr3t", "it looks like NAME=value: leave the value alone"),
        ("${SECRET}", "it is a placeholder that nothing has filled in"),
        ("s3cr\u{200b}3t", "it holds an invisible character (U+200B)"),
        ("******", "it is what a console shows in place of a secret"),
    ] {
        let text = format!("[credentials.a]\nappid = \"wx1\"\nsecret = \"{secret}\"\n");
        let told_all = mistakes(&text, &[]);
        let expected = format!("evertoken.toml:3: credentials.a.secret: {told}");
        assert!(told_all[0].starts_with(&expected), "{told_all:?}");
        assert!(told_all.len() == 1 && !told_all[0].contains("s3cr3t"), "{told_all:?}");
    }
    let text = "[credentials.a]\nappid = \"\u{200b}wx1\"\nsecret = \"s\"\n";
    assert!(mistakes(text, &[])[0].contains("credentials.a.appid: it holds an invisible"));
}

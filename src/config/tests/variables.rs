//! Settings by variables: how they are found, what they win over, and which are none.

use super::*;

#[test]
fn the_environment_alone_is_enough() {
    let environment = environment(&[
        ("EVERTOKEN_STORE__URL", "redis://10.0.0.2"),
        ("EVERTOKEN_CREDENTIALS__SHOP__APPID", "wx1"),
        ("EVERTOKEN_CREDENTIALS__SHOP__SECRET__FILE", "/run/secrets/shop"),
        ("EVERTOKEN_CREDENTIALS__SHOP__DAILY_QUOTA", "300"),
        ("EVERTOKEN_CREDENTIALS__SHOP__BASE_URL", "https://a.example, https://b.example"),
    ]);
    let settings = Settings::read(None, None, &environment).expect("good settings");
    let shop = &settings.credentials[0];
    assert_eq!((shop.id.as_str(), shop.daily_quota), ("shop", 300));
    let shown = format!("{shop:?}");
    for part in ["a.example", "b.example", "file /run/secrets/shop"] {
        assert!(shown.contains(part), "{shown}");
    }
}

#[test]
fn the_environment_overrides_the_file_and_the_option_both() {
    let pairs = [("MINI_SECRET", "x"), ("EVERTOKEN_CREDENTIALS__SHOP__SECRET", "y")];
    let settings = read(WHOLE, &pairs).expect("good settings");
    let shown = format!("{:?}", settings.credentials[1]);
    assert!(shown.contains("redacted") && !shown.contains("/run/secrets"), "{shown}");
    let variables = environment(&[("EVERTOKEN_STORE__URL", "redis://10.0.0.2")]);
    let settings = Settings::read(None, Some("redis://10.0.0.3"), &variables).expect("good");
    assert_eq!(settings.store.url.to_string(), "10.0.0.3:6379");
}

#[test]
fn names_with_dots_and_hyphens_are_found_by_their_variables() {
    let text = "[credentials.\"my.shop-1\"]\nappid = \"wx1\"\nsecret = \"s\"\n";
    let pairs = [("EVERTOKEN_CREDENTIALS__MY_SHOP_1__APPID", "wx2")];
    let settings = read(text, &pairs).expect("good settings");
    assert_eq!(settings.credentials[0].provider.account().name, "wx2");
}

#[test]
fn variables_of_a_kubernetes_service_and_of_exec_set_nothing() {
    let pairs = [
        ("EVERTOKEN_TOKEN", "token"),
        ("EVERTOKEN_PORT", "tcp://10.0.0.1:9464"),
        ("EVERTOKEN_PORT_9464_TCP_ADDR", "10.0.0.1"),
        ("EVERTOKEN_SERVICE_HOST", "10.0.0.1"),
    ];
    assert!(read("", &pairs).is_ok());
}

#[test]
fn the_environment_wins_where_the_file_has_another_shape_of_the_same_secret() {
    let text = |secret: &str| format!("[credentials.shop]\nappid = \"wx1\"\nsecret = {secret}\n");
    let name = |part: &str| format!("EVERTOKEN_CREDENTIALS__SHOP__SECRET{part}");
    let path = "/run/secrets/shop";
    let elsewhere = [("FROM_FILE", "s1"), ("FROM_ENV", "s2")];
    for (in_file, part, value, expected) in [
        ("{ env = \"FROM_FILE\" }", "__FILE", path, format!("file {path}")),
        ("\"plain\"", "__FILE", path, format!("file {path}")),
        ("{ file = \"/other\" }", "__ENV", "FROM_ENV", "Secret(redacted)".to_owned()),
        ("{ file = \"/other\" }", "", "s3", "Secret(redacted)".to_owned()),
        ("{ env = \"MISSING\" }", "__FILE", path, format!("file {path}")),
    ] {
        let name = name(part);
        let variables = [&[(&*name, value)][..], &elsewhere].concat();
        let settings = read(&text(in_file), &variables).expect(in_file);
        let printed = format!("{:?}", settings.credentials[0].provider);
        assert!(printed.contains(&expected), "{in_file} and {name}: {printed}");
    }
    let (file, env) = (name("__FILE"), name("__ENV"));
    let both = mistakes(&text("\"plain\""), &[(&file, path), (&env, "FROM_ENV")]);
    assert!(both[0].contains("takes one of"), "two of one place are a mistake: {both:?}");
    let unknown = mistakes(&text("{ flie = \"/other\" }"), &[(&file, path)]);
    assert!(unknown[0].contains("takes one of"), "so is a key that is not known: {unknown:?}");
}

/// A worker that does not know its store would refresh alone, the very harm.
#[test]
fn a_variable_of_ours_that_names_no_setting_is_a_mistake() {
    for (name, meant) in [
        ("EVERTOKEN_STORE", "EVERTOKEN_STORE__URL"),
        ("EVERTOKEN_CONFIG", "--config"),
        ("EVERTOKEN_LEASE", "two underscores"),
    ] {
        let told = mistakes(WHOLE, &[("MINI_SECRET", "s3cr3t"), (name, "redis://10.0.0.9")]);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(name) && told[0].contains(meant), "{told:?}");
    }
}

#[test]
fn variables_of_kubernetes_and_of_secrets_are_no_mistakes() {
    let pairs = [
        ("MINI_SECRET", "s3cr3t"),
        ("EVERTOKEN_SERVICE_HOST", "10.0.0.1"),
        ("EVERTOKEN_PORT", "tcp://10.0.0.1:9464"),
        ("EVERTOKEN_PORT_9464_TCP_ADDR", "10.0.0.1"),
        ("EVERTOKEN_SHOP", "another-s3cr3t"),
    ];
    let text = format!(
        "{WHOLE}\n[credentials.third]\nappid = \"wx3\"\nsecret = {{ env = \"EVERTOKEN_SHOP\" }}\n"
    );
    read(&text, &pairs).expect("good settings");
}

//! A list of secrets: in the file, by variables, and what is wrong with one.

use super::*;

fn text(secret: &str) -> String {
    format!("[credentials.shop]\nappid = \"wx1\"\nsecret = {secret}\n")
}

fn shown(settings: &Settings) -> String {
    format!("{:?}", settings.credentials[0].provider)
}

#[test]
fn a_list_of_secrets_keeps_its_order_and_one_is_as_before() {
    let list = "[{ file = \"/s/2\" }, { env = \"OLD\" }, \"s3cr3t\"]";
    let settings = read(&text(list), &[("OLD", "0ld")]).expect("settings");
    let printed = shown(&settings);
    let expected = "[File(file /s/2), Value(Secret(redacted)), Value(Secret(redacted))]";
    assert!(printed.contains(expected), "{printed}");
    let one = read(&text("[{ file = \"/s/2\" }]"), &[]).expect("settings");
    assert_eq!(shown(&one), shown(&read(&text("{ file = \"/s/2\" }"), &[]).expect("settings")));
}

#[test]
fn variables_number_the_secrets_of_a_list_in_place_of_the_files() {
    let name = |part: &str| format!("EVERTOKEN_CREDENTIALS__SHOP__SECRET__{part}");
    let variables =
        [(name("10__FILE"), "/s/third"), (name("0__FILE"), "/s/new"), (name("1__FILE"), "/s/old")];
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    for in_file in ["\"plain\"", "{ file = \"/other\" }", "[\"a\", \"b\"]"] {
        let printed = shown(&read(&text(in_file), &variables).expect(in_file));
        assert!(
            printed.contains("[File(file /s/new), File(file /s/old), File(file /s/third)]"),
            "{printed}"
        );
    }
    let file = name("FILE");
    let one = read(&text("[\"a\", \"b\"]"), &[(&file, "/s/one")]).expect("settings");
    assert!(shown(&one).contains("secrets: File(file /s/one)"), "one is over a list");
    let both = mistakes(&text("\"plain\""), &[(&file, "/s/one"), (&name("0"), "s3cr3t")]);
    assert!(both[0].contains("EVERTOKEN_CREDENTIALS__SHOP__SECRET__FILE"), "{both:?}");
    assert!(!both[0].contains("s3cr3t"), "{both:?}");
}

#[test]
fn what_is_wrong_with_a_list_of_secrets_is_told_by_its_place() {
    for (list, told) in [
        ("[]", "takes one secret, or a list of up to 4"),
        ("[\"a\", \"b\", \"c\", \"d\", \"e\"]", "takes one secret, or a list of up to 4"),
        ("[\"a\", { flie = \"b\" }]", "takes one of"),
        ("[\"a\", 7]", "must be a text"),
        ("[\"a\", \"s3cr3t two\"]", "the 2nd of 2 secrets holds blanks"),
    ] {
        let told_now = mistakes(&text(list), &[]);
        assert!(told_now[0].contains(told), "{list}: {told_now:?}");
        assert!(!told_now[0].contains("s3cr3t"), "{told_now:?}");
    }
}

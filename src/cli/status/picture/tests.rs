use std::time::Duration;

use anstream::adapter::strip_str;

use super::*;

fn fresh(id: &str) -> CredentialStatus {
    CredentialStatus {
        id: id.to_owned(),
        provider: "wechat",
        parent: None,
        state: State::Fresh,
        expires_at: Some(1_700_000_000_000),
        expires_in: Some(7140),
        due_at: Some(1_699_999_700_000),
        epoch: Some(1),
        holder: Some("1a2b3c4d-0000-4000-8000-000000000000".to_owned()),
        calls_today: 1,
        calls_assumed: false,
        daily_quota: Some(500_000),
        failures: 0,
        error: None,
        finding: None,
        failing_since: None,
        reported: false,
        secrets: Vec::new(),
        due_in: Some(Duration::from_secs(6840)),
        leased: false,
    }
}

fn missing(id: &str) -> CredentialStatus {
    CredentialStatus {
        state: State::Missing,
        expires_at: None,
        expires_in: None,
        failures: 3,
        due_in: Some(Duration::from_secs(750)),
        finding: Some("secret.refused".to_owned()),
        failing_since: Some(1_699_999_000_000),
        error: Some(
            "WeChat answered 40125: the AppSecret of wx0123456789abcdef is wrong; once it is \
             mended, evertoken refresh other tries at once"
                .to_owned(),
        ),
        ..fresh(id)
    }
}

fn plain(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| strip_str(line).to_string()).collect()
}

#[test]
fn at_any_width_no_line_is_longer_and_nothing_that_matters_is_cut() {
    let long = "a-credential-with-a-name-that-is-longer-than-a-narrow-terminal-is-wide";
    let all = [fresh("shop"), missing("other"), fresh(long)];
    for width in [40, 60, 79, 80, 120, 200] {
        let lines = plain(&of(&all, Some(width)));
        let longest = lines.iter().map(|line| display_width(line)).max();
        assert!(longest <= Some(width), "{width}: {lines:#?}");
        let shown: String = lines.concat().split_whitespace().collect();
        for part in ["shop", long, "fresh", "missing", "1h59m", "in1h54m", "retryin12m30s"] {
            assert!(shown.contains(part), "{width}: {part}: {lines:#?}");
        }
        for part in ["1a2b3c4d", "1/500000", "40125", "evertokenrefreshothertriesatonce"] {
            assert!(shown.contains(part), "{width}: {part}: {lines:#?}");
        }
    }
}

#[test]
fn a_credential_takes_two_lines_where_the_table_does_not_fit() {
    let lines = plain(&of(&[fresh("shop"), fresh("other")], Some(40)));
    let expected = [
        "shop  fresh, 1h 59m left",
        "  next in 1h 54m  1a2b3c4d  1/500000",
        "other  fresh, 1h 59m left",
        "  next in 1h 54m  1a2b3c4d  1/500000",
    ];
    assert_eq!(lines, expected);
    let lines = plain(&of(&[fresh("shop"), fresh("other")], Some(80)));
    assert!(lines.len() == 3 && lines[0].starts_with("CREDENTIAL"), "{lines:#?}");
}

#[test]
fn a_text_of_others_moves_no_cursor() {
    let error = Some("\u{1b}[2J\nall is well".to_owned());
    let lines = of(&[CredentialStatus { error, ..missing("shop") }], None);
    assert!(!lines.concat().contains("\u{1b}[2J"), "{lines:?}");
}

#[test]
fn one_credential_is_told_in_words() {
    let lines = plain(&words(&missing("other"), None));
    assert_eq!(lines[0], "other is missing: no valid token stands");
    let said = lines.join("\n");
    for part in ["retry in 12m 30s, at 2023-11-14T22:08:20Z", "worker 1a2b3c4d-0000", "1 of 500000"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = plain(&words(&fresh("shop"), None)).join("\n");
    assert!(said.contains("valid for 1h 59m, until 2023-11-14T22:13:20Z"), "{said}");
    for line in words(&missing("other"), Some(40)) {
        assert!(display_width(&line) <= 40, "{line}");
    }
}

#[test]
fn a_span_is_told_in_two_units() {
    let spans = [0, 59, 61, 6180, 90_000].map(span);
    assert_eq!(spans, ["0s", "59s", "1m 1s", "1h 43m", "1d 1h"]);
}

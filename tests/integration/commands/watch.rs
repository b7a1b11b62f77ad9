//! `status --watch`, and colours: what is drawn on a terminal, and what elsewhere.

use evertoken_testkit::{process::Process, wait_until};

use super::{code, quiet_fleet};
use crate::pty::Terminal;

const WATCH: [&str; 4] = ["status", "--watch", "--config", "evertoken.toml"];

#[tokio::test]
async fn a_watch_is_drawn_in_place_at_any_width_follows_its_terminal_and_hides_nothing() {
    let (mut fleet, configuration) = quiet_fleet().await;
    fleet.start(&configuration);
    fleet.published().await;
    let mut terminal = Terminal::start(fleet.path(), (40, 12), "$ before\r\n", &WATCH, &[]);
    let narrow = terminal.shows("two lines", |text| text.contains("shop  fresh, 1h")).await;
    assert!(narrow.lines().count() == 4 && narrow.starts_with("1 credential: 1 fresh"), "{narrow}");
    assert!(narrow.contains("next in") && narrow.contains("1/500000"), "{narrow}");
    for columns in [80, 200] {
        terminal.resize(columns, 24);
        let wide = terminal.shows("a table", |text| text.contains("CREDENTIAL  STATE")).await;
        assert!(!wide.contains("fresh, 1h"), "the picture before is gone: {wide}");
        terminal.resize(40, 12);
        terminal.shows("two lines again", |text| !text.contains("CREDENTIAL")).await;
    }
    fleet.redis.stop();
    let away = "the store does not answer, this is";
    let old = terminal.shows("that the store is away", |text| text.contains(away)).await;
    assert!(old.contains("shop  fresh"), "the last picture stays: {old}");
    fleet.redis.resume().await;
    terminal.shows("that it is back", |text| text.starts_with("1 credential:")).await;
    terminal.press("\u{3}");
    assert_eq!(terminal.ended().await.code(), Some(0));
    assert!(terminal.text().contains("shop"), "the last picture stays");
    let (all, is_usual) = terminal.left();
    assert!(all.contains("$ before") && is_usual, "{all}");
    fleet.end().await;
}

#[tokio::test]
async fn of_more_credentials_than_rows_those_that_need_a_look_are_shown_and_the_rest_counted() {
    let (mut fleet, _) = quiet_fleet().await;
    let text = fleet.configuration_of(30, "stable_token");
    let configuration =
        fleet.write("evertoken.toml", &text.replace("secret-of-wx0123456789abc029", "no"));
    fleet.start(&configuration);
    fleet.told(0, "refresh.refused").await;
    let terminal = Terminal::start(fleet.path(), (100, 12), "", &WATCH, &[]);
    let all = "30 credentials: 29 fresh, 1 missing";
    let shown = terminal.shows("all states", |text| text.contains(all)).await;
    assert!(shown.lines().count() < 12, "{shown}");
    assert!(shown.contains("shop29") && shown.contains("secret.refused: "), "{shown}");
    assert!(shown.contains("and ") && shown.contains(" credentials: "), "{shown}");
    fleet.end().await;
}

#[tokio::test]
async fn elsewhere_than_on_a_terminal_a_watch_prints_a_table_for_each_change() {
    let (mut fleet, configuration) = quiet_fleet().await;
    let mut watch = Process::start(fleet.path(), "watch", &WATCH, &[]);
    let said = || std::fs::read_to_string(fleet.path().join("watch.out")).unwrap_or_default();
    let tables = |count: usize| move |text: String| text.matches("CREDENTIAL").count() == count;
    wait_until("the first table", || tables(1)(said())).await;
    assert!(said().contains("missing"), "{}", said());
    fleet.redis.stop();
    wait_until("it is told that the store is away", || 0 < watch.told("store.away")).await;
    fleet.redis.resume().await;
    let said = || std::fs::read_to_string(fleet.path().join("watch.out")).unwrap_or_default();
    wait_until("a table when it is back", || tables(2)(said())).await;
    fleet.start(&configuration);
    fleet.published().await;
    let said = || std::fs::read_to_string(fleet.path().join("watch.out")).unwrap_or_default();
    wait_until("the token", || said().contains("fresh")).await;
    watch.signal("INT");
    let ended = watch.ended().await;
    assert_eq!((code(&ended), watch.told("store.away")), (Some(0), 1));
    assert!(!ended.stdout.contains('\u{1b}'), "{}", ended.stdout);
    assert!(tables(3)(ended.stdout.clone()) || tables(4)(ended.stdout.clone()), "{}", ended.stdout);
    fleet.end().await;
}

#[tokio::test]
async fn colours_are_for_terminals_that_want_them() {
    let (fleet, _) = quiet_fleet().await;
    let on_a_terminal = async |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut terminal = Terminal::start(fleet.path(), (200, 50), "", arguments, environment);
        terminal.ended().await;
        terminal.shows("an answer", |text| !text.is_empty()).await;
        terminal.bytes()
    };
    for arguments in [&["check"][..], &["status"], &["get", "nobody"]] {
        let colours = on_a_terminal(arguments, &[]).await;
        assert!(colours.contains("\u{1b}["), "{arguments:?}: {colours:?}");
        for plain in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let said = on_a_terminal(arguments, &[plain]).await;
            assert!(!said.contains('\u{1b}'), "{arguments:?} with {plain:?}: {said:?}");
        }
        let ended = Process::start(fleet.path(), "plain", arguments, &[]).ended().await;
        assert!(!ended.stdout.contains('\u{1b}') && !ended.stderr.contains('\u{1b}'));
    }
    fleet.end().await;
}

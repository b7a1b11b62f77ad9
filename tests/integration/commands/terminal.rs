//! What helps a person at a terminal: the ids that could have been meant, a table that can be read.

use super::{code, lines, quiet_fleet};

#[tokio::test]
async fn a_command_without_a_credential_names_those_that_are_configured() {
    let (mut fleet, _) = quiet_fleet().await;
    let configuration = fleet.configuration_of(3, "stable_token");
    fleet.write("fleet.toml", &configuration);
    for (verb, missing) in [
        ("get", "<ID> is missing"),
        ("refresh", "<ID> is missing"),
        ("reject", "<ID> and <TOKEN> are missing"),
    ] {
        let ended = fleet.command(&[verb, "--config", "fleet.toml"]).await;
        let said = format!("evertoken: {missing}; configured are: shop, shop1, shop2\n");
        assert_eq!((code(&ended), ended.stderr), (Some(64), said), "{verb}");
    }
    std::fs::remove_file(fleet.path().join("evertoken.toml")).expect("it is there");
    let ended = fleet.command(&["get"]).await;
    assert!(ended.stderr.contains("<ID> is missing; none is configured (the environment"));
    fleet.write("evertoken.toml", "[stoer]\n");
    let ended = fleet.command(&["get"]).await;
    assert_eq!(lines(&ended.stderr).len(), 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("evertoken.toml:1: stoer is not known"), "{}", ended.stderr);
    fleet.end().await;
}

/// What a terminal shows that tells no width, as many a console of a container.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminal_without_a_width_shows_a_credential_a_line() {
    let (mut fleet, configuration) = quiet_fleet().await;
    fleet.start(&configuration);
    fleet.published().await;
    let mut python = std::process::Command::new("python3");
    // A terminal of Python's has no size.
    python.args(["-c", "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"]);
    python.args([env!("CARGO_BIN_EXE_evertoken"), "status", "--config", &configuration]);
    python.current_dir(fleet.path()).stdin(std::process::Stdio::null());
    let shown = tokio::task::block_in_place(|| python.output()).expect("python3 is there");
    let shown = String::from_utf8(shown.stdout).expect("a text");
    assert_eq!(lines(&shown).len(), 2, "a head and a credential: {shown}");
    assert!(lines(&shown)[1].contains("shop") && lines(&shown)[1].contains("fresh"), "{shown}");
    fleet.end().await;
}

//! A command that is run with the token in its environment.

use std::os::unix::process::ExitStatusExt;

use evertoken_testkit::{process::Process, wait_until};

use super::{code, quiet_fleet};

#[tokio::test]
async fn a_command_finds_the_token_in_its_environment_and_nowhere_in_its_arguments() {
    let (mut fleet, configuration) = quiet_fleet().await;
    fleet.start(&configuration);
    let token = fleet.published().await;
    let script = "printf %s \"$EVERTOKEN_TOKEN\" > token; tr '\\0' ' ' < /proc/$$/cmdline > typed; \
                  printf %s \"$KEPT\" > kept";
    let arguments = ["exec", "shop", "--", "/bin/sh", "-c", script];
    let ended = fleet.command_in(&arguments, &[("KEPT", "as it was"), ("PATH", "/bin")]).await;
    assert_eq!((code(&ended), &*ended.stdout, &*ended.stderr), (Some(0), "", ""));
    let read = |name: &str| std::fs::read_to_string(fleet.path().join(name)).expect("a file");
    assert_eq!((read("token"), read("kept")), (token.clone(), "as it was".to_owned()));
    assert!(read("typed").starts_with("/bin/sh -c") && !read("typed").contains(&token));

    // Within one another, each with a name of its own: as many tokens as are needed.
    let evertoken = evertoken_testkit::process::program("evertoken").display().to_string();
    let script =
        "test \"$A\" = \"$B\" && test \"$A\" = \"$EVERTOKEN_TOKEN\" && printf %s \"$A\" > nested";
    let first = ["exec", "shop", "--", &*evertoken, "exec", "shop", "--env", "A", "--"];
    let last = [&*evertoken, "exec", "shop", "--env", "B", "--", "/bin/sh", "-c", script];
    let ended = fleet.command(&[&first[..], &last].concat()).await;
    assert_eq!(code(&ended), Some(0), "{}", ended.stderr);
    let nested = std::fs::read_to_string(fleet.path().join("nested")).expect("a file");
    assert_eq!(nested, token);
    fleet.end().await;
}

#[tokio::test]
async fn the_exit_code_and_the_signals_of_a_command_are_its_own() {
    let (mut fleet, configuration) = quiet_fleet().await;
    fleet.start(&configuration);
    fleet.published().await;
    let ended = fleet.command(&["exec", "shop", "--", "/bin/sh", "-c", "exit 42"]).await;
    assert_eq!(code(&ended), Some(42));
    let script = "trap 'exit 7' TERM; echo > ready; while :; do sleep 0.01; done";
    let arguments = ["exec", "shop", "--", "/bin/sh", "-c", script];
    let mut process =
        Process::start(fleet.path(), "exec-trap", &arguments, &[("PATH", "/usr/bin:/bin")]);
    wait_until("the command runs", || fleet.path().join("ready").exists()).await;
    process.signal("TERM");
    assert_eq!(code(&process.ended().await), Some(7), "the signal was the command's");
    // A pipe that nobody reads ends it, as it ends every command: evertoken itself lives through that.
    let ended = fleet.command(&["exec", "shop", "--", "/bin/sh", "-c", "kill -PIPE $$"]).await;
    assert_eq!(ended.status.signal(), Some(13));
    fleet.end().await;
}

#[tokio::test]
async fn a_command_that_cannot_be_started_ends_as_env_has_it() {
    let (mut fleet, configuration) = quiet_fleet().await;
    fleet.start(&configuration);
    fleet.published().await;
    fleet.write("plain", "not a program");
    for (command, expected) in [("no-such-command", 127), ("./absent", 127), ("./plain", 126)] {
        let ended = fleet.command(&["exec", "shop", "--", command]).await;
        assert_eq!((code(&ended), &*ended.stdout), (Some(expected), ""), "{command}");
        let said = format!("evertoken: {command} cannot be started: ");
        assert!(ended.stderr.starts_with(&said), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }
    fleet.end().await;
}

#[tokio::test]
async fn without_a_token_no_command_is_started_unless_one_can_be_fetched() {
    let (mut fleet, configuration) = quiet_fleet().await;
    let command = ["--", "/bin/sh", "-c", "printf %s \"$MINE\" > started"];
    let started = fleet.path().join("started");
    let words = ["exec", "shop", "--config", &configuration, "--env", "MINE"];
    let ended = fleet.command(&[&words[..], &command].concat()).await;
    assert_eq!((code(&ended), ended.stderr.lines().count()), (Some(69), 1), "{}", ended.stderr);
    assert!(!started.exists());
    let ended = fleet.command(&[&words[..], &["--fetch"], &command].concat()).await;
    assert_eq!(code(&ended), Some(0), "{}", ended.stderr);
    assert_eq!(std::fs::read_to_string(&started).expect("a file"), fleet.published().await);
    for (name, said) in [
        ("EVERTOKEN_STORE__URL", "sets something of evertoken"),
        ("A-B", "a variable's name is letters"),
        ("A=B", "a variable's name is letters"),
        ("", "a variable's name is letters"),
    ] {
        let ended = fleet.command(&[&["exec", "shop", "--env", name], &command[..]].concat()).await;
        assert_eq!(code(&ended), Some(64), "{name}");
        assert!(ended.stderr.contains(said), "{name}: {}", ended.stderr);
    }
    fleet.end().await;
}

//! Parents that cannot be: what is said of them, all at once and before anything runs.

use super::*;

#[tokio::test]
async fn parents_that_cannot_be_are_told_together_and_nothing_runs() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let ticket = |id: &str, parent: &str| {
        format!("[credentials.{id}]\nprovider = \"wechat-ticket\"\nparent = \"{parent}\"\n")
    };
    let sections = [
        fleet.configuration("stable_token", ""),
        ticket("good", "shop"),
        ticket("lost", "no-such"),
        ticket("of-ticket", "good"),
        ticket("self", "self"),
        ticket("round-a", "round-b"),
        ticket("round-b", "round-a"),
        "[credentials.none]\nprovider = \"wechat-ticket\"\nticket = \"jsapy\"\n".to_owned(),
    ];
    let text = sections.concat();
    let configuration = fleet.write("evertoken.toml", &text);
    for command in ["run", "check"] {
        let ended = fleet.command(&[command, "--config", &configuration]).await;
        assert_eq!(ended.status.code(), Some(64), "{}", ended.stderr);
        let said = ended.stderr;
        for part in [
            "credentials.lost.parent: there is no credential no-such: add its section, or name one of \
             these: good",
            "credentials.of-ticket.parent: good has the provider wechat-ticket; it has to be wechat",
            "credentials.self.parent: it needs its own token",
            "credentials.round-a.parent: round-a and round-b need each other's tokens",
            "credentials.none.parent is missing",
            "\"jsapy\" is not a kind of ticket: \"jsapi\" or \"wx_card\" or \"sdk\"",
        ] {
            assert!(said.contains(part), "{part} in {said}");
        }
        assert_eq!(said.matches("need each other").count(), 1, "a circle is told once: {said}");
        assert!(!said.contains("credentials.good"), "{said}");
    }
    fleet.end().await;
}

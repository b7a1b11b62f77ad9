//! How the demo ended: the numbers, and whether every promise was kept. Pure.

use super::{
    scene::Scene,
    view::{Ink, Tone, counted, grouped},
};

/// The promises that were not kept, each in words. None: all were.
pub(super) fn broken(scene: &Scene) -> Vec<String> {
    let mut broken = Vec::new();
    let reads = scene.reads;
    if !scene.has_begun() {
        broken.push("it ended before every token was published".to_owned());
    }
    if reads.dead != 0 {
        broken.push(counted(reads.dead, "dead read"));
    }
    if reads.missing != 0 {
        broken.push(counted(reads.missing, "missing read"));
    }
    if reads.failed != 0 {
        broken.push(counted(reads.failed, "read") + " failed for another reason");
    }
    if scene.deaths != 0 {
        broken.push(counted(scene.deaths, "worker") + " ended unasked");
    }
    for credential in &scene.credentials {
        let (made, allowed) = (credential.calls.made, scene.allowed(credential));
        if allowed < made {
            broken.push(format!("{made} calls for {}, {allowed} were allowed", credential.id));
        }
    }
    broken
}

/// The summary, a line each.
pub(super) fn lines(scene: &Scene, ink: Ink) -> Vec<String> {
    let seconds = scene.elapsed.as_secs_f64();
    let head = format!(
        "{seconds:.1} s with {} and {}; {}, of which {} struck during a call",
        counted(scene.workers.len() as u64, "worker"),
        counted(scene.readers as u64, "reader"),
        counted(scene.kills, "kill"),
        scene.sum(|each| each.strikes),
    );
    let reads = scene.reads;
    let mut lines = vec![
        ink.paint(Tone::Title, &head),
        format!("  reads              {:>7}", grouped(reads.all())),
        format!("  dead reads         {:>7}   tokens that did not work when used", reads.dead),
        format!("  missing reads      {:>7}   reads that found no token", reads.missing),
    ];
    let overlaps = scene.sum(|each| each.calls.overlaps);
    lines.push(format!("  overlapping calls  {overlaps:>7}   at the issuer, for one credential"));
    lines.push(String::new());
    let columns = "NAME   ENDPOINT      LIFETIMES  CALLS  LEAST  AT MOST BY POLICY";
    lines.push(ink.paint(Tone::Faint, &format!("  {columns}")));
    for credential in &scene.credentials {
        let lifetimes = seconds / scene.lifetime.as_secs_f64().max(0.001);
        lines.push(format!(
            "  {:<5}  {:<12}  {lifetimes:>9.1}  {:>5}  {:>5}  {:>4} = 1 + {} due + {} kills",
            credential.id,
            credential.endpoint,
            credential.calls.made,
            scene.least(credential),
            scene.allowed(credential),
            scene.times_due(credential),
            credential.strikes,
        ));
    }
    for ticket in scene.credentials.iter().filter(|each| each.parent.is_some()) {
        let looks = counted(ticket.calls.looks, "call");
        let text = format!("  {looks} more for {}: a ticket is the same to its end", ticket.id);
        lines.push(ink.paint(Tone::Faint, &text));
    }
    lines.push(String::new());
    let broken = broken(scene);
    lines.push(if broken.is_empty() {
        ink.paint(Tone::Good, "PASSED: no reader was ever handed a dead token")
    } else {
        ink.paint(Tone::Bad, &format!("FAILED: {}", broken.join("; ")))
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            readers::Reads,
            scene::tests::{glance, scene},
        },
        *,
    };

    fn good() -> Scene {
        let mut scene = scene();
        scene.saw(0, &glance("aaaaaaaa-1", 7), 1);
        scene.saw(1, &glance("aaaaaaaa-1", 7), 1);
        scene.reads = Reads { good: 1000, ..Reads::default() };
        scene
    }

    #[test]
    fn it_passes_if_every_promise_was_kept() {
        let text = lines(&good(), Ink::Plain).join("\n");
        assert!(text.contains("PASSED"), "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    #[test]
    fn one_dead_read_fails_it() {
        let mut scene = good();
        scene.reads.dead = 1;
        assert_eq!(broken(&scene), ["1 dead read"]);
    }

    #[test]
    fn one_call_too_many_fails_it() {
        let mut scene = good();
        scene.credentials[0].calls.made = scene.allowed(&scene.credentials[0]);
        assert!(broken(&scene).is_empty());
        scene.credentials[0].calls.made += 1;
        assert_eq!(broken(&scene), ["4 calls for shop, 3 were allowed"]);
    }

    #[test]
    fn an_end_before_the_first_token_is_no_success() {
        assert_eq!(broken(&scene()), ["it ended before every token was published"]);
    }
}

//! The demo as lines of text, for people who have never seen evertoken. Pure: from numbers to text.
//!
//! Lines fit 80 columns. Nothing here knows a token or a secret.

use std::time::Duration;

use super::scene::{Credential, Event, EventKind, Scene, Worker};

/// Cells of the bar that shows how much of a token's life is left.
const BAR: usize = 24;

/// Lines of a picture: a terminal has 24, and its cursor stands in the last.
const LINES: usize = 23;

/// Whether text may be coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Color,
    Plain,
}

/// How a piece of text is to be seen.
#[derive(Clone, Copy)]
pub(super) enum Tone {
    Title,
    Faint,
    Good,
    Warning,
    Bad,
}

// === impl Ink ===

impl Ink {
    /// The text in a tone.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        if self == Self::Plain {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Title => "1",
            Tone::Faint => "2",
            Tone::Good => "32",
            Tone::Warning => "33",
            Tone::Bad => "1;31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// What is running, in words.
pub(super) fn title(scene: &Scene) -> [String; 2] {
    let lifetime = scene.lifetime.as_secs();
    let (workers, readers) = (scene.workers.len(), scene.readers);
    let keep = if workers == 1 { "keeps" } else { "keep" };
    let read = if readers == 1 { "uses" } else { "use" };
    [
        format!(
            "{} {keep} {} tokens fresh {}; {} {read} them all the time.",
            counted(workers as u64, "worker"),
            scene.credentials.len(),
            scene.ground,
            counted(readers as u64, "reader"),
        ),
        format!(
            "A token lives {lifetime} s. Every few seconds a worker is killed, at work or at rest."
        ),
    ]
}

/// One line, for where there is no terminal.
pub(super) fn progress(scene: &Scene) -> String {
    let (calls, reads) = (scene.sum(|each| each.calls.made), scene.reads);
    format!(
        "{}  {} reads, {} dead, {} missing; {calls} calls to the issuer, {} kills",
        moment(scene.elapsed),
        grouped(reads.all()),
        reads.dead,
        reads.missing,
        scene.kills,
    )
}

/// One event, with its time.
pub(super) fn event(event: &Event, ink: Ink) -> String {
    let text = match event.kind {
        EventKind::Work => event.text.clone(),
        EventKind::Fault => ink.paint(Tone::Warning, &event.text),
        EventKind::Mended => ink.paint(Tone::Good, &event.text),
        EventKind::Broken => ink.paint(Tone::Bad, &event.text),
    };
    format!("{}  {text}", ink.paint(Tone::Faint, &moment(event.at)))
}

/// The whole picture.
pub(super) fn picture(scene: &Scene, ink: Ink) -> Vec<String> {
    let head = |text: &str| ink.paint(Tone::Faint, text);
    let mut lines = vec![headline(scene, ink)];
    lines.extend(title(scene).iter().map(|line| head(line)));
    lines.push(String::new());
    lines.push(head("TOKEN           AGE   LIFE LEFT                         NEXT REFRESH"));
    lines.extend(scene.credentials.iter().map(|credential| token(scene, credential, ink)));
    lines.push(String::new());
    lines.push(head("WORKER  HOLDER        PID  STATE   WON  KILLED"));
    let workers = scene.workers.iter().enumerate();
    lines.extend(workers.map(|(at, each)| worker(scene, at, each, ink)));
    lines.push(String::new());
    lines.push(readers(scene, ink));
    lines.push(issuer(scene, ink));
    lines.push(String::new());
    let room = LINES.saturating_sub(lines.len());
    lines.extend(scene.events(room).map(|each| event(each, ink)));
    lines
}

fn headline(scene: &Scene, ink: Ink) -> String {
    let left = "evertoken demo";
    let length = scene.length.map(|length| format!(" of {} s", length.as_secs()));
    let time = format!("{:.1} s{}", scene.elapsed.as_secs_f64(), length.unwrap_or_default());
    let right = format!("{time} · Ctrl-C ends it");
    let gap = 79_usize.saturating_sub(left.len() + right.chars().count());
    format!("{}{:gap$}{}", ink.paint(Tone::Title, left), "", ink.paint(Tone::Faint, &right))
}

/// A credential: its token, how old it is, how much of its life is left.
fn token(scene: &Scene, credential: &Credential, ink: Ink) -> String {
    let name = format!("{:<5}", credential.id);
    let Some(published) = credential.published else {
        return format!("{name} {}", ink.paint(Tone::Warning, "none yet"));
    };
    let left = published.expires_at.since(scene.now);
    let age = scene.now.since(published.issued_at);
    let share = left.as_secs_f64() / scene.lifetime.as_secs_f64().max(0.001);
    let cells = ((share * BAR as f64).round() as usize).min(BAR);
    let tone = if share < 0.1 {
        Tone::Bad
    } else if share < 0.27 {
        Tone::Warning
    } else {
        Tone::Good
    };
    let bar =
        ink.paint(tone, &"█".repeat(cells)) + &ink.paint(Tone::Faint, &"░".repeat(BAR - cells));
    let next = match (credential.leased_by, credential.struck) {
        (_, Some(_)) => ink.paint(Tone::Warning, "its caller was killed"),
        (Some(worker), None) => ink.paint(Tone::Good, &format!("now, by worker {}", worker + 1)),
        (None, None) => format!("in {:.1} s", published.due_at.since(scene.now).as_secs_f64()),
    };
    format!(
        "{} no. {:<3} {:>4.1} s  {bar} {:>4.1} s  {next}",
        ink.paint(Tone::Title, &name),
        published.number,
        age.as_secs_f64(),
        left.as_secs_f64(),
    )
}

/// A worker: its process, and what it does or did last.
fn worker(scene: &Scene, at: usize, worker: &Worker, ink: Ink) -> String {
    let holder: String = worker.holder.as_deref().unwrap_or("-").chars().take(8).collect();
    let pid = worker.pid.map_or("-".to_owned(), |pid| pid.to_string());
    let (state, tone) = match worker.pid {
        Some(_) => ("up", Tone::Good),
        None => ("killed", Tone::Bad),
    };
    let state = ink.paint(tone, &format!("{state:<6}"));
    let numbers = format!("{:>5}  {:>6}", worker.wins, worker.kills);
    format!("{:<6}  {holder:<8}  {pid:>7}  {state}{numbers}   {}", at + 1, doing(scene, at, ink))
}

/// What a worker does: it holds a lease, or won one some time ago.
fn doing(scene: &Scene, at: usize, ink: Ink) -> String {
    let is_up = scene.workers[at].pid.is_some();
    let leases = scene.credentials.iter().filter(|each| is_up && each.leased_by == Some(at));
    let leases: Vec<_> = leases.map(|each| each.id).collect();
    if !leases.is_empty() {
        return ink.paint(Tone::Good, &format!("◀ holds the lease: {}", leases.join(", ")));
    }
    let wins = scene.credentials.iter().filter_map(|each| {
        let (winner, when) = each.won?;
        let ago = scene.elapsed.saturating_sub(when).as_secs();
        (winner == at).then(|| format!("{} {ago} s ago", each.id))
    });
    let wins: Vec<_> = wins.collect();
    match wins.is_empty() {
        true => String::new(),
        false => ink.paint(Tone::Faint, &format!("won {}", wins.join(", "))),
    }
}

fn readers(scene: &Scene, ink: Ink) -> String {
    let reads = scene.reads;
    let count = |number: u64, what: &str| {
        let tone = if number == 0 { Tone::Good } else { Tone::Bad };
        ink.paint(tone, &format!("{} {what}", grouped(number)))
    };
    let failed = match reads.failed {
        0 => String::new(),
        failed => ink.paint(Tone::Warning, &format!("   {failed} failed otherwise")),
    };
    format!(
        "{} {:>7} reads   {}   {}{failed}",
        ink.paint(Tone::Faint, "READERS"),
        grouped(reads.all()),
        count(reads.dead, "dead"),
        count(reads.missing, "missing"),
    )
}

fn issuer(scene: &Scene, ink: Ink) -> String {
    let calls = scene.sum(|each| each.calls.made);
    let allowed = scene.sum(|each| scene.allowed(each));
    let tone = if allowed < calls { Tone::Bad } else { Tone::Good };
    format!(
        "{} {calls:>7} calls   {}   {} tokens issued   {} overlapping calls",
        ink.paint(Tone::Faint, "ISSUER "),
        ink.paint(tone, &format!("{allowed} allowed")),
        scene.sum(|each| each.calls.issued),
        scene.sum(|each| each.calls.overlaps),
    )
}

/// A time since the start, aligned.
fn moment(elapsed: Duration) -> String {
    format!("{:>6.1} s", elapsed.as_secs_f64())
}

/// `1 worker`, `3 workers`.
pub(super) fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A number with its thousands apart, as `12,345`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if 0 < at && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
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

    fn drawn(scene: &Scene) -> String {
        picture(scene, Ink::Plain).join("\n")
    }

    #[test]
    fn a_picture_fits_a_small_terminal() {
        let mut scene = scene();
        scene.elapsed = Duration::from_secs(99_999);
        for epoch in 1..40 {
            scene.saw(0, &glance("aaaaaaaa-1", epoch), 123);
            scene.saw(1, &glance("aaaaaaaa-1", epoch), 123);
            scene.killed(1, &[true, true]);
        }
        scene.reads = Reads { good: 9_999_999, dead: 12, missing: 12, failed: 12 };
        let picture = picture(&scene, Ink::Plain);
        assert!(picture.len() <= LINES, "{} lines", picture.len());
        for line in picture {
            assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
        }
    }

    #[test]
    fn a_token_is_drawn_with_its_age_and_what_is_left() {
        let mut scene = scene();
        assert!(drawn(&scene).contains("shop  none yet"));
        scene.saw(0, &glance("aaaaaaaa-1", 7), 4);
        let picture = drawn(&scene);
        let line = picture.lines().find(|line| line.starts_with("shop")).expect("a line");
        let bar = "█".repeat(17) + &"░".repeat(7);
        assert_eq!(line, format!("shop  no. 4    3.0 s  {bar}  7.0 s  in 4.5 s"));
    }

    #[test]
    fn the_holder_of_a_lease_is_marked() {
        let mut scene = scene();
        scene.saw(0, &glance("aaaaaaaa-1", 7), 1);
        assert!(drawn(&scene).contains("won shop 0 s ago"));
        scene.credentials[0].leased_by = Some(1);
        let picture = drawn(&scene);
        assert!(picture.contains("◀ holds the lease: shop"), "{picture}");
        assert!(picture.contains("now, by worker 2"), "{picture}");
    }

    #[test]
    fn plain_ink_leaves_no_escape() {
        assert!(!drawn(&scene()).contains('\u{1b}'));
        assert!(picture(&scene(), Ink::Color).concat().contains('\u{1b}'));
    }

    #[test]
    fn thousands_stand_apart() {
        let texts = [0, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }
}

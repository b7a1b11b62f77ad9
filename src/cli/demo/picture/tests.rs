use std::time::Duration;

use super::{
    super::{
        readers::Reads,
        scene::{
            Worker,
            tests::{glance, scene},
        },
    },
    *,
};
use crate::{policy::Issuance, store::Glance};

const USUAL: Size = Size { columns: 80, rows: 24 };

fn drawn(scene: &Scene, size: Size) -> String {
    picture(scene, Ink::Plain, size).join("\n")
}

fn line<'a>(picture: &'a str, begin: &str) -> &'a str {
    picture.lines().find(|line| line.starts_with(begin)).expect("a line")
}

/// The usual scene, in which the second token has a ticket.
fn with_ticket() -> Scene {
    let mut scene = scene();
    let issuance = Issuance::Repeats { window: Duration::ZERO };
    let ticket = Credential::new("jsapi", "getticket", issuance);
    scene.credentials.push(Credential { parent: Some("mini"), ..ticket });
    scene
}

/// A scene in which much has happened, to `workers`.
fn long_scene(workers: usize) -> Scene {
    let small = with_ticket();
    let mut scene = Scene::new(small.lifetime, small.credentials, workers);
    scene.elapsed = Duration::from_secs(9999);
    scene.ground = "in one directory";
    scene.readers = 50;
    for worker in &mut scene.workers {
        worker.page = "http://127.0.0.1:65535/".to_owned();
    }
    for epoch in 1..400 {
        scene.runs(1, Some(4_194_304), Some("bbbbbbbb-2"));
        scene.saw(0, &glance("bbbbbbbb-2", epoch), 1234);
        scene.saw(1, &glance("bbbbbbbb-2", epoch), 1234);
        scene.saw(2, &glance("bbbbbbbb-2", epoch), 1234);
        scene.killed(1, &[true, true, true]);
    }
    scene.reads = Reads { good: 9_999_999, dead: 0, missing: 0, failed: 0 };
    scene
}

#[test]
fn a_picture_fits_each_terminal_whole_and_fills_it() {
    for (columns, rows) in [(60, 20), (80, 24), (120, 40), (200, 60), (1000, 300)] {
        for workers in 2..=6 {
            let rows_drawn = picture(&long_scene(workers), Ink::Plain, Size { columns, rows });
            assert!(rows_drawn.len() <= rows, "{} rows of {rows}", rows_drawn.len());
            let longest = rows_drawn.iter().map(|row| row.chars().count()).max();
            assert_eq!(longest, Some(columns - 1), "{columns}x{rows}");
            let all = rows_drawn.join("\n");
            for whole in ["http://127.0.0.1:65535/", "◆ took over", "0 missing", "lost in kills"]
            {
                assert!(all.contains(whole), "{whole} at {columns}x{rows}, {workers}: {all}");
            }
            assert!(all.contains("was killed"), "an event at {columns}x{rows}, {workers}: {all}");
        }
    }
}

#[test]
fn a_token_is_drawn_with_what_is_left_of_it_and_what_comes_next() {
    let mut scene = scene();
    assert!(drawn(&scene, USUAL).contains("shop    none yet"));
    scene.saw(0, &glance("aaaaaaaa-1", 7), 4);
    let bar = format!("{}{}", "█".repeat(25), "░".repeat(11));
    let whole = format!("shop    no. 4    {bar}   7.0 s  call in 4.5 s");
    assert_eq!(line(&drawn(&scene, USUAL), "shop"), whole);
    scene.killed(0, &[true, false]);
    assert!(line(&drawn(&scene, USUAL), "shop").ends_with("caller killed"));
}

#[test]
fn a_ticket_stands_below_the_token_that_it_is_got_with() {
    let mut scene = with_ticket();
    for at in 0..3 {
        scene.saw(at, &Glance { leased: true, ..glance("bbbbbbbb-2", 7) }, 4);
    }
    let picture = drawn(&scene, USUAL);
    let rows: Vec<_> = picture.lines().skip_while(|row| !row.starts_with("shop")).collect();
    assert!(rows[1].starts_with("mini    no. 4") && rows[2].starts_with("└ jsapi no. 4"));
    assert!(picture.contains("2 tokens and a ticket"), "{picture}");
    assert!(picture.contains("leases: S shop  M mini  J jsapi  × killed"), "{picture}");
    assert!(line(&picture, "2  ").starts_with("2  holds all"), "{picture}");
    assert!(picture.contains("fetched the first jsapi ticket via mini"), "{picture}");
}

#[test]
fn the_contest_shows_who_holds_who_waits_who_was_killed_and_who_took_over() {
    let mut scene = scene();
    let at = |scene: &mut Scene, millis: u64| {
        scene.elapsed = Duration::from_millis(millis);
        for worker in 0..2 {
            let Worker { pid, holder, .. } = scene.workers[worker].clone();
            scene.runs(worker, pid, holder.as_deref());
        }
    };
    at(&mut scene, 0);
    scene.saw(0, &glance("bbbbbbbb-2", 7), 1);
    at(&mut scene, 250);
    let held = Glance { leased: true, ..glance("bbbbbbbb-2", 7) };
    scene.saw(0, &held, 1);
    let picture = drawn(&scene, USUAL);
    assert!(line(&picture, "1  ").starts_with("1  waits  "), "{picture}");
    assert!(line(&picture, "2  ").starts_with("2  holds shop  "), "{picture}");
    assert!(line(&picture, "2  ").contains("─S  "), "{picture}");
    assert!(line(&picture, "shop").ends_with("worker 2 calls"), "{picture}");
    at(&mut scene, 500);
    scene.killed(1, &[true, false]);
    at(&mut scene, 750);
    scene.saw(0, &glance("aaaaaaaa-1", 8), 3);
    at(&mut scene, 1000);
    let picture = drawn(&scene, USUAL);
    assert!(line(&picture, "2  ").starts_with("2  killed  "), "{picture}");
    assert!(line(&picture, "2  ").contains("─S×   "), "{picture}");
    assert!(line(&picture, "1  ").contains("───◆─"), "{picture}");
}

#[test]
fn a_dead_read_and_a_call_too_many_are_seen() {
    let mut scene = scene();
    scene.reads = Reads { good: 1000, dead: 1, ..Reads::default() };
    scene.credentials[0].calls.made = 3;
    let picture = drawn(&scene, USUAL);
    assert!(picture.contains("1,001 calls  1 dead reads  0 missing"), "{picture}");
    assert!(picture.contains("3 calls  2 least possible"), "{picture}");
}

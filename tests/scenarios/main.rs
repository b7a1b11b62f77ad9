//! The life of a token, told as stories. Each is a file beside this one, to be reviewed without
//! Rust; here the real keepers live through it on a paused clock, over the embedded store.
//!
//! What the words of a file mean is in `story.rs`. The issuer is in this process (`issuer.rs`), an
//! application reads all the time (`reader.rs`), and a day takes seconds.

mod facts;
mod issuer;
mod reader;
mod stage;
mod story;

use std::collections::BTreeSet;

use stage::Stage;
use story::Story;

/// Lives through a story, and holds every step to what it expects.
async fn tell(text: &str) {
    let story = Story::read(text);
    let mut stage = Stage::set(&story);
    let mut before = stage.facts().await;
    for (number, step) in (1..).zip(&story.steps) {
        stage.act(step, &before).await;
        let after = stage.facts().await;
        let complaints = step.expect.complaints(&before, &after);
        let (said, all) = (&step.says, complaints.join("\n  "));
        assert!(
            complaints.is_empty(),
            "{}\nstep {number}: {said}\n  {all}\n{after:#?}",
            story.story
        );
        before = after;
    }
}

macro_rules! stories {
    ($($claim:ident),* $(,)?) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $claim() {
                tell(include_str!(concat!(stringify!($claim), ".toml"))).await;
            }
        )*

        /// The stories that are told here, by the names of their files.
        const TOLD: &[&str] = &[$(concat!(stringify!($claim), ".toml")),*];
    };
}

stories! {
    a_day_of_a_legacy_credential_takes_a_call_each_ninety_minutes,
    a_day_of_a_stable_credential_takes_thirteen_calls,
    ten_workers_make_the_calls_of_one_for_a_day,
    an_issuer_away_for_an_hour_around_the_refresh_costs_nothing,
    an_issuer_away_past_the_end_is_found_again_within_a_minute,
    a_lifetime_that_shrinks_and_grows_is_followed,
    jitter_is_drawn_once_for_each_token,
    a_permanent_error_is_mended_by_a_new_secret,
    an_answer_that_is_lost_is_settled_by_one_more_call,
    a_worker_that_dies_in_a_call_is_replaced_within_half_a_minute,
}

#[test]
fn every_file_is_told() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios");
    let entries = std::fs::read_dir(directory).expect("the directory of the stories");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string());
    let files: BTreeSet<String> = names.flatten().filter(|name| name.ends_with(".toml")).collect();
    assert_eq!(files, TOLD.iter().map(|name| (*name).to_owned()).collect());
}

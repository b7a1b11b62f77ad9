//! The life of a token, told as stories. Each is a file beside this one, to be reviewed without
//! Rust; here the real keepers live through it on a paused clock, over the embedded store.
//!
//! What the words of a file mean is in `story.rs`. The issuer is in this process (`issuer.rs`), an
//! application reads all the time (`reader.rs`), and a day takes seconds. Some of the files are told
//! again on a real Redis in scaled time (`on_redis.rs`). Many credentials at once are in `herd.rs`, and
//! stores that lose data or time in `losses.rs`.

mod crowd;
mod facts;
mod herd;
mod issuer;
mod losses;
mod on_redis;
mod reader;
mod stage;
mod story;
use std::{collections::BTreeSet, time::Duration};

use facts::Facts;
use stage::Stage;
use story::Story;

/// Lives through a story, and holds every step to what it expects.
async fn tell(text: &str) {
    let story = Story::read(text);
    let mut stage = Stage::set(&story);
    let mut before = Facts::of_nothing();
    for (number, step) in (1..).zip(&story.steps) {
        stage.act(step, &before).await;
        let after = stage.facts().await;
        let complaints = step.expect.complaints(&before, &after, Duration::ZERO);
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
    a_changed_secret_that_the_issuer_knows_late_is_tried_again_soon,
    eight_workers_behind_a_refused_address_share_their_tries,
    a_mended_address_is_found_soon_by_a_single_worker,
    a_busy_issuer_is_asked_a_dozen_times_in_its_hour_at_the_most,
    an_answer_that_is_lost_is_settled_by_one_more_call,
    a_foreign_refresh_is_found_within_verify_every,
    a_worker_that_dies_in_a_call_is_replaced_within_half_a_minute,
}

/// Stories that are told again, against a real Redis.
mod again_on_redis {
    use super::*;

    macro_rules! on_redis {
        ($($claim:ident),* $(,)?) => {
            $(
                #[tokio::test]
                async fn $claim() {
                    let text = include_str!(concat!(stringify!($claim), ".toml"));
                    on_redis::tell(&Story::read(text)).await;
                }
            )*

            /// The stories that are told again, by the names of their files.
            pub(crate) const TOLD: &[&str] = &[$(concat!(stringify!($claim), ".toml")),*];
        };
    }

    on_redis! {
        a_day_of_a_legacy_credential_takes_a_call_each_ninety_minutes,
        ten_workers_make_the_calls_of_one_for_a_day,
        jitter_is_drawn_once_for_each_token,
    }
}

#[test]
fn every_file_is_told() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios");
    let entries = std::fs::read_dir(directory).expect("the directory of the stories");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string());
    let files: BTreeSet<String> = names.flatten().filter(|name| name.ends_with(".toml")).collect();
    assert_eq!(files, TOLD.iter().map(|name| (*name).to_owned()).collect());
    let is_for_redis = |name: &&String| {
        let text = std::fs::read_to_string(format!("{directory}/{name}")).expect("a story");
        Story::read(&text).redis.is_some()
    };
    let again: BTreeSet<&str> = files.iter().filter(is_for_redis).map(String::as_str).collect();
    assert_eq!(again, again_on_redis::TOLD.iter().copied().collect());
}

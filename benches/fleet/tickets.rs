//! (j) One worker, 10,000 credentials of which half have a ticket, all due: refreshes per second, next to
//! the bare limit, which makes the same requests.

use crate::{
    Figure, median,
    throughput::{CREDENTIALS, PAIRS, RATIO, bare, worker},
};

const TICKETS: usize = CREDENTIALS / 2;

pub(crate) async fn measure() -> Vec<Figure> {
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        pairs.push((worker(TICKETS).await, bare(TICKETS).await));
    }
    let worker = median(pairs.iter().map(|(worker, _)| *worker).collect());
    let bare = median(pairs.iter().map(|(_, bare)| *bare).collect());
    let ratio = median(pairs.iter().map(|(worker, bare)| worker / bare).collect());
    vec![
        Figure {
            what: format!(
                "refreshes a second, one worker, {CREDENTIALS} tokens and {TICKETS} tickets due"
            ),
            measured: format!("{worker:.0}"),
            limit: format!("a bare loop: {bare:.0}"),
            kept: None,
        },
        Figure {
            what: format!("ratio, median of {PAIRS} pairs"),
            measured: format!("{ratio:.2}"),
            limit: format!("at least {RATIO}, as of tokens alone"),
            kept: Some(RATIO <= ratio),
        },
    ]
}

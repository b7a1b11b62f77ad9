//! When credentials are taken, and what moves that.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A timetable of so many credentials of one issuer.
fn table(credentials: Index) -> Timetable {
    let mut table = Timetable::default();
    (0..credentials).for_each(|index| table.insert(index, 0, index));
    table
}

#[test]
fn a_credential_is_taken_only_when_due_and_then_as_it_is_ranked() {
    let (mut table, now) = (table(3), clock::now());
    table.set_due(0, now + 2 * SECOND);
    table.set_due(1, now + SECOND);
    table.set_due(2, now + SECOND);
    assert_eq!(table.take(0, now), None);
    assert_eq!(table.next(0), Some(now + SECOND));
    assert_eq!(table.take(0, now + SECOND), Some(Taken::Due(1)));
    assert_eq!(table.take(0, now + 5 * SECOND), Some(Taken::Due(0)));
    assert_eq!(table.take(0, now + 5 * SECOND), Some(Taken::Due(2)));
    assert_eq!(table.next(0), None);
}

#[test]
fn a_credential_never_has_two_cycles_at_once() {
    let (mut table, now) = (table(1), clock::now());
    table.set_due(0, now);
    assert_eq!(table.take(0, now), Some(Taken::Due(0)));
    table.set_due(0, now);
    table.due_by(0, now);
    assert!(table.is_noted(0) && table.is_noted(0));
    assert_eq!(table.take(0, now), None, "it runs already");
    let told = table.finished(0, now + 60 * SECOND);
    assert_eq!(told, Meanwhile { need: true, messages: 2 }, "nothing is lost");
    assert_eq!(table.next(0), Some(now + 60 * SECOND));
    assert!(!table.is_noted(0), "no cycle runs");
    assert_eq!(table.finished(0, now), Meanwhile { need: false, messages: 0 }, "it was said");
}

#[test]
fn a_moment_that_was_drawn_from_a_record_is_not_put_off_by_looking_again() {
    let (mut table, now) = (table(1), clock::now());
    let due_at = StoreTime::from_millis(1_000);
    table.draw_due(0, due_at, now + 2 * SECOND, now + SECOND);
    table.draw_due(0, due_at, now + 2 * SECOND, now + 2 * SECOND);
    assert_eq!(table.next(0), Some(now + SECOND));
    let later = StoreTime::from_millis(9_000);
    table.draw_due(0, later, now + 9 * SECOND, now + 8 * SECOND);
    assert_eq!(table.next(0), Some(now + 8 * SECOND), "another due time is another draw");
    table.draw_due(0, later, now + 4 * SECOND, now + 3 * SECOND);
    assert_eq!(table.next(0), Some(now + 3 * SECOND), "the machine slept meanwhile");
}

#[test]
fn a_token_is_looked_at_before_its_end_and_at_its_end_whatever_is_due() {
    let (mut table, now) = (table(1), clock::now());
    let (far, ends) = (now + 9_000 * SECOND, now + 20 * SECOND);
    table.set_due(0, far);
    table.watch_end(0, Some(ends), 2 * SECOND, now);
    assert_eq!(table.next(0), Some(now + 18 * SECOND));
    assert_eq!(table.take(0, now + 18 * SECOND), Some(Taken::Ending(0)));
    // The look shows the same.
    table.watch_end(0, Some(ends), 2 * SECOND, now + 18 * SECOND);
    assert_eq!(table.next(0), Some(ends));
    assert_eq!(table.take(0, ends), Some(Taken::Ending(0)));
    assert_eq!(table.next(0), Some(far), "nothing is left to be watched");
}

#[test]
fn a_cycle_that_reads_the_record_is_a_look_too() {
    let (mut table, now) = (table(1), clock::now());
    let ends = now + 20 * SECOND;
    table.watch_end(0, Some(ends), 2 * SECOND, now);
    table.set_due(0, now + 18 * SECOND);
    assert_eq!(table.take(0, now + 18 * SECOND), Some(Taken::Due(0)));
    assert_eq!(table.next(0), None, "it is busy");
    table.finished(0, now + 9_000 * SECOND);
    assert_eq!(table.next(0), Some(ends));
}

#[test]
fn a_worker_that_backs_off_is_not_woken_before_its_time_has_passed() {
    let (mut table, now) = (table(1), clock::now());
    let until = now + 600 * SECOND;
    table.back_off(0, Some(until));
    table.set_due(0, now);
    assert_eq!(table.next(0), Some(until));
    assert!(table.is_backing_off(0, now));
    assert!(!table.is_backing_off(0, until), "it ends by itself");
}

#[test]
fn an_issuer_that_is_not_asked_holds_up_no_other() {
    let (mut table, now) = (table(1), clock::now());
    table.insert(1, 1, 1);
    table.set_due(0, now);
    table.set_due(1, now);
    assert_eq!(table.take(1, now), Some(Taken::Due(1)));
    assert_eq!(table.next(0), Some(now), "it waits for its turn");
    table.set_due(0, now + 60 * SECOND);
    assert_eq!(table.take(0, now), None, "another worker was faster meanwhile");
}

#[test]
fn what_is_forgotten_is_due_again_once_it_is_looked_at() {
    let (mut table, now) = (table(2), clock::now());
    table.set_due(0, now);
    table.set_due(1, now);
    table.watch_end(1, Some(now + SECOND), Duration::ZERO, now);
    table.forget_due();
    assert_eq!((table.next(0), table.take(0, now)), (None, None));
    table.set_due(1, now);
    assert_eq!(table.take(0, now), Some(Taken::Due(1)));
}

#[test]
fn a_credential_that_comes_later_moves_no_other() {
    let (mut table, now) = (table(2), clock::now());
    table.set_due(0, now + SECOND);
    table.set_due(1, now + 2 * SECOND);
    table.insert(2, 1, 2);
    assert_eq!((table.due(0), table.due(1)), (Some(now + SECOND), Some(now + 2 * SECOND)));
    assert_eq!(table.next(1), None, "nothing is due that was not looked at");
    table.set_due(2, now);
    assert_eq!(table.take(1, now), Some(Taken::Due(2)));
    assert_eq!(table.next(0), Some(now + SECOND));
}

#[test]
fn a_credential_that_goes_leaves_nothing_to_the_one_that_takes_its_slot() {
    let (mut table, now) = (table(2), clock::now());
    table.set_due(0, now);
    table.watch_end(0, Some(now + SECOND), Duration::ZERO, now);
    table.back_off(0, Some(now + 60 * SECOND));
    table.stands(0, Epoch(7));
    table.remove(0);
    assert_eq!((table.next(0), table.take(0, now)), (None, None));
    table.insert(0, 1, 0);
    assert_eq!((table.epoch(0), table.is_backing_off(0, now)), (Epoch(0), false));
    table.set_due(0, now);
    assert_eq!((table.next(0), table.take(1, now)), (None, Some(Taken::Due(0))), "its own issuer");
}

#[test]
fn an_entry_is_small() {
    assert!(size_of::<Entry>() <= 64, "{} bytes", size_of::<Entry>());
}

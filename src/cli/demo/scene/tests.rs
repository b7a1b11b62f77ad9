use super::*;
use crate::store::Record;

/// Two workers and two credentials, twenty seconds after the start.
pub(in super::super) fn scene() -> Scene {
    let window = Duration::from_secs(3);
    let worker = |holder: &str, pid| Worker {
        holder: Some(holder.to_owned()),
        pid: Some(pid),
        page: "http://127.0.0.1:65535/".to_owned(),
        ..Worker::default()
    };
    Scene {
        lifetime: Duration::from_secs(10),
        elapsed: Duration::from_secs(20),
        now: StoreTime::from_millis(103_000),
        credentials: vec![
            Credential::new("shop", "token", Issuance::Anew),
            Credential::new("mini", "stable_token", Issuance::Repeats { window }),
        ],
        workers: vec![worker("aaaaaaaa-1", 4001), worker("bbbbbbbb-2", 4002)],
        lanes: Lanes::new(2),
        readers: 3,
        ground: "in one Redis",
        ..Scene::default()
    }
}

/// A look at a token published by `holder`.
pub(in super::super) fn glance(holder: &str, epoch: u64) -> Glance {
    let moment = StoreTime::from_millis;
    let record = Record {
        published: Some(evertoken_rules::Published {
            epoch: Epoch(epoch),
            by: "an attempt".to_owned(),
            issued_at: moment(100_000),
            expires_at: moment(110_000),
        }),
        holder: Some(holder.to_owned()),
        due_at: Some(moment(107_500)),
        ..Record::default()
    };
    Glance { record: Some(record), has_token: true, ..Glance::default() }
}

fn told(scene: &mut Scene) -> Vec<String> {
    scene.news().map(|event| event.text.clone()).collect()
}

#[test]
fn a_publication_is_told_once_and_won_by_its_worker() {
    let mut scene = scene();
    scene.saw(0, &glance("bbbbbbbb-2", 7), 1);
    scene.saw(0, &glance("bbbbbbbb-2", 7), 1);
    assert_eq!(told(&mut scene), ["worker 2 fetched the first shop token"]);
    scene.saw(0, &glance("aaaaaaaa-1", 8), 2);
    assert_eq!(told(&mut scene), ["worker 1 refreshed shop: token 2"]);
    assert_eq!((scene.workers[0].wins, scene.workers[1].wins), (1, 1));
    assert_eq!(scene.last_winner(), Some(0));
    assert!(!scene.has_begun(), "mini has no token yet");
}

#[test]
fn a_ticket_that_is_given_again_is_no_news_and_the_next_one_is() {
    let mut scene = scene();
    scene.credentials[1].parent = Some("shop");
    scene.saw(1, &glance("bbbbbbbb-2", 7), 1);
    scene.saw(1, &glance("aaaaaaaa-1", 8), 1);
    assert_eq!(told(&mut scene), ["worker 2 fetched the first mini ticket via shop"]);
    scene.saw(1, &glance("aaaaaaaa-1", 9), 2);
    assert_eq!(told(&mut scene), ["worker 1 refreshed mini: ticket 2"]);
}

#[test]
fn a_kill_during_a_call_allows_one_call_more_and_ends_in_a_takeover() {
    let mut scene = scene();
    scene.saw(0, &glance("bbbbbbbb-2", 7), 1);
    let allowed = scene.allowed(&scene.credentials[0]);
    scene.killed(1, &[true, false]);
    assert_eq!(scene.allowed(&scene.credentials[0]), allowed + 1);
    assert_eq!(scene.credentials[1].strikes, 0);
    scene.elapsed += Duration::from_millis(1700);
    scene.saw(0, &glance("aaaaaaaa-1", 8), 3);
    let events = told(&mut scene);
    assert_eq!(events[1], "worker 2 was killed in its call for shop");
    assert_eq!(events[2], "worker 1 took shop over from 2, 1.7 s later");
}

#[test]
fn an_idle_kill_allows_nothing() {
    let mut scene = scene();
    let allowed = scene.allowed(&scene.credentials[0]);
    scene.killed(0, &[false, false]);
    assert_eq!(scene.allowed(&scene.credentials[0]), allowed);
    assert_eq!(told(&mut scene), ["worker 1 was killed at rest: it had won last"]);
}

#[test]
fn the_allowance_is_what_the_policy_implies() {
    let scene = scene();
    let soonest = |at: usize| scene.credentials[at].soonest(scene.lifetime).as_millis();
    assert_eq!((soonest(0), soonest(1)), (7250, 7000));
    let [shop, mini] = &scene.credentials[..] else { panic!("two credentials") };
    assert_eq!((scene.allowed(shop), scene.allowed(mini)), (3, 3));
}

#[test]
fn the_least_calls_are_the_first_one_for_each_token_due_and_one_for_each_kill_in_a_call() {
    let mut scene = scene();
    let least = |scene: &Scene| scene.least(&scene.credentials[0]);
    assert_eq!(least(&scene), 1, "the first");
    scene.saw(0, &glance("bbbbbbbb-2", 7), 1);
    scene.saw(0, &glance("bbbbbbbb-2", 8), 2);
    assert_eq!(least(&scene), 1, "a refresh before its time was not needed");
    scene.now = StoreTime::from_millis(107_500);
    assert_eq!(least(&scene), 2, "it is due");
    let mut called = glance("bbbbbbbb-2", 8);
    called.leased = true;
    called.record.as_mut().expect("it is there").due_at = Some(StoreTime::from_millis(109_000));
    scene.saw(0, &called, 2);
    assert_eq!(least(&scene), 2, "it is called for");
    scene.killed(1, &[true, false]);
    assert_eq!(least(&scene), 3);
    scene.saw(0, &glance("aaaaaaaa-1", 9), 3);
    scene.now = StoreTime::from_millis(107_000);
    assert_eq!(least(&scene), 3, "the token that came due has a successor");
}

#[test]
fn a_dead_read_is_told() {
    let mut scene = scene();
    scene.read(Reads { good: 5, dead: 1, missing: 0, failed: 0 });
    scene.read(Reads { good: 9, dead: 1, missing: 1, failed: 0 });
    assert_eq!(told(&mut scene), ["a reader was handed a dead token", "a reader found no token"]);
}

#[test]
fn nobody_holds_the_lease_of_a_dead_worker_and_who_fills_its_place_is_another() {
    let mut scene = scene();
    let held = Glance { leased: true, ..glance("bbbbbbbb-2", 7) };
    scene.saw(0, &held, 1);
    assert_eq!(scene.credentials[0].leased_by, Some(1));
    scene.killed(1, &[true, false]);
    scene.saw(0, &held, 1);
    assert_eq!(scene.credentials[0].leased_by, None);
    scene.runs(1, Some(4003), None);
    scene.saw(0, &held, 1);
    assert_eq!(scene.credentials[0].leased_by, None);
}

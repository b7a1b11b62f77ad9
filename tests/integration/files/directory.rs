//! The directory and its files: who may read them, and what stands in them when.

use evertoken::store::Protocol as _;
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    time::Duration,
};

use evertoken::{
    lease::AttemptId,
    store::{Begun, Completed, Early, Publication},
};

use super::{Pair, assert_unavailable, others_work, refusal};
use crate::contract::{LIFE, QUOTA, publication, request, token};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[tokio::test]
async fn nobody_else_can_read_the_directory_or_any_file_in_it() {
    let pair = Pair::with_token("first").await;
    pair.a.identify_data().await.expect("an answer");
    assert_eq!(mode(&pair.bench.path), 0o700);
    let mut files = 0;
    for entry in fs::read_dir(&pair.bench.path).expect("a directory") {
        let path = entry.expect("an entry").path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        files += 1;
    }
    assert_eq!(files, 5, "token, record, lease, lock, canary, and no remains");
}

#[tokio::test]
async fn a_directory_that_others_can_read_is_refused_with_the_reason() {
    let pair = Pair::with_token("first").await;
    for open in [0o750, 0o705, 0o777] {
        fs::set_permissions(&pair.bench.path, Permissions::from_mode(open)).expect("a mode");
        assert_unavailable(&refusal(&pair).await, "chmod 700");
        let error = pair.a.token_with_expiry(&pair.id).await.expect_err("an error");
        assert_unavailable(&error, "others can read");
        assert!(pair.a.data_identity().await.is_err());
    }
    fs::set_permissions(&pair.bench.path, Permissions::from_mode(0o700)).expect("a mode");
    assert_eq!(pair.a.token(&pair.id).await.expect("an answer"), Some(token("first")));
}

#[tokio::test]
async fn a_token_that_is_over_is_removed_by_the_next_change() {
    let pair = Pair::new().await;
    let lease = pair.grant(&pair.a).await;
    let first = token("first");
    let brief = Publication {
        expires_at: pair.now().await.plus(Duration::from_millis(100)),
        ..publication(&lease, &first)
    };
    let completed = pair.complete(&pair.a, &lease, brief).await;
    assert!(matches!(completed, Completed::Published { .. }), "{completed:?}");
    assert_eq!(pair.shown().await.as_deref(), Some("first"), "the bare token");
    evertoken_testkit::wait_for("it is over", || async {
        let held = pair.a.token_with_expiry(&pair.id).await.expect("an answer");
        held.is_none().then_some(())
    })
    .await;
    pair.a.request(&pair.id, QUOTA).await.expect("an answer");
    assert_eq!(pair.shown().await, None);
}

#[tokio::test]
async fn a_directory_that_is_removed_meanwhile_is_made_anew() {
    let pair = Pair::with_token("first").await;
    let first = pair.a.identify_data().await.expect("an answer");
    fs::remove_dir_all(&pair.bench.path).expect("it is there");
    assert_eq!(
        pair.a.data_identity().await.expect("an answer"),
        None,
        "the data is lost, and noticed"
    );
    assert_eq!(pair.b.identify_data().await.expect("an answer").len(), first.len());
    let lease = pair.grant(&pair.b).await;
    fs::remove_dir_all(&pair.bench.path).expect("it is there");
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    assert_eq!(pair.shown().await.as_deref(), Some("second"));
    assert!(Duration::ZERO < pair.left().await && pair.left().await <= LIFE);
    assert!(matches!(pair.begin(&pair.a).await, Begun::NotBefore(_, Early::NotDue)));
}

#[tokio::test]
async fn a_file_in_the_directorys_place_is_told() {
    let pair = Pair::new().await;
    fs::write(&pair.bench.path, "no directory").expect("a file");
    assert_unavailable(&refusal(&pair).await, "is not a directory");
    assert_unavailable(&pair.a.data_identity().await.expect_err("an error"), "is not a directory");
    let error = pair.a.look(std::slice::from_ref(&pair.id)).await.expect_err("an error");
    assert_unavailable(&error, "is not a directory");
    assert_eq!(fs::read_to_string(&pair.bench.path).expect("it stands"), "no directory");
}

#[tokio::test]
async fn a_token_is_served_where_nothing_can_be_written() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    // Root may write anywhere; what it cannot do is open a directory as a file.
    let lock = pair.bench.file(&pair.id, "lock");
    fs::remove_file(&lock).expect("it is there");
    fs::create_dir(&lock).expect("a directory");
    assert_unavailable(&refusal(&pair).await, "cannot be written");
    let held = pair.b.token_with_expiry(&pair.id).await.expect("an answer").expect("a token");
    assert_eq!(held.token, token("first"));
    assert_eq!(pair.shown().await.as_deref(), Some("first"));
    others_work(&pair).await;
}

#[tokio::test]
async fn a_change_that_is_stopped_in_the_middle_is_not_waited_for_for_ever() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let lock = fs::File::open(pair.bench.file(&pair.id, "lock")).expect("it is there");
    lock.try_lock().expect("nobody changes anything");
    assert_unavailable(&refusal(&pair).await, "was it stopped?");
    assert_eq!(pair.b.token(&pair.id).await.expect("an answer"), Some(token("first")));
    drop(lock);
    pair.make_due().await;
    let attempt = AttemptId::fresh();
    pair.b
        .begin(&pair.id, &request(&attempt), evertoken::clock::Moment::now())
        .await
        .expect("an answer");
}

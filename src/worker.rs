//! Settings to running tasks, and their ordered end.

use std::{convert::Infallible, sync::Arc, time::Duration};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    signal::unix,
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::{debug, info, warn};

use crate::{
    admin,
    board::Board,
    clock::{self, StoreTime, WallClock},
    config::Settings,
    door,
    lease::Holder,
    metrics::{InvalidMetrics, Metrics},
    notify::{self, Notifier},
    presence::Presence,
    provider::{Credential, FetchError, InvalidTransport},
    refresh::{Cycle, Keeper},
    store::{self, Hearing},
    systemd::Systemd,
};

/// Clocks that are no further apart than this, in seconds, agree.
const CLOCKS_AGREE: u64 = 60;

/// The time between two comparisons. The store is not asked for them.
const COMPARE_EVERY: Duration = Duration::from_secs(10);

/// How long a worker takes at the most to say that it ends.
const LEAVE_WITHIN: Duration = Duration::from_millis(500);

/// How long a worker that ends waits at the most until its door has answered what was asked: a refusal
/// takes a second.
const DOOR_WITHIN: Duration = Duration::from_millis(1500);

/// The worker could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The HTTPS client could not be built.
    #[error("the worker cannot start")]
    Transport(#[source] InvalidTransport),
    /// The client that posts notices could not be built.
    #[error("the worker cannot tell anybody")]
    Notify(#[source] reqwest::Error),
    /// The process cannot hear signals.
    #[error("the worker cannot listen for signals")]
    Signals(#[source] std::io::Error),
    /// What is behind `admin.token` would be open to nobody.
    #[error("admin.token is of no use")]
    AdminToken(#[source] FetchError),
    /// The process counts already.
    #[error("the worker cannot count what happens")]
    Metrics(#[source] InvalidMetrics),
}

/// Runs until SIGTERM or SIGINT, then begins nothing more, finishes what was sent, gives back what
/// was not, and returns within one lease. If systemd listens, it is told.
///
/// # Errors
/// If it cannot start. A store or an issuer that is away is no reason not to.
pub async fn run(settings: Settings, systemd: Option<Systemd>) -> Result<(), StartError> {
    let mut terminate = unix::signal(unix::SignalKind::terminate()).map_err(StartError::Signals)?;
    let mut interrupt = unix::signal(unix::SignalKind::interrupt()).map_err(StartError::Signals)?;
    raise_open_files();
    settings.transport.ready().await.map_err(StartError::Transport)?;
    let settings_fingerprint = settings.fingerprint();
    if let Some(token) = settings.admin.as_ref().and_then(|admin| admin.token.as_ref()) {
        let deadline = clock::now() + settings.times.request_timeout;
        token.read(deadline).await.map_err(StartError::AdminToken)?;
    }
    let credentials = settings.credentials;
    let holder = Holder::fresh();
    info!(
        event = "worker.started",
        version = env!("CARGO_PKG_VERSION"),
        %holder,
        credentials = credentials.len(),
        store = %settings.store.url,
        configuration = settings.origin,
        "started"
    );
    let store = &settings.store;
    if store.is_default {
        info!(
            event = "store.is_default",
            "no store is configured: tokens are kept on this machine alone; for several machines \
               set store.url to redis://HOST:6379/0"
        );
    }
    if let Some(warning) = settings.times.warning() {
        warn!(event = "worker.lease_is_short", "{warning}");
    }
    warn_of_secrets_in_clear(&credentials);
    let place = store.url.to_string();
    let board = Arc::new(Board::new(holder.as_str(), credentials.len(), place));
    let store = store::open(&store.url, &store.prefix, holder, Hearing::Hints);
    let ids: Vec<_> = credentials.iter().map(|credential| &credential.id).collect();
    let metrics = Metrics::install(&ids).map_err(StartError::Metrics)?;
    let (stop, stopping) = watch::channel(false);
    let times = settings.times;
    let cycle = Cycle { store: Arc::clone(&store), times, stopping: stopping.clone() };
    let (keeper, reached) = Keeper::new(&credentials, cycle, fastrand::Rng::new());
    let keeper = keeper.shown_on(Arc::clone(&board));
    let keeper = match settings.calls_at_once {
        Some(most) => keeper.with_calls_at_once(most),
        None => keeper,
    };
    let notifier = settings.notify.map(Notifier::new).transpose().map_err(StartError::Notify)?;
    let notifier = notifier.map(Arc::new);
    let keeper = match &notifier {
        Some(notifier) => keeper.telling_by(Arc::clone(notifier)),
        None => keeper,
    };
    let fleet = notify::tell_of_fleet(notifier, Arc::clone(&board), store.holder().to_string());
    let clocks = compare_clocks(Arc::clone(&board));
    let presence = Presence::new(Arc::clone(&store), Arc::clone(&board), settings_fingerprint);
    let presence = presence.run(reached.clone());
    let leaving = Arc::clone(&store);
    // Tasks of their own: they tell of the keeper also when that one stands.
    let mut telling = JoinSet::new();
    let systemd = systemd.map(Arc::new);
    if let Some(systemd) = systemd.clone() {
        let signs = keeper.signs();
        telling.spawn(async move { systemd.follow(signs).await });
    }
    let mut door = JoinSet::new();
    door.spawn(door::serve(settings.door, credentials.clone(), Arc::clone(&store), stopping));
    telling.spawn(admin::serve(
        settings.admin,
        credentials,
        store,
        reached,
        keeper.signs(),
        metrics.clone(),
        board,
    ));
    let stopped = async {
        let signal = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        info!(event = "worker.stopping", signal, "stopping: nothing is begun any more");
        if let Some(systemd) = &systemd {
            systemd.stopping();
        }
        stop.send_replace(true);
    };
    let kept = async { tokio::join!(keeper.run(), stopped) };
    tokio::select! {
        _ = kept => {}
        // They go on for ever, and end with the worker.
        never = clocks => match never {},
        never = presence => match never {},
        never = fleet => match never {},
        never = metrics.sum_up() => match never {},
    }
    // Who says that it ends is not silent. If the store is away, nobody waits for that.
    let holder = leaving.holder().as_str().to_owned();
    let _ = timeout(LEAVE_WITHIN, leaving.remove_workers(&[&holder])).await;
    let _ = timeout(DOOR_WITHIN, door.join_next()).await;
    drop(telling);
    info!(event = "worker.stopped", "stopped");
    Ok(())
}

/// A connection is an open file, and the soft limit of them is mostly far below what is allowed.
fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        debug!(event = "worker.open_files_not_raised", %error, current,
            "the limit of open files stays as it is");
    }
}

/// Told once, however many credentials it concerns.
fn warn_of_secrets_in_clear(credentials: &[Arc<Credential>]) {
    let in_clear =
        |each: &Arc<Credential>| Some((each.id.clone(), each.provider.in_clear()?.to_owned()));
    let mut all = credentials.iter().filter_map(in_clear);
    if let Some((id, place)) = all.next() {
        warn!(event = "issuer.in_clear", credentials = 1 + all.count(), credential = %id, place,
            "secrets go over a network in clear, and everything on the way can read them: make \
             the URL https://");
    }
}

/// Tells while this machine's clock is far from the store's. No token depends on it, but certificates
/// do, and whoever reads the logs.
async fn compare_clocks(board: Arc<Board>) -> Infallible {
    let mut was_off = false;
    loop {
        if let Some(theirs) = board.now().map(StoreTime::from_millis) {
            let ours = WallClock::System.now();
            let off_by_s = ours.since(theirs).max(theirs.since(ours)).as_secs();
            let is_off = CLOCKS_AGREE < off_by_s;
            if is_off && !was_off {
                warn!(event = "clock.differs", off_by_s, ours = %ours, stores = %theirs,
                    "this machine's clock is far from the store's: set it right (NTP); no token \
                     depends on it, but TLS refuses certificates by it");
            }
            board.clock_is(is_off.then_some(off_by_s));
            was_off = is_off;
        }
        sleep(COMPARE_EVERY).await;
    }
}

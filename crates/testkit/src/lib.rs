//! What the tests and the benchmark stand on: real Redis servers, real worker processes, a wire
//! that can be cut, and waiting for a state with a cap.
//!
//! Each test has its own server, ports and directory. All output of all processes is kept, and
//! looked through for secrets and tokens when the test ends.
//!
//! - [`fleet`]: a Redis, an issuer and workers. [`process`]: one program. [`reader`]: an application.
//! - [`redis`], [`sentinel`], [`cluster`]: servers. [`tls`]: TLS in front of one that speaks none.
//! - [`provider`]: an issuer in the test itself. [`seeds`]: what the fuzzer starts from.
//! - [`watched`]: a store that tells what it was asked, and fails on purpose.
//! - [`fake_clock`], [`fake_name`]: a wall clock that is set; a host whose addresses change.
//! - [`wire`]: holds and cuts what is said. [`point`]: a worker held at a moment of its call.

pub mod cluster;
pub mod fake_clock;
pub mod fake_name;
pub mod fleet;
pub mod point;
mod preload;
pub mod process;
pub mod provider;
pub mod proxy;
pub mod reader;
pub mod redis;
pub mod seeds;
pub mod sentinel;
pub mod tls;
pub mod watched;
pub mod wire;

use std::time::Duration;

/// How long a state is waited for before the test gives up. Generous: it is a cap, not a measure.
pub const CAP: Duration = Duration::from_secs(60);

/// Waits until `state` yields a value, looking every few milliseconds.
///
/// # Panics
/// If it has not come after [`CAP`]; `what` says what was waited for.
pub async fn wait_for<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut state: impl FnMut() -> F,
) -> T {
    let started = evertoken_clock::now();
    loop {
        if let Some(value) = state().await {
            return value;
        }
        assert!(started.elapsed() < CAP, "waited {CAP:?} in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until `state` is true.
///
/// # Panics
/// If it has not come true after [`CAP`].
pub async fn wait_until(what: &str, mut state: impl FnMut() -> bool) {
    wait_for(what, || std::future::ready(state().then_some(()))).await;
}

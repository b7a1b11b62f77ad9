//! A connection that comes too late is none, by the clock.
//!
//! A timer alone does not tell: in a process that was stopped meanwhile, the connection and the timer
//! are ready at one moment, and whichever is seen first wins. A request on such a connection would be
//! one of which nobody knows whether it was sent.

use std::{
    io,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{FutureExt, TryFutureExt, future::BoxFuture};
use tower_layer::Layer;
use tower_service::Service;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Has connections take at most so long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnTime(pub(crate) Duration);

/// A connector whose connections are judged by the clock.
#[derive(Clone, Debug)]
pub(crate) struct Judged<S> {
    connector: S,
    within: Duration,
}

// === impl OnTime ===

impl<S> Layer<S> for OnTime {
    type Service = Judged<S>;

    fn layer(&self, connector: S) -> Judged<S> {
        Judged { connector, within: self.0 }
    }
}

// === impl Judged ===

impl<S, R> Service<R> for Judged<S>
where
    S: Service<R, Error = BoxError>,
    S::Response: Send + 'static,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, to: R) -> Self::Future {
        let ends = evertoken_clock::now() + self.within;
        let connected = self.connector.call(to);
        connected
            .and_then(async move |connection| match evertoken_clock::now() < ends {
                true => Ok(connection),
                false => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            })
            .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Connects at once, after this long by the clock: the process was stopped meanwhile.
    #[derive(Clone)]
    struct Slept(Duration);

    impl Service<()> for Slept {
        type Response = ();
        type Error = BoxError;
        type Future = BoxFuture<'static, Result<(), BoxError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, (): ()) -> Self::Future {
            tokio::time::advance(self.0).map(Ok).boxed()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_there_too_late_is_refused_as_timed_out() {
        let second = Duration::from_secs(1);
        let mut in_time = OnTime(2 * second).layer(Slept(second));
        in_time.call(()).await.expect("it is in time");
        let mut late = OnTime(2 * second).layer(Slept(2 * second));
        let error = late.call(()).await.expect_err("it is late");
        let error = error.downcast::<io::Error>().expect("an error of IO");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}

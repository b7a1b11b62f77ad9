//! The wire: TCP connections that can be broken or slowed on order.
//!
//! axum serves HTTP over it and does not know. A handler holds the `WireHandle` of its
//! connection and says how the next reply is to be sent.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Sleep;

/// Where connections come in.
pub(super) struct Door {
    pub(super) listener: TcpListener,
    /// True once the simulator is to stop.
    pub(super) closing: watch::Receiver<bool>,
}

/// One connection.
pub(super) struct Wire {
    stream: TcpStream,
    handle: WireHandle,
    closing: watch::Receiver<bool>,
    /// Whether the head of a dripping reply has been sent.
    in_body: bool,
    pause: Option<Pin<Box<Sleep>>>,
}

/// Orders to one connection.
#[derive(Clone, Default)]
pub(super) struct WireHandle(Arc<WireOrders>);

#[derive(Default)]
struct WireOrders {
    reset: AtomicBool,
    /// The pause before each byte of the body, in milliseconds; 0 is none.
    drip_ms: AtomicU64,
}

/// Who is at the other end, and how to break the connection.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) addr: SocketAddr,
    pub(super) wire: WireHandle,
}

// === impl Door ===

impl Listener for Door {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        let (stream, addr) = Listener::accept(&mut self.listener).await;
        // Without it a dripping byte would wait for the acknowledgement of the last one.
        // If it fails the drip is coarser, no more.
        let _ = stream.set_nodelay(true);
        let handle = WireHandle::default();
        let closing = self.closing.clone();
        (Wire { stream, handle, closing, in_body: false, pause: None }, addr)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

// === impl Peer ===

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        Self { addr: *stream.remote_addr(), wire: stream.io().handle.clone() }
    }
}

// === impl WireHandle ===

impl WireHandle {
    /// Resets the connection at the next write, before a byte of it is sent.
    pub(super) fn reset(&self) {
        self.0.reset.store(true, Ordering::Release);
    }

    /// Sends the body of the next reply a byte at a time. The connection must close after.
    pub(super) fn drip(&self, ms: u64) {
        self.0.drip_ms.store(ms, Ordering::Release);
    }

    fn is_reset(&self) -> bool {
        self.0.reset.load(Ordering::Acquire)
    }
}

// === impl Wire ===

impl Wire {
    /// Sends the head of a reply as it is, and then a byte after each pause.
    fn poll_drip(&mut self, cx: &mut Context<'_>, buf: &[u8], ms: u64) -> Poll<io::Result<usize>> {
        if !self.in_body {
            let end = buf.windows(4).position(|four| four == b"\r\n\r\n");
            let head = end.and_then(|at| buf.get(..at + 4)).unwrap_or(buf);
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, head))?;
            self.in_body = end.is_some() && sent == head.len();
            return Poll::Ready(Ok(sent));
        }
        if *self.closing.borrow() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let pause = Duration::from_millis(ms);
        let sleep = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
        ready!(sleep.as_mut().poll(cx));
        self.pause = None;
        Pin::new(&mut self.stream).poll_write(cx, buf.get(..1).unwrap_or(buf))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.handle.is_reset() {
            // With no linger, closing sends a reset rather than an orderly end.
            let _ = self.stream.set_zero_linger();
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        match self.handle.0.drip_ms.load(Ordering::Acquire) {
            0 => Pin::new(&mut self.stream).poll_write(cx, buf),
            ms => self.poll_drip(cx, buf, ms),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.handle.is_reset() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

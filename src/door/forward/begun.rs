//! A body whose beginning was read: kept whole if it is short, else streamed on, within a bound.

use std::{
    io,
    sync::{Arc, OnceLock},
};

use axum::body::Bytes;
use futures_util::{Stream, StreamExt, stream};

/// A body, as far as it was read.
pub(super) struct Begun<S> {
    beginning: Bytes,
    /// What was not read; none if that was all.
    rest: Option<S>,
}

/// Why a body ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// Whoever sent it went away.
    Off,
    /// It is longer than is passed on.
    TooLong,
}

/// Where it is noted why a body that is streamed ended before its end.
pub(super) type Note = Arc<OnceLock<Broken>>;

impl<S, E> Begun<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin + Send + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    /// Reads a body until it ends, or `is_enough` of what was read.
    ///
    /// # Errors
    /// If it breaks off.
    pub(super) async fn read(mut body: S, is_enough: impl Fn(&[u8]) -> bool) -> Result<Self, E> {
        let mut read = Vec::new();
        while let Some(chunk) = body.next().await {
            read.extend_from_slice(&chunk?);
            if is_enough(&read) {
                return Ok(Self { beginning: read.into(), rest: Some(body) });
            }
        }
        Ok(Self { beginning: read.into(), rest: None })
    }

    /// One of which all is there.
    pub(super) fn all(body: Bytes) -> Self {
        Self { beginning: body, rest: None }
    }

    /// The whole body, if all of it was read.
    pub(super) fn whole(&self) -> Option<&Bytes> {
        self.rest.is_none().then_some(&self.beginning)
    }

    /// All of it, and no more than `most` bytes. If it ends before its end, `note` tells why.
    pub(super) fn stream(
        self,
        most: usize,
        note: Note,
    ) -> impl Stream<Item = Result<Bytes, io::Error>> + Send + 'static {
        let rest = stream::iter(self.rest).flatten().map(|chunk| chunk.map_err(io::Error::other));
        let mut left = most;
        stream::iter([Ok(self.beginning)]).chain(rest).map(move |chunk| {
            let chunk = chunk.inspect_err(|_| {
                let _ = note.set(Broken::Off);
            })?;
            match left.checked_sub(chunk.len()) {
                Some(less) => left = less,
                None => {
                    let _ = note.set(Broken::TooLong);
                    return Err(io::Error::other("the body is too long"));
                }
            }
            Ok(chunk)
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;

    use super::*;

    type Chunk = Result<Bytes, io::Error>;

    fn body(chunks: &[&'static str]) -> impl Stream<Item = Chunk> + Unpin + Send + 'static {
        let chunk = |chunk: &&'static str| match *chunk {
            "broken" => Err(io::Error::other("broken")),
            chunk => Ok(Bytes::from(chunk)),
        };
        stream::iter(chunks.iter().map(chunk).collect::<Vec<Chunk>>())
    }

    async fn streamed(
        begun: Begun<impl Stream<Item = Chunk> + Unpin + Send + 'static>,
        most: usize,
    ) -> Result<String, Broken> {
        let note = Note::default();
        let chunks: Result<Vec<Bytes>, _> =
            begun.stream(most, Arc::clone(&note)).try_collect().await;
        let text = |chunks: Vec<Bytes>| String::from_utf8_lossy(&chunks.concat()).into_owned();
        chunks.map(text).map_err(|_| *note.get().expect("why"))
    }

    #[tokio::test]
    async fn a_short_body_is_kept_and_a_long_one_is_streamed_and_nothing_is_lost() {
        let two = |read: &[u8]| 2 < read.len();
        let short = Begun::read(body(&["a", "b"]), two).await.expect("a body");
        assert_eq!(short.whole().map(|whole| &whole[..]), Some(&b"ab"[..]));
        assert_eq!(streamed(short, 2).await.as_deref(), Ok("ab"));
        let long = Begun::read(body(&["ab", "cd", "ef"]), two).await.expect("a body");
        assert_eq!(long.whole(), None);
        assert_eq!(streamed(long, 6).await.as_deref(), Ok("abcdef"));
    }

    #[tokio::test]
    async fn one_that_is_too_long_or_broken_ends_and_says_why() {
        let long = Begun::read(body(&["ab", "cd", "ef"]), |_| true).await.expect("a body");
        assert_eq!(streamed(long, 5).await, Err(Broken::TooLong));
        let broken = Begun::read(body(&["ab", "broken"]), |_| true).await.expect("a body");
        assert_eq!(streamed(broken, 9).await, Err(Broken::Off));
        assert!(Begun::read(body(&["ab", "broken"]), |_| false).await.is_err());
    }
}

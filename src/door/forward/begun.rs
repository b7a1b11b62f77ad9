//! A body whose beginning was read: kept whole if it is short, else streamed on, within a bound.

use std::io;

use axum::body::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};

/// A body, as far as it was read.
pub(super) struct Begun<S> {
    beginning: Bytes,
    /// What was not read; none if that was all.
    rest: Option<S>,
}

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

    /// The whole body, if all of it was read.
    pub(super) fn whole(&self) -> Option<&Bytes> {
        self.rest.is_none().then_some(&self.beginning)
    }

    /// All of it, and no more than `most` bytes: it breaks off there.
    pub(super) fn stream(
        self,
        most: usize,
    ) -> impl Stream<Item = Result<Bytes, io::Error>> + Send + 'static {
        let rest = stream::iter(self.rest).flatten().map_err(io::Error::other);
        let mut left = most;
        stream::iter([Ok(self.beginning)]).chain(rest).map(move |chunk| {
            let chunk = chunk?;
            left =
                left.checked_sub(chunk.len()).ok_or_else(|| io::Error::other("it is too long"))?;
            Ok(chunk)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Chunk = Result<Bytes, io::Error>;

    fn body(chunks: &[&'static str]) -> impl Stream<Item = Chunk> + Unpin + Send + 'static {
        let chunks: Vec<Chunk> = chunks.iter().map(|chunk| Ok(Bytes::from(*chunk))).collect();
        stream::iter(chunks)
    }

    async fn streamed(
        begun: Begun<impl Stream<Item = Chunk> + Unpin + Send + 'static>,
        most: usize,
    ) -> String {
        let chunks: Result<Vec<Bytes>, _> = begun.stream(most).try_collect().await;
        chunks
            .map_or("broken".to_owned(), |chunks| String::from_utf8_lossy(&chunks.concat()).into())
    }

    #[tokio::test]
    async fn a_short_body_is_kept_and_a_long_one_is_streamed_and_nothing_is_lost() {
        let two = |read: &[u8]| 2 < read.len();
        let short = Begun::read(body(&["a", "b"]), two).await.expect("a body");
        assert_eq!(short.whole().map(|whole| &whole[..]), Some(&b"ab"[..]));
        assert_eq!(streamed(short, 2).await, "ab");
        let long = Begun::read(body(&["ab", "cd", "ef"]), two).await.expect("a body");
        assert_eq!(long.whole(), None);
        assert_eq!(streamed(long, 6).await, "abcdef");
    }

    #[tokio::test]
    async fn one_that_is_too_long_breaks_off() {
        let long = Begun::read(body(&["ab", "cd", "ef"]), |_| true).await.expect("a body");
        assert_eq!(streamed(long, 5).await, "broken");
    }
}

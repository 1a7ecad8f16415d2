//! A connection on which even what is no request gets an answer of the contract's form.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::{FutureExt, future::LocalBoxFuture};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::timeout,
};

use crate::{bare_answer::BareAnswer, guard::MAX_URI_BYTES};

/// Time for a refusal to reach its client.
const LINGER: Duration = Duration::from_secs(1);

/// Passes everything on, but puts a full answer in the place of a bare one, after which nothing is passed any more.
/// HTTP/2 knows no bare answers; it writes several buffers at once, and those are not looked at.
pub(crate) struct Connection<IO> {
    /// Until a refusal takes it.
    io: Option<IO>,
    refusal: Option<LocalBoxFuture<'static, ()>>,
    line: RequestLine,
    force_https: bool,
}

impl<IO> Connection<IO> {
    pub(crate) fn new(io: IO, force_https: bool) -> Self {
        Self { io: Some(io), refusal: None, line: RequestLine::default(), force_https }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Connection<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(io) = &mut this.io else { return Poll::Ready(Ok(())) };
        let before = to.filled().len();
        ready!(Pin::new(io).poll_read(context, to))?;
        this.line = this.line.followed_by(&to.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin + 'static> AsyncWrite for Connection<IO> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(refusal) = &mut this.refusal {
            ready!(refusal.as_mut().poll(context));
            this.refusal = None;
        }
        let Some(io) = &mut this.io else { return Poll::Ready(Ok(bytes.len())) };
        let Some(bare) = BareAnswer::at_the_end_of(bytes) else {
            this.line = RequestLine::default();
            return Pin::new(io).poll_write(context, bytes);
        };
        if bare.start > 0 {
            return Pin::new(io).poll_write(context, &bytes[..bare.start]);
        }
        let answer = bare.in_full(this.line.is_too_long(), this.force_https);
        this.refusal = this.io.take().map(|io| refuse(io, answer).boxed_local());
        Pin::new(this).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Some(io) => Pin::new(io).poll_write_vectored(context, parts),
            None => Poll::Ready(Ok(parts.iter().map(|part| part.len()).sum())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.io.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().io.as_mut().map_or(Poll::Ready(Ok(())), |io| Pin::new(io).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().io.as_mut().map_or(Poll::Ready(Ok(())), |io| Pin::new(io).poll_shutdown(context))
    }
}

/// Sends the last answer, and reads what is still on its way: bytes that nobody reads make the kernel reset the
/// connection, and then the client may lose the answer.
async fn refuse(mut io: impl AsyncRead + AsyncWrite + Unpin, answer: Vec<u8>) {
    let goodbye = async {
        io.write_all(&answer).await?;
        io.shutdown().await?;
        tokio::io::copy(&mut io, &mut tokio::io::sink()).await
    };
    // Whoever has gone away, or does not go, is let go.
    let _ = timeout(LINGER, goodbye).await;
}

/// How far the request line has come in. A head begins after an answer: one that is sent ahead of it is taken for
/// the rest of the head before, so that there a target that is too long is just another bad head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum RequestLine {
    #[default]
    Method,
    /// So many bytes of it.
    Target(usize),
    /// Behind a target of so many bytes.
    Rest(usize),
}

impl RequestLine {
    fn followed_by(self, bytes: &[u8]) -> Self {
        match self {
            Self::Method => match bytes.iter().position(|byte| *byte == b' ') {
                Some(end) => Self::Target(0).followed_by(&bytes[end + 1..]),
                None => Self::Method,
            },
            Self::Target(length) => match bytes.iter().position(|byte| b" \r\n".contains(byte)) {
                Some(end) => Self::Rest(length + end),
                None => Self::Target(length + bytes.len()),
            },
            Self::Rest(_) => self,
        }
    }

    fn is_too_long(self) -> bool {
        matches!(self, Self::Target(length) | Self::Rest(length) if length > MAX_URI_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    const DATE: &str = "date: Thu, 20 Nov 2025 09:00:00 GMT\r\n\r\n";

    /// What a client gets who sends `request`, where the library answers with `answer`, through a narrow pipe.
    async fn exchange(request: &str, answer: &str) -> String {
        let (near, mut far) = tokio::io::duplex(16);
        let mut connection = Connection::new(near, false);
        let client = async {
            far.write_all(request.as_bytes()).await.unwrap();
            far.shutdown().await.unwrap();
            let mut reply = String::new();
            far.read_to_string(&mut reply).await.unwrap();
            reply
        };
        let server = async {
            connection.read_to_end(&mut vec![]).await.unwrap();
            connection.write_all(answer.as_bytes()).await.unwrap();
            connection.flush().await.unwrap();
            connection.shutdown().await.unwrap();
        };
        tokio::join!(client, server).0
    }

    #[tokio::test]
    async fn answers_of_ours_pass_as_they_are() {
        let empty = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nx-request-id: 1\r\n";
        for answer in ["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", &format!("{empty}{DATE}")] {
            assert_eq!(exchange("GET / HTTP/1.1\r\n\r\n", answer).await, answer);
        }
    }

    #[tokio::test]
    async fn what_comes_before_a_bare_answer_arrives_and_nothing_after_it() {
        let good = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        let bare =
            format!("HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n{DATE}");
        let reply = exchange("GET / HTTP/1.1\r\n", &format!("{good}{bare}")).await;
        let answer = reply.strip_prefix(good).unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n"), "{answer}");
        assert!(answer.contains(DATE) && answer.ends_with('}') && !answer.contains("length: 0"), "{answer}");
    }

    #[tokio::test]
    async fn a_long_target_is_what_was_wrong() {
        let bare = format!("HTTP/1.0 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n{DATE}");
        for (bytes, status) in [(MAX_URI_BYTES, "431"), (MAX_URI_BYTES + 1, "414")] {
            for end in ["", " ", " HTTP/1.1\r\nhost: x\r\n"] {
                let reply = exchange(&format!("GET {}{end}", "a".repeat(bytes)), &bare).await;
                assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{reply}");
            }
        }
    }
}

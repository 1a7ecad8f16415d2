//! Lines and message bodies on the wire (RFC 5321, sections 2.3.8 and 4.5).

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

/// The longest command line, its end included. RFC 5321 asks for 512; RFC 4954 for 12288 within AUTH.
const MAX_LINE: u64 = 12 * 1024;

/// What came in place of a command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Text(String),
    TooLong,
    NotUtf8,
    Closed,
}

/// What came after `DATA`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// The message, its dots unstuffed, its last line end included.
    Whole(Vec<u8>),
    TooLarge,
    /// The connection ended within it.
    Broken,
}

/// A client's end of the line.
pub(super) struct Wire<S> {
    stream: BufReader<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// The bare stream, for TLS. What the client sent beyond its last command is dropped: it was said in the clear,
    /// and must not be taken for something said under encryption (CVE-2011-0411).
    pub(super) fn into_stream(self) -> S {
        self.stream.into_inner()
    }

    pub(super) async fn send(&mut self, text: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(text.as_bytes()).await?;
        self.stream.get_mut().flush().await
    }

    pub(super) async fn line(&mut self) -> io::Result<Line> {
        let mut line = Vec::new();
        let read = (&mut self.stream).take(MAX_LINE).read_until(b'\n', &mut line).await?;
        if read == 0 {
            return Ok(Line::Closed);
        }
        if !line.ends_with(b"\n") {
            return self.skip_line().await;
        }
        line.pop();
        if line.ends_with(b"\r") {
            line.pop();
        }
        Ok(String::from_utf8(line).map_or(Line::NotUtf8, Line::Text))
    }

    async fn skip_line(&mut self) -> io::Result<Line> {
        loop {
            let mut rest = Vec::new();
            let read = (&mut self.stream).take(MAX_LINE).read_until(b'\n', &mut rest).await?;
            if read == 0 {
                return Ok(Line::Closed);
            }
            if rest.ends_with(b"\n") {
                return Ok(Line::TooLong);
            }
        }
    }

    /// Reads up to the line that is a single dot. Only CR LF ends a line here: whoever takes a bare LF for one lets a
    /// mail hide a second mail within it ("SMTP smuggling").
    pub(super) async fn body(&mut self, max_size: usize) -> io::Result<Body> {
        let mut body = Vec::new();
        let mut too_large = false;
        let mut at_line_start = true;
        loop {
            let mut piece = Vec::new();
            let limit = u64::try_from(max_size).unwrap_or(u64::MAX).saturating_add(4);
            if (&mut self.stream).take(limit).read_until(b'\n', &mut piece).await? == 0 {
                return Ok(Body::Broken);
            }
            if at_line_start && piece == b".\r\n" {
                return Ok(if too_large { Body::TooLarge } else { Body::Whole(body) });
            }
            let stuffed = at_line_start && piece.starts_with(b".");
            let text = if stuffed { &piece[1..] } else { &piece[..] };
            at_line_start = piece.ends_with(b"\r\n");
            too_large |= body.len() + text.len() > max_size;
            if !too_large {
                body.extend_from_slice(text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn body_of(sent: &'static [u8], max_size: usize) -> Body {
        let (mut client, server) = tokio::io::duplex(1 << 16);
        client.write_all(sent).await.unwrap();
        drop(client);
        Wire::new(server).body(max_size).await.unwrap()
    }

    #[tokio::test]
    async fn a_body_ends_at_a_lone_dot_between_true_line_ends_only() {
        let whole = |text: &[u8]| Body::Whole(text.to_vec());
        assert_eq!(body_of(b"a\r\n.\r\nQUIT\r\n", 99).await, whole(b"a\r\n"));
        assert_eq!(body_of(b".\r\n", 99).await, whole(b""));
        assert_eq!(body_of(b"..\r\n...x\r\n.\r\n", 99).await, whole(b".\r\n..x\r\n"));
        assert_eq!(body_of(b"a\n.\nMAIL\r\n.\r\n", 99).await, whole(b"a\n.\nMAIL\r\n"));
        assert_eq!(body_of(b"a\n.\r\nb\r\n.\r\n", 99).await, whole(b"a\n.\r\nb\r\n"));
        assert_eq!(body_of(b"a\r\n.\n\r\n.\r\n", 99).await, whole(b"a\r\n\n\r\n"));
    }

    #[tokio::test]
    async fn a_body_has_a_size_and_an_end() {
        assert_eq!(body_of(b"12345\r\n.\r\n", 7).await, Body::Whole(b"12345\r\n".to_vec()));
        assert_eq!(body_of(b"123456\r\n.\r\n", 7).await, Body::TooLarge);
        assert_eq!(body_of(b"1234567890123456789012345\r\n.\r\n", 7).await, Body::TooLarge);
        assert_eq!(body_of(b"never ends\r\n", 99).await, Body::Broken);
    }
}

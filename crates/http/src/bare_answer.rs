//! What actix answers on its own, and what goes out in its place.
//!
//! A head that its parser cannot make a request of never reaches the application: actix answers with a status, no
//! body, and closes. Nothing can be hooked in there, so such an answer is recognised on its way out, by a form that
//! none of ours has: our heads carry more headers, and our bodies, JSON above all, do not end in empty lines.

use actix_web::http::{StatusCode, header::HeaderMap};
use spicyjump_domain::locale::Locale;

use crate::{
    answer::JSON_UTF8, context::request_id, error_code::ErrorCode, failure::Failure, https,
    messages::Catalogue,
};

/// What ends every answer's head, such as `date: Thu, 20 Nov 2025 09:00:00 GMT`.
const DATE_BYTES: usize = 35;
const CONNECTION: [&[u8]; 3] =
    [b"connection: close\r\n", b"connection: keep-alive\r\n", b"connection: upgrade\r\n"];

/// An answer with no headers but those of the protocol itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BareAnswer<'a> {
    /// Where it begins among the bytes to be sent: what is before it answers earlier requests.
    pub(crate) start: usize,
    status: StatusCode,
    date: &'a [u8],
}

impl<'a> BareAnswer<'a> {
    /// Finds the refusal that these bytes end with.
    pub(crate) fn at_the_end_of(bytes: &'a [u8]) -> Option<Self> {
        let head = bytes.strip_suffix(b"\r\n\r\n")?;
        let (head, date) = head.split_at_checked(head.len().checked_sub(DATE_BYTES)?)?;
        if !date.starts_with(b"date: ") {
            return None;
        }
        let head = CONNECTION.iter().find_map(|line| head.strip_suffix(*line)).unwrap_or(head);
        let line = head.strip_suffix(b"\r\ncontent-length: 0\r\n")?;
        let start = line.windows(7).rposition(|part| part == b"HTTP/1.")?;
        let status = StatusCode::from_bytes(line.get(start + 9..start + 12)?).ok()?;
        (status.is_client_error() || status.is_server_error()).then_some(Self { start, status, date })
    }

    /// The same refusal in the contract's form: in English, since the client's language was not read.
    pub(crate) fn in_full(&self, target_is_too_long: bool, force_https: bool) -> Vec<u8> {
        let (status, code) = match self.status {
            StatusCode::BAD_REQUEST | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE if target_is_too_long => {
                (StatusCode::URI_TOO_LONG, ErrorCode::UriTooLong)
            }
            status => (status, ErrorCode::for_status(status)),
        };
        let id = request_id().to_string();
        tracing::info!(target: "spicyjump::http", request_id = id, "not a request - {}", status.as_u16());
        let mut security = HeaderMap::new();
        https::protect(&mut security, force_https);
        let body = Failure::plain(code, sentence(code), id.clone()).into_bytes();
        // No request was there to spend time on.
        let mut answer = format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: {JSON_UTF8}\r\ncontent-length: {}\r\n\
             x-request-id: {id}\r\nx-response-time: 0.00ms\r\n",
            body.len()
        )
        .into_bytes();
        for (name, value) in &security {
            answer.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        answer.extend([self.date, b"\r\n\r\n", &body].concat());
        answer
    }
}

/// Two codes are about a body wherever else they occur.
fn sentence(code: ErrorCode) -> String {
    match code {
        ErrorCode::MalformedJson => "The request cannot be read.".to_owned(),
        ErrorCode::PayloadTooLarge => "The headers of the request are too large.".to_owned(),
        other => Catalogue::of(Locale::En).error(other),
    }
}

//! A mail as it was taken, and as a reader sees it.

use mail_parser::{Address, Message, MessageParser, PartType};
use serde::Serialize;

/// A mail that was taken.
#[derive(Clone, Debug, Serialize)]
pub struct Mail {
    /// Counts up from 1.
    pub id: u64,
    /// The sender of the envelope; empty for a bounce.
    pub envelope_from: String,
    /// The recipients of the envelope.
    pub envelope_to: Vec<String>,
    /// The `From` header, as `Name <address>`.
    pub from: String,
    /// The `To` header's addresses, each as `Name <address>`.
    pub to: Vec<String>,
    /// The `Subject` header, decoded.
    pub subject: String,
    /// The `Date` header in RFC 3339; `None` where it is missing.
    pub date: Option<String>,
    /// Every header in its order, as it stands in the mail; [`Mail::header`] finds one.
    pub headers: Vec<(String, String)>,
    /// The plain text, decoded.
    pub text: Option<String>,
    /// The HTML, decoded.
    pub html: Option<String>,
    /// The bytes of the file, headers for the envelope included.
    #[serde(skip)]
    pub raw: Vec<u8>,
}

impl Mail {
    /// Reads a mail from the bytes that [`with_envelope`] makes.
    pub(super) fn read(id: u64, raw: Vec<u8>) -> Self {
        // A message without a header line is `None`: it is shown as an empty mail, with its source.
        let message = MessageParser::default().parse(&raw).unwrap_or_default();
        let headers: Vec<(String, String)> =
            message.headers_raw().map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
        let bare = |value: &str| value.trim_matches(['<', '>']).to_owned();
        let named = |wanted: &'static str| {
            headers.iter().filter(move |(name, _)| name == wanted).map(move |(_, value)| bare(value))
        };
        let (envelope_from, envelope_to) =
            (named(RETURN_PATH).next().unwrap_or_default(), named(DELIVERED_TO).collect());
        Self {
            id,
            envelope_from,
            envelope_to,
            from: addresses(message.from()).join(", "),
            to: addresses(message.to()),
            subject: message.subject().unwrap_or_default().to_owned(),
            date: message.date().map(mail_parser::DateTime::to_rfc3339),
            text: text(&message),
            html: html(&message),
            headers,
            raw,
        }
    }

    /// The value of the first header of this name (without case), as it stands in the mail.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Whether the envelope names this recipient (without case).
    #[must_use]
    pub fn is_for(&self, recipient: &str) -> bool {
        self.envelope_to.iter().any(|known| known.to_lowercase() == recipient.to_lowercase())
    }
}

const RETURN_PATH: &str = "Return-Path";
const DELIVERED_TO: &str = "Delivered-To";

/// The mail with its envelope in front, as final delivery writes it (RFC 5321, section 4.4): a file then says all.
pub(super) fn with_envelope(from: &str, to: &[String], message: &[u8]) -> Vec<u8> {
    let mut envelope = vec![format!("{RETURN_PATH}: <{from}>\r\n")];
    envelope.extend(to.iter().map(|to| format!("{DELIVERED_TO}: {to}\r\n")));
    let mut raw = envelope.concat().into_bytes();
    raw.extend_from_slice(message);
    raw
}

fn addresses(header: Option<&Address<'_>>) -> Vec<String> {
    let shown = |one: &mail_parser::Addr<'_>| {
        let address = one.address().unwrap_or_default();
        one.name().map_or_else(|| address.to_owned(), |name| format!("{name} <{address}>"))
    };
    header.map(|header| header.iter().map(shown).collect()).unwrap_or_default()
}

/// Only what was sent as text: the parser would also turn HTML into text.
fn text(message: &Message<'_>) -> Option<String> {
    message.text_bodies().find_map(|part| match &part.body {
        PartType::Text(text) => Some(text.to_string()),
        _ => None,
    })
}

fn html(message: &Message<'_>) -> Option<String> {
    message.html_bodies().find_map(|part| match &part.body {
        PartType::Html(html) => Some(html.to_string()),
        _ => None,
    })
}

//! From a mail to the bytes that go over the wire.

use lettre::{
    Address, Message,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
};
use spicyjump_domain::mail::QueuedMail;

use crate::render::{Rendered, plain};

/// Why no message can be made: nothing that another try would change.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MessageError {
    #[error("the recipient is not a mail address")]
    Recipient,
    #[error("no message can be made: {0}")]
    Build(#[from] lettre::error::Error),
}

/// Makes the MIME message: text and HTML as alternatives, in ASCII whatever the language.
///
/// `Message-ID` and `Date` come from the queued mail, so that every try sends the same ones.
pub(crate) fn build(from: &Mailbox, mail: &QueuedMail, body: Rendered) -> Result<Message, MessageError> {
    let address: Address = mail.mail.to.email.parse().map_err(|_| MessageError::Recipient)?;
    let name = Some(plain(&mail.mail.to.name)).filter(|name| !name.is_empty());
    let message = Message::builder()
        .message_id(Some(format!("<{}@{}>", mail.message_key, from.email.domain())))
        .date(mail.created_at.into())
        .from(from.clone())
        .to(Mailbox::new(name, address))
        .subject(body.subject)
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ))
        .multipart(MultiPart::alternative_plain_html(body.text, body.html))?;
    Ok(message)
}

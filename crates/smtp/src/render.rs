//! From what a mail says to how it reads.

use minijinja::{Environment, UndefinedBehavior, Value, context, syntax::SyntaxConfig};
use spicyjump_domain::{
    gateway::DeclineReason,
    mail::{Mail, MailContent, MailLine},
};

use crate::amount;

macro_rules! templates {
    ($($name:literal),+ $(,)?) => { [$(($name, include_str!(concat!("../templates/", $name)))),+] };
}

/// Every file below `templates/`, by its path. Those called `.html` escape what they print.
const FILES: [(&str, &str); 28] = templates![
    "layout.html",
    "parts.html",
    "en/footer.txt",
    "en/welcome.html",
    "en/welcome.txt",
    "en/order_confirmation.html",
    "en/order_confirmation.txt",
    "en/payment_failed.html",
    "en/payment_failed.txt",
    "en/shipped.html",
    "en/shipped.txt",
    "en/refunded.html",
    "en/refunded.txt",
    "en/password_reset.html",
    "en/password_reset.txt",
    "ko/footer.txt",
    "ko/welcome.html",
    "ko/welcome.txt",
    "ko/order_confirmation.html",
    "ko/order_confirmation.txt",
    "ko/payment_failed.html",
    "ko/payment_failed.txt",
    "ko/shipped.html",
    "ko/shipped.txt",
    "ko/refunded.html",
    "ko/refunded.txt",
    "ko/password_reset.html",
    "ko/password_reset.txt",
];

/// A mail as it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// For clients that show plain text.
    pub text: String,
    /// For clients that show HTML; refers to nothing outside itself.
    pub html: String,
}

/// The mails' templates, parsed.
#[derive(Debug)]
pub struct Templates(Environment<'static>);

impl Templates {
    /// Parses the templates that are built in.
    ///
    /// # Errors
    /// When one is not valid, which a test of this crate would have shown.
    pub fn load() -> Result<Self, minijinja::Error> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build()?;
        environment.set_syntax(syntax);
        for (name, source) in FILES {
            environment.add_template(name, source)?;
        }
        Ok(Self(environment))
    }

    /// Writes a mail in its reader's language. The first line of the text template is the subject.
    ///
    /// # Errors
    /// When a template names a value that this kind of mail does not have, which a test of this crate would
    /// have shown.
    pub fn render(&self, mail: &Mail) -> Result<Rendered, minijinja::Error> {
        let path = format!("{}/{}", mail.to.locale.code(), mail.content.kind());
        let values =
            context! { lang => mail.to.locale.code(), name => plain(&mail.to.name), ..values(&mail.content) };
        let text = self.0.get_template(&format!("{path}.txt"))?.render(&values)?;
        let (subject, text) = text.split_once('\n').unwrap_or((&text, ""));
        let html =
            self.0.get_template(&format!("{path}.html"))?.render(context! { subject, ..values.clone() })?;
        Ok(Rendered { subject: subject.to_owned(), text: text.trim_start().to_owned(), html })
    }
}

fn values(content: &MailContent) -> Value {
    match content {
        MailContent::Welcome => context! {},
        MailContent::OrderConfirmation { order_number, lines, total } => {
            context! { order_number => plain(order_number), lines => rows(lines), total => amount::for_people(*total) }
        }
        MailContent::PaymentFailed { order_number, total, reason } => context! {
            order_number => plain(order_number),
            total => amount::for_people(*total),
            reason => match reason {
                DeclineReason::CardDeclined => "card_declined",
                DeclineReason::InsufficientFunds => "insufficient_funds",
                DeclineReason::ExpiredCard => "expired_card",
                DeclineReason::IncorrectCvc => "incorrect_cvc",
            },
        },
        MailContent::Shipped { order_number, lines, carrier, tracking_number } => context! {
            order_number => plain(order_number),
            lines => rows(lines),
            carrier => plain(carrier),
            tracking_number => plain(tracking_number),
        },
        MailContent::Refunded { order_number, amount } => {
            context! { order_number => plain(order_number), amount => amount::for_people(*amount) }
        }
        MailContent::PasswordReset { link } => context! { link },
    }
}

fn rows(lines: &[MailLine]) -> Vec<Value> {
    let row = |line: &MailLine| {
        context! { name => plain(&line.name), quantity => line.quantity, total => amount::for_people(line.line_total) }
    };
    lines.iter().map(row).collect()
}

/// Somebody's words on one line, without the characters that end a line or turn the text around them
/// (Unicode's line breaks, controls and bidirectional controls): they could make other words look like ours.
pub(crate) fn plain(words: &str) -> String {
    let visible = words.chars().filter(|c| {
        !matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    });
    let spaced: String = visible
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

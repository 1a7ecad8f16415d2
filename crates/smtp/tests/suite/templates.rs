//! How each mail reads, in each language: kept as snapshots, so that a change is seen.

use spicyjump_domain::{
    gateway::DeclineReason,
    locale::Locale,
    mail::{Mail, MailContent, MailLine, Recipient},
    money::{Currency, Money},
};
use spicyjump_smtp::{Rendered, Templates};

fn render(locale: Locale, name: &str, content: MailContent) -> Rendered {
    let to = Recipient { email: "buyer@example.com".to_owned(), name: name.to_owned(), locale };
    Templates::load().unwrap().render(&Mail { to, content }).unwrap()
}

fn money(minor: i64, currency: Currency) -> Money {
    Money::new(minor, currency).unwrap()
}

fn lines(currency: Currency) -> Vec<MailLine> {
    let line = |name: &str, quantity, minor| MailLine {
        name: name.to_owned(),
        quantity,
        line_total: money(minor, currency),
    };
    vec![line("전주 고추장 Jeonju gochujang 500 g", 2, 3_000), line("Kimchi jar", 1, 1_233_300)]
}

fn each_kind(currency: Currency) -> Vec<MailContent> {
    let order_number = "ORD-20251119-0001".to_owned();
    vec![
        MailContent::Welcome,
        MailContent::OrderConfirmation {
            order_number: order_number.clone(),
            lines: lines(currency),
            total: money(1_236_300, currency),
        },
        MailContent::PaymentFailed {
            order_number: order_number.clone(),
            total: money(15_000, currency),
            reason: DeclineReason::InsufficientFunds,
        },
        MailContent::Shipped {
            order_number: order_number.clone(),
            lines: lines(currency),
            carrier: "CJ대한통운".to_owned(),
            tracking_number: "6812-3456-7890".to_owned(),
        },
        MailContent::Refunded { order_number, amount: money(1_250, currency) },
        MailContent::PasswordReset { link: "https://spicyjump.com/reset?token=abc123&lang=ko".to_owned() },
    ]
}

#[test]
fn each_mail_reads_as_agreed() {
    for (locale, name, currency) in
        [(Locale::Ko, "김하나", Currency::Krw), (Locale::En, "Anna O'Neill", Currency::Eur)]
    {
        for content in each_kind(currency) {
            let snapshot = format!("{}_{}", content.kind(), locale.code());
            let mail = render(locale, name, content);
            insta::assert_snapshot!(format!("{snapshot}_text"), format!("{}\n\n{}", mail.subject, mail.text));
            insta::assert_snapshot!(format!("{snapshot}_html"), mail.html);
        }
    }
}

#[test]
fn each_reason_for_a_decline_has_its_own_words_in_each_language() {
    for locale in [Locale::Ko, Locale::En] {
        let mut texts: Vec<_> = [
            DeclineReason::CardDeclined,
            DeclineReason::InsufficientFunds,
            DeclineReason::ExpiredCard,
            DeclineReason::IncorrectCvc,
        ]
        .into_iter()
        .map(|reason| {
            let order_number = "ORD-20251119-0001".to_owned();
            let total = money(15_000, Currency::Krw);
            render(locale, "Kim", MailContent::PaymentFailed { order_number, total, reason }).text
        })
        .collect();
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), 4);
    }
}

#[test]
fn nobodys_words_become_markup() {
    let hostile = r#"<script>alert(1)</script>"' {{ 7*7 }} {% endblock %}"#;
    for locale in [Locale::Ko, Locale::En] {
        for mut content in each_kind(Currency::Usd) {
            match &mut content {
                MailContent::Welcome => {}
                MailContent::OrderConfirmation { order_number, lines, .. } => {
                    hostile.clone_into(order_number);
                    hostile.clone_into(&mut lines[0].name);
                }
                MailContent::Shipped { order_number, lines, carrier, tracking_number } => {
                    for words in [order_number, carrier, tracking_number, &mut lines[0].name] {
                        hostile.clone_into(words);
                    }
                }
                MailContent::PaymentFailed { order_number, .. }
                | MailContent::Refunded { order_number, .. } => {
                    hostile.clone_into(order_number);
                }
                MailContent::PasswordReset { link } => hostile.clone_into(link),
            }
            let mail = render(locale, hostile, content);
            assert!(!mail.html.contains("<script"), "{}", mail.html);
            assert!(!mail.html.contains(r#"<script>alert(1)</script>"'"#));
            assert!(mail.html.contains("&lt;script&gt;"));
            assert!(mail.html.contains("{{ 7*7 }}"), "words are not templates");
            assert_eq!(mail.html.matches("</html>").count(), 1);
        }
    }
}

#[test]
fn a_name_stays_on_its_line_and_does_not_turn_the_text_around() {
    let name = "Kim\r\nBcc: everyone@example.com\u{2028}\u{202E}live\u{2066}\u{0}";
    let mail = render(Locale::En, name, MailContent::Welcome);
    assert!(mail.text.starts_with("Hello Kim Bcc: everyone@example.com live,\n"), "{}", mail.text);
    assert!(!mail.html.contains('\u{202E}'));
    assert!(mail.html.contains("<bdi>Kim Bcc: everyone@example.com live</bdi>"));
}

#[test]
fn a_subject_is_one_line_whatever_the_order_number() {
    let order_number = "ORD-1\r\nBcc: everyone@example.com".to_owned();
    let amount = money(1_250, Currency::Eur);
    let mail = render(Locale::En, "Kim", MailContent::Refunded { order_number, amount });
    assert_eq!(mail.subject, "Refund for your SpicyJump order ORD-1 Bcc: everyone@example.com");
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    for locale in [Locale::Ko, Locale::En] {
        for content in each_kind(Currency::Usd) {
            let html = render(locale, "Kim", content).html;
            for tag in ["<img", "<link", "<script", "src=", "url(", "@import"] {
                assert!(!html.contains(tag), "{tag} in {html}");
            }
        }
    }
}

//! What a newcomer sees first: where everything is, and who can log in.

use std::fmt::Write as _;

use super::stand_ins::StandIns;
use crate::demo;

const PAGE: &str = include_str!("welcome.html");

/// Where everything is.
pub(super) struct Welcome {
    places: Vec<(&'static str, String)>,
}

impl Welcome {
    /// `api` is how a browser reaches the API, without a slash at the end.
    pub(super) fn new(api: &str, stand_ins: &StandIns) -> Self {
        let mut places = vec![
            ("Shop", format!("{api}/")),
            ("API reference", format!("{api}/docs")),
            ("OpenAPI document", format!("{api}/v1/openapi.json")),
            ("Products", format!("{api}/v1/products")),
        ];
        places.extend(stand_ins.smtp.mailbox_url().map(|url| ("Mailbox", url)));
        places.push(("Stripe's stand-in", stand_ins.stripe.base_url()));
        places.push(("Pictures", stand_ins.s3.cdn_base_url()));
        Self { places }
    }

    /// The first screen of the terminal.
    pub(super) fn screen(&self) -> String {
        let mut text =
            "\nSpicyJump is running, with nothing configured and nothing real behind it.\n\n".to_owned();
        for (name, url) in &self.places {
            let _ = writeln!(text, "  {name:<18} {url}");
        }
        let _ = writeln!(text, "\n  Log in as one of these, with the password {}", demo::PASSWORD);
        for login in demo::PRIVATE_LOGINS {
            let _ = writeln!(text, "  {:<18} {}", login.role.code(), login.email);
        }
        text.push_str(
            "\n  Pay with card 4242 4242 4242 4242; 4000 0000 0000 9995 has insufficient funds.\n  \
             Data is kept in .data/ until you remove it. Ctrl-C stops everything.\n\n",
        );
        text
    }

    /// The page at `/`.
    pub(super) fn page(&self) -> String {
        let places = self.places.iter().skip(1).fold(String::new(), |mut html, (name, url)| {
            let _ = writeln!(html, "<li><a href=\"{url}\">{name}</a> <code>{url}</code></li>");
            html
        });
        let logins = demo::PRIVATE_LOGINS.iter().fold(String::new(), |mut html, login| {
            let (role, email) = (login.role.code(), login.email);
            let _ = writeln!(html, "<tr><td>{role}</td><td><code>{email}</code></td></tr>");
            html
        });
        PAGE.replace("{places}", &places).replace("{logins}", &logins).replace("{password}", demo::PASSWORD)
    }
}

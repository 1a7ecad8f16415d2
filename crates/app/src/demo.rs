//! The people of the demo shop.

use spicyjump_domain::{account::Role, locale::Locale};

/// Somebody who can log in. The password is in this file for everyone to read, so the shop is for trying out only.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) email: &'static str,
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    pub(crate) locale: Locale,
}

/// The password of all of them.
pub(crate) const PASSWORD: &str = "spicyjump1!";

/// One of each role.
pub(crate) const LOGINS: [Login; 3] = [
    Login { email: "buyer@example.com", name: "김하늘", role: Role::Buyer, locale: Locale::Ko },
    Login { email: "seller@example.com", name: "Seoul Pantry", role: Role::Seller, locale: Locale::En },
    Login { email: "admin@example.com", name: "Admin", role: Role::Admin, locale: Locale::En },
];

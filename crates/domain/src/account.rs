//! People: who they are and what they may do.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{ids::UserId, locale::Locale};

/// What a person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Orders and pays.
    Buyer,
    /// Also lists goods and ships them.
    Seller,
    /// May do everything; made only on the command line.
    Admin,
}

impl Role {
    /// The stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Buyer => "buyer",
            Self::Seller => "seller",
            Self::Admin => "admin",
        }
    }

    /// The role of a stable name.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Buyer, Self::Seller, Self::Admin].into_iter().find(|role| role.code() == code)
    }
}

/// A person with an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Their address as they wrote it; compared without regard to case.
    pub email: String,
    /// Their name, 2 to 200 characters.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// The language of their mails.
    pub locale: Locale,
    /// When they registered.
    pub created_at: OffsetDateTime,
}

/// Who is asking: the subject of a verified access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Their id.
    pub id: UserId,
    /// Their role when the token was issued.
    pub role: Role,
}

impl Actor {
    /// Whether they may list goods and upload images.
    #[must_use]
    pub fn may_sell(self) -> bool {
        matches!(self.role, Role::Seller | Role::Admin)
    }

    /// Whether they may order: administrators do not, so that the books of the shop's own staff stay apart.
    #[must_use]
    pub fn may_order(self) -> bool {
        matches!(self.role, Role::Buyer | Role::Seller)
    }

    /// Whether they may do what only administrators do.
    #[must_use]
    pub fn is_admin(self) -> bool {
        self.role == Role::Admin
    }

    /// Whether something that belongs to `owner` is theirs to change: their own, or any for an administrator.
    #[must_use]
    pub fn owns(self, owner: UserId) -> bool {
        self.id == owner || self.is_admin()
    }

    /// Whether goods of `seller` are theirs to manage.
    #[must_use]
    pub fn manages_goods_of(self, seller: UserId) -> bool {
        self.may_sell() && self.owns(seller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_and_ownership_decide() {
        let me = UserId::new(1).unwrap();
        let other = UserId::new(2).unwrap();
        // role, sells, orders, own goods, others' goods, own things, others' things
        for (role, sells, orders, own_goods, their_goods, own, theirs) in [
            (Role::Buyer, false, true, false, false, true, false),
            (Role::Seller, true, true, true, false, true, false),
            (Role::Admin, true, false, true, true, true, true),
        ] {
            let actor = Actor { id: me, role };
            assert_eq!(actor.may_sell(), sells, "{role:?}");
            assert_eq!(actor.may_order(), orders, "{role:?}");
            assert_eq!(actor.manages_goods_of(me), own_goods, "{role:?}");
            assert_eq!(actor.manages_goods_of(other), their_goods, "{role:?}");
            assert_eq!(actor.owns(me), own, "{role:?}");
            assert_eq!(actor.owns(other), theirs, "{role:?}");
        }
    }
}

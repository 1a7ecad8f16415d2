//! Who is asking.

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::header::{self, HeaderMap},
};
use spicyjump_domain::account::Actor;
use uuid::Uuid;

use crate::{
    error::{ApiError, ErrorCode},
    tokens::{AccessTokens, Session},
};

/// What the `Authorization` header came to; found out once per request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Authentication {
    Anonymous,
    User(Session),
    Refused(ErrorCode),
}

impl Authentication {
    pub(crate) fn read(headers: &HeaderMap, tokens: &AccessTokens) -> Self {
        let Some(value) = headers.get(header::AUTHORIZATION) else { return Self::Anonymous };
        let Some((scheme, token)) = value.to_str().ok().and_then(|value| value.trim().split_once(' ')) else {
            return Self::Refused(ErrorCode::InvalidToken);
        };
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Self::Refused(ErrorCode::Unauthenticated);
        }
        tokens.verify(token.trim()).map_or_else(Self::Refused, Self::User)
    }

    fn of(request: &HttpRequest) -> Self {
        request.extensions().get().copied().unwrap_or(Self::Anonymous)
    }
}

/// The signed-in user; a request without one is 401. Reads like an [`Actor`].
#[derive(Clone, Copy, Debug)]
pub struct CurrentUser(Session);

impl CurrentUser {
    /// The session that the access token belongs to.
    #[must_use]
    pub fn family(&self) -> Uuid {
        self.0.family
    }
}

impl std::ops::Deref for CurrentUser {
    type Target = Actor;

    fn deref(&self) -> &Actor {
        &self.0.actor
    }
}

impl FromRequest for CurrentUser {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match Authentication::of(request) {
            Authentication::User(session) => Ok(Self(session)),
            Authentication::Anonymous => Err(ErrorCode::Unauthenticated.into()),
            Authentication::Refused(code) => Err(code.into()),
        })
    }
}

/// The signed-in user, if there is one. A token that is not good keeps nobody from what everyone may see.
#[derive(Clone, Copy, Debug)]
pub struct MaybeUser(Result<Option<CurrentUser>, ErrorCode>);

impl MaybeUser {
    /// The user.
    #[must_use]
    pub fn actor(&self) -> Option<Actor> {
        self.0.ok().flatten().map(|user| *user)
    }

    /// The refusal of what is not there for this user. Where a token was not good it may well be there for its owner,
    /// so that the client must learn to sign in again.
    #[must_use]
    pub fn not_found(&self, code: ErrorCode) -> ApiError {
        self.0.err().unwrap_or(code).into()
    }
}

impl FromRequest for MaybeUser {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(match Authentication::of(request) {
            Authentication::User(session) => Ok(Some(CurrentUser(session))),
            Authentication::Anonymous => Ok(None),
            Authentication::Refused(code) => Err(code),
        })))
    }
}

/// The signed-in user, who may sell; others are 403 before their request is read any further.
#[derive(Clone, Copy, Debug)]
pub struct Seller(Actor);

/// The signed-in user is an administrator; others are 403 before their request is read any further.
#[derive(Clone, Copy, Debug)]
pub struct Administrator;

fn permitted(request: &HttpRequest, may: impl FnOnce(Actor) -> bool) -> Result<Actor, ApiError> {
    let user = CurrentUser::extract(request).into_inner()?;
    if may(*user) { Ok(*user) } else { Err(ErrorCode::Forbidden.into()) }
}

impl FromRequest for Seller {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(permitted(request, Actor::may_sell).map(Self))
    }
}

impl std::ops::Deref for Seller {
    type Target = Actor;

    fn deref(&self) -> &Actor {
        &self.0
    }
}

impl FromRequest for Administrator {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(permitted(request, Actor::is_admin).map(|_| Self))
    }
}

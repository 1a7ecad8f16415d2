//! Registering, signing in and one's own account (contract §2).

use actix_web::{
    get,
    http::header::{CACHE_CONTROL, HeaderValue},
    post, put,
    web::Data,
};
use garde::Validate;
use serde::{Deserialize, Serialize};
use spicyjump_domain::{
    account::{Actor, Role, User},
    accounts::{Accounts, Registration, SignedIn},
    locale::Locale,
};
use utoipa::ToSchema;

use crate::{
    answer::{Answer, Success, created, ok},
    body::Valid,
    context::RequestContext,
    current_user::CurrentUser,
    edge::Edge,
    ended_sessions::SessionWatch,
    error::ApiError,
    failure::Failure,
    field::Field,
    problem::Problem,
    rules::{self, any, not_empty, one_of, optional, required, text, trimmed},
    time::Timestamp,
    tokens::Session,
};

/// An account to be.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "email": "kim@example.com", "password": "Passw0rd!", "name": "김민수" }))]
pub(crate) struct RegisterBody {
    /// Compared without regard to case.
    #[garde(custom(required(rules::email())))]
    #[schema(value_type = String, format = Email, max_length = 254)]
    email: Field<String>,
    #[garde(custom(required(rules::password())))]
    #[schema(value_type = Password)]
    password: Field<String>,
    #[garde(custom(required(trimmed(2, 200))))]
    #[schema(value_type = String, min_length = 2, max_length = 200)]
    name: Field<String>,
    #[garde(custom(optional(one_of(&["buyer", "seller"]))))]
    #[schema(value_type = BuyerOrSeller, required = false, default = "buyer")]
    role: Field<String>,
    /// The language of mails; that of `Accept-Language` by default.
    #[garde(custom(optional(any())))]
    #[schema(value_type = LocaleName, required = false)]
    locale: Field<Locale>,
}

/// Letters, digits and `@$!%*#?&`, at least one of each.
#[derive(ToSchema)]
#[schema(
    value_type = String, format = Password, min_length = 8, max_length = 128,
    pattern = "^[A-Za-z0-9@$!%*#?&]+$",
)]
#[expect(dead_code, reason = "says in the API's description what a password is")]
struct Password(String);

/// What people can make themselves.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "says in the API's description what texts there are")]
enum BuyerOrSeller {
    Buyer,
    Seller,
}

/// A language.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "says in the API's description what texts there are")]
enum LocaleName {
    Ko,
    En,
}

/// What a person may do.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "says in the API's description what texts there are")]
enum RoleName {
    Buyer,
    Seller,
    Admin,
}

/// Who signs in.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "email": "kim@example.com", "password": "Passw0rd!" }))]
pub(crate) struct LoginBody {
    #[garde(custom(required(text(1, 254))))]
    #[schema(value_type = String, min_length = 1, max_length = 254)]
    email: Field<String>,
    /// One that can be nobody's is not told apart from a wrong one.
    #[garde(custom(required(not_empty())))]
    #[schema(value_type = String, format = Password, min_length = 1)]
    password: Field<String>,
}

/// Which session.
#[derive(Deserialize, Validate, ToSchema)]
pub(crate) struct RefreshTokenBody {
    #[garde(custom(required(text(1, 1000))))]
    #[schema(value_type = String, min_length = 1, max_length = 1000)]
    refresh_token: Field<String>,
}

/// Changes of one's own account: any subset.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "name": "Kim Minsu", "locale": "en" }))]
pub(crate) struct MeBody {
    #[garde(custom(optional(trimmed(2, 200))))]
    #[schema(value_type = String, required = false, min_length = 2, max_length = 200)]
    name: Field<String>,
    /// The language of mails.
    #[garde(custom(optional(any())))]
    #[schema(value_type = LocaleName, required = false)]
    locale: Field<Locale>,
    /// Another password; ends the other sessions.
    #[garde(custom(optional(rules::password())))]
    #[schema(value_type = Password, required = false)]
    password: Field<String>,
    /// The present password: needed with `password`.
    #[garde(custom(needed_with_password(&self.password)))]
    #[schema(value_type = String, required = false, format = Password, min_length = 1, max_length = 128)]
    current_password: Field<String>,
}

/// Whose password is forgotten.
#[derive(Deserialize, Validate, ToSchema)]
pub(crate) struct ForgotBody {
    #[garde(custom(required(rules::email())))]
    #[schema(value_type = String, format = Email, max_length = 254)]
    email: Field<String>,
}

/// A new password for a mailed token.
#[derive(Deserialize, Validate, ToSchema)]
pub(crate) struct ResetBody {
    /// From the mailed link.
    #[garde(custom(required(text(1, 1000))))]
    #[schema(value_type = String, min_length = 1, max_length = 1000)]
    token: Field<String>,
    #[garde(custom(required(rules::password())))]
    #[schema(value_type = Password)]
    password: Field<String>,
}

fn needed_with_password(password: &Field<String>) -> impl FnOnce(&Field<String>, &()) -> garde::Result {
    move |current, context| match (password, current) {
        (Field::Value(_), Field::Missing) => Err(Problem::NeededWith { field: "password".into() }.encode()),
        _ => optional(text(1, 128))(current, context),
    }
}

/// A person.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserView {
    id: i64,
    #[schema(format = Email)]
    email: String,
    name: String,
    #[schema(value_type = RoleName)]
    role: Role,
    #[schema(value_type = LocaleName)]
    locale: Locale,
    created_at: Timestamp,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        let User { id, email, name, role, locale, created_at } = user;
        Self { id: id.get(), email, name, role, locale, created_at: Timestamp(created_at) }
    }
}

/// `{"user": …}`
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OneUser {
    user: UserView,
}

/// A person who has just signed in.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignedInView {
    user: UserView,
    /// A JWT for the `Authorization` header.
    access_token: String,
    /// Opaque, and good for one use: the next pair brings the next one.
    refresh_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// How long the access token is good, in seconds.
    #[schema(example = 900)]
    expires_in: i64,
}

/// `{}`
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Nothing {}

impl SignedInView {
    fn new(edge: &Edge, signed_in: SignedIn) -> Result<Self, ApiError> {
        let SignedIn { user, family, refresh_token } = signed_in;
        let actor = Actor { id: user.id, role: user.role };
        Ok(Self {
            access_token: edge.tokens.issue(Session { actor, family })?,
            user: user.into(),
            refresh_token,
            token_type: "Bearer",
            expires_in: edge.tokens.lifetime().whole_seconds(),
        })
    }
}

/// Tokens are for nobody's cache (RFC 6749, section 5.1).
fn private(answer: Answer) -> Answer {
    answer.with_header(CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

/// Lets this process know at once of sessions that it has just ended. They are over whether or not that works: within
/// the next second every process asks anyway.
async fn notice_ended(sessions: &SessionWatch) {
    let _ = sessions.catch_up().await;
}

/// Make an account and sign in.
#[utoipa::path(
    tag = "auth",
    request_body = RegisterBody,
    responses(
        (status = 201, body = Success<SignedInView>, description = "Registered; a welcome mail is on its way."),
        (status = 409, body = Failure, description = "`email_taken`"),
    ),
)]
#[post("/v1/auth/register")]
pub(crate) async fn register(
    accounts: Data<Accounts>,
    edge: Data<Edge>,
    context: RequestContext,
    body: Valid<RegisterBody>,
) -> Result<Answer, ApiError> {
    let RegisterBody { email, password, name, role, locale } = body.into_inner();
    let registration = Registration {
        email: email.required("email")?,
        password: password.required("password")?,
        name: name.required("name")?.trim().to_owned(),
        role: role.into_value().and_then(|code| Role::from_code(&code)).unwrap_or(Role::Buyer),
        locale: locale.into_value().unwrap_or(context.locale),
    };
    let signed_in = accounts.register(registration).await?;
    Ok(private(created(SignedInView::new(&edge, signed_in)?)?))
}

/// Sign in.
#[utoipa::path(
    tag = "auth",
    request_body = LoginBody,
    responses(
        (status = 200, body = Success<SignedInView>),
        (
            status = 401, body = Failure,
            description = "`invalid_credentials`: the same for an unknown address and a wrong password.",
        ),
        (status = 429, body = Failure, description = "`rate_limited`: five a minute from one address."),
    ),
)]
#[post("/v1/auth/login")]
pub(crate) async fn login(
    accounts: Data<Accounts>,
    edge: Data<Edge>,
    body: Valid<LoginBody>,
) -> Result<Answer, ApiError> {
    let LoginBody { email, password } = body.into_inner();
    let signed_in = accounts.login(&email.required("email")?, password.required("password")?).await?;
    Ok(private(ok(SignedInView::new(&edge, signed_in)?)?))
}

/// Spend a refresh token for a new pair. A spent one that comes again ends its whole session.
#[utoipa::path(
    tag = "auth",
    request_body = RefreshTokenBody,
    responses(
        (status = 200, body = Success<SignedInView>),
        (status = 401, body = Failure, description = "`invalid_token`: unknown, run out, spent or ended."),
    ),
)]
#[post("/v1/auth/refresh")]
pub(crate) async fn refresh(
    accounts: Data<Accounts>,
    edge: Data<Edge>,
    body: Valid<RefreshTokenBody>,
) -> Result<Answer, ApiError> {
    let token = body.into_inner().refresh_token.required("refresh_token")?;
    let signed_in = accounts.refresh(&token).await?;
    Ok(private(ok(SignedInView::new(&edge, signed_in)?)?))
}

/// End a session: its refresh and access tokens are good no more. Doing so again is fine.
#[utoipa::path(
    tag = "auth",
    request_body = RefreshTokenBody,
    responses(
        (status = 200, body = Success<Nothing>, description = "The session is over, if there was one."),
    ),
)]
#[post("/v1/auth/logout")]
pub(crate) async fn logout(
    accounts: Data<Accounts>,
    sessions: Data<SessionWatch>,
    body: Valid<RefreshTokenBody>,
) -> Result<Answer, ApiError> {
    accounts.logout(&body.into_inner().refresh_token.required("refresh_token")?).await?;
    notice_ended(&sessions).await;
    ok(Nothing {})
}

/// Read your account.
#[utoipa::path(
    tag = "auth",
    security(("bearer" = [])),
    responses(
        (status = 200, body = Success<OneUser>),
    ),
)]
#[get("/v1/auth/me")]
pub(crate) async fn get_me(user: CurrentUser, accounts: Data<Accounts>) -> Result<Answer, ApiError> {
    ok(OneUser { user: accounts.me(user.id).await?.into() })
}

/// Change your account.
#[utoipa::path(
    tag = "auth",
    security(("bearer" = [])),
    request_body = MeBody,
    responses(
        (status = 200, body = Success<OneUser>),
        (
            status = 422, body = Failure,
            description = "`validation_failed`, also for a `current_password` that is missing or wrong.",
        ),
    ),
)]
#[put("/v1/auth/me")]
pub(crate) async fn change_me(
    user: CurrentUser,
    accounts: Data<Accounts>,
    sessions: Data<SessionWatch>,
    body: Valid<MeBody>,
) -> Result<Answer, ApiError> {
    let MeBody { name, locale, password, current_password } = body.into_inner();
    let name = name.into_value().map(|name| name.trim().to_owned());
    let passwords = current_password.into_value().zip(password.into_value());
    let ends_sessions = passwords.is_some();
    let family = Some(user.family());
    let user = accounts.change(user.id, family, name, locale.into_value(), passwords).await?;
    if ends_sessions {
        notice_ended(&sessions).await;
    }
    ok(OneUser { user: user.into() })
}

/// Ask for a link to set a new password. The answer does not tell whether there is such an account.
#[utoipa::path(
    tag = "auth",
    request_body = ForgotBody,
    responses(
        (status = 200, body = Success<Nothing>, description = "A mail is on its way if the address is known."),
    ),
)]
#[post("/v1/auth/password/forgot")]
pub(crate) async fn forgot_password(
    accounts: Data<Accounts>,
    body: Valid<ForgotBody>,
) -> Result<Answer, ApiError> {
    accounts.forgot(&body.into_inner().email.required("email")?).await?;
    ok(Nothing {})
}

/// Set a new password with a mailed token; ends all sessions.
#[utoipa::path(
    tag = "auth",
    request_body = ResetBody,
    responses(
        (status = 200, body = Success<Nothing>, description = "Sign in with the new password."),
        (status = 401, body = Failure, description = "`invalid_token`: unknown, used or older than an hour."),
    ),
)]
#[post("/v1/auth/password/reset")]
pub(crate) async fn reset_password(
    accounts: Data<Accounts>,
    sessions: Data<SessionWatch>,
    body: Valid<ResetBody>,
) -> Result<Answer, ApiError> {
    let ResetBody { token, password } = body.into_inner();
    accounts.reset(&token.required("token")?, password.required("password")?).await?;
    notice_ended(&sessions).await;
    ok(Nothing {})
}

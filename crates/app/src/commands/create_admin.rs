//! `spicyjump create-admin`

use std::io::{self, IsTerminal as _};

use secrecy::{ExposeSecret as _, SecretString};
use spicyjump_domain::{
    account::Role,
    accounts::{AccountStore as _, NewUser, PasswordHasher as _},
    clock::Clock as _,
    locale::Locale,
};
use spicyjump_http::{passwords::Argon2Passwords, rules};
use spicyjump_postgres::PgAccounts;

use crate::{
    adapters,
    cli::CreateAdminArgs,
    clock::SystemClock,
    config::{self, ConfigError, StoreConfig, Values},
    failure::Failure,
    logging::{self, Terminal},
    printer,
};

/// Makes an administrator, or promotes whoever has the address already. `password` is the environment's.
pub(super) async fn run(
    values: &Values,
    args: CreateAdminArgs,
    password: Option<SecretString>,
) -> Result<(), Failure> {
    let config: StoreConfig = config::load(values)?;
    let _log = logging::start(&config.log, Terminal::Stderr)?;
    let CreateAdminArgs { email, name } = args;
    let store = PgAccounts::new(adapters::database(&config)?);
    let away = |failure| Failure::store("create-admin", &failure);
    let password_hash = if store.by_email(&email).await.map_err(away)?.is_some() {
        // Whoever has an account keeps their password.
        String::new()
    } else {
        hash(password.map_or_else(from_stdin, Ok)?).await?
    };
    let created_at = SystemClock.now();
    let admin =
        NewUser { email, password_hash, name, role: Role::Admin, locale: Locale::default(), created_at };
    let admin = store.ensure_admin(&admin).await.map_err(away)?;
    printer::line(format_args!("{} is an admin (user {})", admin.email, admin.id));
    Ok(())
}

fn from_stdin() -> Result<SecretString, Failure> {
    if io::stdin().is_terminal() {
        eprintln!("Password for the new admin, as one line (it will be visible):");
    }
    let mut line = String::new();
    io::stdin().read_line(&mut line).map_err(|error| Failure::because("standard input", &error))?;
    Ok(line.trim_end_matches(['\r', '\n']).into())
}

async fn hash(password: SecretString) -> Result<String, Failure> {
    let password = password.expose_secret().to_owned();
    rules::password()(&password).map_err(|_| ConfigError::Useless {
        name: "ADMIN_PASSWORD",
        reason: "expected 8 to 128 letters, digits and @$!%*#?&, at least one of each, here or as a line on standard \
                 input"
            .to_owned(),
    })?;
    Argon2Passwords::new(1).hash(password).await.map_err(|error| Failure::because("create-admin", &error))
}

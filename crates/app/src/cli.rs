//! The command line: commands by clap's derive, their settings from the table of [`crate::config`].

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{
    Arg, ArgAction, ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand,
    ValueEnum, error::ErrorKind,
};

use secrecy::SecretString;
use spicyjump_domain::{ids::MailId, mail::MailStatus};
use spicyjump_http::rules;

use crate::{
    config::{self, Group, Layer, SETTINGS, Section as _, Values},
    demo,
};

const EXAMPLES: &str = "\
Examples:
  spicyjump dev                                    A whole shop on this machine, with nothing configured
  spicyjump                                        The same as `spicyjump serve`
  spicyjump serve --config /etc/spicyjump.toml     The API and its workers, as configured
  DATABASE_URL=postgres://… spicyjump migrate      Bring the database's schema up to date
  spicyjump audit                                  Prove that stock, orders and money add up

Settings come from flags, then the environment, then a TOML file (--config, SPICYJUMP_CONFIG, or spicyjump.toml
in the working directory). BIND_ADDR is --bind-addr as a flag, and bind_addr or BIND_ADDR in the file.
`spicyjump COMMAND --help` lists those that the command uses.

Exit status: 0 done, 1 failed, 2 wrongly called or configured.";

/// SpicyJump: the backend of a marketplace
#[derive(Debug, Parser)]
#[command(name = "spicyjump", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the API and the background workers (the default)
    Serve(ServeArgs),
    /// Run the background workers alone
    Worker,
    /// Bring the database's schema up to date
    Migrate,
    /// Run a whole shop on this machine: private PostgreSQL, stand-ins for Stripe, S3 and mail, demo products
    Dev,
    /// Fill the database with a demo shop: users, categories, products
    SeedDemo {
        /// How many products to make
        #[arg(long, value_name = "N", default_value_t = demo::PRODUCTS, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
        products: u64,
    },
    /// Create an admin, or promote an existing user; the password is in `ADMIN_PASSWORD` or a line on standard input
    CreateAdmin(CreateAdminArgs),
    /// Prove the books: stock, orders, payments; exits 1 and names what differs
    Audit,
    /// Ask Stripe about every open payment now, and apply the answers
    Reconcile {
        /// Only payments that are open for longer
        #[arg(long, value_name = "SECONDS", default_value_t = 0)]
        older_than: u64,
    },
    /// Look at the mail queue, and send dead letters again
    #[command(subcommand)]
    Outbox(OutboxCommand),
    /// Work with the events that Stripe delivered
    #[command(subcommand)]
    Events(EventsCommand),
}

/// Options of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Leave the background work to `spicyjump worker`
    #[arg(long)]
    pub(crate) no_workers: bool,
    /// Do not apply migrations at start
    #[arg(long)]
    pub(crate) no_migrate: bool,
}

/// Options of `create-admin`.
#[derive(Debug, Args)]
pub(crate) struct CreateAdminArgs {
    /// The admin's e-mail address
    #[arg(long, value_parser = email)]
    pub(crate) email: String,
    /// The admin's name
    #[arg(long, value_parser = name)]
    pub(crate) name: String,
}

fn email(text: &str) -> Result<String, &'static str> {
    let text = text.to_owned();
    rules::email()(&text).map(|()| text).map_err(|_| "expected an e-mail address")
}

fn name(text: &str) -> Result<String, &'static str> {
    let text = text.trim().to_owned();
    rules::text(2, 200)(&text).map(|()| text).map_err(|_| "expected 2 to 200 characters")
}

/// A mail's state, as it is written on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Status {
    Pending,
    Dead,
    Sent,
}

impl From<Status> for MailStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Pending => Self::Pending,
            Status::Dead => Self::Dead,
            Status::Sent => Self::Sent,
        }
    }
}

/// What to do with the mail queue.
#[derive(Debug, Subcommand)]
pub(crate) enum OutboxCommand {
    /// List mails, newest first
    List {
        /// Only mails in this state
        #[arg(long)]
        status: Option<Status>,
        /// As a JSON array, one mail per line
        #[arg(long)]
        json: bool,
    },
    /// Try dead letters again, at once
    Requeue {
        /// The mail's id, as `outbox list` shows it
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<MailId>,
        /// Every dead letter
        #[arg(long)]
        all: bool,
    },
}

/// What to do with stored events.
#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// Apply a stored event once more; one that had its effect has none again
    Replay {
        /// Stripe's id of the event, evt_…
        id: String,
    },
}

/// The settings that a command reads, by its name on the command line.
fn groups(command: &str) -> &'static [Group] {
    match command {
        "serve" => config::ServeConfig::GROUPS,
        "worker" => config::WorkerConfig::GROUPS,
        "dev" => &[Group::Server, Group::Limits, Group::Orders, Group::Log, Group::Telemetry],
        "reconcile" => config::PaymentsConfig::GROUPS,
        "events" => config::EventsConfig::GROUPS,
        "seed-demo" => &[Group::Database, Group::Images, Group::Outbound, Group::Log],
        _ => config::StoreConfig::GROUPS,
    }
}

/// Where a command has other defaults than the table of settings.
fn own_defaults(command: &str) -> Layer {
    if command == "dev" { config::dev_defaults(Path::new(config::DEV_HOME)) } else { Layer::new() }
}

/// What to run, and with which settings.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) command: Command,
    pub(crate) values: Values,
    /// `ADMIN_PASSWORD`, for `create-admin`: no setting, since it is neither a flag nor kept in a file.
    pub(crate) admin_password: Option<SecretString>,
}

/// Why there is nothing to run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Somebody asked for this text.
    Help(String),
    /// What is wrong, in one line.
    Wrong(String),
}

/// Reads the command line, the environment and the TOML file.
///
/// `env` looks up a variable, `directory` is where `spicyjump.toml` may lie.
///
/// # Errors
/// [`Stop`], when there is nothing to run.
pub(crate) fn parse(
    args: impl IntoIterator<Item = OsString>,
    env: impl Fn(&str) -> Option<String>,
    directory: &Path,
) -> Result<Invocation, Stop> {
    let matches = command().try_get_matches_from(with_default_command(args)).map_err(|error| stop(&error))?;
    let command = Cli::from_arg_matches(&matches).map_err(|error| stop(&error))?.command;
    let (_, chosen) = matches.subcommand().ok_or_else(|| Stop::Wrong("no command".to_owned()))?;

    let default = Some(directory.join("spicyjump.toml")).filter(|path| path.exists());
    let named = chosen.get_one::<PathBuf>("config").cloned();
    let path = named
        .or_else(|| env("SPICYJUMP_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from))
        .or(default);
    let file = path
        .map(|path| config::read_file(&path))
        .transpose()
        .map_err(|error| Stop::Wrong(error.to_string()))?;
    let admin_password = env("ADMIN_PASSWORD").filter(|password| !password.is_empty()).map(Into::into);
    Ok(Invocation { command, values: Values::new(flags(chosen), env, file), admin_password })
}

/// `spicyjump` and `spicyjump --no-workers` mean `serve`.
fn with_default_command(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    let first = args.get(1).map(|arg| arg.to_string_lossy().into_owned());
    let explicit = first.is_some_and(|arg| {
        !arg.starts_with('-') || matches!(arg.as_str(), "-h" | "--help" | "-V" | "--version")
    });
    if !explicit {
        args.insert(args.len().min(1), "serve".into());
    }
    args
}

fn command() -> clap::Command {
    Cli::command().mut_subcommands(|command| {
        let groups = groups(command.get_name());
        let own = own_defaults(command.get_name());
        let config = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .help("Read settings from this TOML file [env: SPICYJUMP_CONFIG] [default: spicyjump.toml, if it exists]")
            .value_parser(clap::value_parser!(PathBuf))
            .global(true);
        let settings = SETTINGS.iter().filter(|setting| groups.contains(&setting.group)).map(|setting| {
            let default = own.get(setting.name).map(String::as_str).or(setting.default);
            let default = default.map_or(String::new(), |default| format!(" [default: {default}]"));
            let arg = Arg::new(setting.name)
                .long(setting.flag())
                .value_name(setting.value)
                .help(format!("{} [env: {}]{default}", setting.help, setting.name))
                .help_heading(setting.group.to_string())
                .action(ArgAction::Set)
                .global(true);
            let is_switch = setting.value == "true|false";
            if is_switch { arg.num_args(0..=1).default_missing_value("true") } else { arg }
        });
        command.arg(config).args(settings)
    })
}

fn flags(matches: &ArgMatches) -> Layer {
    let value = |name: &str| matches.try_get_one::<String>(name).ok().flatten().cloned();
    SETTINGS.iter().filter_map(|setting| Some((setting.name, value(setting.name)?))).collect()
}

/// clap explains itself over several lines; the first paragraph says it all.
fn stop(error: &clap::Error) -> Stop {
    let text = error.render().to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return Stop::Help(text);
    }
    let paragraph =
        text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let reason = paragraph.strip_prefix("error: ").unwrap_or(&paragraph);
    Stop::Wrong(format!("{reason} (see `spicyjump --help`)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str], env: &[(&str, &str)]) -> Result<Invocation, Stop> {
        let env = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        let directory = tempfile::tempdir().unwrap();
        parse(
            std::iter::once("spicyjump").chain(args.iter().copied()).map(OsString::from),
            env,
            directory.path(),
        )
    }

    #[test]
    fn every_command_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn serves_when_no_command_is_named() {
        for args in [&[][..], &["--no-workers"], &["serve"], &["--bind-addr", "127.0.0.1:1"]] {
            assert!(matches!(run(args, &[]).unwrap().command, Command::Serve(_)), "{args:?}");
        }
    }

    #[test]
    fn a_wrong_call_is_explained_in_one_line() {
        let cases = [
            (&["fly"][..], "unrecognized subcommand 'fly'"),
            (&["serve", "--wings"], "unexpected argument '--wings' found"),
            (&["create-admin", "--name", "Kim"], "required arguments were not provided: --email <EMAIL>"),
            (
                &["create-admin", "--name", "Kim", "--email", "kim"],
                "invalid value 'kim' for '--email <EMAIL>': expected an e-mail address",
            ),
            (
                &["create-admin", "--name", " K ", "--email", "kim@example.com"],
                "for '--name <NAME>': expected 2 to 200 characters",
            ),
            (&["outbox", "list", "--status", "lost"], "invalid value 'lost' for '--status <STATUS>'"),
            (&["outbox", "requeue"], "required arguments were not provided"),
            (&["migrate", "--bind-addr", "127.0.0.1:1"], "unexpected argument '--bind-addr' found"),
            (&["reconcile", "--older-than", "soon"], "invalid value 'soon'"),
        ];
        for (args, expected) in cases {
            let Err(Stop::Wrong(line)) = run(args, &[]) else { panic!("{args:?} was accepted") };
            assert!(line.contains(expected) && !line.contains('\n'), "{args:?}: {line}");
        }
    }

    #[test]
    fn help_shows_settings_with_their_defaults_but_no_values_from_the_environment() {
        let secret = "a-secret-that-nobody-may-see-0123456789";
        let Err(Stop::Help(help)) = run(&["serve", "--help"], &[("JWT_SECRET", secret)]) else {
            panic!("no help")
        };
        assert!(
            help.contains("--db-pool-size <N>") && help.contains("[env: DB_POOL_SIZE] [default: 10]"),
            "{help}"
        );
        assert!(help.contains("Mail (SMTP):") && !help.contains(secret), "{help}");
    }

    #[test]
    fn help_of_dev_shows_its_own_defaults() {
        let Err(Stop::Help(help)) = run(&["dev", "--help"], &[]) else { panic!("no help") };
        for (name, default) in [
            ("RATE_LIMIT_PER_HOUR", "0"),
            ("RATE_LIMIT_LOGIN_PER_MINUTE", "0"),
            ("LOG_FILE", ".data/app.log"),
            ("BIND_ADDR", "127.0.0.1:8080"),
            (
                "CORS_ORIGINS",
                "https://spicyjump.com,https://www.spicyjump.com,http://localhost:3000,http://localhost:5173",
            ),
        ] {
            assert!(help.contains(&format!("[env: {name}] [default: {default}]")), "{name}: {help}");
        }
    }

    #[test]
    fn help_of_the_program_shows_examples_and_a_version() {
        let Err(Stop::Help(help)) = run(&["--help"], &[]) else { panic!("no help") };
        assert!(help.contains("spicyjump dev") && help.contains("create-admin"), "{help}");
        assert!(matches!(run(&["--version"], &[]), Err(Stop::Help(text)) if text.starts_with("spicyjump ")));
    }

    #[test]
    fn settings_are_taken_after_a_nested_command_too() {
        let url = "postgres://shop@localhost/shop";
        let values = run(&["outbox", "list", "--database-url", url], &[]).unwrap().values;
        config::load::<config::StoreConfig>(&values).unwrap();
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let wrong = run(&["migrate", "--config", "/nowhere/shop.toml"], &[]).unwrap_err();
        assert!(matches!(wrong, Stop::Wrong(line) if line.starts_with("/nowhere/shop.toml: cannot be read")));
    }
}

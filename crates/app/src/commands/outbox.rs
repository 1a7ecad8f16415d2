//! `spicyjump outbox`

use spicyjump_domain::{
    ids::MailId,
    mail::{MailStatus, MailSummary, Outbox},
};
use spicyjump_postgres::PgOutbox;

use crate::{
    adapters,
    cli::OutboxCommand,
    config::{self, StoreConfig, Values},
    failure::Failure,
    logging::{self, Terminal},
    printer,
};

/// The most mails that are listed: what is interesting is at the top.
const LISTED: u32 = 1000;

/// Lists mails, or makes dead letters pending again.
pub(super) async fn run(values: &Values, command: &OutboxCommand) -> Result<(), Failure> {
    let config: StoreConfig = config::load(values)?;
    let _log = logging::start(&config.log, Terminal::Stderr)?;
    let outbox = PgOutbox::new(adapters::database(&config)?);
    match *command {
        OutboxCommand::List { status, json } => list(&outbox, status.map(Into::into), json).await,
        OutboxCommand::Requeue { id, .. } => requeue(&outbox, id).await,
    }
}

async fn list(outbox: &dyn Outbox, status: Option<MailStatus>, json: bool) -> Result<(), Failure> {
    let mails = outbox.list(status, LISTED).await.map_err(|failure| Failure::store("outbox", &failure))?;
    if json {
        // One array, one mail to a line: for `jq` as for `grep`.
        let mails: Result<Vec<String>, _> = mails.iter().map(serde_json::to_string).collect();
        let mails = mails.map_err(|error| Failure::because("outbox", &error))?;
        printer::line(format_args!("[{}]", mails.join(",\n")));
        return Ok(());
    }
    printer::line(format_args!(
        "{:>8}  {:<7}  {:<18}  {:>5}  {:<20}  {:<20}  {}",
        "ID", "STATUS", "KIND", "TRIES", "QUEUED", "TO", "LAST ERROR"
    ));
    for mail in &mails {
        printer::line(row(mail));
    }
    Ok(())
}

fn row(mail: &MailSummary) -> String {
    let status = match mail.status {
        MailStatus::Pending => "pending",
        MailStatus::Dead => "dead",
        MailStatus::Sent => "sent",
    };
    let MailSummary { id, kind, to, attempts, last_error, created_at, .. } = mail;
    let queued = created_at.replace_nanosecond(0).unwrap_or(*created_at);
    let queued = queued.format(&time::format_description::well_known::Rfc3339).unwrap_or_default();
    let error = last_error.as_deref().unwrap_or_default().replace('\n', " ");
    let row = format!("{id:>8}  {status:<7}  {kind:<18}  {attempts:>5}  {queued:<20}  {to:<20}  {error}");
    row.trim_end().to_owned()
}

/// `None`: every dead letter.
async fn requeue(outbox: &dyn Outbox, id: Option<MailId>) -> Result<(), Failure> {
    let count = outbox.requeue(id).await.map_err(|failure| Failure::store("outbox", &failure))?;
    if let (Some(id), 0) = (id, count) {
        return Err(Failure::Run(format!("there is no dead letter {id}")));
    }
    let noun = if count == 1 { "mail" } else { "mails" };
    printer::line(format_args!("{count} {noun} will be tried again"));
    Ok(())
}

//! One event, one line.

use std::{fmt, sync::Arc};

use spicyjump_domain::clock::Clock;
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, format::Writer},
    registry::{LookupSpan, Scope},
};

use super::fields::{Gather, Json, Text, json_string, one_line};

const TEXT_TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second],[subsecond digits:3]");
const JSON_TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// `2025-11-19 10:00:00,000 [INFO] spicyjump::http: message key=value request_id=…`, in UTC.
pub(super) struct TextLines {
    pub(super) clock: Arc<dyn Clock>,
}

/// `{"time":"…Z","level":"INFO","target":"spicyjump::http","message":"…","key":"value","request_id":"…"}`
pub(super) struct JsonLines {
    pub(super) clock: Arc<dyn Clock>,
}

impl<S, N> FormatEvent<S, N> for TextLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut gather = Gather::new(Text);
        event.record(&mut gather);
        let metadata = event.metadata();
        let time = formatted(self.clock.now(), TEXT_TIME)?;
        write!(to, "{time} [{}] {}: ", metadata.level(), Target(metadata.target()))?;
        one_line(&gather.message, &mut to)?;
        to.write_str(&gather.fields)?;
        span_fields(context, &mut to)?;
        writeln!(to)
    }
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut gather = Gather::new(Json);
        event.record(&mut gather);
        let metadata = event.metadata();
        let time = formatted(self.clock.now(), JSON_TIME)?;
        let target = json_string(&Target(metadata.target()).to_string())?;
        write!(to, r#"{{"time":"{time}","level":"{}","target":{target}"#, metadata.level())?;
        write!(to, r#","message":{}"#, json_string(&gather.message)?)?;
        to.write_str(&gather.fields)?;
        span_fields(context, &mut to)?;
        writeln!(to, "}}")
    }
}

fn formatted(time: OffsetDateTime, format: &[BorrowedFormatItem<'_>]) -> Result<String, fmt::Error> {
    time.format(format).map_err(|_| fmt::Error)
}

/// The fields of all spans around the event, the outermost first: `request_id` is among them.
fn span_fields<S, N>(context: &FmtContext<'_, S, N>, to: &mut Writer<'_>) -> fmt::Result
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
        if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
            to.write_str(&fields.fields)?;
        }
    }
    Ok(())
}

/// Our crates under one name: `spicyjump_http::orders` is shown as `spicyjump::http::orders`.
struct Target<'a>(&'a str);

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.strip_prefix("spicyjump_") {
            Some(rest) => write!(f, "spicyjump::{rest}"),
            None => f.write_str(self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use time::macros::datetime;
    use tracing::{info, info_span, warn};
    use tracing_subscriber::fmt::writer::MakeWriter;

    use super::*;

    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> OffsetDateTime {
            datetime!(2025-11-19 10:00:00.012_345 UTC)
        }
    }

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Sink {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn text(events: impl FnOnce()) -> String {
        let sink = Sink::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(sink.clone())
            .fmt_fields(Text)
            .event_format(TextLines { clock: Arc::new(Noon) })
            .finish();
        tracing::subscriber::with_default(subscriber, events);
        String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
    }

    fn json(events: impl FnOnce()) -> String {
        let sink = Sink::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(sink.clone())
            .fmt_fields(Json)
            .event_format(JsonLines { clock: Arc::new(Noon) })
            .finish();
        tracing::subscriber::with_default(subscriber, events);
        String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
    }

    fn a_request() {
        let span = info_span!("request", request_id = "0b5", user = tracing::field::Empty);
        let _entered = span.enter();
        span.record("user", 7);
        info!(target: "spicyjump_http", ms = 1, "GET /v1/products - 200 - 1.23ms");
    }

    #[test]
    fn a_line_of_text_has_the_contracts_form() {
        assert_eq!(
            text(a_request),
            "2025-11-19 10:00:00,012 [INFO] spicyjump::http: GET /v1/products - 200 - 1.23ms ms=1 request_id=0b5 user=7\n"
        );
    }

    #[test]
    fn a_line_of_json_holds_the_same() {
        assert_eq!(
            json(a_request),
            concat!(
                r#"{"time":"2025-11-19T10:00:00.012345Z","level":"INFO","target":"spicyjump::http","#,
                r#""message":"GET /v1/products - 200 - 1.23ms","ms":1,"request_id":"0b5","user":7}"#,
                "\n"
            )
        );
    }

    #[test]
    fn what_a_client_sent_cannot_forge_a_line() {
        let forged = "/\n2025-11-19 10:00:00,000 [INFO] spicyjump::http: forged\u{1b}[2J\r";
        let events = || {
            let _span = info_span!("request", request_id = forged).entered();
            warn!(path = %forged, "GET {forged}");
        };
        let (text, json) = (text(events), json(events));
        for log in [&text, &json] {
            assert_eq!(log.lines().count(), 1, "{log}");
            assert!(log.trim_end().chars().all(|c| !c.is_control()), "{log:?}");
        }
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["path"], forged);
    }
}

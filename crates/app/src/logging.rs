//! The log: to the terminal and to a file that rotates, as text or as JSON lines.
//!
//! Lines are formatted once, on the thread where the event happened, and written by a thread of their own, so that
//! neither a slow disk nor a slow terminal holds up a request.

mod fields;
mod format;
mod rolling;

use std::{io, panic, path::Path, sync::Arc, thread, time::Duration};

use spicyjump_domain::clock::Clock;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    fmt::{
        self,
        writer::{BoxMakeWriter, MakeWriterExt as _},
    },
    layer::SubscriberExt as _,
    registry,
    util::SubscriberInitExt as _,
};

use crate::{
    clock::SystemClock,
    config::{ConfigError, Log, LogFormat, Outbound, Telemetry},
    failure::Failure,
    traces::{self, Traces},
};
use format::{JsonLines, TextLines};
use rolling::RollingFile;

/// Lines that may wait for the disk. When it is slower than that for long, lines are dropped rather than requests.
const WAITING_LINES: usize = 16_384;

/// What is written at once under load.
const BUFFER_BYTES: usize = 64 * 1024;

/// Lines that come within that time are written together.
const PACE: Duration = Duration::from_millis(5);

/// Writes what still waits when it is dropped: keep it until the end of the command.
#[must_use]
#[derive(Debug)]
pub(crate) struct LogGuard {
    /// Dropped first: what becomes of the last traces is logged.
    _traces: Option<Traces>,
    _writers: Vec<WorkerGuard>,
}

/// Where lines go beside the log file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Terminal {
    /// For what runs until it is stopped.
    Stdout,
    /// For a command whose output is something else.
    Stderr,
}

/// Starts the log, and sends panics to it.
///
/// # Errors
/// When the log file cannot be opened, or there is a log already.
pub(crate) fn start(log: &Log, terminal: Terminal) -> Result<LogGuard, Failure> {
    begin(log, terminal, None)
}

/// Starts the log, and traces where a collector is configured.
///
/// # Errors
/// As [`start`], and a setting of traces that cannot be used.
pub(crate) fn start_with_traces(
    log: &Log,
    telemetry: &Telemetry,
    outbound: &Outbound,
) -> Result<LogGuard, Failure> {
    begin(log, Terminal::Stdout, Traces::start(telemetry, outbound)?)
}

fn begin(log: &Log, terminal: Terminal, traces: Option<Traces>) -> Result<LogGuard, Failure> {
    let (terminal, guard) = match terminal {
        Terminal::Stdout => in_background(io::stdout()),
        Terminal::Stderr => in_background(io::stderr()),
    };
    let mut writers = vec![guard];
    let writer = if let Some(path) = &log.file {
        let file = RollingFile::open(path).map_err(|error| unwritable(path, &error))?;
        let (file, guard) = in_background(file);
        writers.push(guard);
        BoxMakeWriter::new(terminal.and(file))
    } else {
        BoxMakeWriter::new(terminal)
    };
    subscribe(log, writer, Arc::new(SystemClock), traces.as_ref())
        .map_err(|error| Failure::because("the log could not start", &error))?;
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(target: "spicyjump::panic", %place, "panicked: {message}");
    }));
    Ok(LogGuard { _traces: traces, _writers: writers })
}

fn unwritable(path: &Path, error: &io::Error) -> ConfigError {
    ConfigError::Useless { name: "LOG_FILE", reason: format!("cannot write to {}: {error}", path.display()) }
}

fn in_background(writer: impl io::Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    let writer = Paced(io::BufWriter::with_capacity(BUFFER_BYTES, writer));
    NonBlockingBuilder::default().lossy(true).buffered_lines_limit(WAITING_LINES).finish(writer)
}

/// Is flushed whenever no line waits: one system call for all that came meanwhile, and never half a line. It rests after
/// that: a thread that waits for each line has to be woken for each line.
struct Paced<W>(W);

impl<W: io::Write> io::Write for Paced<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()?;
        thread::sleep(PACE);
        Ok(())
    }
}

fn subscribe(
    log: &Log,
    writer: BoxMakeWriter,
    clock: Arc<dyn Clock>,
    traces: Option<&Traces>,
) -> io::Result<()> {
    // actix tells of every start and stop of its threads, and of every port scan as an error of its own, which
    // `spicyjump::http` logs as a refusal; what is measured for traces is not for the log.
    let quiet = "actix_server=warn,actix_http::h1::dispatcher=off";
    let filter = format!("{quiet},{}=off,{}", traces::TARGET, log.filter);
    let filter = EnvFilter::builder().parse(filter).map_err(io::Error::other)?;
    let lines = fmt::layer().with_writer(writer).with_ansi(false);
    match log.format {
        LogFormat::Text => {
            let lines = lines.fmt_fields(fields::Text).event_format(TextLines { clock });
            install(lines, filter, traces)
        }
        LogFormat::Json => {
            let lines = lines.fmt_fields(fields::Json).event_format(JsonLines { clock });
            install(lines, filter, traces)
        }
    }
}

fn install(
    lines: impl Layer<Registry> + Send + Sync + 'static,
    filter: EnvFilter,
    traces: Option<&Traces>,
) -> io::Result<()> {
    let done = match traces {
        Some(traces) => registry().with(lines.with_filter(filter)).with(traces.layer()).try_init(),
        // One filter for everything: what it refuses costs nothing at all.
        None => registry().with(lines).with(filter).try_init(),
    };
    done.map_err(io::Error::other)
}

//! The table, and its place in the documentation.

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use crate::{
    machine::{self, Cpu},
    wrk::Load,
};

/// A row of the table.
#[derive(Clone, Debug, Default)]
pub struct Line {
    pub work: String,
    /// What was measured, with its unit.
    pub here: String,
    pub latency: Option<Latency>,
    /// What the machine can do, with its unit, and how it was measured.
    pub limit: String,
    pub ratio: Option<f64>,
    pub aim: &'static str,
    pub cpu: Option<Cpu>,
    pub note: String,
}

/// In milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// A load and the processor time that went into it.
#[derive(Clone, Debug)]
pub struct Measured {
    pub load: Load,
    pub cpu: Cpu,
}

impl Line {
    /// A load of the shop.
    #[must_use]
    pub fn of(work: impl Into<String>, measured: &Measured) -> Self {
        let Load { rate, p50_ms, p99_ms, refused, broken, .. } = measured.load;
        let mut note = String::new();
        for (count, what) in [(refused, "refused"), (broken, "broken")] {
            if count > 0 {
                let _ = write!(note, "{} {what}. ", thousands(count as f64));
            }
        }
        Self {
            work: work.into(),
            here: per_second(rate),
            latency: Some(Latency { p50_ms, p99_ms }),
            cpu: Some(measured.cpu),
            note,
            ..Self::default()
        }
    }

    /// Beside what the machine can do.
    #[must_use]
    pub fn beside(self, how: &str, rate: f64, measured: &Measured, aim: &'static str) -> Self {
        let limit = format!("{how}: {}", per_second(rate));
        Self { limit, ratio: Some(measured.load.rate / rate), aim, ..self }
    }

    /// With a remark.
    #[must_use]
    pub fn noting(mut self, note: &str) -> Self {
        self.note.push_str(note);
        self
    }

    /// Without the table around it.
    #[must_use]
    pub fn in_words(&self) -> String {
        self.cells().into_iter().filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join(" · ")
    }

    fn cells(&self) -> [String; 9] {
        let milliseconds =
            |time: fn(&Latency) -> f64| self.latency.as_ref().map(|latency| figure(time(latency)));
        let cpu = self.cpu.map(|cpu| format!("{:.0} / {:.0} / {:.0}", cpu.server, cpu.postgres, cpu.load));
        [
            self.work.clone(),
            self.here.clone(),
            milliseconds(|latency| latency.p50_ms).unwrap_or_default(),
            milliseconds(|latency| latency.p99_ms).unwrap_or_default(),
            self.limit.clone(),
            self.ratio.map(|ratio| format!("**{}**", figure(ratio))).unwrap_or_default(),
            self.aim.to_owned(),
            cpu.unwrap_or_default(),
            self.note.trim_end().to_owned(),
        ]
    }
}

const HEADER: &str = "\
| work | here | p50 ms | p99 ms | limit beside it | ratio | aim | CPU | |
|---|--:|--:|--:|---|--:|---|---|---|
";

/// The measured part of the page.
#[must_use]
pub fn section(lines: &[Line], audit: &str, products: u32, took: Duration) -> String {
    #[expect(clippy::disallowed_methods, reason = "the day of the measurement")]
    let today = time::OffsetDateTime::now_utc().date();
    let mut text = format!(
        "Measured on {today} by `make bench` in {} s, all in one run, with {} products.\n\
         Machine: {}; the load runs on the same cores.\n\
         {}, `fsync` and `synchronous_commit` on, defaults otherwise.\n\
         CPU is server / PostgreSQL / load generator, in percent of one core.\n\
         The books afterwards: {}.\n\n{HEADER}",
        took.as_secs(),
        thousands(f64::from(products)),
        machine::described(),
        "PostgreSQL of the machine",
        audit.trim().lines().last().unwrap_or_default().trim_end_matches('.'),
    );
    for line in lines {
        let _ = writeln!(text, "| {} |", line.cells().join(" | "));
    }
    text
}

const BEGIN: &str = "<!-- measured by make bench: begin -->";
const END: &str = "<!-- measured by make bench: end -->";

/// Puts the measured part into the page in place of the last one; the rest of the page stays.
pub fn replace(page: &Path, measured: &str) {
    let old = fs::read_to_string(page).expect("the page is there");
    let (before, rest) = old.split_once(BEGIN).expect("the page has a place for it");
    let (_, after) = rest.split_once(END).expect("the place ends");
    fs::write(page, format!("{before}{BEGIN}\n{measured}{END}{after}")).expect("a writable page");
}

fn per_second(rate: f64) -> String {
    format!("{}/s", thousands(rate))
}

/// `12,345`
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Two digits that matter.
fn figure(number: f64) -> String {
    if number < 10.0 { format!("{number:.2}") } else { format!("{number:.1}") }
}

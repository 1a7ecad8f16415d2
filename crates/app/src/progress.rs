//! How far a long command has come, on standard error.

use std::io::{self, IsTerminal as _, Write as _};

/// Characters of a whole bar.
const WIDTH: u64 = 30;

/// A bar that grows on one line of a terminal; elsewhere, such as in a log, a line for each step.
pub(crate) struct Progress {
    total: u64,
    things: &'static str,
    terminal: bool,
}

impl Progress {
    /// Nothing is done yet of `total` things.
    pub(crate) fn of(total: u64, things: &'static str) -> Self {
        Self { total, things, terminal: io::stderr().is_terminal() }
    }

    /// So many are done. Nobody to read it is no reason to stop.
    pub(crate) fn show(&mut self, done: u64) {
        let bar = bar(done, self.total, self.things);
        let _ = if self.terminal {
            write!(io::stderr(), "\r{bar}").and_then(|()| io::stderr().flush())
        } else {
            writeln!(io::stderr(), "{bar}")
        };
    }

    /// Leaves the line.
    pub(crate) fn end(self) {
        if self.terminal {
            let _ = writeln!(io::stderr());
        }
    }
}

fn bar(done: u64, total: u64, things: &str) -> String {
    // A share of nothing is all of it.
    let share = |of: u64| done.min(total).saturating_mul(of).checked_div(total).unwrap_or(of);
    let full = "#".repeat(usize::try_from(share(WIDTH)).unwrap_or_default());
    let (width, percent) = (usize::try_from(WIDTH).unwrap_or_default(), share(100));
    format!("[{full:-<width$}] {percent:>3} %  {done} of {total} {things}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_grows_with_what_is_done() {
        for (done, total, want) in [
            (0, 1_000_000, "[------------------------------]   0 %  0 of 1000000 products"),
            (20_000, 1_000_000, "[------------------------------]   2 %  20000 of 1000000 products"),
            (340_000, 1_000_000, "[##########--------------------]  34 %  340000 of 1000000 products"),
            (999_999, 1_000_000, "[#############################-]  99 %  999999 of 1000000 products"),
            (7, 7, "[##############################] 100 %  7 of 7 products"),
            (9, 7, "[##############################] 100 %  9 of 7 products"),
        ] {
            assert_eq!(bar(done, total, "products"), want);
        }
    }
}

//! What a command answers, on standard output.

use std::{
    fmt,
    io::{self, Write as _},
};

/// Prints a line. A reader that has seen enough, such as `head`, closes the pipe: that is no failure.
pub(crate) fn line(text: impl fmt::Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

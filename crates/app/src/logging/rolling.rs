//! A log file that moves aside when it is full: `app.log` is always the live one, `app.log.1` the one before.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// How large a file grows.
const MAX_BYTES: u64 = 50 * 1024 * 1024;
/// How many older files are kept.
const KEPT: u32 = 7;

/// Appends to a file, and renames it out of the way before it grows too large.
#[derive(Debug)]
pub(super) struct RollingFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    max_bytes: u64,
}

impl RollingFile {
    /// # Errors
    /// When the file cannot be opened for appending.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = append(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, bytes, max_bytes: MAX_BYTES })
    }

    /// `app.log.2` for 2, the live file for 0.
    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        if number > 0 {
            name.push(format!(".{number}"));
        }
        name.into()
    }

    fn roll(&mut self) -> io::Result<()> {
        for number in (0..KEPT).rev() {
            let from = self.numbered(number);
            if from.exists() {
                fs::rename(from, self.numbered(number + 1))?;
            }
        }
        self.file = append(&self.path)?;
        self.bytes = 0;
        Ok(())
    }
}

impl Write for RollingFile {
    /// Takes whole lines, as the log hands them over, so a line is never split over two files.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if self.bytes > 0 && self.bytes.saturating_add(length) > self.max_bytes {
            // Where renaming is not allowed, a file that is too long is better than none.
            if self.roll().is_err() {
                self.bytes = 0;
            }
        }
        self.file.write_all(line)?;
        self.bytes = self.bytes.saturating_add(length);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_live_name_and_a_bounded_number_of_older_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.log");
        let mut log = RollingFile { max_bytes: 10, ..RollingFile::open(&path).unwrap() };
        for number in 0..40 {
            writeln!(log, "line {number}").unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "line 39\n");
        assert_eq!(fs::read_to_string(directory.path().join("app.log.1")).unwrap(), "line 38\n");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 8);
    }

    #[test]
    fn goes_on_where_the_last_run_stopped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.log");
        for line in ["first", "second"] {
            writeln!(RollingFile::open(&path).unwrap(), "{line}").unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "first\nsecond\n");
    }
}

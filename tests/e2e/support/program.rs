//! The built program, and its commands.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use tokio::process::Command;

/// A setting and its value, as the environment has them.
pub type Setting = (&'static str, String);

/// Where the program lies: `SPICYJUMP_BIN`, or beside the running test in `target/debug`.
#[must_use]
pub fn path() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "make test names the program it built")]
    let named = std::env::var("SPICYJUMP_BIN").ok().map(PathBuf::from);
    named.unwrap_or_else(|| {
        let test = std::env::current_exe().expect("a test is a file");
        let profile = test.ancestors().nth(2).expect("target/debug/deps/test");
        profile.join("spicyjump")
    })
}

/// A command that sees these settings and nothing else of this environment.
#[must_use]
pub fn command<S: AsRef<OsStr>>(arguments: &[S], settings: &[Setting], directory: &Path) -> Command {
    let program = path();
    assert!(program.exists(), "build the program first: {} is missing", program.display());
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .current_dir(directory)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Runs a command to its end.
pub async fn run<S: AsRef<OsStr>>(arguments: &[S], settings: &[Setting], directory: &Path) -> Output {
    command(arguments, settings, directory).output().await.expect("the program can be run")
}

/// What a command wrote, both streams.
#[must_use]
pub fn words(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

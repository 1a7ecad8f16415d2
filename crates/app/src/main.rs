//! The program: reads its configuration, builds the adapters, wires them to the use cases, runs what was asked for.
//!
//! Start reading at [`cli`] for what there is to run, at [`config`] for what it needs, and at `commands` for how it is put
//! together. No rule of the shop is here, and no other crate reads the environment.

mod adapters;
mod cli;
mod clock;
mod commands;
mod config;
mod demo;
mod failure;
mod listen;
mod logging;
mod printer;
mod progress;
mod roots;
mod services;
mod shutdown;
mod traces;
mod wiring;
mod workers;

use std::{
    env,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use cli::Stop;
use failure::Failure;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WRONGLY_CALLED: u8 = 2;

fn main() -> ExitCode {
    // Pages of 2 MiB would double the memory of a server that waits. Where it cannot be said, they do no harm.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let env = |name: &str| env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let invocation = match cli::parse(env::args_os(), env, Path::new(".")) {
        Ok(invocation) => invocation,
        Err(Stop::Help(text)) => {
            // A reader that has seen enough, such as `head`, closes the pipe.
            let _ = io::stdout().write_all(text.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(Stop::Wrong(line)) => {
            eprintln!("spicyjump: {line}");
            return ExitCode::from(WRONGLY_CALLED);
        }
    };
    match commands::run(invocation) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("spicyjump: {failure}");
            match failure {
                Failure::Config(_) => ExitCode::from(WRONGLY_CALLED),
                Failure::Run(_) => ExitCode::FAILURE,
            }
        }
    }
}

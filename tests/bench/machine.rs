//! What the kernel says about time and memory.

use std::{fs, time::Instant};

/// `USER_HZ`, which is 100 on every architecture that Rust's standard library still builds for.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time of a stretch, in percent of one core.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    pub server: f64,
    pub postgres: f64,
    /// The load itself: `wrk` or `pgbench`.
    pub load: f64,
}

/// Takes the processor time from now on.
pub struct Stopwatch {
    server: u32,
    postmaster: u32,
    before: [u64; 3],
    at: Instant,
}

impl Stopwatch {
    /// Starts it for these processes; children of ours that ended meanwhile are the load.
    #[must_use]
    pub fn start(server: u32, postmaster: u32) -> Self {
        Self { server, postmaster, before: used(server, postmaster), at: Instant::now() }
    }

    /// Stops it.
    #[must_use]
    pub fn stop(&self) -> Cpu {
        let elapsed = self.at.elapsed().as_secs_f64() * TICKS_PER_SECOND;
        let after = used(self.server, self.postmaster);
        let [server, postgres, load] = [0, 1, 2]
            .map(|part: usize| after[part].saturating_sub(self.before[part]) as f64 * 100.0 / elapsed);
        Cpu { server, postgres, load }
    }
}

/// Ticks of the server, of `PostgreSQL` and of our ended children.
fn used(server: u32, postmaster: u32) -> [u64; 3] {
    let (own, _) = ticks(server);
    let (main, ended) = ticks(postmaster);
    let backends: u64 = children(postmaster).into_iter().map(|child| ticks(child).0).sum();
    let (_, load) = ticks(std::process::id());
    [own, main + ended + backends, load]
}

/// Ticks that a process used itself, and those of its ended children (proc(5), `stat`, fields 14 to 17).
fn ticks(pid: u32) -> (u64, u64) {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<u64> = fields(&stat).map(|field| field.parse().unwrap_or_default()).collect();
    let sum = |from: usize| fields.iter().skip(from).take(2).sum();
    (sum(11), sum(13))
}

/// What follows the name, which may hold anything: from field 3 on.
fn fields(stat: &str) -> impl Iterator<Item = &str> {
    stat.rsplit(')').next().unwrap_or_default().split_whitespace()
}

fn children(parent: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        fields(&stat).nth(1).is_some_and(|ppid| ppid == parent.to_string())
    })
    .collect()
}

/// Memory of a process in MB (proportional set size); `None` once it is gone.
#[must_use]
pub fn pss_mb(pid: u32) -> Option<f64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024.0 / 1_000_000.0)
}

/// The machine in one line.
#[must_use]
pub fn described() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("an unknown processor");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = read("/proc/meminfo");
    let kib = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
    let gib: f64 = kib.unwrap_or(0.0) / 1024.0 / 1024.0;
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "{cores} cores of {}, {gib:.0} GiB, Linux {}",
        model.trim_start_matches([' ', '\t', ':']),
        kernel.trim()
    )
}

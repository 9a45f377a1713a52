//! The processor time of a process, as Linux counts it.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};

/// User and system time so far, of all threads that the process has had, in ticks of 10 ms.
pub fn in_ticks(process: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // Behind the name in parentheses: fields 14 and 15 are user and system time in ticks (proc_pid_stat(5)).
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks: u64 = after_name.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// The time on a processor so far of the threads that the process has, exact while it sleeps. Source: Linux, "Scheduler
/// Statistics", `/proc/<pid>/schedstat`: the first number is nanoseconds on a processor.
pub fn exactly(process: u32) -> Result<Duration> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let statistics = fs::read_to_string(thread?.path().join("schedstat"))?;
        let on_cpu = statistics.split(' ').next().and_then(|number| number.parse::<u64>().ok());
        nanoseconds += on_cpu.context("schedstat begins with a number")?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// The time that the machine's processors were not idle, in ticks of 10 ms.
pub fn of_machine() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let of_all = stat.lines().next().unwrap_or_default();
    // Behind the name: user, nice, system, idle, iowait, irq, softirq and steal time in ticks (proc_stat(5)). Guests are in user.
    let ticks: Vec<u64> =
        of_all.split_ascii_whitespace().skip(1).take(8).filter_map(|ticks| ticks.parse().ok()).collect();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    Ok(Duration::from_millis((ticks.iter().sum::<u64>() - idle) * 10))
}

/// The process that was started with all these arguments.
pub fn with_arguments(arguments: &[&str]) -> Result<u32> {
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let id = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        // A process may have ended meanwhile.
        let (Some(id), Ok(command)) = (id, fs::read_to_string(path.join("cmdline"))) else { continue };
        let has = |argument: &&str| command.split('\0').any(|given| given.ends_with(argument));
        if arguments.iter().all(has) {
            return Ok(id);
        }
    }
    anyhow::bail!("no process with the arguments {arguments:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_of_this_process_counts_both_ways() {
        let process = std::process::id();
        let before = exactly(process).unwrap();
        let mut sum = 0_u64;
        while in_ticks(process).unwrap() < Duration::from_millis(30) {
            sum = std::hint::black_box(sum.wrapping_mul(31) + 1);
        }
        assert!(exactly(process).unwrap() > before);
    }
}

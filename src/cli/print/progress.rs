//! A bar on the terminal while work is long, and log lines above it.

use std::{
    io::{IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{pipeline::World, task};

/// The bar that is on the terminal now: log lines are written above it.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Standard error for log lines, each on a line of its own.
pub struct LogLines;

impl Write for LogLines {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        let bar = BAR.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let write = || std::io::stderr().write(octets);
        match bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// How the work goes, on a terminal; gone when it is dropped.
pub struct Progress {
    bar: ProgressBar,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.task.abort();
        self.bar.finish_and_clear();
        *BAR.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Shows how many messages came and how many have ended, where standard error is a terminal.
pub fn progress(world: &Arc<World>) -> Option<Progress> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let bar = ProgressBar::new_spinner();
    *BAR.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
    let style = ProgressStyle::with_template("{spinner} {msg}  {elapsed}").expect("the template is right");
    bar.set_style(style);
    bar.enable_steady_tick(Duration::from_millis(120));
    let (world, shown) = (world.clone(), bar.clone());
    let task = task::spawn(async move {
        let mut ended_before = None;
        loop {
            if let Ok(totals) = world.journal.totals().await {
                let sum = |states: &[&str]| -> u64 {
                    totals
                        .values()
                        .flat_map(|totals| states.iter().filter_map(|state| totals.by_state.get(*state)))
                        .sum()
                };
                let seen: u64 = totals.values().map(|totals| totals.seen).sum();
                let ended = seen - sum(&["pending", "deferred"]);
                // Those of earlier runs are no work of this one.
                let before = *ended_before.get_or_insert(ended);
                shown.set_message(format!("{} of {} messages have ended", ended - before, seen - before));
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    });
    Some(Progress { bar, task })
}

/// How many of so many are done, on a terminal; nothing where standard error is none.
pub fn counter(of: usize, what: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} {msg}  {eta}").expect("the template is right");
    ProgressBar::new(u64::try_from(of).unwrap_or(u64::MAX))
        .with_style(style)
        .with_message(what.to_owned())
}

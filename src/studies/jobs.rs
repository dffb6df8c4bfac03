//! Independent tasks, several at a time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use crate::{Error, Progress, Result};

/// Interval of the checks for an interruption by the user.
const PATIENCE: Duration = Duration::from_millis(100);

/// Receives the steps of a task. As a [`Progress`] it is silent, and stops the work of a task on interruption.
#[derive(Debug)]
pub struct Steps<'a> {
    report: Sender<Result<String>>,
    stop: &'a AtomicBool,
}

impl Steps<'_> {
    /// One more step is done.
    pub(super) fn done(&self, note: String) {
        // If the receiver is gone, an error has been reported already.
        let _ = self.report.send(Ok(note));
    }
}

impl crate::Observer for &Steps<'_> {}

impl Progress for &Steps<'_> {
    fn interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Runs `jobs` tasks at a time, each with its share of the cores: independent trainings in parallel use the cores better
/// than one training on all of them. A task reports each of the `steps` of all. After an error or an interruption no task is
/// started, and those that run stop.
pub(super) fn side_by_side<T: Sync>(
    stage: &str,
    (tasks, steps): (&[T], usize),
    jobs: usize,
    progress: &mut dyn Progress,
    one: impl Fn(&T, &Steps<'_>) -> Result<()> + Sync,
) -> Result<()> {
    if tasks.is_empty() {
        return Ok(());
    }
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let jobs = jobs.clamp(1, tasks.len());
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    progress.begin(stage, steps as u64);
    let (mut failed, mut done) = (None, 0);
    let (report, receive) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs {
            let (steps, next, one) = (Steps { report: report.clone(), stop: &stop }, &next, &one);
            scope.spawn(move || {
                let pool = rayon::ThreadPoolBuilder::new().num_threads((cores / jobs).max(1)).build();
                let work = pool.map_err(Error::internal("starting threads")).and_then(|pool| {
                    while !(&steps).interrupted() {
                        let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                        pool.install(|| one(task, &steps))?;
                    }
                    Ok(())
                });
                if let Err(error) = work {
                    let _ = steps.report.send(Err(error));
                    steps.stop.store(true, Ordering::Relaxed);
                }
            });
        }
        drop(report);
        loop {
            match receive.recv_timeout(PATIENCE) {
                Ok(Ok(note)) => {
                    done += 1;
                    progress.advance(1, &note);
                }
                // The interruption is reported once, below.
                Ok(Err(Error::Interrupted { .. })) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Err(error)) => _ = failed.get_or_insert(error),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if progress.interrupted() {
                stop.store(true, Ordering::Relaxed);
            }
        }
    });
    progress.end("");
    match failed {
        Some(error) => Err(error),
        None if progress.interrupted() && done < steps => {
            let place =
                format!("after {done} of {steps} {stage}, which are kept; repeat the command to resume");
            Err(Error::Interrupted { place })
        }
        None => Ok(()),
    }
}

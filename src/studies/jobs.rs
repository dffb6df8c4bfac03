//! Independent tasks, several at a time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use crate::{Error, Progress, Result};

/// Does `jobs` tasks at a time, each with its share of the cores: independent trainings in parallel use them better than
/// one training on all of them. A task reports each of the `steps` of all. After an error no task is started.
pub(super) fn side_by_side<T: Sync>(
    stage: &str,
    (tasks, steps): (&[T], usize),
    jobs: usize,
    progress: &mut dyn Progress,
    one: impl Fn(&T, &dyn Fn(String)) -> Result<()> + Sync,
) -> Result<()> {
    if tasks.is_empty() {
        return Ok(());
    }
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let jobs = jobs.clamp(1, tasks.len());
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    progress.begin(stage, steps as u64);
    let mut failed = None;
    let (send, receive) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs {
            let (send, next, stop, one) = (send.clone(), &next, &stop, &one);
            scope.spawn(move || {
                // A receiver that has hung up has an error already, here and below.
                let pool = rayon::ThreadPoolBuilder::new().num_threads((cores / jobs).max(1)).build();
                let pool = match pool {
                    Ok(pool) => pool,
                    Err(e) => {
                        let detail = e.to_string();
                        let _ = send.send(Err(Error::Internal { what: "starting threads", detail }));
                        return;
                    }
                };
                while !stop.load(Ordering::Relaxed) {
                    let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                    let report = send.clone();
                    let done = pool.install(move || {
                        one(task, &|note| {
                            let _ = report.send(Ok(note));
                        })
                    });
                    if let Err(error) = done {
                        stop.store(true, Ordering::Relaxed);
                        let _ = send.send(Err(error));
                    }
                }
            });
        }
        drop(send);
        for done in &receive {
            match done {
                Ok(note) => progress.advance(1, &note),
                Err(error) => {
                    failed.get_or_insert(error);
                }
            }
        }
    });
    progress.end("");
    failed.map_or(Ok(()), Err)
}

//! Prefetching: a thread computes results before they are needed, in the same order.

use std::panic;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Builder, JoinHandle};

use crate::{Error, Result};

/// An iterator whose items are prefetched by a thread. Dropped early, it waits for the item in
/// progress and for no other.
pub(super) struct Ahead<T> {
    items: Option<Receiver<Result<T>>>,
    thread: Option<JoinHandle<()>>,
    refused: Option<Error>,
}

impl<T: Send + 'static> Ahead<T> {
    /// Makes items until `waiting` wait; one more is in progress or held by the thread. After
    /// an error there is nothing more.
    pub(super) fn of(waiting: usize, items: impl Iterator<Item = Result<T>> + Send + 'static) -> Self {
        let (sender, receiver) = sync_channel(waiting);
        let make = move || {
            for item in items {
                let failed = item.is_err();
                // Sending fails once the receiver is dropped.
                if sender.send(item).is_err() || failed {
                    return;
                }
            }
        };
        let (thread, refused) = match Builder::new().name("reading ahead".to_owned()).spawn(make) {
            Ok(thread) => (Some(thread), None),
            Err(error) => (None, Some(Error::Internal { what: "a thread", detail: error.to_string() })),
        };
        Self { items: Some(receiver), thread, refused }
    }
}

impl<T> Iterator for Ahead<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.refused.take() {
            return Some(Err(error));
        }
        if let Ok(item) = self.items.as_ref()?.recv() {
            return Some(item);
        }
        self.items = None;
        if let Some(Err(panicked)) = self.thread.take().map(JoinHandle::join) {
            panic::resume_unwind(panicked);
        }
        None
    }
}

impl<T> Drop for Ahead<T> {
    fn drop(&mut self) {
        self.items = None;
        // Waits, so that no thread reads a file while the process ends. A panic there was not met here,
        // and concerns an unused item.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn items_come_in_order_and_nothing_after_an_error() {
        let squares = (0..100).map(|n| Ok(n * n));
        assert!(Ahead::of(3, squares).map(Result::unwrap).eq((0..100).map(|n| n * n)));
        let broken =
            (0..100).map(|n| if n == 4 { Err(Error::input("row 4", "bad", "fix it")) } else { Ok(n) });
        let mut items = Ahead::of(2, broken);
        assert!(items.by_ref().take(4).map(Result::unwrap).eq(0..4));
        assert_eq!(items.next().unwrap().unwrap_err().to_string(), "row 4: bad; fix it");
        assert!(items.next().is_none() && items.next().is_none());
    }

    #[test]
    fn no_more_is_made_than_was_agreed_and_dropping_early_ends_the_thread() {
        for waiting in [0, 2] {
            let made = Arc::new(AtomicUsize::new(0));
            let count = made.clone();
            let endless = (0..).map(move |n: usize| {
                count.fetch_add(1, Ordering::SeqCst);
                Ok(n)
            });
            let mut items = Ahead::of(waiting, endless);
            assert_eq!(items.next().unwrap().unwrap(), 0);
            std::thread::sleep(std::time::Duration::from_millis(50));
            assert!(made.load(Ordering::SeqCst) <= waiting + 2, "{made:?} for {waiting}");
            drop(items);
            let at_the_end = made.load(Ordering::SeqCst);
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert_eq!(made.load(Ordering::SeqCst), at_the_end, "the thread has not stopped");
        }
    }

    #[test]
    #[should_panic(expected = "a bug in reading")]
    fn a_panic_while_reading_is_one_of_the_reader() {
        let items = (0..3).map(|n| if n == 2 { panic!("a bug in reading") } else { Ok(n) });
        Ahead::of(0, items).for_each(drop);
    }
}

//! Futures that are made where they stay.

use std::pin::Pin;

/// A future on the heap. `Box::pin(call())` makes it on the stack and then moves the room of all that it may ever hold,
/// kilobytes of a call's, though one that has not begun holds its arguments alone.
pub(crate) fn pinned<F: Future>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::into_pin(Box::write(Box::new_uninit(), make()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_pinned_runs() {
        let greeting = String::from("hello");
        let length = pinned(|| async move {
            tokio::task::yield_now().await;
            greeting.len()
        });
        assert_eq!(length.await, 5);
    }
}

//! Small true fakes of the ports, and the contracts that every adapter must pass (feature `testing`).
//!
//! [`MemoryShop`] keeps everything behind one mutex, so that each write is atomic; [`FakeGateway`] is a tiny Stripe.
//! The functions in [`contract`] run on these fakes here and on the real adapters in their own crates: what the use
//! cases are tested against behaves as production does. Nothing here waits, so [`block_on`] drives it all.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "what finds something wrong here fails a test"
)]

use std::{
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

#[cfg(test)]
pub(crate) mod case;
mod clock;
pub mod contract;
mod gateway;
pub(crate) mod sample;
mod shop;
mod workbench;

pub use clock::FixedClock;
pub use gateway::{FakeDispute, FakeGateway, FakeIntent, FakeRefund, Fault, Outcome};
pub use shop::{MemoryShop, StoredMail};
pub use workbench::Workbench;

/// Runs a future whose parts never wait for anything outside it.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}

/// The content of a mutex; that a test failed while it held it is no reason to hide what it was about.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

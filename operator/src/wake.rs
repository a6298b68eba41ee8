//! One bell for the reconcile loop: many ring it, it rings once.

use std::sync::Arc;
use tokio::sync::Notify;

/// Rung by every watch that saw a change that matters.
#[derive(Clone, Debug, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// Rings; a ring while nobody waits is kept, many are one.
    pub fn wake(&self) {
        self.0.notify_one();
    }
    /// Waits for a ring.
    pub async fn rung(&self) {
        self.0.notified().await;
    }
}

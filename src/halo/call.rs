//! One request and its answer, for the trace; and whoever collects them.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One request and its answer, for the trace. Never holds a secret or a token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// When it was sent.
    pub at: Timestamp,
    /// `GET`, `POST` or `DELETE`.
    pub method: String,
    /// Path and query below `/api`.
    pub path: String,
    /// What was sent; null for a GET.
    pub body: Value,
    /// 0 where no answer came.
    pub http_status: u16,
    /// The answer cut short, or the error in one sentence.
    pub answer: String,
    /// From its start to the end of the answer, in milliseconds.
    pub took_ms: u64,
    /// How many messages sent it together, each shown with its own element alone; 0 where one sent it for itself.
    #[serde(default, skip_serializing_if = "is_none")]
    pub shared: u32,
    /// It counts for another one of those messages.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub counts_elsewhere: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_none(shared: &u32) -> bool {
    *shared == 0
}

impl Call {
    /// A dry run notes the requests that a real one would send.
    pub fn is_unsent(&self) -> bool {
        self.http_status == 0 && ["simulated", "assumed"].contains(&self.answer.as_str())
    }
}

/// Collects the calls made on behalf of one step. Shared answers of a cache add none.
#[derive(Debug, Clone, Default)]
pub struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    /// Adds a call.
    pub fn note(&self, call: Call) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }
    /// Takes what was noted so far.
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

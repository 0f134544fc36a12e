//! What the reader of an error does next: every error type of the program answers `class()`.

use serde::{Deserialize, Serialize};

/// Errors are cut by what the daemon does about them, never by their text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Leaves the message, waits, tries again.
    Transient,
    /// Ends this message as its rule says, records it, goes on.
    Permanent,
    /// Rests that mailbox or connection (no other), says what to change, tries again slowly.
    Credentials,
    /// Stops, and says what the admin has to change.
    Fatal,
}

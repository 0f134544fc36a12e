//! Stories: the real program, a real Dovecot, the sandbox and a mail sink, over real sockets.

// A story that can not go on shall say so and end; only code that serves mail never unwraps.
#![allow(clippy::unwrap_used)]

#[path = "../servers/dovecot.rs"]
mod dovecot;
mod world;

mod commands;
mod on_error;
mod order;
mod senders;
mod service;
mod telling;

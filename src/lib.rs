//! halo-intake reads mailboxes, evaluates an operator's rules over each message, and creates the Halo users that
//! are missing. This page is the map of the source, in the order of a message's way.
//!
//! ```text
//!  mailbox ─▶ message ─▶ context ─▶ rules ─▶ run ─▶ effect ─▶ halo
//!     ▲                     expression ┘      │        └─ or simulated, for a dry run
//!     └──────── settle ◀── journal ◀── outcome ──▶ SMTP
//! ```
//!
//! Four loops ([`pipeline`]: receive, work, settle, outbox) are joined by the journal alone. Invariants, each of
//! them an absence that no line of code shows:
//!
//! 1. `message`, `context`, `expression`, `rules`, `outcome::bounce`, `outcome::guard`, `mailbox::position` and
//!    `retry` do no I/O and read no clock, no environment, no random source. What is pure is never `async`.
//! 2. Network and disk belong to `config`, `tls`, `mailbox::imap`, `mailbox::maildir`, `halo::client`,
//!    `halo::findings::file`, `web`, `http`, `draft`, `oauth`, `outcome::smtp`, `journal`, `daemon::control`, and to `sandbox`, which is no part of a real run.
//! 3. Only `mailbox::imap` knows IMAP, only `halo::wire` knows Halo's JSON, only `expression` knows Tera.
//! 4. Reading a message never fails. Bad mail gives a poorer message, never an error.
//! 5. An unknown name in an expression is a fault at load, never an empty text. Nothing that a message says is
//!    ever evaluated.
//! 6. A step reaches the world only by `effect::Effects::ask`, so a dry run is the code of a real one with another
//!    performer.
//! 7. The mailbox is settled last, after the journal has the outcome on disk. What was begun and not answered is
//!    looked for before it is done again.
//! 8. No answer of any kind goes to an automatic message or to a null return path.
//! 9. What is wrong with one message never stops the next; what is wrong with the configuration always stops the
//!    start.
//! 10. Secrets live in `secret::Secret`, which never prints; mail content is not logged above debug level.

// Foundations: any stage may use them.
pub mod class;
pub mod clock;
mod count;
pub mod crash;
mod draft;
mod foreign;
mod hex;
pub mod metrics;
pub mod retry;
pub mod secret;
mod task;
mod tls;
mod when;

// Files and environment become a configuration that cannot hold a wrong value.
pub mod config;

// Tokens for mail servers.
pub mod oauth;

// What was received, begun and ended; one write door.
pub mod journal;

// What we need of a mailbox: IMAP, Maildir.
pub mod mailbox;

// The octets as they came and what was read from them, once.
pub mod message;

// The named facts that an expression may see.
pub mod context;

// Text expressions: compiled and checked at load, rendered per message.
pub mod expression;

// Halo as we use it.
pub mod halo;

// Requests to servers that an operator names.
mod web;

// What a step may ask of the world, as data; performed for real or simulated.
mod effect;

// One file a step.
pub mod action;

// Which steps a message calls for, and what a failure means.
pub mod rules;

// A message through its rules, resumed where it stopped.
mod run;

// What each outcome means, and how people are told.
pub mod outcome;

// One loaded configuration with its rules: what a reload swaps.
pub mod generation;

// The four loops, on one page.
mod pipeline;

// The emulated Halo and the mail sink, for tests and for trying rules.
pub mod sandbox;

// Health, metrics, the page for people.
mod http;

// The service: tasks, reload, stop, systemd.
mod daemon;

// The commands.
pub mod cli;

// What the fuzzer and the test of its corpus call: octets of strangers, at every place where some come in.
#[cfg(feature = "test-hooks")]
#[doc(hidden)]
pub mod fuzz;

// What a benchmark of the parts calls.
#[cfg(feature = "test-hooks")]
#[doc(hidden)]
pub mod bench;

// A real PostgreSQL for the tests of what nodes do together, as the suites outside have it.
#[cfg(test)]
#[allow(dead_code, reason = "each suite uses a part of it")]
#[path = "../tests/servers"]
mod servers {
    mod child;
    pub mod postgres;
}

//! The Halo client against the sandbox, over real sockets: what is asked, how often, and what comes of each failure.
//!
//! `signing_in`, `users`, `roll`, `creating`, `gather`, `places`, `failures`, `bounds`, `pace`, `reloads`, `scripted` and `tls`
//! are stories of the client, `probing` and `removing` those of the probe; `quirks` and `answers` hold the sandbox to what
//! is known of the real one, and `conformance` does so with a script from outside; `kept` and `page` are of the sandbox as
//! a program, `browser` looks at its page, `too_much` is of what it does with hostile clients. `world` and `program` are
//! what they share.

// Helpers stand outside of the tests that call them.
#![allow(clippy::unwrap_used)]

mod answers;
mod bounds;
mod browser;
mod conformance;
mod creating;
mod failures;
mod gather;
mod kept;
mod pace;
mod page;
mod places;
mod probing;
mod program;
mod quirks;
mod reloads;
mod removing;
mod roll;
mod scripted;
mod signing_in;
mod tls;
mod too_much;
mod users;
mod world;

//! The journal's suite. It knows nothing but the trait, and each back end is put through all of it; what only one of them
//! has is in `sqlite`, `sieve`, `postgres` and `nodes`.

#![allow(clippy::unwrap_used, reason = "a test says by it what must be so")]
#![allow(clippy::duplicate_mod, reason = "the suite is there once for each back end")]

#[path = "../servers/mod.rs"]
mod servers;

mod nodes;
mod postgres;
mod sieve;
mod sqlite;
mod world;

/// The suite, with the world that its tests begin with.
macro_rules! suite {
    ($back_end:ident, $world:ident) => {
        #[path = "."]
        mod $back_end {
            pub fn world() -> crate::world::World {
                crate::world::World::$world()
            }

            mod claims;
            mod copy;
            mod day;
            mod duties;
            mod effects;
            mod endings;
            mod folding;
            mod joined;
            mod listing;
            mod matches;
            mod model;
            mod outbox;
            mod receiving;
            mod retention;
            mod searching;
            mod survey;
        }
    };
}

suite!(on_sqlite, in_sqlite);
suite!(on_postgres, in_postgres);

//! The journal's suite. All but `sqlite` know nothing but the trait, so that each back end can be put through it.

#![allow(clippy::unwrap_used, reason = "a test says by it what must be so")]

mod claims;
mod day;
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
mod sqlite;
mod survey;
mod world;

//! Real servers as children of a test, and scripted ones: each with its own configuration, folder, ports and
//! certificates, all on loopback. Each test binary uses a part of them.
#![allow(dead_code, unused_imports)]

pub mod authorization;
pub mod child;
pub mod courier;
pub mod cyrus;
pub mod dovecot;
pub mod hostile_imap;
pub mod lmtp;
pub mod postfix;
pub mod postgres;
pub mod proxy;
pub mod raw;
pub mod refusing;
pub mod script;

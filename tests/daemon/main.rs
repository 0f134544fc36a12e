//! Stories: the real program, a real Dovecot, the sandbox and a mail sink, over real sockets.

// A story that can not go on shall say so and end; only code that serves mail never unwraps.
#![allow(clippy::unwrap_used)]

mod asking;
mod browser;
mod gate;
mod hook;
mod mail;
mod program;
mod promise;
mod running;
mod same_again;
#[path = "../servers/mod.rs"]
mod servers;
mod talk;
mod world;

use servers::{authorization, dovecot, hostile_imap, proxy};

mod beside_an_mta;
mod bulk;
mod canary;
mod commands;
mod connections;
mod crash_points;
mod cut_off;
mod deferral;
mod email_to_ticket;
mod first_contact;
mod flood;
mod full_disk;
mod guards;
mod handing;
mod hostile_halo;
mod hostile_mailbox;
mod hostile_smtp;
mod identity;
mod init;
mod init_by_script;
mod killed;
mod logging;
mod looking;
mod mails;
mod many_mailboxes;
mod measuring;
mod moving;
mod nodes;
mod nodes_shown;
mod oauth;
mod on_error;
mod once;
mod order;
mod outage;
mod paced;
mod page;
mod page_in_a_browser;
mod page_token;
mod postgres;
mod probing;
mod recipes;
mod reloading;
mod replaying;
mod reporting;
mod requests;
mod resumed;
mod retrying;
mod secrets;
mod senders;
mod servers_of_others;
mod service;
mod shown;
mod stopping;
mod storms;
mod systemd;
mod telling;
mod tickets;
mod transport;
mod troubles;
mod uncertain;
mod what_changed;

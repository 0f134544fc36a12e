//! A real server that is stopped, started again, cut off and unreachable while the daemon is at work.

use std::{sync::Arc, time::Duration};

use crate::{
    dovecot::Dovecot,
    promise::{Delivered, Promise},
    proxy::{Line, Proxy},
    running::{Daemon, USERS},
    world::World,
};

const USER: &str = "ann@example.test";
/// How long one IMAP command may take here, in milliseconds.
const PATIENCE: (&str, &str) = ("HALO_INTAKE_TEST_PATIENCE", "2000");
/// So many messages come while the line is as it is.
const EACH: usize = 15;

/// A server of the story's own, and the line to it.
struct Story {
    world: World,
    server: Arc<Dovecot>,
    line: Proxy,
    delivered: Vec<Delivered>,
}

impl Story {
    fn new() -> Story {
        let server = Dovecot::start();
        server.add_user(USER);
        let (line, server) = (Proxy::to(server.imaps_port), Arc::new(server));
        let mut world = World::with_server(USERS, server.clone(), USER.to_owned());
        world.mailbox = "poll_interval = \"1s\"".to_owned();
        world.more(&format!("[mailbox.support]\nport = {}\n", line.port));
        Story {
            world,
            server,
            line,
            delivered: Vec::new(),
        }
    }

    fn start(&self) -> Daemon {
        // At debug, since a trouble that goes on is told of at warn only once.
        Daemon::start(&self.world, &[PATIENCE, ("HALO_INTAKE_LOG", "debug")])
    }

    fn deliver(&mut self) {
        for _ in 0..EACH {
            let number = self.delivered.len();
            let message = Delivered::new(
                &format!("s{number}@stranger.example"),
                &format!("Message {number}"),
                "completed",
            );
            self.world.mail(&message.sender, &message.subject);
            self.delivered.push(message);
        }
    }

    fn comes_true(&self) {
        // What a server in its end says to have moved, and has not, is moved again after minutes.
        self.world.later(10 * 60);
        let senders = self.delivered.iter().map(|message| message.sender.clone());
        let promise = Promise::new(self.delivered.clone()).with_users(senders);
        promise.comes_true(&self.world, Duration::from_secs(40));
    }
}

#[test]
fn a_server_that_is_stopped_and_started_again_is_read_to_the_end() {
    let mut story = Story::new();
    story.deliver();
    let daemon = story.start();
    for _ in 0..2 {
        daemon.says("completed");
        story.server.stop();
        daemon.says(" mailbox support: ");
        story.server.restart();
        story.deliver();
    }
    story.comes_true();
    assert_eq!(daemon.stop().0, 0);
}

#[test]
fn a_line_that_is_cut_or_goes_dead_at_any_time_loses_and_repeats_nothing() {
    let mut story = Story::new();
    let daemon = story.start();
    daemon.says("is watched");
    story.deliver();
    daemon.says("completed");
    story.line.cut();
    story.deliver();
    daemon.says("completed");
    // Connections that are there go dead, as when a router forgets them.
    story.line.set(Line::Dead);
    story.deliver();
    daemon.says("no answer to");
    story.line.cut();
    // The handshake takes some of it, and the rest ends within answers.
    for octets in [1_500, 3_000, 5_000, 9_000] {
        story.line.set(Line::EndsAfter(octets));
        story.line.cut();
        story.deliver();
        daemon.says(" mailbox support: ");
    }
    story.line.set(Line::Well);
    story.comes_true();
    assert_eq!(daemon.stop().0, 0);
}

#[test]
fn a_connection_that_is_forgotten_while_it_waits_for_news_is_noticed_and_the_mail_comes() {
    let mut story = Story::new();
    // So often IDLE is broken off, and the answer shows whether anybody is there; nothing else would notice so soon.
    story.world.mailbox = "poll_interval = \"3s\"".to_owned();
    let daemon = story.start();
    daemon.says("is watched");
    story.deliver();
    (0..EACH).for_each(|_| drop(daemon.says("completed")));
    story.line.forget();
    story.deliver();
    daemon.says("no answer to IDLE");
    story.comes_true();
    assert_eq!(daemon.stop().0, 0);
}

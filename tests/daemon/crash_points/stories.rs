//! The story that comes to each step: a small load, how it is made to pass there, and what shall be in the end.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use halo_intake::{
    crash::Step,
    sandbox::{Fault, Mishap},
};
use serde_json::json;

use super::{DAEMON, ONCE, PROBE, Side, Story};
use crate::{
    authorization::Authorization,
    dovecot::{Dovecot, Options},
    hook::{Asked, Hook},
    mail,
    promise::Delivered,
    running::Signal,
    world::{self, Inbox, World},
};

const RULES: &str = r#"
[[rule]]
name = "turned away"
when = "email.from.domain == 'unwanted.example'"

  [[rule.action]]
  type = "bounce"

[[rule]]
name = "clients"
when = "email.from.domain == 'newcomer.example'"

  [[rule.action]]
  type = "create_halo_client"
  client_name = "Newcomer Ltd"

[[rule]]
name = "users"
when = "email.from.domain not in ['unwanted.example', 'newcomer.example']"

  [[rule.action]]
  type = "create_halo_user"
  client = "Acme Ltd"
  site = "Main"
  existing_inactive = "reactivate"
"#;

impl Story {
    /// One stranger who becomes a user, and one who is turned away.
    fn plain(world: World) -> Story {
        let ann = Delivered::new("ann@stranger.example", "A question", "completed");
        let eve = Delivered::new("eve@unwanted.example", "An offer", "bounced");
        Story::of(world, vec![ann, eve])
    }

    fn of(mut world: World, delivered: Vec<Delivered>) -> Story {
        world.halo = "timeout = \"1s\"".to_owned();
        for message in &delivered {
            world.mail(&message.sender, &message.subject);
        }
        let strangers = delivered.iter().map(|message| message.sender.clone());
        let users = strangers
            .filter(|address| address.ends_with("@stranger.example"))
            .collect();
        Story {
            world,
            delivered,
            users,
            command: ONCE,
            may_miss: false,
            signal: None,
            mend: Box::new(|_| {}),
            check: Box::new(|_| {}),
            passes: 0,
            repeats: 0,
        }
    }

    fn maildir() -> Story {
        Story::plain(World::new(RULES))
    }

    fn imap() -> Story {
        Story::plain(World::with_dovecot(RULES))
    }

    /// One message of that sender, which is completed.
    fn one(world: World, sender: &str) -> Story {
        Story::of(world, vec![Delivered::new(sender, "A question", "completed")])
    }

    fn dies_in(mut self, command: &'static [&'static str]) -> Story {
        self.command = command;
        self
    }

    fn mended_by(mut self, mend: impl Fn(&World) + 'static) -> Story {
        self.mend = Box::new(mend);
        self
    }

    /// So many runs, each of which leaves something to do, before the one that dies.
    fn after_runs(self, runs: usize) -> Story {
        for _ in 0..runs {
            let ran = self.world.run(ONCE);
            assert!([69, 75].contains(&ran.status), "{ran:?}");
        }
        self
    }

    /// Eve's message, which is turned away, ends otherwise.
    fn with_eve(mut self, outcome: &'static str, is_told: bool) -> Story {
        let eve = self
            .delivered
            .iter_mut()
            .find(|message| message.sender.starts_with("eve"));
        let eve = eve.expect("she is in the plain story");
        *eve = Delivered {
            is_told,
            ..Delivered::new(&eve.sender, &eve.subject, outcome)
        };
        self
    }

    /// All completed messages are settled so, and lie there so often.
    fn settled(mut self, how: &str, folder: &'static str, copies: usize) -> Story {
        self.world
            .more(&format!("[mailbox.support]\nsettle.completed = {how:?}\n"));
        for message in self
            .delivered
            .iter_mut()
            .filter(|message| message.outcome == "completed")
        {
            (message.folder, message.copies) = (folder, copies);
        }
        self
    }
}

/// The story that comes to a step. A step that is new has none, and this does not compile.
pub fn story(step: Step, side: Side, without_move: &Server) -> Story {
    match step {
        Step::ControlSocket | Step::Beat => Story::maildir().dies_in(DAEMON),
        Step::Findings | Step::Probe => probed(),
        Step::RefreshToken => renewed(),

        Step::StateFile
        | Step::Migrated
        | Step::Interrupted
        | Step::Committed
        | Step::Claimed
        | Step::Received
        | Step::Intended
        | Step::Answered
        | Step::Ended
        | Step::Settled
        | Step::LetterTaken
        | Step::Paced
        | Step::Kept
        | Step::Trimmed => Story::maildir(),
        Step::Positioned => Story::imap(),
        Step::Deferred => deferred(),
        Step::Woken => {
            let story = refused_by_halo().after_runs(1);
            let_in(&story.world);
            story
        }
        Step::Told => refused_by_halo().mended_by(let_in),
        Step::Released => stopped(),
        Step::Reopened => reopened(),
        Step::Noticed => renumbered(),
        Step::SettleDeferred => in_the_way(),
        Step::LetterRefused | Step::Reported => {
            let story = Story::maildir().with_eve("failed", false);
            let refusal = ("unwanted.example".to_owned(), "550 5.1.1 unknown".to_owned());
            story.world.sink.switch(|switches| switches.rcpt = Some(refusal));
            story
        }
        Step::LetterDeferred => {
            let story = Story::maildir().mended_by(|world| world.sink.switch(|switches| switches.data = None));
            story
                .world
                .sink
                .switch(|switches| switches.data = Some("451 4.3.0 later".to_owned()));
            story
        }
        Step::LetterUnanswered => unanswered(side),
        Step::LetterOutdated => {
            let story = Story::maildir().with_eve("failed", false);
            story.world.sink.switch(|switches| switches.down = true);
            let story = story.after_runs(1);
            story.world.sink.switch(|switches| switches.down = false);
            story.world.later(4 * 24 * 3600);
            story
        }

        Step::CreateUser | Step::Data | Step::Content | Step::MaildirMove => Story::maildir(),
        Step::CreateUsers => together(),
        Step::ReactivateUser => Story::one(World::new(RULES), "gone@acme.example"),
        Step::CreateClient => Story::one(World::new(RULES), "max@newcomer.example"),
        Step::CreateTicket | Step::ChangeTicket | Step::AddAction | Step::AttachFile => ticketed(),
        Step::UploadPicture | Step::Joined => from_email(),
        Step::Folded => folded(),
        Step::HttpRequest => asked_elsewhere(),
        Step::Webhook => reported_elsewhere(),
        Step::Posted => mailed(),

        Step::ImapMove | Step::ImapCreate | Step::ImapSubscribe => Story::imap(),
        // Between the server's COPY and our mark lies the gap that stays: the repeat copies it once more.
        Step::ImapCopy => without_move.story(if side == Side::After { 2 } else { 1 }),
        Step::ImapMark => without_move.story(if side == Side::Before { 2 } else { 1 }),
        Step::ImapExpunge => without_move.story(1),
        Step::MaildirFolder => foldered(),
        Step::MaildirMark => Story::maildir().settled("seen", "INBOX", 1),
        Step::MaildirDelete => Story::maildir().settled("delete", "INBOX", 0),
    }
}

/// Half of the folder is there, and still other programs know it for one in the end.
fn foldered() -> Story {
    let is_whole = |world: &World| {
        let Inbox::Maildir(path) = &world.inbox else {
            unreachable!("it is a Maildir")
        };
        for folder in [".Processed", ".Bounced"] {
            for part in ["tmp", "new", "cur", "maildirfolder"] {
                let part = path.join(folder).join(part);
                assert!(part.exists(), "{} is missing", part.display());
            }
        }
    };
    Story {
        check: Box::new(is_whole),
        ..Story::maildir()
    }
}

/// Letters leave as somebody whose refresh token is good until the one in its place is used.
fn renewed() -> Story {
    let provider = Authorization::start("support@desk.example");
    provider.switch(|switches| (switches.rotates, switches.grace) = (true, true));
    let story = Story::maildir();
    story.world.letters_by_token(&provider);
    let check = move |world: &World| {
        let used = provider.refreshed_with();
        assert!(used.len() >= 2, "{used:?}");
        assert_eq!(world.run(&["check"]).status, 0);
    };
    Story {
        check: Box::new(check),
        ..story
    }
}

/// What a killed probe leaves bears its name; the next one works, and its findings are whole.
fn probed() -> Story {
    let mend = |world: &World| {
        let ran = world.run(PROBE);
        assert_eq!(ran.status, 0, "{ran:?}");
        let checked = world.run(&["check"]).stdout;
        assert!(checked.contains("halo main: probed 20"), "{checked}");
    };
    Story::maildir().dies_in(PROBE).mended_by(mend)
}

fn deferred() -> Story {
    let well = |world: &World| world.sandbox.set(|switches| switches.faults.clear());
    let story = Story::maildir().mended_by(well);
    let unavailable = Mishap::Status {
        status: 503,
        message: String::new(),
    };
    let fault = Fault::once("GET", "/api/users", unavailable).times(1000);
    story.world.sandbox.set(|switches| switches.faults = vec![fault]);
    story
}

fn refused_by_halo() -> Story {
    let story = Story::maildir();
    story.world.sandbox.set(|switches| switches.reject_credentials = true);
    story
}

fn let_in(world: &World) {
    world.sandbox.set(|switches| switches.reject_credentials = false);
}

/// Two signals have it hand back at once what hangs at Halo.
fn stopped() -> Story {
    let mut story = Story::maildir().mended_by(|world| world.sandbox.set(|switches| switches.latency_ms = 0));
    story.world.halo = "timeout = \"60s\"".to_owned();
    story.world.sandbox.set(|switches| switches.latency_ms = 40_000);
    story.command = DAEMON;
    story.signal = Some(Signal::TERM);
    story
}

fn reopened() -> Story {
    let story = Story::maildir();
    story.world.once();
    story.dies_in(&["retry", "1"])
}

/// The folder gets another UIDVALIDITY.
fn renumbered() -> Story {
    let mut story = Story::imap();
    story.world.once();
    let Inbox::Imap(user) = &story.world.inbox else {
        unreachable!("it is on Dovecot")
    };
    world::dovecot().renumber(user);
    let next = Delivered::new("bob@stranger.example", "Another question", "completed");
    story.world.mail(&next.sender, &next.subject);
    story.users.push(next.sender.clone());
    story.delivered.push(next);
    story
}

/// Where the messages are to lie lies something else.
fn in_the_way() -> Story {
    let story = Story::maildir();
    let Inbox::Maildir(path) = &story.world.inbox else {
        unreachable!("it is a Maildir")
    };
    let destination = path.join(".Processed/cur");
    let files = std::fs::read_dir(path.join("new")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let obstacles: Vec<_> = names.map(|name| destination.join(format!("{name}:2,"))).collect();
    for obstacle in &obstacles {
        std::fs::create_dir_all(obstacle).unwrap();
    }
    story.mended_by(move |world| {
        for obstacle in &obstacles {
            std::fs::remove_dir(obstacle).unwrap();
        }
        world.later(600);
    })
}

/// The mail server takes the bounce three times and never says so; the report is taken after the crash.
fn unanswered(side: Side) -> Story {
    let well = |world: &World| world.sink.switch(|switches| switches.drops_before_answer = false);
    // Before it is noted, it leaves a last time, and that is answered.
    let outcome = if side == Side::Before { "bounced" } else { "failed" };
    let story = Story::maildir().with_eve(outcome, true).mended_by(well);
    story.world.sink.switch(|switches| switches.drops_before_answer = true);
    let mut story = story.after_runs(2);
    story.repeats = 2;
    story
}

/// A message becomes a ticket with an action and a file, and the ticket is changed in the end.
fn ticketed() -> Story {
    const RULES: &str = r#"
[[rule]]
name = "tickets"

  [[rule.action]]
  type = "create_halo_ticket"
  summary = "{{ email.subject }}"
  client = "Acme Ltd"
  site = "Main"
  store_as = "ticket"

  [[rule.action]]
  type = "add_halo_action"
  ticket = "{{ custom.ticket.id }}"
  outcome = "Note"
  note = "From {{ email.from.address }}"

  [[rule.action]]
  type = "attach_files_to_halo_ticket"
  ticket = "{{ custom.ticket.id }}"
  files = "email.attachments"

  [[rule.action]]
  type = "update_halo_ticket"
  ticket = "{{ custom.ticket.id }}"
  team = "2nd Line"
"#;
    const PARTS: &str = "--b\nContent-Type: text/plain\n\nThe text of this mail.\n--b\nContent-Type: text/plain; name=notes.txt\n\
                         Content-Disposition: attachment\n\nThree notes\n--b--\n";
    let mut story = Story::of(World::new(RULES), Vec::new());
    let fields = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n";
    let text = mail::text("ann@stranger.example", "A question", fields);
    story.world.deliver(&text.replace("The text of this mail.\n", PARTS));
    story
        .delivered
        .push(Delivered::new("ann@stranger.example", "A question", "completed"));
    story.check = Box::new(|world| {
        let tickets = world.sandbox.tickets().into_iter();
        let made: Vec<_> = tickets.filter(|ticket| ticket["summary"] == "A question").collect();
        assert_eq!(made.len(), 1, "{made:?}");
        assert_eq!(
            (&made[0]["team"], &made[0]["attachment_count"]),
            (&json!("2nd Line"), &json!(1))
        );
        let id = made[0]["id"].as_i64().unwrap();
        assert_eq!(world.sandbox.actions(id).len(), 2, "the opening one and the note");
    });
    story
}

/// A message with a picture in its text becomes a ticket.
fn from_email() -> Story {
    const RULES: &str = r#"
[[rule]]
name = "tickets"

  [[rule.action]]
  type = "create_halo_ticket_from_email"
  default_client = "Acme Ltd"
"#;
    const PARTS: &str = "--b\nContent-Type: text/html\n\n<p>See <img src=\"cid:p@b.example\"></p>\n--b\nContent-Type: image/png\n\
                         Content-ID: <p@b.example>\n\nPNG\n--b--\n";
    let mut story = Story::of(World::new(RULES), Vec::new());
    let fields = "MIME-Version: 1.0\nContent-Type: multipart/related; boundary=b\n";
    let text = mail::text("ann@stranger.example", "A question", fields);
    story.world.deliver(&text.replace("The text of this mail.\n", PARTS));
    story
        .delivered
        .push(Delivered::new("ann@stranger.example", "A question", "completed"));
    story.check = Box::new(|world| {
        let tickets = world.sandbox.tickets().into_iter();
        let made: Vec<_> = tickets.filter(|ticket| ticket["summary"] == "A question").collect();
        assert_eq!(made.len(), 1, "{made:?}");
        let html = made[0]["details_html"].as_str().unwrap();
        assert!(html.contains("/api/attachment/image/"), "{html}");
        let again = world.run(&["retry", "1"]);
        assert_eq!(again.status, 0, "{again:?}");
        let tickets = world.sandbox.tickets();
        assert_eq!(
            tickets
                .iter()
                .filter(|ticket| ticket["summary"] == "A question")
                .count(),
            1
        );
    });
    story
}

/// Of one kind there is a ticket, and a second message waits until the note is due; of another kind comes the first.
fn folded() -> Story {
    const RULES: &str = r#"
[[rule]]
name = "alerts"

  [[rule.action]]
  type = "create_halo_ticket_from_email"
  default_client = "Acme Ltd"
  fold_by = "{{ email.from.domain }}"
  fold_within = "1h"
"#;
    let message = |sender, subject| Delivered::new(sender, subject, "completed");
    let story = Story::of(World::new(RULES), vec![message("monitor@alerts.example", "Disk 1")]);
    story.world.once();
    let second = message("monitor@alerts.example", "Disk 2");
    story.world.mail(&second.sender, &second.subject);
    let mut story = story.after_runs(1);
    story.world.later(70);
    let other = message("monitor@fleet.example", "Fan 1");
    story.world.mail(&other.sender, &other.subject);
    story.delivered.extend([second, other]);
    story.passes = 30;
    story.check = Box::new(|world| {
        let tickets = world.sandbox.tickets().into_iter();
        let new = tickets.filter(|ticket| ticket["id"].as_i64() >= Some(3001));
        let mut summaries: Vec<_> = new
            .map(|ticket| ticket["summary"].as_str().unwrap().to_owned())
            .collect();
        summaries.sort();
        assert_eq!(summaries, ["Disk 1 (×2)", "Fan 1"]);
        assert_eq!(world.sandbox.actions(3001).len(), 2, "the opening one and the note");
    });
    story
}

/// A step sends a mail, and the message comes to its end.
fn mailed() -> Story {
    let rules = "[[rule]]\nname = \"mails\"\n[[rule.action]]\ntype = \"send_email\"\nto = \"ops@desk.example\"\n\
                 subject = \"{{ email.subject }}\"\ntext = \"Hello\"\n";
    let check = |world: &World| assert_eq!(world.told(), ["ops@desk.example"]);
    Story {
        check: Box::new(check),
        ..Story::one(World::new(rules), "ann@desk.example")
    }
}

/// A bounce that is refused is reported to a webhook as well: once, or twice as the same.
fn reported_elsewhere() -> Story {
    let hook = Hook::start(Vec::new());
    let story = Story::maildir().with_eve("failed", false);
    let refusal = ("unwanted.example".to_owned(), "550 5.1.1 unknown".to_owned());
    story.world.sink.switch(|switches| switches.rcpt = Some(refusal));
    story
        .world
        .more(&format!("[report]\nwebhook = \"{}/in\"\n", hook.url()));
    let check =
        move |_: &World| {
            let asked = hook.asked();
            assert!((1..=2).contains(&asked.len()), "{asked:?}");
            assert!(
                asked.iter().all(|one| (one.field("idempotency-key"), &one.body)
                    == (asked[0].field("idempotency-key"), &asked[0].body)),
                "{asked:?}"
            );
        };
    Story {
        check: Box::new(check),
        ..story
    }
}

/// Another server is asked, and where it is asked again it knows the request by its key.
fn asked_elsewhere() -> Story {
    let hook = Hook::start(Vec::new());
    let rules = format!(
        "[[rule]]\nname = \"hook\"\n[[rule.action]]\ntype = \"http_request\"\nurl = \"{}/in\"\n",
        hook.url()
    );
    let story = Story::one(World::new(&rules), "ann@desk.example");
    let check = move |_: &World| {
        let asked = hook.asked();
        let key = |asked: &Asked| asked.field("idempotency-key").map(str::to_owned);
        assert!((1..=2).contains(&asked.len()), "{asked:?}");
        assert!(
            asked.iter().all(|one| key(one).is_some() && key(one) == key(&asked[0])),
            "{asked:?}"
        );
    };
    Story {
        check: Box::new(check),
        ..story
    }
}

/// Several strangers at once become users by one request.
fn together() -> Story {
    let messages = (0..6).map(|number| {
        let sender = format!("s{number}@stranger.example");
        Delivered::new(&sender, &format!("Question {number}"), "completed")
    });
    let story = Story::of(World::new(RULES), messages.collect());
    story.world.sandbox.set(|switches| switches.latency_ms = 20);
    story
}

/// A server that can not move: messages are copied, marked and expunged.
pub struct Server {
    dovecot: Arc<Dovecot>,
    users: AtomicUsize,
}

impl Server {
    const USERS: usize = 6;

    pub fn start() -> Server {
        let dovecot = Dovecot::start_with(&Options {
            capability: Some("IMAP4rev1 LITERAL+ NAMESPACE UIDPLUS IDLE"),
            ..Options::default()
        });
        (0..Server::USERS).for_each(|number| dovecot.add_user(&format!("ann{number}")));
        Server {
            dovecot: Arc::new(dovecot),
            users: AtomicUsize::new(0),
        }
    }

    fn story(&self, copies: usize) -> Story {
        let number = self.users.fetch_add(1, Ordering::Relaxed);
        assert!(number < Server::USERS, "there are more stories than users");
        let world = World::with_server(RULES, self.dovecot.clone(), format!("ann{number}"));
        let mut story = Story::one(world, "ann@stranger.example");
        story.delivered[0].copies = copies;
        story
    }
}

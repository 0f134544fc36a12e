//! Crash points: before and after each step that changes the world a test can have the process end, as a power cut
//! would end it. Only in builds with `test-hooks`; otherwise they compile to nothing, and the table to no text.
//!
//! The points stand at the doors: the journal's write door, the request to Halo, the phases of SMTP, the commands that
//! settle. Each door finds the step of what passes by an exhaustive match, or wants it as an argument, so that
//! nothing new can pass without having its points. The tests walk `Step::ALL`.

/// The table: each step and its name.
macro_rules! steps {
    ($($step:ident = $name:literal,)*) => {
        /// What changes the world, as far as a crash before it differs from one after it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Step { $(#[doc = $name] $step,)* }

        #[cfg(feature = "test-hooks")]
        impl Step {
            /// All of them.
            pub const ALL: &[Step] = &[$(Step::$step,)*];

            /// As the environment names it.
            pub fn name(self) -> &'static str {
                match self { $(Step::$step => $name,)* }
            }
        }
    };
}

steps! {
    // The state folder.
    StateFile = "state.file",
    Migrated = "journal.migrated",
    Interrupted = "journal.interrupted",
    ControlSocket = "state.socket",
    Findings = "state.findings",
    RefreshToken = "state.refresh_token",

    // The journal: a commit of whatever waits, a claim, and each kind of change.
    Committed = "journal.committed",
    Beat = "journal.beat",
    Claimed = "journal.claimed",
    Received = "journal.received",
    Positioned = "journal.positioned",
    Intended = "journal.intended",
    Answered = "journal.answered",
    Deferred = "journal.deferred",
    Woken = "journal.woken",
    Released = "journal.released",
    Ended = "journal.ended",
    Settled = "journal.settled",
    SettleDeferred = "journal.settle_deferred",
    Posted = "journal.posted",
    LetterTaken = "journal.letter_taken",
    LetterRefused = "journal.letter_refused",
    LetterUnanswered = "journal.letter_unanswered",
    LetterOutdated = "journal.letter_outdated",
    LetterDeferred = "journal.letter_deferred",
    Noticed = "journal.noticed",
    Told = "journal.told",
    Reported = "journal.reported",
    Paced = "journal.paced",
    Kept = "journal.kept",
    Joined = "journal.joined",
    Folded = "journal.folded",
    Reopened = "journal.reopened",
    Trimmed = "journal.trimmed",

    // Requests to Halo that write.
    CreateUser = "halo.create_user",
    CreateUsers = "halo.create_users",
    ReactivateUser = "halo.reactivate_user",
    CreateClient = "halo.create_client",
    CreateTicket = "halo.create_ticket",
    ChangeTicket = "halo.change_ticket",
    AddAction = "halo.add_action",
    AttachFile = "halo.attach_file",
    UploadPicture = "halo.upload_picture",
    Probe = "halo.probe",

    // Requests of `http_request` that write.
    HttpRequest = "http.request",

    // A report to a webhook.
    Webhook = "report.webhook",

    // SMTP, from where the server may come to have the letter.
    Data = "smtp.data",
    Content = "smtp.content",

    // Settling.
    ImapMove = "imap.move",
    ImapCopy = "imap.copy",
    ImapMark = "imap.mark",
    ImapExpunge = "imap.expunge",
    ImapCreate = "imap.create",
    ImapSubscribe = "imap.subscribe",
    MaildirFolder = "maildir.folder",
    MaildirMove = "maildir.move",
    MaildirMark = "maildir.mark",
    MaildirDelete = "maildir.delete",
}

/// Does what is a step, where it is one, with a point before and a point after it.
pub async fn around<T>(step: impl Into<Option<Step>>, doing: impl Future<Output = T>) -> T {
    let step = step.into();
    before(step);
    let done = doing.await;
    after(step);
    done
}

/// The same for what waits for nothing.
pub fn across<T>(step: impl Into<Option<Step>>, doing: impl FnOnce() -> T) -> T {
    let step = step.into();
    before(step);
    let done = doing();
    after(step);
    done
}

/// The point before a step that is not done in one go.
pub fn before(step: impl Into<Option<Step>>) {
    pass(step.into(), "before");
}

/// The point after it.
pub fn after(step: impl Into<Option<Step>>) {
    pass(step.into(), "after");
}

#[cfg(not(feature = "test-hooks"))]
fn pass(_: Option<Step>, _: &'static str) {}

#[cfg(feature = "test-hooks")]
fn pass(step: Option<Step>, side: &'static str) {
    if let Some(step) = step {
        armed::pass(step, side);
    }
}

#[cfg(feature = "test-hooks")]
mod armed {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    };

    use super::Step;

    /// `imap.move.after`, or with `:3` at the third passing.
    const VARIABLE: &str = "HALO_INTAKE_TEST_CRASH";

    struct Armed {
        point: String,
        /// How often it is passed alive, and once more.
        left: AtomicU64,
    }

    static ARMED: LazyLock<Option<Armed>> = LazyLock::new(|| {
        let text = std::env::var(VARIABLE).ok()?;
        let (point, left) = text.split_once(':').unwrap_or((&text, "1"));
        let left = left.parse().expect("behind the colon stands which passing it is");
        Some(Armed {
            point: point.to_owned(),
            left: AtomicU64::new(left),
        })
    });

    pub(super) fn pass(step: Step, side: &str) {
        let Some(armed) = &*ARMED else { return };
        let is_it = armed.point.strip_suffix(side).and_then(|rest| rest.strip_suffix('.')) == Some(step.name());
        if is_it && armed.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            eprintln!("crash point {}.{side}", step.name());
            std::process::abort();
        }
    }
}

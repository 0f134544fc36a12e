//! Every metric, once: what is served, tested and written down in docs/metrics.md.

use prometheus_client::{metrics::MetricType, registry};

/// A metric of `/metrics`.
#[derive(Debug)]
pub struct Row {
    /// What it is for the program.
    pub metric: Metric,
    /// As it is scraped, with its unit and `_total`.
    pub name: &'static str,
    /// What may be done with it.
    pub kind: Kind,
    /// In which base unit.
    pub unit: Unit,
    /// Each has few values: names of the configuration, words of the manual. Never an address, never a subject.
    pub labels: &'static [&'static str],
    /// What it says, in one line.
    pub help: &'static str,
    /// Why anybody looks at it.
    pub why: &'static str,
}

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only grows, from nothing at each start of the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations in buckets with these upper bounds.
    Histogram(&'static [f64]),
    /// Always 1; its labels are what it says.
    Info,
}

/// The base unit that the name of a metric ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things are counted.
    Things,
    Seconds,
    Bytes,
}

impl Kind {
    /// The word of the format.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
            Kind::Info => "info",
        }
    }

    pub(super) fn of_the_format(self) -> MetricType {
        match self {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram(_) => MetricType::Histogram,
            Kind::Info => MetricType::Info,
        }
    }

    /// What its name ends with.
    pub fn suffix(self) -> &'static str {
        match self {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram(_) => "",
        }
    }
}

impl Unit {
    /// What a name ends with, before the suffix of its kind.
    pub fn suffix(self) -> &'static str {
        match self {
            Unit::Things => "",
            Unit::Seconds => "_seconds",
            Unit::Bytes => "_bytes",
        }
    }

    pub(super) fn of_the_format(self) -> Option<registry::Unit> {
        match self {
            Unit::Things => None,
            Unit::Seconds => Some(registry::Unit::Seconds),
            Unit::Bytes => Some(registry::Unit::Bytes),
        }
    }
}

impl Row {
    /// Its name without unit and suffix, which the format adds.
    pub(super) fn stem(&self) -> &'static str {
        let name = self.name.strip_suffix(self.kind.suffix()).unwrap_or(self.name);
        name.strip_suffix(self.unit.suffix()).unwrap_or(name)
    }
}

impl Metric {
    /// Its row.
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

use Kind::{Counter, Gauge, Histogram, Info};
use Unit::{Bytes, Seconds, Things};

/// From a moment to some days: a message may wait for a Halo that is down.
const WAITS: Kind = Histogram(&[
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0,
]);
/// An attempt ends within minutes, or is deferred.
const ATTEMPTS: Kind = Histogram(&[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0]);
/// A request ends with its timeout at the latest, 30 s unless it is configured.
const REQUESTS: Kind = Histogram(&[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]);
/// An fsync on anything from flash to a disk that fails.
const COMMITS: Kind = Histogram(&[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0]);

/// The table: each metric with its name, kind, unit, labels, help and use.
macro_rules! table {
    ($($metric:ident = $name:literal, $kind:expr, $unit:expr, $labels:expr, $help:literal, $why:literal;)*) => {
        /// What is measured.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Metric { $(#[doc = $help] $metric,)* }

        /// All metrics, in the order of the manual.
        pub const TABLE: &[Row] = &[$(Row {
            metric: Metric::$metric,
            name: $name,
            kind: $kind,
            unit: $unit,
            labels: &$labels,
            help: $help,
            why: $why,
        },)*];
    };
}

table! {
    // Messages.
    MessagesSeen = "halo_intake_messages_seen_total", Counter, Things, ["mailbox"],
        "Messages that were ever seen in the mailbox, over all starts",
        "One side of the accounting identity: it is the sum of halo_intake_messages over the outcomes in each scrape";
    Messages = "halo_intake_messages", Gauge, Things, ["mailbox", "outcome"],
        "Messages of the mailbox by what became of them; pending and deferred have no outcome yet",
        "The other side. What grows under failed asks for somebody, what stays under deferred waits for something";
    ArrivalToOutcome = "halo_intake_message_arrival_to_outcome_seconds", WAITS, Seconds, ["outcome"],
        "From the mailbox's internal date of a message to its outcome",
        "What a customer waits for. An exemplar's id is that of log and show";
    ReceptionToOutcome = "halo_intake_message_reception_to_outcome_seconds", WAITS, Seconds, ["outcome"],
        "From the reception of a message in the journal to its outcome",
        "The part of the wait that is this program's and Halo's, not the mail server's";
    Attempts = "halo_intake_attempt_duration_seconds", ATTEMPTS, Seconds, ["result"],
        "One attempt at a message, from its rules' beginning to the journal's answer; result is an outcome or deferred",
        "Slow attempts hold places that other messages wait for";
    RuleMatches = "halo_intake_rule_matched_messages_total", Counter, Things, ["rule"],
        "Messages that the rule matched, over all starts",
        "A rule that never matches is written wrongly, or not needed any more";

    // Mailboxes.
    CheckAge = "halo_intake_mailbox_last_check_age_seconds", Gauge, Seconds, ["mailbox"],
        "Since the mailbox answered last and what was new there was received; since the watch began where it never did",
        "The one number that a dead connection can not hide from; health is red beyond three intervals";
    CheckInterval = "halo_intake_mailbox_check_interval_seconds", Gauge, Seconds, ["mailbox"],
        "How often the mailbox is checked: poll_interval, ten minutes at most",
        "What the age of the last check is compared with";
    CanaryTime = "halo_intake_canary_last_success_timestamp_seconds", Gauge, Seconds, ["mailbox"],
        "When a canary of this process was met in the mailbox last, since 1970; not there before the first",
        "Mail that does not come is seen even where the server answers";
    CanaryRoundTrip = "halo_intake_canary_round_trip_seconds", Gauge, Seconds, ["mailbox"],
        "How long that canary took from leaving to being met",
        "A growing one tells of queues before anything is lost";
    MailboxConnected = "halo_intake_mailbox_connected", Gauge, Things, ["mailbox"],
        "0 before the mailbox was reached and while it is in trouble, whatever that is; 1 otherwise",
        "Which mailbox it is";
    MailboxIdle = "halo_intake_mailbox_idle", Gauge, Things, ["mailbox"],
        "1 while the mailbox is connected as above and nothing is being read there, so that it waits for news",
        "Tells a mailbox at rest from one that is being read";
    FirstReadingMessages = "halo_intake_mailbox_first_reading_messages", Gauge, Things, ["mailbox"],
        "Messages that the first reading of the mailbox has to look at; there only while it goes on",
        "How far a large mailbox is";
    FirstReadingDone = "halo_intake_mailbox_first_reading_done_messages", Gauge, Things, ["mailbox"],
        "Messages that it has looked at; there only while it goes on",
        "The same";
    OldestOpen = "halo_intake_mailbox_oldest_open_message_age_seconds", Gauge, Seconds, ["mailbox"],
        "Since the reception of the mailbox's oldest message without an outcome; 0 where there is none",
        "The lag: what somebody waits for right now";
    Unsettled = "halo_intake_mailbox_unsettled_messages", Gauge, Things, ["mailbox"],
        "Messages that have their outcome and still lie as they lay in the mailbox",
        "A right that is missing there, a quota, a folder that is gone";

    // Halo.
    HaloRequests = "halo_intake_halo_request_duration_seconds", REQUESTS, Seconds,
        ["connection", "method", "resource", "status"],
        "Requests to Halo from their start to the end of the answer; status is 2xx to 5xx, none or unsent",
        "Which of Halo's resources is slow, or refuses";
    HaloCalls = "halo_intake_halo_calls_total", Counter, Things, ["connection"],
        "Requests that were sent to Halo",
        "What counts towards Halo's limit";
    HaloTooMany = "halo_intake_halo_too_many_requests_total", Counter, Things, ["connection"],
        "Answers 429 of Halo",
        "Somebody else uses the same limit, or rate is set too high";
    HaloRetries = "halo_intake_halo_retries_total", Counter, Things, ["connection"],
        "Requests that were sent again at once: after a 429, with another token, or without an answer",
        "Work that is done twice";
    HaloUnanswered = "halo_intake_halo_unanswered_calls_total", Counter, Things, ["connection"],
        "Requests that were sent and had no answer, or half of one",
        "Each of a write costs a look for what it may have made";
    HaloConnected = "halo_intake_halo_connected", Gauge, Things, ["connection"],
        "0 while the connection is known not to answer, to refuse the sign-in, or to ask for a pause by 429; 1 otherwise",
        "While it is 0 messages are deferred";
    PaceSlots = "halo_intake_halo_pace_slots", Gauge, Things, ["connection"],
        "Requests that may leave in each window: the first half of rate",
        "What used and waiting are compared with";
    PaceWindow = "halo_intake_halo_pace_window_seconds", Gauge, Seconds, ["connection"],
        "The window's length: the other half of rate",
        "The same";
    PaceUsed = "halo_intake_halo_pace_used_slots", Gauge, Things, ["connection"],
        "Slots of the window that are used now",
        "Near the slots requests begin to wait";
    PaceWaiting = "halo_intake_halo_pace_waiting_requests", Gauge, Things, ["connection"],
        "Requests that wait for a slot now",
        "The rate is what holds messages up";
    PaceHold = "halo_intake_halo_pace_hold_seconds", Gauge, Seconds, ["connection"],
        "How long nothing leaves any more, after a 429; 0 where it flows",
        "How long Halo asked to wait";
    Created = "halo_intake_halo_creations_total", Counter, Things, ["connection", "kind"],
        "Things that were created in Halo and were not there before",
        "What the whole is for; a flood of new users shows here";
    HaloTokenAge = "halo_intake_halo_token_age_seconds", Gauge, Seconds, ["connection"],
        "Since Halo gave the token that is used",
        "A token that is never renewed";
    HaloTokenLeft = "halo_intake_halo_token_remaining_seconds", Gauge, Seconds, ["connection"],
        "Until that token expires, below 0 afterwards; another one is fetched at the next request",
        "The same";

    // Sign-ins of mail servers.
    TokenAge = "halo_intake_sign_in_token_age_seconds", Gauge, Seconds, ["kind", "mailbox"],
        "Since the provider gave the OAuth token that is used; kind is mailbox or smtp",
        "A token that is never renewed";
    TokenLeft = "halo_intake_sign_in_token_remaining_seconds", Gauge, Seconds, ["kind", "mailbox"],
        "Until that token expires, below 0 afterwards; another one is fetched at the next sign-in",
        "The same";
    SecretExpiry = "halo_intake_client_secret_expiry_timestamp_seconds", Gauge, Seconds, ["kind", "mailbox"],
        "The end of the last day of the client secret, where client_secret_expires is set",
        "Somebody has to make a new one before";

    // Letters.
    OutboxLetters = "halo_intake_outbox_letters", Gauge, Things, ["way"],
        "Letters that wait in the outbox: by mail bounces, mails of steps and reports, by webhook reports",
        "The SMTP server, or the receiver of the webhook, takes nothing";
    OutboxOldest = "halo_intake_outbox_oldest_letter_age_seconds", Gauge, Seconds, ["way"],
        "Since the oldest of them was written; 0 where there is none",
        "How long senders and operators have not been told";
    Letters = "halo_intake_letters_total", Counter, Things, ["way", "result"],
        "Letters by way, mail or webhook, and by what became of them: taken, refused, unanswered, outdated, suppressed",
        "Refused and suppressed ones reach nobody";

    // The program.
    Troubles = "halo_intake_things_in_trouble", Gauge, Things, ["kind"],
        "How many things of this kind are in trouble; 0 where all are well",
        "Above 0 somebody may have to act; the log, the report and the page say what";
    WorkTurn = "halo_intake_work_loop_last_turn_age_seconds", Gauge, Seconds, [],
        "Since the loop that takes up work made its last turn, some 15 s apart where nothing happens",
        "Health is red, and systemd starts the service anew, when it stands still";
    JournalReadable = "halo_intake_journal_readable", Gauge, Things, [],
        "1 where the journal was read for this scrape; 0 otherwise, and what is read there is missing",
        "Tells nothing to do from nothing known";
    JournalCommits = "halo_intake_journal_commit_duration_seconds", COMMITS, Seconds, [],
        "Commits of the journal, from the first change to the disk's word",
        "The disk is what everything waits for";
    JournalRows = "halo_intake_journal_rows", Gauge, Things, [],
        "Messages that the journal holds; retention drops old ones",
        "Whether retention does what was meant";
    JournalSize = "halo_intake_journal_size_bytes", Gauge, Bytes, [],
        "The journal's files on disk",
        "Before the disk is full";
    Nodes = "halo_intake_nodes", Gauge, Things, ["state"],
        "Nodes that have the journal together: alive, and of the last day lost, not heard of in time, and stopped",
        "A node that is lost is a machine or a process that somebody did not stop";
    Duties = "halo_intake_duties", Gauge, Things, [],
        "What this node does: the mailboxes that it watches, and the outbox where that is its own",
        "How the work is shared";
    OpenDuties = "halo_intake_open_duties", Gauge, Things, [],
        "What an alive node could do and none does; above 0 for some seconds while another node takes over",
        "A mailbox that nobody watches, or letters that nobody sends";
    Build = "halo_intake_build_info", Info, Things, ["version"],
        "The program's version",
        "Which one runs where";
    Configuration = "halo_intake_config_info", Info, Things, ["digest"],
        "The digest of the configuration that runs, as log and journal name it",
        "Whether two machines run the same";
    ReloadSuccessful = "halo_intake_config_last_reload_successful", Gauge, Things, [],
        "0 where the last reload was refused and the configuration before goes on; 1 otherwise",
        "A change that was made and does not hold";
    ReloadTime = "halo_intake_config_last_reload_success_timestamp_seconds", Gauge, Seconds, [],
        "When a configuration was taken last, at the start or by a reload",
        "Since when the digest holds";

    // The process, by the names that all programs use.
    ProcessCpu = "process_cpu_seconds_total", Counter, Seconds, [],
        "Processor time that the process has used",
        "What it costs";
    ProcessMemory = "process_resident_memory_bytes", Gauge, Bytes, [],
        "Resident memory of the process",
        "The same";
    ProcessFiles = "process_open_fds", Gauge, Things, [],
        "Open files of the process",
        "Each mailbox takes one or two connections";
    ProcessMostFiles = "process_max_fds", Gauge, Things, [],
        "How many files it may open",
        "The same";
    ProcessStart = "process_start_time_seconds", Gauge, Seconds, [],
        "When the process started",
        "A service that starts again and again";
}

//! `nodes`: the processes that have the journal, what each of them does, what nobody does, and what waits.

use std::{collections::BTreeSet, io::Write, time::Duration};

use comfy_table::{Attribute, Cell, Color, Table};
use jiff::Timestamp;
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::{
    Common, Ended, Failure, Format, Status,
    print::{self, Screen},
    runtime,
};
use crate::{
    clock::Clock,
    journal::{
        self, Journal, JournalError, Opening, Survey, Way,
        node::{Duty, Node, NodeState, Nodes},
    },
    when,
};

const HEADER: [&str; 10] = [
    "NODE",
    "HOST",
    "PID",
    "VERSION",
    "SINCE (UTC)",
    "HEARD",
    "STATE",
    "IN HAND",
    "OUTBOX",
    "MAILBOXES",
];
const HOST: usize = 1;
const STATE: usize = 6;
const MAILBOXES: usize = 9;
/// Between two columns.
const GAP: usize = 2;
/// On a terminal a name is cut beyond.
const LONGEST_HOST: usize = 24;
/// On a narrower screen there is no room for these.
const WIDE: u16 = 100;
const IF_WIDE: [&str; 3] = ["PID", "VERSION", "SINCE (UTC)"];

/// Lists the nodes that have the journal together: which are alive, what each does, and what waits
#[derive(Debug, clap::Args)]
pub struct List {
    /// How it is printed
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// What is printed. The field names are those of its JSON.
#[derive(Debug, Serialize)]
struct Listed {
    #[serde(flatten)]
    nodes: Nodes,
    waiting: Waiting,
}

/// How much there is to do.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Waiting {
    pending: u64,
    deferred: u64,
    unsettled: u64,
    letters: u64,
    posts: u64,
}

impl List {
    /// Lists.
    pub fn perform(&self, common: &Common) -> Ended {
        let generation = common.generation_to_read()?;
        common.begin_logging("warn")?;
        let journal = journal::open(&generation.config, Clock::system(), Opening::Look)?;
        let look = async { Ok::<_, JournalError>((journal.nodes().await?, journal.survey().await?)) };
        let (nodes, survey) = runtime()?.block_on(look)?;
        let listed = Listed {
            nodes,
            waiting: Waiting::of(&survey),
        };
        match self.format {
            Format::Json => print::json_line(&listed)?,
            Format::Table => listed.print()?,
        }
        Ok(listed.status())
    }
}

impl Listed {
    /// Somebody has to look where nobody does what is to be done.
    fn status(&self) -> Status {
        if self.nodes.alive().next().is_none() || self.nodes.left_for().is_some() {
            Status::Unavailable
        } else {
            Status::Done
        }
    }

    fn print(&self) -> Result<(), Failure> {
        if !self.nodes.nodes.is_empty() {
            print::print_table(&table(&self.nodes, &Screen::of_stdout()))?;
        }
        Ok(writeln!(std::io::stdout(), "{}", self.below())?)
    }

    /// What stands below the table.
    fn below(&self) -> String {
        let mut lines = Vec::new();
        if self.nodes.alive().next().is_none() {
            lines.push("no node is alive: nobody watches a mailbox or sends a letter".to_owned());
        }
        if !self.nodes.open.is_empty() {
            let open: Vec<String> = self
                .nodes
                .open
                .iter()
                .map(|duty| print::plain(&duty.to_string()))
                .collect();
            let so_long = self
                .nodes
                .open_since
                .map_or_else(String::new, |since| format!(" for {}", age(since, self.nodes.now)));
            lines.push(format!("done by nobody{so_long}: {}", open.join(", ")));
        }
        lines.push(self.waiting.text());
        lines.join("\n")
    }
}

impl Waiting {
    fn of(survey: &Survey) -> Waiting {
        let state = |word: &str| {
            let totals = survey.totals.values();
            totals.filter_map(|totals| totals.by_state.get(word)).sum()
        };
        let letters = |way: Way| survey.letters.get(&way).map_or(0, |queued| queued.count);
        Waiting {
            pending: state("pending"),
            deferred: state("deferred"),
            unsettled: survey.unsettled.values().sum(),
            letters: letters(Way::Mail),
            posts: letters(Way::Webhook),
        }
    }

    fn text(&self) -> String {
        let all = [
            (self.pending, "pending"),
            (self.deferred, "deferred"),
            (self.unsettled, "to be settled"),
            (self.letters, "to be sent"),
            (self.posts, "to be posted"),
        ];
        let some: Vec<String> = all
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        match some.is_empty() {
            true => "nothing waits".to_owned(),
            false => format!("waiting: {}", some.join(", ")),
        }
    }
}

/// One line a node. Those that are no more stand below, and recede.
fn table(nodes: &Nodes, screen: &Screen) -> Table {
    let is_wide = screen.width.is_none_or(|width| width >= WIDE);
    let shown = |column: &usize| is_wide || !IF_WIDE.contains(&HEADER[*column]);
    let columns: Vec<usize> = (0..HEADER.len()).filter(shown).collect();
    let mut lines: Vec<_> = nodes.nodes.iter().map(|node| texts(node, nodes.now)).collect();
    if let Some(width) = screen.width {
        fit(&mut lines, &columns, width.into());
    }
    let header: Vec<&str> = columns.iter().map(|column| HEADER[*column]).collect();
    let mut table = screen.table(&header);
    for (node, line) in nodes.nodes.iter().zip(&lines) {
        let cell = |column: &usize| {
            let cell = Cell::new(&line[*column]);
            match (screen.colours, node.state) {
                (true, NodeState::Alive) if *column == STATE => cell.fg(Color::Green),
                (true, NodeState::Lost) if *column == STATE => cell.fg(Color::Red),
                (true, NodeState::Lost | NodeState::Stopped) => cell.add_attribute(Attribute::Dim),
                _ => cell,
            }
        };
        screen.add(&mut table, columns.iter().map(cell).collect());
    }
    table
}

/// Cuts long names of machines, and then of mailboxes as many as have no room.
fn fit(lines: &mut [[String; 10]], columns: &[usize], screen: usize) {
    let mut left = screen;
    for column in &columns[..columns.len() - 1] {
        for line in lines.iter_mut().filter(|_| *column == HOST) {
            line[HOST] = print::fitting(&line[HOST], LONGEST_HOST);
        }
        let texts = lines.iter().map(|line| line[*column].width());
        left = left.saturating_sub(texts.fold(HEADER[*column].width(), usize::max) + GAP);
    }
    for line in lines {
        line[MAILBOXES] = print::fitting(&line[MAILBOXES], left.max(HEADER[MAILBOXES].width()));
    }
}

fn texts(node: &Node, now: Timestamp) -> [String; 10] {
    [
        node.node.to_string(),
        print::plain(&node.host),
        node.pid.to_string(),
        print::plain(&node.version),
        node.began.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        heard(node.seen, now),
        node.state.word().to_owned(),
        node.in_hand.to_string(),
        if node.duties.contains(&Duty::Outbox) { "yes" } else { "" }.to_owned(),
        mailboxes(&node.duties),
    ]
}

/// `3: billing, sales, support`; as many names as there is room for.
fn mailboxes(duties: &BTreeSet<Duty>) -> String {
    let names = duties.iter().filter_map(|duty| match duty {
        Duty::Mailbox(name) => Some(print::plain(&name.0)),
        Duty::Outbox => None,
    });
    let names: Vec<String> = names.collect();
    match names.len() {
        0 => String::new(),
        count => format!("{count}: {}", names.join(", ")),
    }
}

fn heard(seen: Timestamp, now: Timestamp) -> String {
    match now.duration_since(seen).as_secs() {
        ..1 => "just now".to_owned(),
        _ => format!("{} ago", age(seen, now)),
    }
}

fn age(then: Timestamp, now: Timestamp) -> String {
    let age = Duration::try_from(now.duration_since(then)).unwrap_or_default();
    when::length(age)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::MailboxName, journal::node::NodeId};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + seconds).unwrap()
    }

    fn node(number: i64, state: NodeState, mailboxes: i64) -> Node {
        let names = (0..mailboxes).map(|n| Duty::Mailbox(MailboxName(format!("mailbox-number-{n}"))));
        Node {
            node: NodeId(number),
            host: "mx1.intake.example.com".to_owned(),
            pid: 4711,
            version: "1.2.3".to_owned(),
            began: at(-86_400),
            seen: at(-2),
            state,
            duties: names.chain([Duty::Outbox]).collect(),
            in_hand: 3,
        }
    }

    fn nodes(nodes: Vec<Node>) -> Nodes {
        Nodes {
            now: at(0),
            nodes,
            open: BTreeSet::new(),
            open_since: None,
        }
    }

    fn lines(nodes: &Nodes, width: Option<u16>, colours: bool) -> Vec<String> {
        let table = table(nodes, &Screen { width, colours });
        table.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    #[test]
    fn a_node_is_one_line_with_as_many_names_as_there_is_room_for() {
        let nodes = nodes(vec![node(12, NodeState::Alive, 40), node(11, NodeState::Lost, 0)]);
        for width in [72, 80, 100, 160] {
            let lines = lines(&nodes, Some(width), false);
            assert_eq!(lines.len(), 3, "{lines:#?}");
            for line in &lines {
                assert!(line.chars().count() <= usize::from(width), "{width}: {line}");
            }
            assert_eq!(lines[0].contains("PID"), width >= WIDE, "{width}");
            assert!(lines[1].contains("12") && lines[1].contains("alive"), "{lines:#?}");
        }
        assert!(lines(&nodes, Some(80), false)[1].contains("40: mail"));
        assert!(lines(&nodes, Some(160), false)[1].contains("40: mailbox-number-0, mail"));
        let whole = &lines(&nodes, None, false)[1];
        assert!(
            whole.contains("mailbox-number-39") && whole.contains("2 s ago"),
            "{whole}"
        );
    }

    #[test]
    fn those_that_are_no_more_recede() {
        let nodes = nodes(vec![node(12, NodeState::Alive, 1), node(11, NodeState::Stopped, 0)]);
        let lines = lines(&nodes, Some(120), true);
        assert!(
            !lines[1].contains("\x1b[2m") && lines[2].contains("\x1b[2m"),
            "{lines:?}"
        );
    }

    #[test]
    fn what_nobody_does_is_wrong_once_a_takeover_would_have_been_over() {
        let check = |listed: &Listed, status, below: &str| {
            assert_eq!((listed.status(), listed.below().as_str()), (status, below));
        };
        let mut listed = Listed {
            nodes: nodes(vec![node(12, NodeState::Alive, 1)]),
            waiting: Waiting::default(),
        };
        check(&listed, Status::Done, "nothing waits");
        listed.nodes.open.insert(Duty::Mailbox(MailboxName("sales".to_owned())));
        listed.waiting.pending = 2;
        listed.waiting.letters = 1;
        listed.nodes.open_since = Some(at(-15));
        let below = "done by nobody for 15 s: mailbox sales\nwaiting: 2 pending, 1 to be sent";
        check(&listed, Status::Done, below);
        listed.nodes.open_since = Some(at(-16));
        check(&listed, Status::Unavailable, &below.replace("15 s", "16 s"));
        listed = Listed {
            nodes: nodes(vec![node(11, NodeState::Lost, 0)]),
            waiting: Waiting::default(),
        };
        let below = "no node is alive: nobody watches a mailbox or sends a letter\nnothing waits";
        check(&listed, Status::Unavailable, below);
    }
}

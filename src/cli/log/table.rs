//! The listing as a table: a line a message, and as many columns as the screen has room for.

use comfy_table::{Cell, Table};
use unicode_width::UnicodeWidthStr;

use super::{Row, Screen, print};

const HEADER: [&str; 9] = [
    "ID",
    "TIME (UTC)",
    "MAILBOX",
    "FROM",
    "SUBJECT",
    "OUTCOME",
    "CALLS",
    "RULE",
    "REASON",
];
const TIME: usize = 1;
const OUTCOME: usize = 5;
const REASON: usize = 8;

/// The two forms of a time, and how wide the short one is.
const LONG_TIME: &str = "%Y-%m-%d %H:%M:%S";
const SHORT_TIME: (&str, usize) = ("%m-%d %H:%M", 11);

/// On a narrower screen a line is wrapped.
const NARROWEST: u16 = 40;

/// Between two columns.
const GAP: usize = 2;

/// How a screen's room is given away: to a column, up to so many characters, in this order. A further column comes only
/// after whom a message is from and what it is about have enough, so that a wider screen never shows less of them.
const ROOM: [(&str, usize, Comes); 20] = [
    ("ID", usize::MAX, Comes::Whole),
    ("OUTCOME", usize::MAX, Comes::Whole),
    ("FROM", 12, Comes::InPart),
    ("SUBJECT", 12, Comes::InPart),
    ("TIME (UTC)", SHORT_TIME.1, Comes::Whole),
    ("FROM", 16, Comes::InPart),
    ("SUBJECT", 16, Comes::InPart),
    ("REASON", 10, Comes::InPart),
    ("FROM", 20, Comes::InPart),
    ("SUBJECT", 24, Comes::InPart),
    ("FROM", 28, Comes::InPart),
    ("SUBJECT", 40, Comes::InPart),
    ("REASON", 24, Comes::InPart),
    ("MAILBOX", usize::MAX, Comes::Whole),
    ("TIME (UTC)", usize::MAX, Comes::Whole),
    ("RULE", 24, Comes::Whole),
    ("CALLS", usize::MAX, Comes::Whole),
    ("FROM", usize::MAX, Comes::InPart),
    ("SUBJECT", usize::MAX, Comes::InPart),
    ("RULE", usize::MAX, Comes::InPart),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comes {
    /// Where there is less room it gets nothing, and neither does what stands below it.
    Whole,
    InPart,
}

/// One line a message. What has no room can be looked up by `show`.
pub(super) fn table(rows: &[Row], screen: &Screen) -> Table {
    let lines: Vec<_> = rows.iter().map(texts).collect();
    let needed = std::array::from_fn(|column| {
        let texts = lines.iter().map(|line| line[column].width());
        texts.fold(HEADER[column].width(), usize::max)
    });
    let room = screen.width.map_or(usize::MAX, |width| width.max(NARROWEST).into());
    let widths = widths(&needed, room);
    let shown = |column: &usize| widths[*column] > 0;
    let header: Vec<&str> = (0..HEADER.len()).filter(shown).map(|column| HEADER[column]).collect();
    let mut table = screen.table(&header);
    for (row, line) in rows.iter().zip(&lines) {
        let cell = |column: usize| match column {
            OUTCOME => screen.outcome(&row.outcome, row.attempts),
            TIME if widths[TIME] == SHORT_TIME.1 => Cell::new(row.time.strftime(SHORT_TIME.0)),
            _ => Cell::new(print::fitting(&line[column], widths[column])),
        };
        screen.add(&mut table, (0..HEADER.len()).filter(shown).map(cell).collect());
    }
    table
}

fn texts(row: &Row) -> [String; 9] {
    [
        row.id.to_string(),
        row.time.strftime(LONG_TIME).to_string(),
        print::plain(&row.mailbox.0),
        print::plain(row.author()),
        print::plain(row.title()),
        print::outcome_and_attempts(&row.outcome, row.attempts),
        row.calls.to_string(),
        print::plain(&row.rule),
        print::plain(&row.reason),
    ]
}

/// How wide each column is; what has no room is 0.
fn widths(needed: &[usize; 9], screen: usize) -> [usize; 9] {
    let (mut widths, mut left) = ([0; 9], screen);
    for (name, most, comes) in ROOM {
        let column = HEADER
            .iter()
            .position(|header| *header == name)
            .expect("ROOM names columns");
        let gap = if widths[column] == 0 { GAP } else { 0 };
        let wanted = needed[column].min(most).saturating_sub(widths[column]);
        let room = left.saturating_sub(gap);
        let least = match comes {
            Comes::Whole => wanted,
            // No column comes without its name.
            Comes::InPart if widths[column] == 0 => name.len(),
            Comes::InPart => 1,
        };
        if room < least {
            break;
        }
        let more = wanted.min(room);
        widths[column] += more;
        left -= more + gap;
    }
    // Where it has begun it gets what no other column could use.
    if widths[REASON] > 0 {
        widths[REASON] = needed[REASON].min(widths[REASON] + left);
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::log::EntryId, config::MailboxName};

    fn rows() -> Vec<Row> {
        let row = |id: i64, subject: &str, outcome: &str, reason: &str| Row {
            id: EntryId(id),
            time: "2026-11-23T09:00:07Z".parse().unwrap(),
            mailbox: MailboxName("support".into()),
            from: "ann.lee@branch-office.stranger.example".into(),
            subject: subject.into(),
            outcome: outcome.into(),
            rule: "Unknown senders become users".into(),
            reason: reason.into(),
            attempts: 1,
            calls: 4,
        };
        let mut rows = vec![
            row(17, "A question", "completed", ""),
            row(
                18,
                "The printer on the second floor does not print anything any more since this morning",
                "failed",
                "create_halo_user: site is a site of client 13 (\"Globex\"), not of client 12 (\"Acme Ltd\"); it needs a site of that client",
            ),
            row(19, "", "ignored", ""),
        ];
        rows[2].from = String::new();
        rows
    }

    fn lines(rows: &[Row], width: Option<u16>) -> Vec<String> {
        let screen = Screen { width, colours: false };
        table(rows, &screen)
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
    }

    /// How much of a text a line shows.
    fn shown(line: &str, text: &str) -> usize {
        (0..=text.len()).rfind(|end| line.contains(&text[..*end])).unwrap_or(0)
    }

    #[test]
    fn a_message_is_one_line_on_every_screen() {
        for width in 40..=200 {
            let lines = lines(&rows(), Some(width));
            assert_eq!(lines.len(), 4, "{lines:#?}");
            for line in &lines {
                assert!(line.width() <= usize::from(width), "{width}: {line}");
            }
            assert!(lines[1].contains("17") && lines[1].contains("completed"), "{lines:#?}");
            assert!(lines[2].contains('…'), "{lines:#?}");
        }
    }

    #[test]
    fn a_wider_screen_never_shows_less_of_author_and_subject() {
        let all = rows();
        for rows in [&all[..], &all[..1], &all[1..]] {
            let (row, mut before) = (&rows[0], (0, 0));
            for width in 40..=400 {
                let line = &lines(rows, Some(width))[1];
                let now = (shown(line, &row.from), shown(line, &row.subject));
                assert!(now.0 >= before.0 && now.1 >= before.1, "{width}: {before:?} {line}");
                before = now;
            }
            assert_eq!(before, (row.from.len(), row.subject.len()));
        }
    }

    #[test]
    fn columns_come_in_as_there_is_room_for_them() {
        let header = |width| {
            lines(&rows(), Some(width))[0]
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(header(40), ["ID", "FROM", "SUBJECT", "OUTCOME"]);
        assert_eq!(
            header(80),
            ["ID", "TIME", "(UTC)", "FROM", "SUBJECT", "OUTCOME", "REASON"]
        );
        assert_eq!(header(120), header(80), "long subjects and reasons need the room");
        assert!(header(140).contains(&"MAILBOX".to_owned()));
        assert_eq!(header(200).len(), HEADER.len() + 1, "the time has two words");
        let short = &rows()[..1];
        assert!(
            lines(short, Some(120))[0].contains("MAILBOX"),
            "a short subject leaves room"
        );
    }

    #[test]
    fn who_wrote_nothing_is_said_not_to_have() {
        let lines = lines(&rows(), Some(80));
        assert!(
            lines[3].contains("(no author)") && lines[3].contains("(no subject)"),
            "{lines:#?}"
        );
    }

    #[test]
    fn a_program_that_reads_it_gets_everything() {
        let lines = lines(&rows(), None);
        assert_eq!(lines.len(), 4, "{lines:#?}");
        assert!(lines[2].contains("since this morning") && lines[2].ends_with("it needs a site of that client"));
        assert!(lines[0].contains("TIME (UTC)") && lines[1].contains("2026-11-23 09:00:07"));
    }
}

//! Invitations (RFC 5545, RFC 5546): what, when, where, by whom, and who answers how.
//!
//! Only the few fields that a person looks at are read, of the first event; recurrence and time zones are shown as they
//! are named, not computed.

use std::fmt::Write;

use super::{charset, header::one_line, part::Part};

/// How much of a calendar is read.
const MAX_CALENDAR: usize = 256 * 1024;
/// How many lines, and how many who take part.
const MAX_LINES: usize = 10_000;
const MAX_ATTENDEES: usize = 100;
/// How much of one text is kept.
const MAX_TEXT: usize = 2_000;

/// What somebody wants with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// An event, and no more.
    #[default]
    Publish,
    Request,
    Reply,
    Cancel,
    /// Another time is proposed.
    Counter,
}

/// An event and what somebody wants with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Invitation {
    pub method: Method,
    /// Empty where it says none, as are the others.
    pub summary: String,
    /// Such as `2026-11-23 10:00 (Europe/Berlin)`, or a day.
    pub begins: String,
    pub ends: String,
    pub place: String,
    /// Name and address.
    pub organiser: String,
    pub attendees: Vec<Attendee>,
    pub description: String,
}

/// Who is invited or answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attendee {
    /// Name and address.
    pub who: String,
    /// `accepted`, `declined`, `tentative`, …, in lower case; empty where nothing was answered.
    pub answer: String,
}

impl Invitation {
    /// The first event of the first calendar among the parts.
    pub fn find(message: &[u8], parts: &[Part]) -> Option<Invitation> {
        let is_calendar =
            |part: &&Part| matches!(part.content_type.value.as_str(), "text/calendar" | "application/ics");
        let part = parts.iter().find(is_calendar)?;
        let octets = part.decoded(message, MAX_CALENDAR);
        let octets = &octets[..octets.len().min(MAX_CALENDAR)];
        let label = part.content_type.parameter("charset").filter(|label| !label.is_empty());
        let text = charset::decoded(octets, label.as_deref().unwrap_or("utf-8"));
        let mut invitation = Invitation::parse(&text)?;
        if invitation.method == Method::Publish {
            invitation.method = method(&part.content_type.parameter("method").unwrap_or_default());
        }
        Some(invitation)
    }

    /// Reads a calendar; nothing where it holds no event.
    fn parse(text: &str) -> Option<Invitation> {
        let mut invitation = Invitation::default();
        let (mut events, mut within) = (0, Vec::new());
        for line in unfolded(text) {
            let Some(field) = Field::of(&line) else { continue };
            match field.name.as_str() {
                "BEGIN" => {
                    within.push(field.value.trim().to_ascii_uppercase());
                    events += usize::from(within == ["VCALENDAR", "VEVENT"]);
                }
                "END" => drop(within.pop()),
                "METHOD" if within == ["VCALENDAR"] => invitation.method = method(field.value),
                // Alarms within have fields of the same names.
                _ if events == 1 && within == ["VCALENDAR", "VEVENT"] => invitation.take(&field),
                _ => {}
            }
            if events > 1 {
                break;
            }
        }
        (events > 0).then_some(invitation)
    }

    fn take(&mut self, field: &Field<'_>) {
        match field.name.as_str() {
            "SUMMARY" => self.summary = one_line(&plain(field.value)),
            "DTSTART" => self.begins = field.time(),
            "DTEND" => self.ends = field.time(),
            "LOCATION" => self.place = one_line(&plain(field.value)),
            "DESCRIPTION" => self.description = plain(field.value).trim().to_owned(),
            "ORGANIZER" => self.organiser = field.person(),
            "ATTENDEE" if self.attendees.len() < MAX_ATTENDEES => {
                let answer = field.parameter("PARTSTAT").to_ascii_lowercase();
                let answer = if answer == "needs-action" {
                    String::new()
                } else {
                    one_line(&answer)
                };
                self.attendees.push(Attendee {
                    who: field.person(),
                    answer,
                });
            }
            _ => {}
        }
    }

    /// A few lines for a person: what it is, when, where, by whom, and who answers how.
    pub fn text(&self) -> String {
        let what = match self.method {
            Method::Publish => "Event",
            Method::Request => "Invitation",
            Method::Reply => "Answer to an invitation",
            Method::Cancel => "Cancelled",
            Method::Counter => "Another time is proposed",
        };
        let until = if self.ends.is_empty() {
            String::new()
        } else {
            format!(" to {}", self.ends)
        };
        let mut text = format!("{what}: {}", self.summary);
        let lines = [
            ("When", format!("{}{until}", self.begins)),
            ("Where", self.place.clone()),
            ("Organiser", self.organiser.clone()),
        ];
        for (label, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
            write!(text, "\n{label}: {value}").expect("a text takes everything");
        }
        for attendee in &self.attendees {
            let answer = if attendee.answer.is_empty() {
                "invited"
            } else {
                &attendee.answer
            };
            write!(text, "\n{}: {answer}", attendee.who).expect("a text takes everything");
        }
        if !self.description.is_empty() {
            write!(text, "\n\n{}", self.description).expect("a text takes everything");
        }
        text
    }
}

fn method(text: &str) -> Method {
    match text.trim().to_ascii_uppercase().as_str() {
        "REQUEST" | "ADD" => Method::Request,
        "REPLY" => Method::Reply,
        "CANCEL" => Method::Cancel,
        "COUNTER" => Method::Counter,
        _ => Method::Publish,
    }
}

/// A line goes on where the next one begins with white space (RFC 5545, 3.1).
fn unfolded(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().take(MAX_LINES) {
        let last = lines.last_mut();
        match (line.strip_prefix([' ', '\t']), last) {
            (Some(more), Some(last)) => last.push_str(more),
            _ => lines.push(line.to_owned()),
        }
    }
    lines
}

/// `NAME;PARAMETER=value:value`.
struct Field<'a> {
    name: String,
    parameters: &'a str,
    value: &'a str,
}

impl<'a> Field<'a> {
    fn of(line: &'a str) -> Option<Field<'a>> {
        // A quoted value of a parameter may hold a colon.
        let mut is_quoted = false;
        let colon = line.char_indices().find(|(_, c)| {
            is_quoted ^= *c == '"';
            *c == ':' && !is_quoted
        });
        let (head, value) = (&line[..colon?.0], &line[colon?.0 + 1..]);
        let (name, parameters) = head.split_once(';').unwrap_or((head, ""));
        Some(Field {
            name: name.trim().to_ascii_uppercase(),
            parameters,
            value,
        })
    }

    fn parameter(&self, name: &str) -> &'a str {
        let mut is_quoted = false;
        let pieces = self.parameters.split(|c: char| {
            is_quoted ^= c == '"';
            c == ';' && !is_quoted
        });
        let mut pairs = pieces.filter_map(|piece| piece.split_once('='));
        let found = pairs.find(|(other, _)| other.trim().eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value.trim_matches('"'))
    }

    /// `Ann Lee <ann@example.org>`.
    fn person(&self) -> String {
        let address = self.value.trim();
        let scheme = address.get(..7).filter(|begin| begin.eq_ignore_ascii_case("mailto:"));
        let address = one_line(&address[scheme.map_or(0, str::len)..]);
        let name = one_line(self.parameter("CN"));
        let person = match name.is_empty() || name == address {
            true => address,
            false => format!("{name} <{address}>"),
        };
        person[..person.floor_char_boundary(MAX_TEXT)].to_owned()
    }

    /// `20261123T100000Z` for people; nothing of what is no time.
    fn time(&self) -> String {
        let value = self.value.trim();
        let is_utc = value.ends_with('Z');
        let (day, time) = value.trim_end_matches('Z').split_once('T').unwrap_or((value, ""));
        let digits = |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(day, 8) {
            return String::new();
        }
        let day = format!("{}-{}-{}", &day[..4], &day[4..6], &day[6..]);
        if !digits(time, 6) {
            return day;
        }
        let zone = match (is_utc, self.parameter("TZID")) {
            (true, _) => " UTC".to_owned(),
            (_, "") => String::new(),
            (_, zone) => format!(" ({})", one_line(&zone[..zone.floor_char_boundary(100)])),
        };
        format!("{day} {}:{}{zone}", &time[..2], &time[2..4])
    }
}

/// A text without its backslashes (RFC 5545, 3.3.11).
fn plain(text: &str) -> String {
    let text = &text[..text.floor_char_boundary(MAX_TEXT)];
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => plain.extend(
                letters
                    .next()
                    .map(|next| if matches!(next, 'n' | 'N') { '\n' } else { next }),
            ),
            other => plain.push(other),
        }
    }
    plain.retain(|c| matches!(c, '\n' | '\t') || !c.is_control());
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(calendar: &str, expected: &str) {
        let invitation = Invitation::parse(&calendar.replace('\n', "\r\n"));
        assert_eq!(
            invitation.map(|invitation| invitation.text()).unwrap_or_default(),
            expected
        );
    }

    #[test]
    fn an_invitation_says_what_when_where_and_by_whom() {
        check(
            "BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VTIMEZONE\nTZID:Europe/Berlin\nBEGIN:STANDARD\nDTSTART:16010101T030000\nEND:STANDARD\nEND:VTIMEZONE\n\
             BEGIN:VEVENT\nSUMMARY;LANGUAGE=de:Maintenance\\, floor\n  2\nDTSTART;TZID=Europe/Berlin:20261123T100000\nDTEND;TZID=Europe/Berlin:20261123T110000\n\
             LOCATION:Room 1\nORGANIZER;CN=\"Lee: Ann\":mailto:ann@example.org\nATTENDEE;PARTSTAT=NEEDS-ACTION;CN=Bob:MAILTO:bob@example.org\n\
             DESCRIPTION:One\\nTwo\\;\nBEGIN:VALARM\nDESCRIPTION:Reminder\nEND:VALARM\nEND:VEVENT\nBEGIN:VEVENT\nSUMMARY:Other\nEND:VEVENT\nEND:VCALENDAR",
            "Invitation: Maintenance, floor 2\nWhen: 2026-11-23 10:00 (Europe/Berlin) to 2026-11-23 11:00 (Europe/Berlin)\nWhere: Room 1\n\
             Organiser: Lee: Ann <ann@example.org>\nBob <bob@example.org>: invited\n\nOne\nTwo;",
        );
    }

    #[test]
    fn an_answer_says_who_answers_how() {
        check(
            "begin:vcalendar\nmethod:reply\nbegin:vevent\nsummary:Lunch\ndtstart:20261123T110000Z\nattendee;partstat=DECLINED:mailto:bob@example.org\nend:vevent\nend:vcalendar",
            "Answer to an invitation: Lunch\nWhen: 2026-11-23 11:00 UTC\nbob@example.org: declined",
        );
        check(
            "BEGIN:VCALENDAR\nMETHOD:CANCEL\nBEGIN:VEVENT\nSUMMARY:Fair\nDTSTART;VALUE=DATE:20261123\nEND:VEVENT\nEND:VCALENDAR",
            "Cancelled: Fair\nWhen: 2026-11-23",
        );
    }

    #[test]
    fn what_is_broken_is_poor_not_wrong() {
        check("", "");
        check("BEGIN:VCALENDAR\nEND:VCALENDAR", "");
        check(
            "END:X\nBEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:soon\nSUMMARY\n:x\n;\nLOCATION:\\",
            "Event: ",
        );
    }
}

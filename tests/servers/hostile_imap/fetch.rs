//! FETCH: the rows of messages, as they should be or not.

use super::{
    command::Command,
    misbehaviour::Misbehaviour,
    session::{Session, Then},
    state::Message,
};

impl Session {
    pub(super) fn fetch(&mut self, command: &Command, wrong: Option<Misbehaviour>) -> Then {
        let mut asked = {
            let mut state = self.shared.state();
            let uids = command.uids(state.folders.get(&self.selected));
            let Some(folder) = state.folders.get_mut(&self.selected) else {
                return Then::HangUp;
            };
            let is_meant = |message: &Message| uids.contains(&message.uid) || wrong == Some(Misbehaviour::Strangers);
            // Octets that are asked for without PEEK set \Seen.
            if command.arguments.contains(" BODY[") || command.arguments.contains("(BODY[") {
                for message in folder.messages.iter_mut().filter(|message| uids.contains(&message.uid)) {
                    message.flags.insert("\\Seen".to_owned());
                }
            }
            let found: Vec<Message> = folder.messages.iter().filter(|one| is_meant(one)).cloned().collect();
            found
        };
        match wrong {
            Some(Misbehaviour::Withhold(_)) => {
                self.say(&format!("{} NO [SERVERBUG] a message is broken\r\n", command.tag));
                return Then::GoOn;
            }
            Some(Misbehaviour::LeaveOut(text)) => asked.retain(|message| !message.holds(text)),
            Some(Misbehaviour::Reversed) => asked.reverse(),
            Some(Misbehaviour::Doubled) => asked = asked.iter().flat_map(|one| [one.clone(), one.clone()]).collect(),
            _ => {}
        }
        for (at, message) in asked.iter().enumerate() {
            let then = self.row(command, message, wrong, at);
            if then != Then::GoOn {
                return then;
            }
        }
        if matches!(wrong, Some(Misbehaviour::DoneAndGone(_))) {
            return Then::HangUp;
        }
        self.say(&format!("{} OK fetched\r\n", command.tag));
        Then::GoOn
    }

    /// One message of a FETCH. The first comes whole before anything is broken off.
    fn row(&mut self, command: &Command, message: &Message, wrong: Option<Misbehaviour>, at: usize) -> Then {
        let flags: Vec<&str> = message.flags.iter().map(String::as_str).collect();
        let size = message.octets.len();
        let head = format!(
            "* {} FETCH (UID {} FLAGS ({}) INTERNALDATE \"{}\" RFC822.SIZE {size}",
            at + 1,
            message.uid,
            flags.join(" "),
            message.came.strftime("%d-%b-%Y %H:%M:%S +0000"),
        );
        let Some(octets) = section(command.rest(), &message.octets) else {
            self.say(&format!("{head})\r\n"));
            return Then::GoOn;
        };
        let announced = match wrong {
            Some(Misbehaviour::WrongLiteral(by)) => (octets.len() as i64 + by).max(0),
            Some(Misbehaviour::HugeLiteral) => 4 << 30,
            _ => octets.len() as i64,
        };
        match wrong {
            Some(Misbehaviour::BreakOffAt(text)) if message.holds(text) => return Then::HangUp,
            Some(Misbehaviour::EndlessAnswer) => {
                self.write(head.as_bytes());
                let literal = format!(" BODY[] {{{}}}\r\n{}", 60_000, "x".repeat(60_000));
                // As long as the client reads, but no longer than to show that it does.
                for _ in 0..10_000 {
                    if !self.write(literal.as_bytes()) {
                        break;
                    }
                }
                return Then::HangUp;
            }
            Some(ending @ (Misbehaviour::HangUpInLiteral | Misbehaviour::StallInLiteral)) => {
                let cut = octets.len() / 2;
                self.say(&format!("{head} BODY[] {{{announced}}}\r\n"));
                self.write(&octets[..cut]);
                let hangs_up = ending == Misbehaviour::HangUpInLiteral;
                return if hangs_up { Then::HangUp } else { Then::Silence };
            }
            _ => {}
        }
        self.say(&format!("{head} BODY[] {{{announced}}}\r\n"));
        self.write(&octets);
        self.say(")\r\n");
        Then::GoOn
    }
}

/// The octets that the items ask for; `None` where they ask for none.
fn section(items: &str, octets: &[u8]) -> Option<Vec<u8>> {
    let (_, asked) = items.split_once("BODY")?;
    let whole = if asked.contains("[HEADER]") {
        let end = memchr::memmem::find(octets, b"\r\n\r\n").map_or(octets.len(), |at| at + 4);
        &octets[..end]
    } else {
        octets
    };
    let part = asked.split_once('<').and_then(|(_, part)| part.split_once('>'));
    let Some((from, length)) = part.and_then(|(part, _)| part.split_once('.')) else {
        return Some(whole.to_vec());
    };
    let from: usize = from.parse().unwrap_or(0).min(whole.len());
    let length: usize = length.parse().unwrap_or(0);
    Some(whole[from..whole.len().min(from.saturating_add(length))].to_vec())
}

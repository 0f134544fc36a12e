//! A letter that left by SMTP, as a person reads it: its envelope, what it says, and what else is in it. Pure.

use crate::{
    cli::print::plain,
    message::{Message, address::NameAddr},
    sandbox::smtp_sink::Received,
};

/// So many lines of a text are shown: what the desk says stands at the beginning.
const SHOWN: usize = 60;

/// The letter in lines, none of which can write on the terminal.
pub fn lines(received: &Received) -> Vec<String> {
    let message = Message::read(&received.octets);
    let name = |one: &NameAddr| format!("{} <{}>", one.name, one.address).trim_start().to_owned();
    let to: Vec<String> = message.to.iter().map(name).collect();
    let mut lines = vec![
        format!(
            "MAIL FROM:<{}> RCPT TO:<{}>",
            received.mail_from,
            received.rcpt_to.join(">, <")
        ),
        format!("  From:    {}", name(&message.author)),
        format!("  To:      {}", to.join(", ")),
        format!("  Subject: {}", message.subject),
        String::new(),
    ];
    let body: Vec<&str> = message.body.trim_end().lines().collect();
    lines.extend(body.iter().take(SHOWN).map(|line| format!("  | {line}")));
    if body.len() > SHOWN {
        lines.push(format!("  … and {} lines more", body.len() - SHOWN));
    }
    if let Some(report) = &message.report {
        lines.push(format!(
            "  + delivery report: {} for {}",
            report.status, report.final_recipient
        ));
    }
    let attached = message.attachments.iter();
    lines.extend(attached.map(|one| format!("  + {} {}", one.content_type, one.name)));
    lines.iter().map(|line| plain(line).trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounce_shows_whom_it_tells_what() {
        let octets = "From: Example Desk <support@desk.example>\r\nTo: <ann@stranger.example>\r\nSubject: Not taken\x1b[2J\r\n\
                      MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n\
                      --b\r\nContent-Type: text/plain\r\n\r\nDear Ann,\r\n\r\nwe could not take it.\r\n\
                      --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; desk.example\r\n\r\n\
                      Final-Recipient: rfc822; support@desk.example\r\nAction: failed\r\nStatus: 5.7.1\r\n\r\n--b--\r\n";
        let received = Received {
            mail_from: String::new(),
            rcpt_to: vec!["ann@stranger.example".to_owned(), "bob@stranger.example".to_owned()],
            octets: octets.into(),
            parameters: String::new(),
        };
        let said = lines(&received);
        let expected = [
            "MAIL FROM:<> RCPT TO:<ann@stranger.example>, <bob@stranger.example>",
            "  From:    Example Desk <support@desk.example>",
            "  To:      <ann@stranger.example>",
            "  Subject: Not taken [2J",
            "",
            "  | Dear Ann,",
            "  |",
            "  | we could not take it.",
            "  + delivery report: 5.7.1 for support@desk.example",
            "  + message/delivery-status",
        ];
        assert_eq!(said, expected);
    }
}

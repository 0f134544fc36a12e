//! Mail as a support desk gets it, made up: the same number always gives the same message.

use fastrand::Rng;

/// Of the sizes' logarithms. In real life the mean is about 46 KB, one message in a thousand has more than 1.5 MB.
const SPREAD: f64 = 1.5;
const SMALLEST: usize = 1_500;
const MEBIBYTE: usize = 1 << 20;
/// Below this a message is text alone; above the next one it has an attachment.
const TEXT_ALONE: usize = 6 << 10;
const WITH_ATTACHMENT: usize = 32 << 10;
/// One in so many answers one of the messages shortly before it.
const REPLY_IN: usize = 5;

/// Senders that Halo has as users.
pub const KNOWN: usize = 300;
/// Senders that it has not, where the same ones write again and again.
const UNKNOWN: usize = 100;

/// What the addresses of those whom Halo does not know begin with.
pub const STRANGER: &str = "visitor";

const WORDS: [&str; 40] = [
    "printer",
    "invoice",
    "tomorrow",
    "please",
    "account",
    "the",
    "and",
    "window",
    "password",
    "again",
    "Monday",
    "is",
    "not",
    "working",
    "since",
    "update",
    "server",
    "we",
    "need",
    "a",
    "new",
    "laptop",
    "for",
    "our",
    "colleague",
    "could",
    "you",
    "call",
    "back",
    "about",
    "network",
    "drive",
    "number",
    "Grüße",
    "shows",
    "an",
    "error",
    "when",
    "opening",
    "it",
];

/// What a mailbox is filled with.
#[derive(Clone, Copy)]
pub struct Post {
    pub messages: usize,
    /// Half of all messages are smaller.
    median: f64,
    largest: usize,
    /// So large are those in the middle of the mailbox.
    giants: &'static [usize],
    /// Three of ten messages are from somebody who never wrote before; else a fifth of them, from the same few.
    is_flood: bool,
}

pub struct Message {
    pub author: String,
    pub octets: Vec<u8>,
}

impl Post {
    pub fn of_real_life(messages: usize) -> Post {
        Post {
            messages,
            median: 15.0 * 1024.0,
            largest: 8 * MEBIBYTE,
            giants: &[],
            is_flood: false,
        }
    }

    pub fn below_a_mebibyte(messages: usize) -> Post {
        let largest = MEBIBYTE;
        Post {
            largest,
            ..Post::of_real_life(messages)
        }
    }

    /// One message of 30 MiB and some of 8 MiB among the others.
    pub fn with_giants(messages: usize) -> Post {
        let giants = const { &[8 * MEBIBYTE, 8 * MEBIBYTE, 30 * MEBIBYTE, 8 * MEBIBYTE, 8 * MEBIBYTE] };
        Post {
            giants,
            ..Post::below_a_mebibyte(messages)
        }
    }

    pub fn flood(messages: usize) -> Post {
        Post {
            median: 3.0 * 1024.0,
            largest: TEXT_ALONE,
            is_flood: true,
            ..Post::of_real_life(messages)
        }
    }

    /// The message with this number.
    pub fn message(&self, number: usize) -> Message {
        let mut rng = Rng::with_seed(0x6d61_696c ^ u64::try_from(number).unwrap());
        let size = self.size(&mut rng, number);
        let author = self.author(&mut rng, number);
        let octets = message(&mut rng, number, &author, size);
        Message { author, octets }
    }

    /// Log-normal: the normal part by Box and Muller.
    fn size(&self, rng: &mut Rng, number: usize) -> usize {
        let normal = (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos();
        let octets = (self.median * (SPREAD * normal).exp()).round();
        // Exact as text: the lints know no other way from a float to a whole number.
        let octets: usize = format!("{octets:.0}").parse().unwrap_or(self.largest);
        let giant = number.checked_sub(self.messages / 2).and_then(|at| self.giants.get(at));
        giant.copied().unwrap_or(octets.clamp(SMALLEST, self.largest))
    }

    fn author(&self, rng: &mut Rng, number: usize) -> String {
        match rng.usize(..KNOWN + UNKNOWN) {
            _ if self.is_flood && number % 10 < 3 => unknown(number),
            someone if self.is_flood || someone < KNOWN => known(someone % KNOWN),
            someone => unknown(someone - KNOWN),
        }
    }
}

/// The address of a known sender.
pub fn known(number: usize) -> String {
    format!("person{number}@acme.example")
}

/// The address of somebody whom Halo does not know.
fn unknown(number: usize) -> String {
    format!("{STRANGER}{number}@stranger{}.example", number / 5)
}

fn message(rng: &mut Rng, number: usize, author: &str, size: usize) -> Vec<u8> {
    let mut mail = header(rng, number, author);
    let boundary = format!("=_part_{number:08x}");
    if size < TEXT_ALONE {
        mail.push_str("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
        text(rng, size.saturating_sub(mail.len()), &mut mail);
    } else if size < WITH_ATTACHMENT {
        let rest = size.saturating_sub(mail.len());
        alternative(rng, rest, &boundary, &mut mail);
    } else {
        mail.push_str(&format!(
            "Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n"
        ));
        alternative(rng, WITH_ATTACHMENT / 2, &format!("{boundary}_alt"), &mut mail);
        mail.push_str(&format!(
            "\r\n--{boundary}\r\nContent-Type: image/jpeg; name=\"photo{number}.jpg\"\r\nContent-Transfer-Encoding: base64\r\n\
             Content-Disposition: attachment; filename=\"photo{number}.jpg\"\r\n\r\n"
        ));
        base64(rng, size.saturating_sub(mail.len()), &mut mail);
        mail.push_str(&format!("\r\n--{boundary}--\r\n"));
    }
    mail.into_bytes()
}

fn id(number: usize) -> String {
    format!("{number}.bench@mail.example")
}

fn header(rng: &mut Rng, number: usize, author: &str) -> String {
    let mut header = format!("Return-Path: <{author}>\r\n");
    for hop in 0..3 {
        header.push_str(&format!(
            "Received: from relay{hop}.example (relay{hop}.example [192.0.2.{hop}])\r\n\tby mx{hop}.desk.example with ESMTPS id {:016x}\r\n\
             \tfor <support@desk.example>; Mon, 23 Nov 2026 10:00:0{hop} +0000\r\n",
            rng.u64(..)
        ));
    }
    header.push_str("DKIM-Signature: v=1; a=rsa-sha256; d=mail.example; s=s1; c=relaxed/relaxed;\r\n\tb=");
    digits(rng, 340, &mut header);
    header.push_str(&format!(
        "\r\nAuthentication-Results: mx.desk.example; spf=pass; dkim=pass; dmarc=pass\r\nFrom: \"Sender {author}\" <{author}>\r\n\
         To: Support <support@desk.example>\r\nSubject: =?utf-8?q?Anfrage_zum_Ger=C3=A4t_{number}?=\r\nMessage-ID: <{}>\r\n\
         Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nX-Mailer: Example Mail 1.0\r\nMIME-Version: 1.0\r\n",
        id(number)
    ));
    if number > 0 && rng.usize(..REPLY_IN) == 0 {
        let first = id(number - 1 - rng.usize(..number.min(50)));
        header.push_str(&format!("In-Reply-To: <{first}>\r\nReferences: <{first}>\r\n"));
    }
    header
}

/// A third as text, the rest as HTML, ended by its boundary.
fn alternative(rng: &mut Rng, octets: usize, boundary: &str, to: &mut String) {
    to.push_str(&format!(
        "Content-Type: multipart/alternative; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    ));
    text(rng, octets / 3, to);
    to.push_str(&format!(
        "\r\n--{boundary}\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body>\r\n"
    ));
    let end = to.len() + octets * 2 / 3;
    while to.len() < end {
        to.push_str("<p style=\"margin:0;font-family:Calibri,sans-serif\"><span>");
        text(rng, 300, to);
        to.push_str("</span></p>\r\n");
    }
    to.push_str(&format!("</body></html>\r\n--{boundary}--\r\n"));
}

/// Lines of words.
fn text(rng: &mut Rng, octets: usize, to: &mut String) {
    let end = to.len() + octets;
    let mut line = 0;
    while to.len() < end {
        let word = WORDS[rng.usize(..WORDS.len())];
        to.push_str(word);
        line += word.len() + 1;
        to.push_str(if line > 66 { "\r\n" } else { " " });
        line = if line > 66 { 0 } else { line };
    }
    to.push_str("\r\n");
}

/// Lines of what can not be compressed, as it stands in an attached picture.
fn base64(rng: &mut Rng, octets: usize, to: &mut String) {
    for _ in 0..octets / 78 {
        digits(rng, 76, to);
        to.push_str("\r\n");
    }
}

fn digits(rng: &mut Rng, count: usize, to: &mut String) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    to.extend((0..count).map(|_| char::from(DIGITS[rng.usize(..64)])));
}

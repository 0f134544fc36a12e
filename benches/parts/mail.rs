//! One message of each kind, made up; they are the same in every run.

use std::{fmt::Write as _, fs, path::Path};

const SENTENCES: [&str; 6] = [
    "Since Monday the printer on the second floor does not take any job that is larger than a page.",
    "We have restarted it twice, and the cable was changed by our colleague in the afternoon.",
    "Could you please have a look before the end of the week, as the invoices have to leave by then?",
    "Grüße aus dem Büro in der Hauptstraße; bei Rückfragen bin ich täglich bis 17 Uhr zu erreichen.",
    "The message on its display says \"paper jam in tray 2\", though the tray is empty.",
    "On the other floor everything works as it did, so it is not the network.",
];
const ATTACHMENT: usize = 1 << 20;

/// Every kind with its name.
pub fn kinds() -> Vec<(&'static str, Vec<u8>)> {
    let tnef = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail/plain/winmail_rtf_and_files.eml");
    vec![
        ("plain", with_body(&plain(&text(1_500)))),
        ("html", with_body(&alternative(&text(2_000), &html(5_000), "b1"))),
        (
            "typical 15 KB",
            with_body(&alternative(&text(3_000), &html(9_000), "b1")),
        ),
        ("1 MB attached", with_body(&attached())),
        ("thread", answer()),
        ("TNEF", fs::read(tnef).unwrap()),
    ]
}

/// What three servers and a signing one put before what the author's program writes.
fn header() -> String {
    let mut header = "Return-Path: <jane.doe@customer7.example>\r\n".to_owned();
    for hop in 0..3 {
        write!(
            header,
            "Received: from relay{hop}.example (relay{hop}.example [192.0.2.{hop}])\r\n\tby mx{hop}.desk.example with ESMTPS id 00a{hop}\r\n\
             \tfor <support@desk.example>; Mon, 23 Nov 2026 10:00:0{hop} +0000\r\n"
        )
        .unwrap();
    }
    header
        + "DKIM-Signature: v=1; a=rsa-sha256; d=customer7.example; s=s1; c=relaxed/relaxed;\r\n\th=from:to:subject:date;\r\n\tb="
        + &"Zm9vYmFy".repeat(43)
        + "\r\nAuthentication-Results: mx.desk.example; spf=pass smtp.mailfrom=customer7.example;\r\n\tdkim=pass header.d=customer7.example; \
           dmarc=pass header.from=customer7.example\r\nFrom: \"Doe, Jane\" <jane.doe@customer7.example>\r\n\
           To: Support <support@desk.example>\r\nCc: Ben <ben@customer7.example>, office@customer7.example\r\n\
           Message-ID: <20261123.100000@customer7.example>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n\
           X-Mailer: Example Mail 1.0\r\nMIME-Version: 1.0\r\n"
}

fn with_body(body: &str) -> Vec<u8> {
    format!(
        "{}Subject: =?utf-8?q?Drucker_im_zweiten_Stock:_gro=C3=9Fe_Auftr=C3=A4ge?=\r\n{body}",
        header()
    )
    .into_bytes()
}

fn plain(text: &str) -> String {
    format!("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}")
}

fn alternative(text: &str, html: &str, boundary: &str) -> String {
    format!(
        "Content-Type: multipart/alternative; boundary={boundary}\r\n\r\n--{boundary}\r\n{}\r\n--{boundary}\r\n\
         Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{html}\r\n--{boundary}--\r\n",
        plain(text)
    )
}

/// A picture beside a message of the usual size.
fn attached() -> String {
    let line = format!("{}\r\n", "iVBORw0KGgo/9j4A+Qk2".repeat(4).split_at(76).0);
    format!(
        "Content-Type: multipart/mixed; boundary=b0\r\n\r\n--b0\r\n{}\r\n--b0\r\nContent-Type: image/png; name=\"scan.png\"\r\n\
         Content-Disposition: attachment; filename=\"scan.png\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{}--b0--\r\n",
        alternative(&text(3_000), &html(9_000), "b1"),
        line.repeat(ATTACHMENT / line.len())
    )
}

/// A few lines above what eight mails before it have left.
fn answer() -> Vec<u8> {
    let (mut said, mut shown) = (text(400), html(800));
    for turn in 0..8 {
        let quoted: String = text(900).lines().map(|line| format!("> {line}\r\n")).collect();
        let said_at = format!("On Fri, 20 Nov 2026 at 1{turn}:00, Support <support@desk.example> wrote:");
        write!(said, "\r\n{said_at}\r\n{quoted}").unwrap();
        write!(
            shown,
            "<div class=\"gmail_quote\">{said_at}<blockquote>{}</blockquote></div>",
            html(1_500)
        )
        .unwrap();
    }
    let ids: String = (0..8)
        .map(|turn| format!(" <{turn}.thread@desk.example>\r\n"))
        .collect();
    format!(
        "{}Subject: Re: Printer on the second floor [ID:0001234]\r\nIn-Reply-To: <7.thread@desk.example>\r\nReferences:{ids}{}",
        header(),
        alternative(&said, &shown, "b1")
    )
    .into_bytes()
}

/// Lines as a program wraps them.
fn text(octets: usize) -> String {
    let mut text = "Hello,\r\n\r\n".to_owned();
    for sentence in SENTENCES.iter().cycle() {
        if text.len() >= octets {
            break;
        }
        text += sentence;
        text += "\r\n";
    }
    text + "\r\nBest regards\r\nJane Doe\r\n"
}

/// The same as an office program writes it.
fn html(octets: usize) -> String {
    let mut html = "<html><head><style>p.MsoNormal {margin:0cm; font-size:11.0pt;}</style></head><body>".to_owned();
    for sentence in SENTENCES.iter().cycle() {
        if html.len() >= octets {
            break;
        }
        write!(
            html,
            "<p class=\"MsoNormal\"><span style=\"font-family:Calibri,sans-serif\">{sentence}<o:p></o:p></span></p>\r\n"
        )
        .unwrap();
    }
    html + "</body></html>"
}

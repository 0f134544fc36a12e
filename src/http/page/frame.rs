//! A message's HTML, written anew for a frame in which nothing runs and nothing is loaded; and the message as it came.

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderName, header},
    response::IntoResponse,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures_util::stream;

use super::{Answer, Site, message, refusal::Refusal};
use crate::message::{Message, RemotePictures, safe_html};

/// The frame's own policy: its own style, pictures within it, and nothing that acts.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; \
    base-uri 'none'; frame-ancestors 'self'; sandbox";
/// Nothing at all: what comes is not shown.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";
/// Pictures of the message itself that are shown: each so large, and all together.
const LARGEST_PICTURE: usize = 512 << 10;
const LARGEST_PICTURES: usize = 2 << 20;
/// Kinds of pictures that are nothing but pictures.
const PICTURES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];
/// So much of a download leaves at a time.
const CHUNK: usize = 64 << 10;

/// `GET /message/ID/html`
pub async fn page(State(site): State<Site>, Path(written): Path<String>) -> Answer {
    let entry = message::id(&written)?;
    let html = site
        .look(move |journal| async move {
            match journal.octets(entry).await? {
                Some(octets) => message::off_the_runtime(move || shown(&octets)).await,
                None => Ok(None),
            }
        })
        .await?;
    let html = html.ok_or_else(|| Refusal::not_found("This message has no HTML that is still kept."))?;
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    Ok((headers, html).into_response())
}

/// The document; none where the message has no HTML.
fn shown(octets: &Bytes) -> Option<String> {
    let message = Message::read(octets);
    if message.html.trim().is_empty() {
        return None;
    }
    let mut left = LARGEST_PICTURES;
    let html = safe_html(&message.html, RemotePictures::Drop, |content_id| {
        picture(&message, octets, content_id, &mut left)
    });
    // Mail is written for paper: dark letters on white, whatever the page around it is like.
    Some(format!(
        "<!doctype html>\n<html lang=\"und\"><head><meta charset=\"utf-8\"><title>Message</title>\
         <base target=\"_blank\"><style>html{{color-scheme:light;background:#fff;color:#111}}\
         body{{margin:.75rem;font:1rem/1.4 system-ui,sans-serif;overflow-wrap:anywhere}}\
         img,table{{max-width:100%}}</style></head><body>{html}</body></html>\n"
    ))
}

/// A picture of the message's own as an address that loads nothing.
fn picture(message: &Message, octets: &Bytes, content_id: &str, left: &mut usize) -> Option<String> {
    let file = message.attachments.iter().find(|file| file.content_id == content_id)?;
    let kind = PICTURES.iter().find(|kind| **kind == file.content_type)?;
    let largest = LARGEST_PICTURE.min(*left);
    if usize::try_from(file.size).is_ok_and(|size| size > largest) {
        return None;
    }
    let picture = file.contents(octets);
    *left = left.checked_sub(picture.len())?;
    Some(format!("data:{kind};base64,{}", BASE64_STANDARD.encode(picture)))
}

/// `GET /message/ID/raw`
pub async fn raw(State(site): State<Site>, Path(written): Path<String>) -> Answer {
    let entry = message::id(&written)?;
    let place = site
        .0
        .downloads
        .clone()
        .try_acquire_owned()
        .map_err(|_| Refusal::busy())?;
    let octets = site
        .look(move |journal| async move { journal.octets(entry).await })
        .await?;
    let octets = octets.ok_or_else(|| Refusal::not_found("This message is no longer kept as it came."))?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, octets.len().to_string()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"message-{entry}.eml\""),
        ),
        (header::CONTENT_SECURITY_POLICY, NOTHING.to_owned()),
        (HeaderName::from_static("x-download-options"), "noopen".to_owned()),
    ];
    Ok((headers, in_chunks(octets, place)).into_response())
}

/// Its place is free again when it has left, or its reader has.
fn in_chunks(octets: Bytes, place: impl Send + 'static) -> Body {
    Body::from_stream(stream::unfold((octets, place), |(mut octets, place)| async move {
        if octets.is_empty() {
            return None;
        }
        let chunk = octets.split_to(CHUNK.min(octets.len()));
        Some((Ok::<_, std::convert::Infallible>(chunk), (octets, place)))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(part: &str) -> String {
        let octets = format!("From: a@b.example\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{part}\r\n");
        shown(&Bytes::from(octets)).unwrap()
    }

    #[test]
    fn nothing_of_a_mail_acts_or_loads() {
        let html = html(
            "<p>Hello</p><script>alert(1)</script><img src=https://evil.example/a.png><img src=x onerror=alert(1)>\
             <meta http-equiv=refresh content='0;url=https://evil.example'><form action=https://evil.example><input>\
             <a href='javascript:alert(1)'>x</a><iframe src=https://evil.example></iframe><link rel=stylesheet \
             href=https://evil.example/a.css><style>@import 'https://evil.example'</style>\
             <div style=\"background:url(https://evil.example)\">y</div><base href=https://evil.example>\
             <svg onload=alert(1)></svg><object data=https://evil.example></object>",
        );
        for part in [
            "evil.example",
            "alert",
            "<script",
            "<form",
            "<iframe",
            "<object",
            "<svg",
            "onload",
            "refresh",
        ] {
            assert!(!html.contains(part), "{part} is in {html}");
        }
        assert!(html.contains("<p>Hello</p>"), "{html}");
    }

    #[test]
    fn a_message_without_html_has_none() {
        assert_eq!(shown(&Bytes::from_static(b"From: a@b.example\r\n\r\nHello\r\n")), None);
    }

    #[test]
    fn a_picture_of_its_own_is_shown_from_within() {
        let octets = "From: a@b.example\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\n\
            Content-Type: text/html\r\n\r\n<img src=cid:one><img src=cid:two>\r\n--b\r\n\
            Content-Type: image/png\r\nContent-ID: <one>\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw==\r\n--b\r\n\
            Content-Type: image/svg+xml\r\nContent-ID: <two>\r\n\r\n<svg onload=alert(1)>\r\n--b--\r\n";
        let html = shown(&Bytes::from_static(octets.as_bytes())).unwrap();
        assert!(html.contains("src=\"data:image/png;base64,iVBORw==\""), "{html}");
        assert!(!html.contains("svg"), "{html}");
    }
}

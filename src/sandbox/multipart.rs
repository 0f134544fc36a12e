//! The parts of a form with files (RFC 7578), as far as one upload needs them.

use bytes::Bytes;
use memchr::memmem;

/// One part of a form.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    pub name: String,
    pub media_type: String,
    pub body: Bytes,
}

/// Reads the parts; what is no form has none.
pub(super) fn parts(content_type: &str, body: &Bytes) -> Vec<Part> {
    let Some(boundary) = parameter(content_type, "boundary") else {
        return Vec::new();
    };
    let delimiter = format!("--{boundary}");
    let starts: Vec<usize> = memmem::find_iter(body, delimiter.as_bytes()).collect();
    starts
        .windows(2)
        .filter_map(|pair| part(&body.slice(pair[0] + delimiter.len()..pair[1])))
        .collect()
}

/// Between the line end after a delimiter and the one before the next stand a header, an empty line and a body.
fn part(between: &Bytes) -> Option<Part> {
    let inner = between.strip_prefix(b"\r\n")?.strip_suffix(b"\r\n")?;
    let end = memmem::find(inner, b"\r\n\r\n")?;
    let header = String::from_utf8_lossy(&inner[..end]);
    let field = |name: &str| {
        header.lines().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    Some(Part {
        name: parameter(&field("Content-Disposition")?, "name")?,
        media_type: field("Content-Type").unwrap_or_default(),
        body: between.slice_ref(&inner[end + 4..]),
    })
}

fn parameter(field: &str, name: &str) -> Option<String> {
    field.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        let is_meant = key.trim().eq_ignore_ascii_case(name);
        is_meant.then(|| value.trim().trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_part_by_part() {
        let body = "--x\r\nContent-Disposition: form-data; name=\"ticket_id\"\r\n\r\n2001\r\n\
                    --x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a;b.png\"\r\nContent-Type: image/png\r\n\r\n\u{1}\r\n\r\n\u{2}\r\n--x--\r\n";
        let body = Bytes::from_static(body.as_bytes());
        let parts = parts("multipart/form-data; boundary=\"x\"", &body);
        let read: Vec<_> = parts
            .iter()
            .map(|part| (part.name.as_str(), part.media_type.as_str(), &part.body[..]))
            .collect();
        assert_eq!(
            read,
            [
                ("ticket_id", "", &b"2001"[..]),
                ("file", "image/png", &b"\x01\r\n\r\n\x02"[..])
            ]
        );
    }

    #[test]
    fn what_is_no_form_has_no_parts() {
        for (content_type, body) in [
            ("application/json", "[]"),
            ("multipart/form-data", "--x\r\n--x--"),
            ("multipart/form-data; boundary=x", "--x"),
            ("multipart/form-data; boundary=x", "--x\r\nno header\r\n--x--"),
            ("multipart/form-data; boundary=", "---- --"),
        ] {
            assert_eq!(parts(content_type, &Bytes::from(body.to_owned())), [], "{content_type}");
        }
    }
}

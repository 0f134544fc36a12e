//! What Outlook would write, written here.

use super::*;

/// Writes streams.
#[derive(Default)]
struct TnefWriter(Vec<u8>);

impl TnefWriter {
    fn new() -> TnefWriter {
        TnefWriter(vec![0x78, 0x9f, 0x3e, 0x22, 1, 0])
    }

    fn attribute(mut self, level: u8, id: u32, octets: &[u8]) -> TnefWriter {
        let sum = octets
            .iter()
            .fold(0_u16, |sum, octet| sum.wrapping_add(u16::from(*octet)));
        self.0.push(level);
        self.0.extend(id.to_le_bytes());
        self.0.extend(u32::try_from(octets.len()).unwrap().to_le_bytes());
        self.0.extend(octets);
        self.0.extend(sum.to_le_bytes());
        self
    }

    fn message(self, list: &[(u16, u16, &[u8])]) -> TnefWriter {
        self.attribute(1, 0x0006_9003, &list_of(list))
    }

    fn file(self, title: &str, octets: &[u8], list: &[(u16, u16, &[u8])]) -> TnefWriter {
        self.attribute(2, 0x0006_9002, &[0; 14])
            .attribute(2, 0x0001_8010, &[title.as_bytes(), &[0]].concat())
            .attribute(2, 0x0006_800f, octets)
            .attribute(2, 0x0006_9005, &list_of(list))
    }
}

/// Properties as id, type and octets of their one value.
fn list_of(list: &[(u16, u16, &[u8])]) -> Vec<u8> {
    let mut octets = u32::try_from(list.len()).unwrap().to_le_bytes().to_vec();
    for (id, kind, value) in list {
        octets.extend(kind.to_le_bytes());
        octets.extend(id.to_le_bytes());
        if *id >= 0x8000 {
            octets.extend([7; 16]);
            octets.extend([1, 0, 0, 0, 6, 0, 0, 0, b'a', 0, b'b', 0, 0, 0, 0, 0]);
        }
        if !is_fixed(*kind) {
            octets.extend(1_u32.to_le_bytes());
            octets.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        }
        octets.extend(*value);
        octets.resize(octets.len().next_multiple_of(4), 0);
    }
    octets
}

fn is_fixed(kind: u16) -> bool {
    matches!(kind, 0x0003 | 0x000b | 0x0040)
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

/// RTF as it may be sent without being compressed.
fn uncompressed(rtf: &str) -> Vec<u8> {
    let size = u32::try_from(rtf.len()).unwrap().to_le_bytes();
    [&size[..], &size, b"MELA", &[0; 4], rtf.as_bytes()].concat()
}

#[test]
fn texts_and_files_come_out_with_their_names() {
    let picture = [b"\x89PNG".as_slice(), &[0; 100]].concat();
    let octets = TnefWriter::new()
        .attribute(1, 0x0006_9007, &[0xe4, 4, 0, 0, 0, 0, 0, 0])
        .attribute(1, 0x0002_800c, b"Gr\xfc\xdfe\r\nAnn\0")
        .message(&[
            (0x8001, 0x001f, b"x"),
            (0x0e07, 0x0003, &[1, 0, 0, 0]),
            (0x1013, 0x0102, b"<p>Gr\xfc\xdfe</p>"),
        ])
        .file(
            "REPORT~1.PDF",
            b"%PDF",
            &[
                (0x3707, 0x001f, &wide("Report für März.pdf")),
                (0x3704, 0x001e, b"REPORT~1.PDF\0"),
            ],
        )
        .file(
            "image001.png",
            &picture,
            &[(0x370e, 0x001e, b"Image/PNG\0"), (0x3712, 0x001e, b"<a@b>\0")],
        )
        .0;
    let tnef = Tnef::read(&octets).unwrap();
    assert_eq!((tnef.text.as_str(), tnef.html.as_str()), ("Grüße\nAnn", "<p>Grüße</p>"));
    let files: Vec<_> = tnef
        .files
        .iter()
        .map(|file| {
            (
                file.name.as_str(),
                file.content_type.as_str(),
                file.content_id.as_str(),
                &octets[file.octets.clone()],
            )
        })
        .collect();
    assert_eq!(
        files,
        [
            ("Report für März.pdf", "", "", &b"%PDF"[..]),
            ("image001.png", "image/png", "a@b", picture.as_slice())
        ]
    );
}

#[test]
fn rtf_is_the_text_where_there_is_no_other() {
    let of = |rtf: &str| Tnef::read(&TnefWriter::new().message(&[(0x1009, 0x0102, &uncompressed(rtf))]).0).unwrap();
    assert_eq!(of("{\\rtf1\\ansi Hello\\par Ann}").text, "Hello\nAnn");
    let wrapped = of("{\\rtf1\\ansi\\fromhtml1 {\\*\\htmltag64 <p>}Hello{\\*\\htmltag72 </p>}}");
    assert_eq!((wrapped.text.as_str(), wrapped.html.as_str()), ("", "<p>Hello</p>"));
}

#[test]
fn a_message_within_is_a_file() {
    let within = TnefWriter::new().attribute(1, 0x0002_800c, b"inner\0").0;
    let object = [&[0; 16][..], &within].concat();
    let octets = TnefWriter::new()
        .attribute(2, 0x0006_9002, &[0; 14])
        .attribute(
            2,
            0x0006_9005,
            &list_of(&[(0x3001, 0x001f, &wide("Re: a/b")), (0x3701, 0x000d, &object)]),
        )
        .0;
    let file = Tnef::read(&octets).unwrap().files.remove(0);
    assert_eq!(
        (file.name.as_str(), file.content_type.as_str()),
        ("b", "application/ms-tnef")
    );
    assert_eq!(octets[file.octets.clone()], within);
}

#[test]
fn what_is_cut_or_wrong_is_read_as_far_as_it_goes() {
    assert_eq!(Tnef::read(b"no such thing"), None);
    let whole = TnefWriter::new()
        .attribute(1, 0x0002_800c, b"Hello\0")
        .message(&[
            (0x1000, 0x001f, &wide("Hello")),
            (0x1009, 0x0102, &uncompressed("{\\rtf1 x}")),
        ])
        .file("a.txt", b"text", &[(0x3707, 0x001f, &wide("a.txt"))])
        .0;
    for end in 4..whole.len() {
        let tnef = Tnef::read(&whole[..end]).unwrap();
        assert!(tnef.files.iter().all(|file| file.octets.end <= end));
        for flip in [1, 0x80, 0xff] {
            let mut flipped = whole.clone();
            flipped[end] ^= flip;
            let tnef = Tnef::read(&flipped).unwrap();
            assert!(tnef.files.iter().all(|file| file.octets.end <= flipped.len()));
        }
    }
}

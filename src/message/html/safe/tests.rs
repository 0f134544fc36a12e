use super::*;

#[track_caller]
fn check(html: &str, expected: &str) {
    let inline = |id: &str| (id == "a@b").then(|| "/picture?id=1&x=\"".to_owned());
    let safe = safe_html(html, RemotePictures::Keep, inline);
    assert_eq!(safe, expected);
    if !html.contains("cid:") {
        let again = safe_html(&safe, RemotePictures::Keep, inline);
        assert_eq!(again, safe, "what is safe stays as it is");
    }
}

#[test]
fn the_looks_of_mail_are_kept() {
    check(
        "<html><body bgcolor=red><table border=1><tr><td colspan=2 style='color:red'>a &amp; b</td></tr></table></body></html>",
        "<table border=\"1\"><tr><td colspan=\"2\" style=\"color: red\">a &amp; b</td></tr></table>",
    );
    check(
        "<p class=MsoNormal><b>Hi</b><o:p></o:p><br>1 < 2",
        "<p><b>Hi</b><br>1 &lt; 2</p>",
    );
    check(
        "<a href=\"https://example.org/?a=1&amp;b=2\" onclick=x()>x</a>",
        "<a href=\"https://example.org/?a=1&amp;b=2\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">x</a>",
    );
}

#[test]
fn pictures_of_the_message_are_shown_in_place_and_others_by_https() {
    check(
        "<img src=\"cid:a%40b\" alt=Logo width=10>",
        "<img src=\"/picture?id=1&x=&quot;\" alt=\"Logo\" width=\"10\">",
    );
    check("<img src=cid:c@d alt='the <logo>'>", " [the &lt;logo&gt;] ");
    check(
        "<img src=https://example.org/x.png>",
        "<img src=\"https://example.org/x.png\">",
    );
    check("<img src=http://example.org/x.png><img src=x.png>", "");
    check(
        "<img src=\"data:image/png;base64,AA==\">",
        "<img src=\"data:image/png;base64,AA==\">",
    );
    check(
        "<img src=\"data:image/svg+xml;base64,AA==\"><img src='data:text/html,x'>",
        "",
    );
    let html = "<img src=https://example.org/x.png alt=x>";
    assert_eq!(safe_html(html, RemotePictures::Drop, |_| None), " [x] ");
}

#[test]
fn nothing_runs_loads_or_asks() {
    for (html, expected) in [
        ("a<script>alert(1)</script>b", "ab"),
        ("<script>alert(1)", ""),
        ("<scr<script>ipt>alert(1)</script>", "ipt&gt;alert(1)"),
        (
            "<style>*{}</style><link rel=stylesheet href=x><base href=//example.org><meta http-equiv=refresh content=0>x",
            "x",
        ),
        ("<form action=x><input name=a><button>Go</button></form>", "Go"),
        ("<iframe src=x>y</iframe><object data=x>z</object><embed src=x>", "z"),
        (
            "<svg onload=x><p title=\"</svg><img src=x onerror=y>\">t",
            "<p title=\"&lt;/svg&gt;&lt;img src=x onerror=y&gt;\">t</p>",
        ),
        (
            "<math><mtext><table><mglyph><style><img src=x onerror=y>",
            "<table></table>",
        ),
        ("<a href=javascript:x>y</a>", "<a>y</a>"),
        ("<a href='java&#115;cript:x'>y</a>", "<a>y</a>"),
        ("<a href=\" \tJAVASCRIPT:x\">y</a>", "<a>y</a>"),
        (
            "<a href='data:text/html,x'>y</a><a href=vbscript:x>z</a><a href=//example.org>r</a>",
            "<a>y</a><a>z</a><a>r</a>",
        ),
        (
            "<p onmouseover=x style='background:url(x)' id=a class=b>y</p>",
            "<p>y</p>",
        ),
        ("<p title='\"onload=x'>y</p>", "<p title=\"&quot;onload=x\">y</p>"),
        ("<p/title=x/onload=y>z", "<p title=\"x/onload=y\">z</p>"),
        ("<!--><img src=x onerror=y>-->z", "--&gt;z"),
        ("<!-- <b> --!> <i>x</i>", ""),
        (
            "<textarea><p title=\"</textarea><img src=x onerror=y>\"></textarea>",
            "<p title=\"&lt;/textarea&gt;&lt;img src=x onerror=y&gt;\"></p>",
        ),
        (
            "<noscript><p title=\"</noscript><img src=x onerror=y>\">",
            "<p title=\"&lt;/noscript&gt;&lt;img src=x onerror=y&gt;\"></p>",
        ),
        ("<td colspan=99999>x", "<td>x</td>"),
    ] {
        check(html, expected);
    }
}

#[test]
fn every_element_is_closed_and_none_that_is_not_open() {
    check("<b><i>x</b>y</i></div>", "<b><i>x</i></b>y");
    check(
        "<p>one<p>two<ul><li>a<li>b</ul>",
        "<p>one</p><p>two</p><ul><li>a</li><li>b</li></ul>",
    );
    check(
        "<div><table><tr><td>a</div>b<td>c<tr><td>d</table>e",
        "<div><table><tr><td>ab</td><td>c</td></tr><tr><td>d</td></tr></table>e</div>",
    );
}

#[test]
fn a_document_too_large_or_too_deep_becomes_its_text() {
    check(&format!("{}<p>a &lt; b</p>c", "<div>".repeat(400)), "a &lt; b<br>\nc");
    let large = format!("<b>x</b>{}", " ".repeat(MAX_LENGTH));
    check(&large, "x");
}

#[test]
fn text_becomes_html_with_its_lines() {
    assert_eq!(
        text_to_html("a < b & c\n  \"d\"\n\ne\tf\n\n"),
        "a &lt; b &amp; c<br>\n &nbsp;\"d\"<br>\n<br>\ne &nbsp; &nbsp;f"
    );
}

//! The page as a real browser shows it: nothing of a mail runs or loads, and everything is to be had by keyboard, on a
//! phone, and in the dark.

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    asking::served_at,
    browser::Browser,
    page::world,
    running::Daemon,
    world::{World, repository},
};

const TOKEN: &str = "a token of the story that is long";

/// A server of somebody else's: it counts who comes.
struct Elsewhere {
    address: SocketAddr,
    callers: Arc<AtomicUsize>,
}

impl Elsewhere {
    fn start() -> Elsewhere {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let elsewhere = Elsewhere {
            address: listener.local_addr().unwrap(),
            callers: Arc::default(),
        };
        let callers = elsewhere.callers.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                callers.fetch_add(1, Ordering::SeqCst);
                drop(stream);
            }
        });
        elsewhere
    }

    fn callers(&self) -> usize {
        self.callers.load(Ordering::SeqCst)
    }
}

/// All that a mail may try, with a script wherever a text of it is shown.
fn hostile(at: SocketAddr) -> String {
    let script =
        "<script>document.title='ran';fetch('//AT/ran')</script><img src=//AT/i onerror=document.title='ran'>\"'>";
    let html = "<meta http-equiv=refresh content='0;url=http://AT/refresh'><base href=http://AT/>\
        <link rel=stylesheet href=http://AT/a.css><style>@import 'http://AT/b.css';body{background:url(http://AT/c)}</style>\
        <script>top.document.title='ran';fetch('http://AT/d')</script><script src=http://AT/e></script>\
        <img src=http://AT/f><img src=//AT/g srcset='http://AT/h 2x'><img src=x onerror=\"top.document.title='ran'\">\
        <img src=https://AT/s><svg onload=\"top.document.title='ran'\"><image href=http://AT/j /></svg>\
        <form action=http://AT/k><input autofocus onfocus=\"top.document.title='ran'\"><button>x</button></form>\
        <iframe src=http://AT/l></iframe><object data=http://AT/m></object><embed src=http://AT/n><video src=http://AT/o></video>\
        <div style=\"background:url('http://AT/p');position:fixed;inset:0\">over</div>\
        <a href='javascript:top.document.title=1'>js</a>\
        <a href='http://AT/q' style='display:block;height:300px;background:#cde'>A link</a><p>The end";
    let text = format!(
        "Return-Path: <jane@stranger.example>\nFrom: {script} <jane@stranger.example>\nTo: support@desk.example\n\
         Subject: {script} \u{202e}gnp.exe\nMessage-ID: <hostile@story.example>\nMIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html; charset=utf-8\n\n{html}\n\
         --b\nContent-Type: text/html; name=\"{}\"\nContent-Disposition: attachment; filename=\"{}\"\n\n\
         <script>document.title='ran'</script>\n--b--\n",
        script.replace('"', ""),
        script.replace('"', ""),
    );
    text.replace("AT", &at.to_string())
}

/// Where pictures lie that a person may look at.
pub fn picture(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository("target"), PathBuf::from);
    target.join("tmp/page").join(name)
}

/// What an element of a page comes to.
fn element(selector: &str, what: &str) -> String {
    format!("document.querySelector({selector:?}){what}")
}

/// Messages of all sorts.
fn full() -> World {
    let world = world(Some(TOKEN));
    let long =
        "A question about the invoice of last month, which is too long to be read in one line of a phone or of a table";
    for (from, subject) in [
        (
            "Jane Roe <jane.roe@stranger.example>",
            "The printer on the second floor is on fire",
        ),
        ("Joe Bloggs <joe@acme.example>", "My order from Monday"),
        ("News <news@vendor.example>", "Our news of November"),
        (
            "A very long name of somebody <a-very-long-address-of-somebody@a-very-long-domain-of-somebody.example>",
            long,
        ),
        ("Ann Lee <ann.lee@stranger.example>", "Grüße aus Zürich"),
        ("Bob <bob@globex.example>", "An order that is not for us"),
    ] {
        world.mail(from, subject);
    }
    world
}

fn signed_in(browser: &mut Browser, address: SocketAddr) {
    browser.open(&format!("http://{address}/log"));
    browser.wait_for("document.activeElement.id === 'token'");
    browser.write(TOKEN);
    browser.press("Enter");
    browser.arrives();
    browser.wait_for("document.title.startsWith('Log')");
}

#[test]
fn the_browser_would_tell_of_something_that_is_loaded_or_runs() {
    let elsewhere = Elsewhere::start();
    let mut browser = Browser::start();
    let page = format!(
        "data:text/html,<img src=http://{}/a><script>document.title='ran'</script>",
        elsewhere.address
    );
    browser.open(&page);
    assert_eq!(browser.text("document.title"), "ran");
    assert!(elsewhere.callers() > 0);
}

#[test]
fn nothing_of_a_mail_runs_or_is_loaded() {
    let world = world(Some(TOKEN));
    let elsewhere = Elsewhere::start();
    world.deliver(&hostile(elsewhere.address));
    let daemon = Daemon::start(&world, &[]);
    let address = served_at(&daemon);
    world.wait_until("it has ended", |world| world.count_where("state = 'ended'") == 1);
    let mut browser = Browser::start();
    signed_in(&mut browser, address);
    assert_eq!(browser.value("document.querySelectorAll('script, main img').length"), 0);
    browser.press("Tab");
    browser.open(&format!("http://{address}/message/1"));
    let title = browser.text("document.title");
    assert!(title.contains("<script>") && title.ends_with("halo-intake"), "{title}");
    assert!(!title.contains('\u{202e}'), "{title}");
    assert_eq!(browser.value("document.querySelectorAll('script, main img').length"), 0);

    // The HTML is shown, and its link is clicked.
    browser.resize(1200, 900);
    browser.value("document.querySelector('iframe').closest('details').open = true; document.querySelector('iframe').scrollIntoView()");
    browser.wait_for("performance.getEntriesByType('resource').some(one => one.name.endsWith('/html'))");
    let place = browser.value(&element("iframe", ".getBoundingClientRect().toJSON()"));
    let (x, y) = (place["x"].as_f64().unwrap(), place["y"].as_f64().unwrap());
    browser.picture(&picture("hostile.png"));
    for down in [60.0, 120.0, 200.0] {
        browser.click(x + 120.0, y + down);
    }
    browser.picture(&picture("hostile-clicked.png"));
    assert_eq!(browser.text("document.title"), title);
    assert_eq!(browser.text("location.pathname"), "/message/1");

    // The same as a page of its own.
    browser.open(&format!("http://{address}/message/1/html"));
    assert_eq!(browser.text("document.title"), "Message");
    assert!(browser.text("document.body.innerText").contains("The end"));
    assert_eq!(
        browser.value("document.querySelectorAll('script, form, iframe, object, svg, link, img').length"),
        0
    );
    browser.click(200.0, 200.0);
    assert_eq!(browser.text("document.title"), "Message");
    assert_eq!(elsewhere.callers(), 0);
}

#[test]
fn everything_is_to_be_had_by_keyboard_on_a_phone_and_in_the_dark() {
    let world = full();
    let daemon = Daemon::start(&world, &[]);
    let address = served_at(&daemon);
    world.wait_until("all have ended", |world| world.count_where("state = 'ended'") == 6);
    let mut browser = Browser::start();
    signed_in(&mut browser, address);

    // From the top by tabs: the way to the content, the pages, the search, and each row.
    let mut way = Vec::new();
    for _ in 0..24 {
        browser.press("Tab");
        way.push(browser.text(
            "[document.activeElement.tagName, document.activeElement.id || document.activeElement.getAttribute('href') || \
             document.activeElement.innerText, getComputedStyle(document.activeElement).outlineStyle].join(' ')",
        ));
    }
    assert_eq!(way[0], "A #main solid", "{way:#?}");
    for (one, place) in [("A / ", 1), ("A /log ", 2), ("A /rules ", 3)] {
        assert!(way[place].starts_with(one) && way[place].ends_with("solid"), "{way:#?}");
    }
    for field in ["grep", "from", "outcome", "mailbox", "since", "until"] {
        assert!(
            way.iter().any(|one| one.contains(field) && !one.ends_with("none")),
            "{field}: {way:#?}"
        );
    }
    let rows: Vec<&String> = way.iter().filter(|one| one.starts_with("A /message/")).collect();
    assert_eq!(rows.len(), 6, "{way:#?}");
    assert!(rows.iter().all(|one| one.ends_with("solid")), "{way:#?}");

    let failed = world.log().iter().find(|row| row["outcome"] == "failed").unwrap()["id"].clone();
    let completed = world.log().iter().find(|row| row["outcome"] == "completed").unwrap()["id"].clone();
    let pages = [
        ("overview", "/".to_owned()),
        ("log", "/log".to_owned()),
        ("message", format!("/message/{completed}")),
        ("failed", format!("/message/{failed}")),
        ("rules", "/rules".to_owned()),
        ("nothing", "/message/99".to_owned()),
    ];
    for (scheme, is_dark, width, height) in [
        ("", false, 1280, 800),
        ("-phone", false, 360, 740),
        ("-dark", true, 1280, 800),
    ] {
        browser.prefer_dark(is_dark);
        browser.resize(width, height);
        for (name, path) in &pages {
            browser.open(&format!("http://{address}{path}"));
            let wide = browser.value("document.documentElement.scrollWidth");
            assert!(
                wide.as_u64().unwrap() <= u64::from(width),
                "{path} is {wide} wide of {width}"
            );
            browser.picture(&picture(&format!("{name}{scheme}.png")));
        }
    }
    assert_eq!(
        browser.complaints().iter().filter(|one| !one.contains("404")).count(),
        0
    );
}

/// Of each field of the search how far its hint goes beyond it.
const BEYOND: &str = "JSON.stringify([...document.querySelectorAll('.search input')].map(one => {
    const style = getComputedStyle(one), pen = document.createElement('canvas').getContext('2d');
    pen.font = style.font;
    const room = one.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    return [one.placeholder, Math.ceil(pen.measureText(one.placeholder).width - room)];
}).filter(([hint, beyond]) => beyond > 0))";
/// Whether the button stands beside the last field.
const BESIDE: &str = "Math.abs(document.querySelector('.search button').getBoundingClientRect().bottom
    - document.querySelector('#until').getBoundingClientRect().bottom) < 3";

#[test]
fn the_search_is_whole_on_every_screen() {
    let world = full();
    let daemon = Daemon::start(&world, &[]);
    let address = served_at(&daemon);
    world.wait_until("all have ended", |world| world.count_where("state = 'ended'") == 6);
    let mut browser = Browser::start();
    signed_in(&mut browser, address);
    for width in [360, 768, 1100, 1400] {
        browser.resize(width, 800);
        browser.open(&format!("http://{address}/log"));
        browser.picture(&picture(&format!("search-{width}.png")));
        assert_eq!(browser.text(BEYOND), "[]", "{width}");
        assert_eq!(
            browser.value(BESIDE),
            true,
            "{width}: the button stands beside the last field"
        );
        assert!(
            !browser.text(&element(".rows time", ".innerText")).contains(','),
            "{width}"
        );
    }
}

#[test]
fn a_person_lets_a_message_run_again_and_sees_what_becomes_of_it() {
    let world = world(Some(TOKEN));
    world.mail("Joe <joe@stranger.example>", "My order");
    let daemon = Daemon::start(&world, &[]);
    let address = served_at(&daemon);
    world.wait_until("it has failed", |world| world.count_where("state = 'ended'") == 1);
    let mut browser = Browser::start();
    signed_in(&mut browser, address);
    browser.open(&format!("http://{address}/message/1"));
    browser.value(&element(".again summary", ".focus()"));
    browser.press("Enter");
    browser.picture(&picture("again.png"));
    browser.press("Tab");
    assert_eq!(browser.text("document.activeElement.innerText"), "Run it again");
    browser.press("Enter");
    browser.arrives();
    browser.wait_for("document.body.innerText.includes('Attempt 2')");
    assert_eq!(browser.text(&element(".verdict .outcome", ".innerText")), "failed (2)");
}

//! A real browser, driven by its debugging protocol over a pipe: it opens pages, presses keys and takes pictures.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

const PROGRAM: &str = "chromium-headless-shell";
/// An answer, or what is waited for, comes within this time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one tab; ended with the story.
pub struct Browser {
    child: Child,
    pipe: ChildStdin,
    said: mpsc::Receiver<Value>,
    /// What happened in the tab and was not looked at yet.
    events: VecDeque<Value>,
    tab: String,
    last: u64,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one with an empty profile.
    pub fn start() -> Browser {
        let profile = tempfile::tempdir().unwrap();
        // The protocol is spoken on descriptors 3 and 4; these are given the places of standard input and output.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 >/dev/null", "sh", PROGRAM])
            .args([
                "--no-sandbox",
                "--disable-gpu",
                "--no-proxy-server",
                "--hide-scrollbars",
            ])
            .args(["--disable-background-networking", "--disable-component-update"])
            .arg("--remote-debugging-pipe")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{PROGRAM}: {error}; it is missing: tests/run install"));
        let pipe = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let (send, said) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = Vec::new();
            while answers.read_until(0, &mut line).is_ok_and(|read| read > 0) {
                line.pop();
                let _ = send.send(serde_json::from_slice(&line).unwrap());
                line.clear();
            }
        });
        let mut browser = Browser {
            child,
            pipe,
            said,
            events: VecDeque::new(),
            tab: String::new(),
            last: 0,
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let target = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", &target);
        browser.tab = session["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Asks the browser, and gives its answer.
    pub fn call(&mut self, method: &str, params: &Value) -> Value {
        let said = self.ask(method, params);
        assert!(said["error"].is_null(), "{method}: {said}");
        said["result"].clone()
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.last += 1;
        let mut question = json!({ "id": self.last, "method": method, "params": params });
        if !self.tab.is_empty() {
            question["sessionId"] = json!(self.tab);
        }
        let mut line = serde_json::to_vec(&question).unwrap();
        line.push(0);
        self.pipe.write_all(&line).unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = self.hear(deadline, method);
            if said["id"] == self.last {
                return said;
            }
            self.events.push_back(said);
        }
    }

    fn hear(&self, deadline: Instant, what: &str) -> Value {
        let left = deadline.saturating_duration_since(Instant::now());
        let said = self.said.recv_timeout(left);
        said.unwrap_or_else(|error| panic!("the browser does not come to {what}: {error}"))
    }

    /// Opens a page and waits until it is there.
    pub fn open(&mut self, url: &str) {
        let opened = self.call("Page.navigate", &json!({ "url": url }));
        assert!(opened["errorText"].is_null(), "{url}: {opened}");
        self.arrives();
    }

    /// Waits until a page is there, which something was pressed for.
    pub fn arrives(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = match self.events.pop_front() {
                Some(said) => said,
                None => self.hear(deadline, "the page"),
            };
            if said["method"] == "Page.loadEventFired" {
                return;
            }
        }
    }

    /// What an expression of the page comes to.
    pub fn value(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", &asked);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// The same as a text.
    pub fn text(&mut self, expression: &str) -> String {
        let value = self.value(expression);
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    }

    /// Waits until an expression of the page holds. While one page goes and the next comes there is nothing to ask.
    pub fn wait_for(&mut self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        let asked = json!({ "expression": expression, "returnByValue": true });
        while self.ask("Runtime.evaluate", &asked)["result"]["result"]["value"] != json!(true) {
            assert!(
                Instant::now() < deadline,
                "{expression} did not come: {}",
                self.text("document.body.innerText")
            );
        }
    }

    /// Presses a key.
    pub fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            other => panic!("{other} is no key that was thought of"),
        };
        let down = json!({ "type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text });
        self.call("Input.dispatchKeyEvent", &down);
        let up = json!({ "type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": code });
        self.call("Input.dispatchKeyEvent", &up);
    }

    /// Writes where the focus is.
    pub fn write(&mut self, text: &str) {
        self.call("Input.insertText", &json!({ "text": text }));
    }

    /// Clicks on a point of the window.
    pub fn click(&mut self, x: f64, y: f64) {
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", &event);
        }
    }

    /// The size of the window.
    pub fn resize(&mut self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", &size);
    }

    /// What the person before it has asked the system for.
    pub fn prefer_dark(&mut self, is_dark: bool) {
        let scheme = if is_dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", &media);
    }

    /// A picture of the page, whole.
    pub fn picture(&mut self, path: &Path) {
        let asked = json!({ "captureBeyondViewport": true });
        let picture = self.call("Page.captureScreenshot", &asked);
        let octets = BASE64_STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, octets).unwrap();
    }

    /// What it complained of since it was last asked.
    pub fn complaints(&mut self) -> Vec<String> {
        let events = std::mem::take(&mut self.events);
        let of_note = events.into_iter().filter(|event| {
            event["method"] == "Log.entryAdded"
                || event["method"] == "Runtime.exceptionThrown"
                || event["method"] == "Runtime.consoleAPICalled"
        });
        of_note.map(|event| event["params"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It is our own child; it takes its own children with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

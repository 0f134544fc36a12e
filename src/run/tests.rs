//! The interpreter over a scripted performer: every rule here creates clients, whose names show what its steps saw.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures_util::{FutureExt, future::BoxFuture};

use super::*;
use crate::{
    action::StepError,
    effect::{Answer, Ask, Asking, Bare, Effect, Ensured, Performer},
    generation::Generation,
    halo::{Client, ClientId, Page, SiteId, fault::Fault},
    journal::Intent,
    message::Message,
};

mod reads;
mod resuming;

/// Creates what it is asked for, but where the script says what goes wrong instead.
#[derive(Default)]
struct Script(Mutex<Asked>);

#[derive(Default)]
struct Asked {
    /// The names of the clients that were asked for, in order.
    created: Vec<String>,
    /// What goes wrong with a client of that name, each time.
    troubles: BTreeMap<String, StepError>,
    /// As the journal keeps them.
    intents: Vec<Intent>,
}

impl Script {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn create(&self, name: &str) -> Result<Value, StepError> {
        let mut asked = self.asked();
        asked.created.push(name.to_owned());
        if let Some(error) = asked.troubles.get(name) {
            return Err(error.clone());
        }
        let record = Client {
            id: ClientId(i64::try_from(asked.created.len()).unwrap()),
            name: name.to_owned(),
            main_site_id: Some(SiteId(7)),
            website: String::new(),
            domain: String::new(),
            inactive: false,
            raw: Shared::default(),
        };
        Ok(json!(Ensured { record, existed: false }))
    }
}

impl Performer for Script {
    fn perform<'a>(&'a self, effect: &'a Effect, asking: Asking<'a>) -> BoxFuture<'a, Result<Answer, StepError>> {
        async move {
            let Effect::Halo { ask, .. } = effect else {
                panic!("no rule here asks for {effect:?}")
            };
            let value = match ask {
                Ask::EnsureClient { client } => self.create(&client.name)?,
                Ask::QueryClients { query } => {
                    self.asked().created.push(format!("? {}", query.search));
                    json!(Page::<Client> {
                        record_count: 0,
                        rows: Vec::new()
                    })
                }
                other => panic!("no rule here asks for {other:?}"),
            };
            if effect.writes() {
                self.asked().intents.push(Intent {
                    step: asking.step.to_owned(),
                    effect: json!(effect),
                    answer: Some(value.clone()),
                    begun: Timestamp::UNIX_EPOCH,
                });
            }
            Ok(Answer {
                value: value.into(),
                assumed: None,
            })
        }
        .boxed()
    }
}

fn load(rules: &str) -> Generation {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("halo-intake.toml");
    let text = format!(
        r#"
[mailbox.support]
type = "maildir"
path = "/nowhere"
[mailbox.other]
type = "maildir"
path = "/elsewhere"
[halo.main]
url = "https://halo.example"
client_id = "intake"
client_secret = "x"
freemail_domains = ["letters.example"]
[smtp]
host = "127.0.0.1"
[bounce]
from = "desk@desk.example"
message = "The default for {{{{ email.subject }}}}."
{rules}"#
    );
    std::fs::write(&path, text).unwrap();
    Generation::load(&path, &[])
        .unwrap_or_else(|faults| panic!("{faults}"))
        .0
}

/// One message on its way through rules.
struct Way {
    generation: Generation,
    script: Script,
    email: Shared,
    attempt: u32,
}

impl Way {
    fn new(rules: &str, subject: &str) -> Way {
        let generation = load(rules);
        let text = format!(
            "From: Ann <ann@letters.example>\r\nTo: a@desk.example, b@desk.example\r\nSubject: {subject}\r\n\r\n"
        );
        let place = crate::journal::Place {
            mailbox: MailboxName("support".into()),
            folder: String::new(),
            spot: crate::journal::Spot::Handed { key: String::new() },
        };
        let message = Message::read(text.as_bytes());
        let email = crate::pipeline::attempt::email_of(&message, &place, Timestamp::UNIX_EPOCH, 0, &generation);
        Way {
            generation,
            script: Script::default(),
            email,
            attempt: 0,
        }
    }

    fn trouble(&self, name: &str, error: StepError) {
        self.script.asked().troubles.insert(name.to_owned(), error);
    }

    /// Halo has no answer when a client of this name is to be created.
    fn down(&self, name: &str) {
        let reason = "it is down".to_owned();
        self.trouble(
            name,
            StepError::Later {
                reason,
                not_before: None,
            },
        );
    }

    /// What went wrong goes wrong no longer.
    fn mended(&self) {
        self.script.asked().troubles.clear();
    }

    /// The next attempt; what was asked before is forgotten, but for the intents.
    fn attempt(&mut self, resumed: Option<Value>) -> Through {
        self.attempt += 1;
        let intents = {
            let mut asked = self.script.asked();
            asked.created.clear();
            asked.intents.clone()
        };
        let setting = Setting {
            rules: &self.generation.rules,
            config: &self.generation.config,
            mailbox: &MailboxName("support".into()),
            email: &self.email,
            id: 5,
            attempt: self.attempt,
            hostname: "desk.example",
            now: Timestamp::from_second(i64::from(self.attempt)).unwrap(),
            origin: "support 5".to_owned(),
        };
        let mut effects = Effects::new(&self.script, &Bare, None, intents);
        let through = through(&setting, resumed, &mut effects);
        through.now_or_never().expect("the script never waits")
    }

    /// The first attempt, which must be put off; gives where to resume, as it was read back from the disk.
    fn put_off(&mut self) -> Value {
        match self.attempt(None).end {
            End::Deferred { run, .. } => serde_json::from_str(&run.to_string()).unwrap(),
            other => panic!("it was not put off: {other:?}"),
        }
    }

    #[track_caller]
    fn created(&self, expected: &[&str]) {
        assert_eq!(self.script.asked().created, expected);
    }
}

/// The outcome with its reason, its rule and the text for the sender.
fn concluded(through: &Through) -> (Outcome, &str, &str, Option<&str>) {
    match &through.end {
        End::Concluded {
            outcome,
            reason,
            rule,
            bounce,
            ..
        } => (*outcome, reason, rule, bounce.as_deref()),
        other => panic!("it came to no outcome: {other:?}"),
    }
}

/// Runs rules to their end, and compares the clients that they created.
#[track_caller]
fn check(rules: &str, expected: &[&str]) {
    let mut way = Way::new(rules, "A question");
    concluded(&way.attempt(None));
    way.created(expected);
}

/// A step that creates a client of this name.
fn create(name: &str) -> String {
    format!("[[rule.action]]\ntype = \"create_halo_client\"\nclient_name = '''{name}'''\n")
}

/// The same inside a `for_each`.
fn create_each(name: &str) -> String {
    create(name).replace("rule.action", "rule.action.action")
}

fn rule(name: &str, rest: &str) -> String {
    format!("[[rule]]\nname = \"{name}\"\n{rest}")
}

#[test]
fn rules_run_from_top_to_bottom_where_mailbox_and_condition_match() {
    let rules = [
        rule(
            "a",
            &format!("mailboxes = [\"other\"]\n{}", create("for another mailbox")),
        ),
        rule(
            "b",
            &format!(
                "when = \"email.subject == 'Nothing'\"\n{}",
                create("for another subject")
            ),
        ),
        rule(
            "c",
            &format!("when = \"email.from.local == 'ann'\"\n{}", create("{{ meta.rule }}")),
        ),
        rule("d", &create("{{ meta.rule }} {{ meta.id }} {{ meta.attempt }}")),
    ];
    check(&rules.concat(), &["c", "d 5 1"]);
}

#[test]
fn a_step_runs_under_its_own_condition() {
    let rules = rule(
        "r",
        &format!("{}when = \"email.automatic\"\n{}", create("one"), create("two")),
    );
    check(&rules, &["two"]);
}

#[test]
fn custom_is_cleared_when_its_rule_ends_and_global_is_kept() {
    let keep = "[[rule.action]]\ntype = \"set\"\nvalue = \"here\"\nstore_as = \"x\"\n\
                [[rule.action]]\ntype = \"set\"\nvalue = \"there\"\nstore_as = \"global.y\"\n";
    let never = "[[rule.action]]\ntype = \"set\"\nwhen = \"false\"\nvalue = \"never\"\nstore_as = \"x\"\n";
    let show = create("({{ custom.x }})({{ global.y }})");
    let rules = [
        rule("a", &format!("{keep}{show}")),
        rule("b", &format!("{never}{show}")),
    ];
    check(&rules.concat(), &["(here)(there)", "()(there)"]);
}

#[test]
fn every_name_exists_before_anything_is_stored_under_it() {
    let later =
        "[[rule.action]]\ntype = \"create_halo_client\"\nwhen = \"false\"\nclient_name = \"x\"\nstore_as = \"NAME\"\n";
    let resting = rule(
        "rests",
        &format!("enabled = false\n{}", later.replace("NAME", "global.resting")),
    );
    let show = create("({{ custom.sync_error.id }})({{ custom.sync_error_error }})({{ global.resting.id }})");
    let rules = resting + &rule("r", &format!("{}{show}", later.replace("NAME", "sync_error")));
    check(&rules, &["()()()"]);
}

#[test]
fn continue_stores_null_and_why_and_a_later_success_clears_it() {
    let step = |name: &str| format!("{}on_error = \"continue\"\nstore_as = \"made\"\n", create(name));
    let show = create("({{ custom.made.id }})({{ custom.made_error }})");
    let mut way = Way::new(&rule("r", &format!("{}{show}{}{show}", step("bad"), step("good"))), "x");
    way.trouble("bad", StepError::failed("it says no"));
    let through = way.attempt(None);
    assert_eq!(concluded(&through), (Outcome::Completed, "", "r", None));
    way.created(&["bad", "()(it says no)", "good", "(3)()"]);
    let failed = &through.trace.rules[0].steps[0];
    assert_eq!(failed.error.as_deref(), Some("it says no"));
    assert_eq!(failed.on_error.as_deref(), Some("continue"));
}

#[test]
fn what_fails_to_render_is_under_on_error_too() {
    let expected = [
        ("exception", Outcome::Failed, None, false),
        ("bounce", Outcome::Bounced, Some("The default for (."), false),
        ("continue", Outcome::Completed, None, true),
        ("stop", Outcome::Stopped, None, false),
        ("stop_all", Outcome::Stopped, None, false),
    ];
    // The subject is no pattern, which only the message shows: in a field, in a condition, in the list of a loop.
    let broken = [
        "type = \"create_halo_client\"\nclient_name = \"{{ email.body | regex_find(pattern=email.subject) }}\"\n",
        "type = \"create_halo_client\"\nclient_name = \"x\"\nwhen = \"email.body | regex_find(pattern=email.subject)\"\n",
        "type = \"for_each\"\nitems = \"email.subject | regex_find(pattern=email.subject) | split(pat=',')\"\naction = [{ type = \"stop\" }]\n",
    ];
    for step in broken {
        for (on_error, outcome, bounce, goes_on) in expected {
            let step =
                format!("[[rule.action]]\n{step}name = \"render\"\non_error = \"{on_error}\"\nstore_as = \"x\"\n");
            let mut way = Way::new(&rule("r", &(step + &create("({{ custom.x }}) later"))), "(");
            let through = way.attempt(None);
            let (found, reason, _, text) = concluded(&through);
            assert_eq!((found, text), (outcome, bounce), "{on_error}");
            assert_eq!(reason.is_empty(), goes_on, "{on_error}: {reason}");
            assert!(goes_on || reason.starts_with("render: "), "{reason}");
            way.created(if goes_on { &["() later"] } else { &[] });
        }
    }
}

#[test]
fn a_rule_whose_condition_fails_to_render_is_an_exception() {
    let rules = rule(
        "r",
        &format!(
            "when = \"email.body | regex_find(pattern=email.subject)\"\n{}",
            create("x")
        ),
    );
    let mut way = Way::new(&(rules + &rule("later", &create("y"))), "(");
    let through = way.attempt(None);
    let (outcome, reason, rule, _) = concluded(&through);
    assert_eq!((outcome, rule), (Outcome::Failed, "r"));
    assert!(reason.starts_with("when: the expression"), "{reason}");
    way.created(&[]);
}

#[test]
fn for_each_gives_item_and_index_and_lists_what_the_last_step_of_each_turn_gave() {
    let each =
        "[[rule.action]]\ntype = \"for_each\"\nitems = \"email.to\"\nas = \"to\"\nindex = \"n\"\nstore_as = \"all\"\n";
    let steps = create_each("first {{ n }}") + &create_each("{{ n }} {{ to.local }}");
    let show = create("{{ custom.all | length }} {{ custom.all.1.name }}");
    check(
        &rule("r", &format!("{each}{steps}{show}")),
        &["first 0", "0 a", "first 1", "1 b", "2 1 b"],
    );
}

#[test]
fn one_loop_within_another_leaves_the_outer_ones_variables_alone() {
    let outer = "[[rule.action]]\ntype = \"for_each\"\nitems = \"email.to\"\n";
    let inner = "[[rule.action.action]]\ntype = \"for_each\"\nitems = \"'x,y' | split(pat=',')\"\n\
                 [[rule.action.action.action]]\ntype = \"create_halo_client\"\nclient_name = \"{{ index }} {{ item }}\"\n";
    let after = create_each("{{ index }} {{ item.local }}");
    check(
        &rule("r", &format!("{outer}{inner}{after}")),
        &["0 x", "1 y", "0 a", "0 x", "1 y", "1 b"],
    );
}

#[test]
fn a_loop_over_nothing_takes_no_turn() {
    let each = "[[rule.action]]\ntype = \"for_each\"\nitems = \"email.cc\"\nstore_as = \"all\"\n";
    check(
        &rule(
            "r",
            &format!("{each}{}{}", create_each("never"), create("{{ custom.all | length }}")),
        ),
        &["0"],
    );
}

#[test]
fn a_loop_has_bounds_alone_and_within_another() {
    let words = "email.subject | split(pat=',')";
    let each = format!("[[rule.action]]\ntype = \"for_each\"\nname = \"loop\"\nitems = \"{words}\"\n");
    let single = rule("r", &format!("{each}[[rule.action.action]]\ntype = \"stop\"\n"));
    let inner = format!("[[rule.action.action]]\ntype = \"for_each\"\nname = \"inner\"\nitems = \"{words}\"\n");
    let set = "[[rule.action.action.action]]\ntype = \"set\"\nvalue = \"\"\nstore_as = \"x\"\n";
    let nested = rule("r", &format!("{each}{inner}{set}"));
    for (rules, words, expected) in [
        (&single, 1000, ""),
        (&single, 1001, "loop: items has 1001 items; the bound is 1000"),
        (&nested, 99, ""),
        (
            &nested,
            101,
            "inner: the for_each steps of this rule take more than 10000 turns; that is the bound",
        ),
    ] {
        let mut way = Way::new(rules, &vec!["a"; words].join(","));
        let through = way.attempt(None);
        assert_eq!(concluded(&through).1, expected, "{words} items");
    }
}

#[test]
fn a_bounce_says_its_own_text_or_the_default() {
    let said = |message: &str| {
        let step = format!("[[rule.action]]\ntype = \"bounce\"\n{message}");
        let mut way = Way::new(&rule("r", &(step + &create("later"))), "Toner");
        let through = way.attempt(None);
        way.created(&[]);
        let (outcome, reason, rule, text) = concluded(&through);
        assert_eq!(
            (outcome, reason, rule),
            (Outcome::Bounced, "the step bounce says so", "r")
        );
        text.unwrap_or_default().to_owned()
    };
    assert_eq!(said("message = \"No {{ email.subject }}.\"\n"), "No Toner.");
    assert_eq!(said(""), "The default for Toner.");
    assert_eq!(
        said("message = \"{{ email.report.status }}\"\n"),
        "The default for Toner."
    );
}

#[test]
fn what_is_no_failure_for_good_is_under_no_on_error() {
    let until = Timestamp::from_second(99).unwrap();
    let rules = rule(
        "r",
        &format!("{}on_error = \"bounce\"\n{}", create("one"), create("two")),
    );
    let end = |error: StepError| {
        let mut way = Way::new(&rules, "x");
        way.trouble("one", error);
        let through = way.attempt(None);
        way.created(&["one"]);
        through.end
    };
    let reason = || "why".to_owned();
    let later = StepError::Later {
        reason: reason(),
        not_before: Some(until),
    };
    assert!(matches!(end(later), End::Deferred { fault: None, not_before: Some(at), .. } if at == until));
    let connection = StepError::Connection {
        connection: ConnectionName("main".into()),
        fault: Fault::Held,
        reason: reason(),
        until: Some(until),
    };
    assert!(
        matches!(end(connection), End::Deferred { fault: Some((name, Fault::Held)), not_before: Some(at), .. } if name.0 == "main" && at == until)
    );
    let held = StepError::Held {
        reason: reason(),
        until,
    };
    assert!(matches!(end(held), End::Held { until: at, .. } if at == until));
    let unknown = StepError::Unknown { what: reason() };
    assert_eq!(end(unknown), End::Untold { what: reason() });
}

#[test]
fn a_connections_freemail_domains_are_freemail_in_expressions_too() {
    check(
        &rule(
            "r",
            &format!("when = \"email.from.address | is_freemail\"\n{}", create("free")),
        ),
        &["free"],
    );
}

//! The interpreter: takes a message through its rules, for real or simulated, resumed where it stopped.

use std::time::Instant;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    action::{self, Fields, Kind, StepError},
    config::{Config, MailboxName},
    effect::Effects,
    expression::{RenderError, Scope},
    outcome::Outcome,
    rules::{OnError, Rule, RuleEnd, RuleSet, Step, Store, conclude},
};

pub mod state;
pub mod trace;

use state::{Loop, Run};
use trace::{StepTrace, Trace};

/// More items than this make a `for_each` fail: it passes its bound.
const MOST_ITEMS: usize = 1_000;

/// What a message meets: the rules and what they may know of it.
#[derive(Debug)]
pub struct Setting<'a> {
    /// The rules of the current configuration.
    pub rules: &'a RuleSet,
    /// For the connections' own maps.
    pub config: &'a Config,
    /// Whose rules.
    pub mailbox: &'a MailboxName,
    /// The value of `email`.
    pub email: &'a Value,
    /// In the journal; 0 in a dry run.
    pub id: i64,
    /// From 1.
    pub attempt: u32,
    /// Of this machine.
    pub hostname: &'a str,
    /// The time of a first attempt; later ones keep theirs.
    pub now: Timestamp,
}

/// How it went.
#[derive(Debug)]
pub struct Through {
    /// Where it led.
    pub end: End,
    /// What happened, for `show` and `explain`.
    pub trace: Trace,
}

/// Where a run led.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// To an outcome.
    Concluded {
        /// With `Bounced`, still to be sent.
        outcome: Outcome,
        /// Empty where nothing needs saying.
        reason: String,
        /// The rule that decided; empty where none matched.
        rule: String,
        /// What the sender shall read, where it is to be bounced.
        bounce: Option<String>,
    },
    /// It comes back and resumes from `run`.
    Deferred {
        /// What happened.
        reason: String,
        /// The connection at fault, where one is.
        connection: Option<String>,
        /// Coming back earlier would be of no use.
        not_before: Option<Timestamp>,
        /// Where to resume.
        run: Value,
    },
    /// Only in a dry run: it depends on what nobody asked.
    Untold {
        /// The question.
        what: String,
    },
}

/// Takes a message through its rules. `resumed` is the `run` of an earlier `End::Deferred`.
pub async fn through(setting: &Setting<'_>, resumed: Option<Value>, effects: &mut Effects<'_>) -> Through {
    let run = resumed.and_then(|value| serde_json::from_value(value).ok());
    let mut interpreter = Interpreter {
        setting,
        effects,
        start: run
            .as_ref()
            .map_or(Start::default(), |run| Start::of(run, setting.rules)),
        run: run.unwrap_or_else(|| Run::new(setting.now)),
        scope: Scope::new(),
        trace: Trace::default(),
        steps: Vec::new(),
        last_result: Value::Null,
    };
    let end = interpreter.rules().await;
    Through {
        end,
        trace: interpreter.trace,
    }
}

/// Which rule an attempt begins with, and whether in its midst.
#[derive(Debug, Default, Clone, Copy)]
struct Start {
    rule: usize,
    in_its_midst: bool,
}

impl Start {
    /// The rule it stopped in, where that is as it was; its top, where it has changed; else the rule after the
    /// last one that ended.
    fn of(run: &Run, rules: &RuleSet) -> Start {
        let at = |name: &str| rules.rules.iter().position(|rule| rule.name == name);
        match at(&run.rule) {
            Some(rule) => Start {
                rule,
                in_its_midst: rules.rules[rule].digest == run.digest,
            },
            None => {
                let after = run
                    .ended
                    .last()
                    .and_then(|(name, _)| at(name))
                    .map_or(0, |index| index + 1);
                Start {
                    rule: after,
                    in_its_midst: false,
                }
            }
        }
    }
}

/// What happens after a step.
enum Flow {
    Next,
    End(RuleEnd),
    Defer {
        reason: String,
        connection: Option<String>,
        not_before: Option<Timestamp>,
    },
    Untold {
        what: String,
    },
}

struct Interpreter<'s, 'f, 'e> {
    setting: &'s Setting<'s>,
    effects: &'f mut Effects<'e>,
    start: Start,
    run: Run,
    scope: Scope,
    trace: Trace,
    steps: Vec<StepTrace>,
    last_result: Value,
}

impl<'s> Interpreter<'s, '_, '_> {
    async fn rules(&mut self) -> End {
        let rules: &'s RuleSet = self.setting.rules;
        self.scope.set("email", self.setting.email);
        self.prepare_globals();
        for (index, rule) in rules.rules.iter().enumerate().skip(self.start.rule) {
            let resuming = self.start.in_its_midst && index == self.start.rule;
            if !resuming && !self.begins(rule) {
                if self.is_over() {
                    break;
                }
                continue;
            }
            match self.rule(rule, resuming).await {
                Flow::Next => self.ended(rule, RuleEnd::Completed),
                Flow::End(end) => self.ended(rule, end),
                Flow::Defer {
                    reason,
                    connection,
                    not_before,
                } => {
                    self.keep_trace(rule, format!("deferred: {reason}"));
                    let run = serde_json::to_value(&self.run).expect("a run is plain data");
                    return End::Deferred {
                        reason,
                        connection,
                        not_before,
                        run,
                    };
                }
                Flow::Untold { what } => {
                    self.keep_trace(rule, format!("can not be told without asking: {what}"));
                    return End::Untold { what };
                }
            }
            if self.is_over() {
                break;
            }
        }
        self.conclude()
    }

    fn is_over(&self) -> bool {
        self.run.ended.last().is_some_and(|(_, end)| end.ends_the_message())
    }

    fn conclude(&self) -> End {
        let (outcome, reason, rule) = conclude(&self.run.ended);
        let bounce = match self.run.ended.last() {
            Some((_, RuleEnd::Bounce { text, .. })) => Some(text.clone()),
            _ => None,
        };
        End::Concluded {
            outcome,
            reason,
            rule,
            bounce,
        }
    }

    /// Whether the rule matches; what does not match is traced here.
    fn begins(&mut self, rule: &Rule) -> bool {
        let mailbox_matches = rule
            .mailboxes
            .as_ref()
            .is_none_or(|names| names.contains(self.setting.mailbox));
        self.set_meta(&rule.name);
        let condition = match rule
            .when
            .as_ref()
            .filter(|_| mailbox_matches)
            .map(|when| when.evaluate(&self.scope))
        {
            None => None,
            Some(Ok(evaluated)) => Some(evaluated),
            Some(Err(error)) => {
                self.trace.begin(rule, mailbox_matches, None);
                self.ended(
                    rule,
                    RuleEnd::Exception {
                        reason: format!("when: {error}"),
                    },
                );
                return false;
            }
        };
        let matches = mailbox_matches && condition.as_ref().is_none_or(|evaluated| evaluated.truth);
        self.trace.begin(rule, mailbox_matches, condition);
        if matches {
            self.run.begin_rule(rule);
        }
        matches
    }

    async fn rule(&mut self, rule: &'s Rule, resuming: bool) -> Flow {
        if resuming {
            self.set_meta(&rule.name);
            self.trace.resume(rule);
        }
        self.show_stored();
        self.steps(rule, &rule.steps, String::new(), 0).await
    }

    fn ended(&mut self, rule: &Rule, end: RuleEnd) {
        self.keep_trace(rule, trace::end_in_words(&end));
        self.run.ended.push((rule.name.clone(), end));
        self.run.leave_rule();
    }

    fn keep_trace(&mut self, rule: &Rule, end: String) {
        let steps = std::mem::take(&mut self.steps);
        self.trace.end(&rule.name, steps, end);
    }

    fn steps<'a>(&'a mut self, rule: &'s Rule, steps: &'s [Step], above: String, depth: usize) -> BoxFuture<'a, Flow>
    where
        's: 'a,
    {
        Box::pin(async move {
            let first = self.run.enter(depth);
            for (index, step) in steps.iter().enumerate().skip(first) {
                self.run.frames[depth].step = index;
                let path = format!("{above}{}", step.number);
                let flow = self.step(rule, step, path, depth).await;
                if !matches!(flow, Flow::Next) {
                    return flow;
                }
                self.run.done(depth);
            }
            self.run.frames.truncate(depth);
            Flow::Next
        })
    }

    async fn step(&mut self, rule: &'s Rule, step: &'s Step, path: String, depth: usize) -> Flow {
        let mut trace = StepTrace::new(step, &path);
        if !self.run.is_in_its_midst(depth) {
            match step.when.as_ref().map(|when| when.evaluate(&self.scope)) {
                None => {}
                Some(Ok(evaluated)) => {
                    let runs = evaluated.truth;
                    trace.when = Some(evaluated);
                    if !runs {
                        trace.ran = false;
                        self.steps.push(trace);
                        return Flow::Next;
                    }
                }
                Some(Err(error)) => return self.fail(step, trace, format!("when: {error}")),
            }
        }
        match step.kind {
            Kind::ForEach => self.for_each(rule, step, trace, path, depth).await,
            Kind::Stop => self.end(trace, RuleEnd::Completed),
            Kind::StopAll => self.end(trace, RuleEnd::CompletedAll),
            Kind::Bounce => self.bounce(step, trace),
            _ => self.perform(rule, step, trace, &path).await,
        }
    }

    async fn perform(&mut self, rule: &Rule, step: &Step, mut trace: StepTrace, path: &str) -> Flow {
        let fields = match self.freeze(step) {
            Ok(fields) => fields,
            Err(error) => return self.fail(step, trace, error.to_string()),
        };
        trace.show_fields(&fields);
        self.effects.begin(format!("{}/{path}", rule.digest));
        let began = Instant::now();
        let acted = self.act(step, &fields).await;
        trace.took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        trace.effects = self.effects.take_trace();
        match acted {
            Ok(value) => {
                trace.result = value.clone();
                self.store(step, value, String::new());
                self.steps.push(trace);
                Flow::Next
            }
            Err(StepError::Failed { reason }) => self.fail(step, trace, reason),
            Err(StepError::Later { reason, not_before }) => self.defer(trace, reason, None, not_before),
            Err(StepError::Connection { connection, reason }) => self.defer(trace, reason, Some(connection), None),
            Err(StepError::Unknown { what }) => {
                trace.error = Some(format!("can not be told without asking: {what}"));
                self.steps.push(trace);
                Flow::Untold { what }
            }
        }
    }

    /// The fields as they were rendered when the step first began.
    fn freeze(&mut self, step: &Step) -> Result<Fields, RenderError> {
        if let Some(fields) = &self.run.fields {
            return Ok(fields.clone());
        }
        let fields = step.render(&self.scope)?;
        self.run.fields = Some(fields.clone());
        Ok(fields)
    }

    async fn act(&mut self, step: &Step, fields: &Fields) -> Result<Value, StepError> {
        if step.kind == Kind::Set {
            let table = fields.value("values");
            return Ok(if table.is_object() {
                table
            } else {
                fields.value("value")
            });
        }
        let connection = step
            .connection
            .as_ref()
            .expect("a step that asks Halo was given its connection at load");
        let effects = &mut *self.effects;
        match step.kind {
            Kind::CreateHaloUser => action::create_halo_user::perform(fields, connection, effects).await,
            Kind::CreateHaloClient => action::create_halo_client::perform(fields, connection, effects).await,
            Kind::QueryHaloUsers => action::query::users(fields, connection, effects).await,
            Kind::QueryHaloClients => action::query::clients(fields, connection, effects).await,
            Kind::QueryHaloSites => action::query::sites(fields, connection, effects).await,
            Kind::FindHaloUserAndClient => {
                let halo = &self.setting.config.halo[connection];
                let dmarc_failed = self.setting.email["auth"]["dmarc"] == "fail";
                action::find_halo_user_and_client::perform(fields, connection, halo, dmarc_failed, effects).await
            }
            Kind::Set | Kind::ForEach | Kind::Bounce | Kind::Stop | Kind::StopAll => {
                unreachable!("the interpreter itself does these")
            }
        }
    }

    async fn for_each(
        &mut self,
        rule: &'s Rule,
        step: &'s Step,
        mut trace: StepTrace,
        path: String,
        depth: usize,
    ) -> Flow {
        if self.run.frames[depth].turns.is_none() {
            let fields = match step.render(&self.scope) {
                Ok(fields) => fields,
                Err(error) => return self.fail(step, trace, error.to_string()),
            };
            let items = match fields.value("items") {
                Value::Array(items) if items.len() <= MOST_ITEMS => items,
                Value::Array(items) => {
                    return self.fail(
                        step,
                        trace,
                        format!("items has {} items; the bound is {MOST_ITEMS}", items.len()),
                    );
                }
                Value::Null => Vec::new(),
                _ => {
                    return self.fail(
                        step,
                        trace,
                        fields.wrong("items", "is no list", "it needs one").to_string(),
                    );
                }
            };
            self.run.frames[depth].turns = Some(Loop {
                items,
                turn: 0,
                results: Vec::new(),
            });
        }
        while let Some((turn, item)) = self.run.turn(depth) {
            self.scope.set(step.word("as"), &item);
            self.scope.set(step.word("index"), &json!(turn));
            self.last_result = Value::Null;
            let flow = self
                .steps(rule, &step.steps, format!("{path}[{turn}]."), depth + 1)
                .await;
            if !matches!(flow, Flow::Next) {
                return flow;
            }
            let result = std::mem::take(&mut self.last_result);
            self.run.turned(depth, result);
        }
        let results = self.run.frames[depth]
            .turns
            .take()
            .map(|turns| Value::Array(turns.results))
            .unwrap_or_default();
        trace.result = results.clone();
        self.store(step, results, String::new());
        self.steps.push(trace);
        Flow::Next
    }

    fn bounce(&mut self, step: &Step, mut trace: StepTrace) -> Flow {
        let written = step.fields.iter().any(|field| field.name == "message" && field.written);
        let rendered = if written {
            step.render(&self.scope).map(|fields| {
                trace.show_fields(&fields);
                fields.text("message")
            })
        } else {
            self.setting.rules.bounce_message.render(&self.scope)
        };
        match rendered {
            Ok(text) => self.end(
                trace,
                RuleEnd::Bounce {
                    text,
                    reason: format!("the step {} says so", step.name),
                },
            ),
            Err(error) => self.fail(step, trace, error.to_string()),
        }
    }

    fn end(&mut self, trace: StepTrace, end: RuleEnd) -> Flow {
        self.steps.push(trace);
        Flow::End(end)
    }

    fn defer(
        &mut self,
        mut trace: StepTrace,
        reason: String,
        connection: Option<String>,
        not_before: Option<Timestamp>,
    ) -> Flow {
        trace.error = Some(reason.clone());
        self.steps.push(trace);
        Flow::Defer {
            reason,
            connection,
            not_before,
        }
    }

    /// The step failed for good: `on_error` decides.
    fn fail(&mut self, step: &Step, mut trace: StepTrace, reason: String) -> Flow {
        trace.error = Some(reason.clone());
        trace.on_error = Some(step.on_error.word().to_owned());
        self.steps.push(trace);
        let named = format!("{}: {reason}", step.name);
        match step.on_error {
            OnError::Exception => Flow::End(RuleEnd::Exception { reason: named }),
            OnError::Stop => Flow::End(RuleEnd::Stopped { reason: named }),
            OnError::StopAll => Flow::End(RuleEnd::StoppedAll { reason: named }),
            OnError::Bounce => match self.setting.rules.bounce_message.render(&self.scope) {
                Ok(text) => Flow::End(RuleEnd::Bounce { text, reason: named }),
                Err(error) => Flow::End(RuleEnd::Exception {
                    reason: format!("{named}; [bounce].message: {error}"),
                }),
            },
            OnError::Continue => {
                self.store(step, Value::Null, reason);
                Flow::Next
            }
        }
    }

    fn store(&mut self, step: &Step, value: Value, error: String) {
        self.last_result = value.clone();
        let (map, name) = match &step.store_as {
            Some(Store::Custom(name)) => (&mut self.run.custom, name),
            Some(Store::Global(name)) => (&mut self.run.global, name),
            None => return,
        };
        map.insert(name.clone(), value);
        map.insert(format!("{name}_error"), Value::String(error));
        self.show_stored();
    }

    fn show_stored(&mut self) {
        self.scope.set("custom", &Value::Object(self.run.custom.clone()));
        self.scope.set("global", &Value::Object(self.run.global.clone()));
    }

    /// Every `global` name exists from the start.
    fn prepare_globals(&mut self) {
        fn names<'a>(steps: &'a [Step], into: &mut Vec<&'a str>) {
            for step in steps {
                if let Some(Store::Global(name)) = &step.store_as {
                    into.push(name);
                }
                names(&step.steps, into);
            }
        }
        let mut known = Vec::new();
        self.setting
            .rules
            .rules
            .iter()
            .for_each(|rule| names(&rule.steps, &mut known));
        for name in known {
            self.run.global.entry(name.to_owned()).or_insert(Value::Null);
            self.run
                .global
                .entry(format!("{name}_error"))
                .or_insert_with(|| Value::String(String::new()));
        }
        self.scope.set("custom", &Value::Object(Map::new()));
        self.scope.set("global", &Value::Object(self.run.global.clone()));
    }

    fn set_meta(&mut self, rule: &str) {
        let Setting {
            id, attempt, hostname, ..
        } = self.setting;
        let (now, version) = (self.run.now.to_string(), env!("CARGO_PKG_VERSION"));
        let meta =
            json!({ "id": id, "attempt": attempt, "now": now, "rule": rule, "version": version, "hostname": hostname });
        self.scope.set("meta", &meta);
    }
}

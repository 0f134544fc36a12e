//! One step: its condition, its frozen fields, what it asks, and what its failure means.

use std::{sync::Arc, time::Instant};

use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};

use super::{Flow, Interpreter, trace::StepTrace};
use crate::{
    action::{
        self, Fields, Kind, StepError,
        from_email::{At, Letter},
        send_email::Sending,
    },
    expression::{RenderError, Shared},
    hex::hex,
    rules::{OnError, Rule, RuleEnd, Step, Store},
};

impl<'s> Interpreter<'s, '_, '_> {
    pub(super) fn steps<'a>(
        &'a mut self,
        rule: &'s Rule,
        steps: &'s [Step],
        above: String,
        depth: usize,
    ) -> BoxFuture<'a, Flow>
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
        // A step that an earlier attempt began is not asked again whether it runs.
        let when = step.when.as_ref().filter(|_| !self.run.is_in_its_midst(depth));
        match when.map(|when| when.evaluate(&self.scope)).transpose() {
            Ok(evaluated) => {
                trace.ran = evaluated.as_ref().is_none_or(|evaluated| evaluated.truth);
                trace.when = evaluated;
            }
            Err(error) => return self.fail(step, trace, format!("when: {error}")),
        }
        if !trace.ran {
            self.steps.push(trace);
            return Flow::Next;
        }
        match step.kind {
            Kind::ForEach => self.for_each(rule, step, trace, depth).await,
            Kind::Stop => self.end(trace, RuleEnd::Completed),
            Kind::StopAll => self.end(trace, RuleEnd::CompletedAll),
            Kind::Bounce => self.bounce(step, trace),
            _ => self.perform(rule, step, trace).await,
        }
    }

    async fn perform(&mut self, rule: &Rule, step: &Step, mut trace: StepTrace) -> Flow {
        let fields = match self.freeze(step) {
            Ok(fields) => fields,
            Err(error) => return self.fail(step, trace, error.to_string()),
        };
        trace.show_fields(&fields);
        self.effects.begin(format!("{}/{}", rule.digest, trace.path));
        let began = Instant::now();
        let acted = self.act(rule, step, &fields).await;
        trace.took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        trace.effects = self.effects.take_trace();
        if step.kind.is_marked() && matches!(acted, Ok(_) | Err(StepError::Failed { .. })) {
            self.run.marked += 1;
        }
        let error = match acted {
            Ok(value) => return self.worked(step, trace, value),
            Err(StepError::Failed { reason }) => return self.fail(step, trace, reason),
            Err(error) => error,
        };
        trace.error = Some(error.to_string());
        self.steps.push(trace);
        Flow::PutOff(error)
    }

    /// The fields as they were rendered when the step first began.
    fn freeze(&mut self, step: &Step) -> Result<Arc<Fields>, RenderError> {
        if let Some(fields) = &self.run.fields {
            return Ok(fields.clone());
        }
        let fields = Arc::new(step.render(&self.scope)?);
        self.run.fields = Some(fields.clone());
        Ok(fields)
    }

    /// Marks what a step makes, so that it is found when the step is repeated, in another attempt:
    /// by the message, the rule and how many steps before it made such a thing. Not by its place, which moves when
    /// somebody puts a step before it.
    fn mark(&self, rule: &Rule) -> String {
        let of = format!("{}\n{}\n{}", self.setting.origin, rule.name, self.run.marked);
        let digest = Sha256::digest(of);
        format!("halo-intake:{}", hex(&digest[..12]))
    }

    async fn act(&mut self, rule: &Rule, step: &Step, fields: &Fields) -> Result<Shared, StepError> {
        if step.kind == Kind::Set {
            let table = fields.value("values");
            let value = if table.is_object() {
                table
            } else {
                fields.value("value")
            };
            return Ok(value.into());
        }
        if step.kind == Kind::HttpRequest {
            let is_used = step.store_as.is_some() || self.is_in_a_loop();
            let mark = self.mark(rule);
            let reply = action::http_request::perform(fields, mark, is_used, self.effects).await;
            return reply.map(Shared::from);
        }
        if step.kind == Kind::SendEmail {
            let sending = Sending {
                mark: self.mark(rule),
                hostname: self.setting.hostname,
                now: self.setting.now,
            };
            let sent = action::send_email::perform(fields, sending, self.effects).await;
            return sent.map(Shared::from);
        }
        self.act_on_halo(rule, step, fields).await
    }

    async fn act_on_halo(&mut self, rule: &Rule, step: &Step, fields: &Fields) -> Result<Shared, StepError> {
        let connection = step
            .connection
            .as_ref()
            .expect("a step that asks Halo was given its connection at load");
        let mark = if step.kind.is_marked() {
            self.mark(rule)
        } else {
            String::new()
        };
        let dmarc_failed = self.setting.email.text_at(&["auth", "dmarc"]) == Some("fail");
        let effects = &mut *self.effects;
        let value = match step.kind {
            Kind::CreateHaloUser => return action::create_halo_user::perform(fields, connection, effects).await,
            Kind::CreateHaloClient => action::create_halo_client::perform(fields, connection, effects).await,
            Kind::QueryHaloUsers => action::query::users(fields, connection, effects).await,
            Kind::QueryHaloClients => action::query::clients(fields, connection, effects).await,
            Kind::QueryHaloSites => action::query::sites(fields, connection, effects).await,
            Kind::QueryHaloTickets => action::query_tickets::perform(fields, connection, effects).await,
            Kind::CreateHaloTicket => action::create_halo_ticket::perform(fields, mark, connection, effects).await,
            Kind::CreateHaloTicketFromEmail | Kind::UpdateHaloTicketFromEmail => {
                let halo = &self.setting.config.halo[connection];
                let letter = Letter {
                    email: self.setting.email,
                    dmarc_failed,
                    mark,
                };
                let catch_alls = &self.setting.rules.catch_alls(connection);
                let at = At {
                    connection,
                    halo,
                    catch_alls,
                    own: self.setting.config.desk_addresses(),
                };
                if step.kind == Kind::CreateHaloTicketFromEmail {
                    action::create_halo_ticket_from_email::perform(fields, &letter, &at, effects).await
                } else {
                    action::update_halo_ticket_from_email::perform(fields, &letter, &at, effects).await
                }
            }
            Kind::UpdateHaloTicket => action::update_halo_ticket::perform(fields, connection, effects).await,
            Kind::AddHaloAction => action::add_halo_action::perform(fields, mark, connection, effects).await,
            Kind::AttachFilesToHaloTicket => {
                let most = self.setting.config.halo[connection].max_file_size;
                action::attach_files_to_halo_ticket::perform(fields, (mark, most), connection, effects).await
            }
            Kind::FindHaloUserAndClient => {
                let halo = &self.setting.config.halo[connection];
                return action::find_halo_user_and_client::perform(fields, connection, halo, dmarc_failed, effects)
                    .await;
            }
            Kind::SendEmail
            | Kind::HttpRequest
            | Kind::Set
            | Kind::ForEach
            | Kind::Bounce
            | Kind::Stop
            | Kind::StopAll => {
                unreachable!("these ask no Halo")
            }
        };
        value.map(Shared::from)
    }

    fn bounce(&mut self, step: &Step, mut trace: StepTrace) -> Flow {
        let own = match step.render(&self.scope) {
            Ok(fields) => {
                trace.show_fields(&fields);
                fields.text("message")
            }
            Err(error) => return self.fail(step, trace, error.to_string()),
        };
        // A message that comes to nothing says nothing to its reader.
        let text = if own.is_empty() {
            self.setting.rules.bounce_message.render(&self.scope)
        } else {
            Ok(own)
        };
        let reason = format!("the step {} says so", step.name);
        match text {
            Ok(text) => self.end(trace, RuleEnd::Bounce { text, reason }),
            Err(error) => self.fail(step, trace, format!("[bounce].message: {error}")),
        }
    }

    fn end(&mut self, trace: StepTrace, end: RuleEnd) -> Flow {
        self.steps.push(trace);
        Flow::End(end)
    }

    pub(super) fn worked(&mut self, step: &Step, mut trace: StepTrace, value: Shared) -> Flow {
        self.store(step, &value, "");
        trace.result = value.into();
        self.steps.push(trace);
        Flow::Next
    }

    /// The step failed for good: `on_error` decides.
    pub(super) fn fail(&mut self, step: &Step, mut trace: StepTrace, reason: String) -> Flow {
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
                self.store(step, &Shared::default(), &reason);
                Flow::Next
            }
        }
    }

    fn store(&mut self, step: &Step, value: &Shared, error: &str) {
        if self.is_in_a_loop() {
            self.last_result = value.clone();
        }
        let (root, name) = match &step.store_as {
            Some(Store::Custom(name)) => ("custom", name),
            Some(Store::Global(name)) => ("global", name),
            None => return,
        };
        let (value, error) = (value.clone(), error.into());
        self.scope
            .set_under(root, [(name.clone(), value), (format!("{name}_error"), error)]);
    }

    /// The result of a `for_each` holds what its last step gave.
    fn is_in_a_loop(&self) -> bool {
        !self.variables.is_empty()
    }
}

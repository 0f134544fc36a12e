//! The clients for strangers, as rules name them. Pure.

use super::{FieldSource, RuleSet, Step};
use crate::{
    action::{Kind, from_email::CatchAlls},
    config::ConnectionName,
    halo::Reference,
};

impl RuleSet {
    /// Every client at that connection of which strangers may become users: a `default_client`, or the client that a step
    /// which makes users names whoever writes.
    pub fn catch_alls(&self, connection: &ConnectionName) -> CatchAlls {
        let mut catch_alls = CatchAlls::default();
        for rule in &self.rules {
            add(&rule.steps, connection, &mut catch_alls);
        }
        catch_alls
    }
}

fn add(steps: &[Step], connection: &ConnectionName, catch_alls: &mut CatchAlls) {
    for step in steps {
        add(&step.steps, connection, catch_alls);
        if !may_make_users(step) {
            continue;
        }
        let wanted = match step.kind {
            Kind::CreateHaloUser => "client",
            _ => "default_client",
        };
        let fields = step.fields.iter().filter(|field| field.name == wanted && field.written);
        for field in fields.filter(|_| step.connection.as_ref() == Some(connection)) {
            let FieldSource::Text(template) = &field.source else {
                continue;
            };
            match template.literal().map(str::trim) {
                Some("") => {}
                Some(name) if field.is_name => catch_alls.clients.push(Reference::Name(name.to_owned())),
                Some(text) => catch_alls.clients.extend(Reference::parse(text)),
                // Found for each sender: what a step found says by itself whether it is one for strangers.
                None if step.kind == Kind::CreateHaloUser => {}
                None => catch_alls.may_be_any = true,
            }
        }
    }
}

/// A step that finds a client says where a later one makes a user.
fn may_make_users(step: &Step) -> bool {
    let field = step
        .fields
        .iter()
        .find(|field| field.name == "create_user_if_not_found");
    let never = field.is_some_and(|field| match &field.source {
        FieldSource::Text(template) => template.literal().is_some_and(|text| text.trim() == "false"),
        _ => false,
    });
    !never
}

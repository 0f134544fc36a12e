//! Filters, tests and functions: that they are admitted, and given what they take.

use super::Check;
use crate::{
    config::fault::suggest,
    expression::{
        budget::{Pattern, TOO_LARGE},
        catalog::{self, Argument, Entry, Gives, Kind, Takes},
        filter::{
            cut,
            date::{check_format, zone},
            list::LONGEST_RANGE,
            test::folded_for,
        },
        shape::Shape,
        syntax::{Call, Expr, Literal, Name, Node},
    },
};

impl Check<'_> {
    pub(super) fn filter(&mut self, text: &str, start: usize, shape: &Shape, call: &Call) -> Shape {
        let Some(entry) = catalog::find(catalog::FILTERS, &call.name.text) else {
            let remedy = match catalog::find(catalog::TESTS, &call.name.text) {
                Some(test) => format!("it is a test: write is {}", test.name),
                None => suggest(&call.name.text, catalog::FILTERS.iter().map(|entry| entry.name)),
            };
            return self.unknown("filter", call, remedy);
        };
        self.taken(entry, text, start, shape);
        self.arguments(entry, call, shape);
        match entry.gives {
            Gives::Text => Shape::Text,
            Gives::Truth => Shape::Truth,
            Gives::Count => Shape::Number,
            Gives::Number => Shape::nullable(Shape::Number),
            Gives::Texts => Shape::list(Shape::Text),
            Gives::List => Shape::list(self.attribute_shape(call, shape)),
            Gives::Same => shape.clone(),
            Gives::Item => Shape::nullable(shape.item()),
            Gives::Any if entry.name == "default" => self.defaulted(call, shape),
            Gives::Any => shape.item(),
        }
    }

    pub(super) fn test(&mut self, text: &str, start: usize, shape: &Shape, call: &Call) -> Shape {
        let Some(entry) = catalog::find(catalog::TESTS, &call.name.text) else {
            let remedy = match catalog::find(catalog::FILTERS, &call.name.text) {
                Some(filter) => format!("it is a filter: write | {}", filter.name),
                None => suggest(&call.name.text, catalog::TESTS.iter().map(|entry| entry.name)),
            };
            return self.unknown("test", call, remedy);
        };
        self.taken(entry, text, start, shape);
        self.arguments(entry, call, shape);
        Shape::Truth
    }

    /// What `containing` looks for, and in what.
    pub(super) fn contained(&mut self, of: &Node, shape: &Shape, call: &Call) {
        let wanted = call.arguments.iter().find(|(name, _)| name.text == "pat");
        if let Some((_, wanted)) = wanted.filter(|_| call.name.text == "containing") {
            let before = self.faults.len();
            let found = self.node(wanted);
            self.faults.truncate(before);
            self.membership("containing", (wanted, &found), (of, shape));
        }
    }

    pub(super) fn function(&mut self, call: &Call) -> Shape {
        let Some(entry) = catalog::find(catalog::FUNCTIONS, &call.name.text) else {
            let remedy = match catalog::find(catalog::FILTERS, &call.name.text) {
                Some(filter) => format!("it is a filter: write value | {}", filter.name),
                None => suggest(&call.name.text, catalog::FUNCTIONS.iter().map(|entry| entry.name)),
            };
            return self.unknown("function", call, remedy);
        };
        self.arguments(entry, call, &Shape::Any);
        self.range(call);
        Shape::list(Shape::Number)
    }

    fn unknown(&mut self, what: &str, call: &Call, remedy: String) -> Shape {
        for (_, value) in &call.arguments {
            self.node(value);
        }
        self.fault(
            call.name.start,
            format!("the {what} {:?} is not known", call.name.text),
            remedy,
        );
        Shape::Any
    }

    /// Whether the filter can take what stands before it.
    fn taken(&mut self, entry: &Entry, text: &str, start: usize, shape: &Shape) {
        let present = shape.present();
        let (fits, wanted) = match entry.takes {
            Takes::Any => return,
            Takes::Text => (matches!(present, Shape::Text | Shape::Number | Shape::Truth), "text"),
            Takes::List => (matches!(present, Shape::List(_)), "a list"),
            Takes::Map => (matches!(present, Shape::Map(_) | Shape::Record(_)), "a map"),
            Takes::Number => (matches!(present, Shape::Number), "a number"),
            Takes::TextOrList => (matches!(present, Shape::Text | Shape::List(_)), "text or a list"),
        };
        if fits || *present == Shape::Any {
            return;
        }
        let remedy = match (present, entry.takes) {
            (Shape::List(_), Takes::Text) => "take an element with | first, or join them with | join(sep=\", \")",
            (Shape::Text, Takes::Number) => "make it a number with | int",
            (Shape::Text, Takes::List) => "make it a list with | split(pat=\"…\")",
            (Shape::Record(_), Takes::Text) => "name the part of it that is meant",
            _ => "",
        };
        self.fault(
            start,
            format!("{} takes {wanted}, {text:?} is {}", entry.name, shape.kind()),
            remedy,
        );
    }

    fn arguments(&mut self, entry: &'static Entry, call: &Call, shape: &Shape) {
        for (name, value) in &call.arguments {
            self.node(value);
            if name.text.is_empty() {
                let first = entry
                    .arguments
                    .first()
                    .map_or_else(String::new, |argument| format!("{}=…", argument.name));
                let problem = format!("the arguments of {:?} are written with their names", entry.name);
                self.fault(name.start, problem, format!("write {}({first})", entry.name));
                continue;
            }
            match entry.arguments.iter().find(|argument| argument.name == name.text) {
                Some(argument) => self.argument(argument, call, value, shape),
                None => self.no_argument(entry, name),
            }
        }
        self.first_group(call);
        for argument in entry.arguments.iter().filter(|argument| argument.required) {
            let given = call
                .arguments
                .iter()
                .any(|(name, _)| name.text == argument.name || name.text.is_empty());
            if !given {
                let problem = format!("{:?} needs the argument {:?}", entry.name, argument.name);
                self.fault(
                    call.name.start,
                    problem,
                    format!("write {}({}=…)", entry.name, argument.name),
                );
            }
        }
        self.fold(call);
    }

    fn no_argument(&mut self, entry: &Entry, name: &Name) {
        let remedy = if entry.arguments.is_empty() {
            "it takes none".to_owned()
        } else {
            suggest(&name.text, entry.arguments.iter().map(|argument| argument.name))
        };
        self.fault(
            name.start,
            format!("{:?} has no argument {:?}", entry.name, name.text),
            remedy,
        );
    }

    /// What is written out is checked now; what is computed, when it is known.
    fn argument(&mut self, argument: &Argument, call: &Call, value: &Node, shape: &Shape) {
        let name = argument.name;
        let text = match &value.kind {
            Expr::Literal(Literal::Text(text)) => text,
            Expr::Literal(literal) => return self.plain_argument(argument, call, literal, value),
            _ => return,
        };
        let checked = match argument.kind {
            Kind::Text | Kind::Any => Ok(()),
            Kind::Filled if text.is_empty() => Err(format!("{name} is empty")),
            Kind::Filled => Ok(()),
            Kind::Whole | Kind::Truth => {
                let wanted = if argument.kind == Kind::Whole {
                    "a whole number"
                } else {
                    "true or false"
                };
                return self.fault(
                    value.start,
                    format!("{name} takes {wanted}, not a text"),
                    "write it without quotes",
                );
            }
            Kind::Pattern => self.pattern(text),
            Kind::Group => self.group(call, text),
            Kind::Lines if cut::selection(text).is_none() => Err(format!("{text:?} selects no lines")),
            Kind::Lines => Ok(()),
            Kind::Zone => zone(text).map(drop),
            Kind::Format => check_format(text),
            Kind::OneOf(known) if !known.contains(&text.as_str()) => {
                return self.fault(
                    value.start,
                    format!("{name} can not be {text:?}"),
                    suggest(text, known.iter().copied()),
                );
            }
            Kind::OneOf(_) => Ok(()),
            Kind::Attribute => return self.attribute(text, value, shape),
        };
        if let Err(problem) = checked {
            let remedy = match argument.kind {
                Kind::Lines => "write numbers from 1 as in \"1,3-4\" or \"2-\"",
                Kind::Zone => "write a name such as \"Europe/Berlin\"",
                Kind::Pattern if problem.ends_with(TOO_LARGE) => {
                    "repeat less often, or write [0-9A-Za-z_] for \\w: it knows all letters of Unicode"
                }
                _ => "",
            };
            self.fault(value.start, problem, remedy);
        }
    }

    fn plain_argument(&mut self, argument: &Argument, call: &Call, literal: &Literal, value: &Node) {
        let fits = match argument.kind {
            Kind::Any => true,
            Kind::Truth => matches!(literal, Literal::Truth(_)),
            Kind::Whole => matches!(literal, Literal::Integer(_)),
            Kind::Group if matches!(literal, Literal::Integer(_)) => {
                if let Err(problem) = self.group(call, self.text(value)) {
                    self.fault(value.start, problem, "");
                }
                true
            }
            Kind::Text => matches!(literal, Literal::Integer(_) | Literal::Float),
            _ => false,
        };
        if !fits && *literal != Literal::Null {
            let wanted = match argument.kind {
                Kind::Truth => "true or false",
                Kind::Whole => "a whole number",
                Kind::Group => "a group's number or name",
                _ => "a text in quotes",
            };
            self.fault(
                value.start,
                format!("{} takes {wanted}, not {}", argument.name, self.text(value)),
                "",
            );
        }
    }

    fn pattern(&mut self, pattern: &str) -> Result<(), String> {
        let compiled = Pattern::literal(pattern).map_err(|reason| format!("the pattern {pattern:?} {reason}"))?;
        self.patterns.insert(pattern.to_owned(), compiled.into());
        Ok(())
    }

    /// Where no group is named it is the first, which the pattern must have.
    fn first_group(&mut self, call: &Call) {
        let names_group = call.arguments.iter().any(|(name, _)| name.text == "group");
        if call.name.text != "regex_capture" || names_group {
            return;
        }
        if let Err(problem) = self.group(call, "1") {
            let remedy = "put what is wanted in ( ), or write regex_find";
            self.fault(call.name.start, problem, remedy);
        }
    }

    /// Whether the pattern beside it, where it is written out, has that group.
    fn group(&self, call: &Call, group: &str) -> Result<(), String> {
        let Some(pattern) = literal(call, "pattern") else {
            return Ok(());
        };
        let Ok(compiled) = Pattern::literal(pattern) else {
            return Ok(());
        };
        let known = match group.parse::<usize>() {
            Ok(index) => index < compiled.regex.captures_len(),
            Err(_) => compiled.regex.capture_names().flatten().any(|name| name == group),
        };
        if known {
            Ok(())
        } else {
            Err(format!("the pattern {pattern:?} has no group {group:?}"))
        }
    }

    /// The attribute's path within the elements.
    fn attribute(&mut self, path: &str, value: &Node, shape: &Shape) {
        let mut at = shape.item();
        for step in path.split('.') {
            match at.find(step) {
                Some(found) => at = found,
                None => {
                    return self.fault(
                        value.start,
                        format!("the elements have no {step:?}"),
                        suggest(step, at.names()),
                    );
                }
            }
        }
    }

    fn attribute_shape(&self, call: &Call, shape: &Shape) -> Shape {
        match literal(call, "attribute") {
            Some(path) => path
                .split('.')
                .try_fold(shape.item(), |at, step| at.find(step))
                .unwrap_or(Shape::Any),
            None => shape.item(),
        }
    }

    fn defaulted(&mut self, call: &Call, shape: &Shape) -> Shape {
        let before = self.faults.len();
        let other = call
            .arguments
            .iter()
            .find(|(name, _)| name.text == "value")
            .map(|(_, value)| self.node(value));
        self.faults.truncate(before);
        shape.present().clone().common(other.unwrap_or(Shape::Any))
    }

    /// What is looked for whatever its case is a pattern in the end.
    fn fold(&mut self, call: &Call) {
        let folds = call.arguments.iter().any(|(name, value)| {
            name.text == "ignore_case" && matches!(value.kind, Expr::Literal(Literal::Truth(true)))
        });
        if !folds {
            return;
        }
        for (_, value) in &call.arguments {
            if let Expr::Literal(Literal::Text(text)) = &value.kind {
                let pattern = folded_for(&call.name.text, text);
                if let Ok(compiled) = Pattern::literal(&pattern) {
                    self.patterns.insert(pattern, compiled.into());
                }
            }
        }
    }

    /// A range that is written out is bounded now.
    fn range(&mut self, call: &Call) {
        let whole = |wanted: &str| {
            let (_, value) = call.arguments.iter().find(|(name, _)| name.text == wanted)?;
            self.text(value).parse::<i64>().ok()
        };
        let step = whole("step_by").unwrap_or(1).saturating_abs().max(1);
        let length = whole("end")
            .unwrap_or(0)
            .saturating_sub(whole("start").unwrap_or(0))
            .saturating_abs()
            / step;
        if length > LONGEST_RANGE {
            self.fault(
                call.name.start,
                format!("the range has {length} numbers"),
                format!("at most {LONGEST_RANGE} are admitted"),
            );
        }
    }
}

/// An argument's text where it is written out.
fn literal<'c>(call: &'c Call, wanted: &str) -> Option<&'c str> {
    call.arguments.iter().find_map(|(name, value)| match &value.kind {
        Expr::Literal(Literal::Text(text)) if name.text == wanted => Some(text.as_str()),
        _ => None,
    })
}

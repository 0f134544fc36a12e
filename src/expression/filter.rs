//! Filters and tests: what they are given, and how Tera comes to know them.

use std::{borrow::Cow, sync::Arc};

use tera::{Kwargs, State, Tera, TeraResult, Value, value::ValueKind};

use super::{
    budget::{Bounded, MOST_ITEMS, MOST_TEXT, Pattern, Run, Stop},
    catalog::{self, Entry, Gives, Takes},
};

pub mod cut;
pub mod date;
pub mod list;
pub mod mail;
pub mod number;
pub mod operator;
pub mod test;
pub mod text;

/// What a filter makes of its input.
pub type Apply = fn(&mut Input<'_>) -> Result<Value, Stop>;

/// A filter, a test or an operator, as it is called with a renderer and without one.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// As the expression calls it, for errors.
    name: &'static str,
    /// What it gives for nothing without being asked.
    nothing: Option<Gives>,
    apply: Apply,
}

impl Function {
    /// A filter or a test of the catalogue: what is nothing stays nothing.
    pub fn of(entry: &Entry) -> Function {
        Function {
            name: entry.name,
            nothing: Some(entry.gives).filter(|_| !matches!(entry.takes, Takes::Any)),
            apply: entry.apply,
        }
    }

    /// An operator, which is asked of nothing, too.
    pub fn operator(sign: &'static str, apply: Apply) -> Function {
        Function {
            name: sign,
            nothing: None,
            apply,
        }
    }

    /// What it makes of a value, counted. The pattern is the one that these arguments ask for, where it is known.
    pub fn call(
        self,
        value: &Value,
        arguments: Arguments<'_>,
        pattern: Option<&Arc<Pattern>>,
        run: &mut Run,
    ) -> Result<Value, Stop> {
        if let Some(gives) = self.nothing
            && is_nothing(value)
        {
            return Ok(gives.nothing());
        }
        (self.apply)(&mut Input {
            value,
            arguments,
            pattern,
            run,
            name: self.name,
        })
    }

    /// The same for the renderer.
    fn registered(self) -> impl Fn(&Value, Kwargs, &State<'_>) -> TeraResult<Value> + Send + Sync + 'static {
        move |value: &Value, arguments: Kwargs, _: &State<'_>| {
            Run::current(|run| {
                let arguments = Arguments::Rendered(&arguments);
                self.call(value, arguments, None, run).map_err(|stop| {
                    run.stop = Some(stop);
                    tera::Error::message(self.name)
                })
            })
        }
    }
}

/// What stands beside a value, by name.
#[derive(Debug, Clone, Copy)]
pub enum Arguments<'a> {
    /// As the renderer has them.
    Rendered(&'a Kwargs),
    /// A few, quicker walked than hashed.
    Listed(&'a [(&'static str, Cow<'a, Value>)]),
}

impl<'a> Arguments<'a> {
    /// An argument; nothing where it is left out, null or missing.
    pub fn find(self, name: &'static str) -> Option<&'a Value> {
        let found = match self {
            Arguments::Rendered(arguments) => arguments.get::<&'a Value>(name).ok().flatten(),
            Arguments::Listed(arguments) => {
                let found = arguments.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| &**value)
            }
        };
        found.filter(|value| !is_nothing(value))
    }
}

/// A value, the arguments beside it, and the run that counts.
pub struct Input<'a> {
    pub value: &'a Value,
    pub arguments: Arguments<'a>,
    /// What the arguments look for, where that is known since load.
    pub pattern: Option<&'a Arc<Pattern>>,
    pub run: &'a mut Run,
    /// As the expression calls the filter, for errors.
    pub name: &'static str,
}

/// A Tera without templates that knows every filter, test and operator.
pub fn tera() -> Tera {
    let mut tera = Tera::new();
    tera.autoescape_on(Vec::<&str>::new());
    for entry in catalog::FILTERS {
        tera.register_filter(entry.name, Function::of(entry).registered());
    }
    for entry in catalog::TESTS {
        tera.register_filter(format!("is_{}", entry.name), Function::of(entry).registered());
    }
    for (name, sign, apply) in operator::OPERATORS {
        tera.register_filter(*name, Function::operator(sign, *apply).registered());
    }
    let range = Function::operator("range", list::range).registered();
    tera.register_function("range", move |arguments: Kwargs, state: &State<'_>| {
        range(&Value::none(), arguments, state)
    });
    tera
}

/// Whether a value is null or missing.
pub fn is_nothing(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::None | ValueKind::Undefined)
}

impl Gives {
    /// What a filter gives for nothing.
    fn nothing(self) -> Value {
        match self {
            Gives::Text => Value::from(""),
            Gives::Truth => Value::from(false),
            Gives::Count => Value::from(0),
            Gives::Texts | Gives::List => Value::from(Vec::<Value>::new()),
            Gives::Same | Gives::Item | Gives::Number | Gives::Any => Value::none(),
        }
    }
}

impl<'a> Input<'a> {
    /// The input as text: numbers and truth values are written out, lists and maps refused.
    pub fn text(&mut self) -> Result<Cow<'a, str>, Stop> {
        let value = self.value;
        let text = scalar_text(value).ok_or_else(|| self.refuse("a text", value))?;
        self.run.charge_text(text.len())?;
        Ok(text)
    }

    pub fn list(&mut self) -> Result<&'a [Value], Stop> {
        let list = self.value.as_array().ok_or_else(|| self.refuse("a list", self.value))?;
        self.run.charge(8 * list.len())?;
        Ok(list)
    }

    pub fn map(&mut self) -> Result<&'a tera::Map, Stop> {
        let map = self.value.as_map().ok_or_else(|| self.refuse("a map", self.value))?;
        self.run.charge(8 * map.len())?;
        Ok(map)
    }

    pub fn argument(&self, name: &'static str) -> Option<&'a Value> {
        self.arguments.find(name)
    }

    pub fn text_argument(&mut self, name: &'static str) -> Result<Option<Cow<'a, str>>, Stop> {
        let Some(value) = self.argument(name) else {
            return Ok(None);
        };
        let text = scalar_text(value).ok_or_else(|| self.refuse(&format!("a text as {name}"), value))?;
        self.run.charge_text(text.len())?;
        Ok(Some(text))
    }

    pub fn truth_argument(&self, name: &'static str) -> bool {
        self.argument(name).is_some_and(Value::is_truthy)
    }

    pub fn whole_argument(&self, name: &'static str) -> Result<Option<i64>, Stop> {
        let Some(value) = self.argument(name) else {
            return Ok(None);
        };
        let whole = value.as_i64().or_else(|| number::whole(value.as_f64()?));
        whole
            .map(Some)
            .ok_or_else(|| self.refuse(&format!("a whole number as {name}"), value))
    }

    /// Whether a pattern, told by its text where it is not known, matches somewhere.
    pub fn matches(&mut self, text: &str, pattern: impl FnOnce() -> String) -> Result<bool, Stop> {
        let found;
        let pattern = match self.pattern {
            Some(known) => {
                self.run.charge_search(known, text)?;
                known
            }
            None => {
                found = self.run.pattern(&pattern(), text)?;
                &found
            }
        };
        Ok(pattern.regex.is_match(text))
    }

    /// A text that was made, within its bound.
    pub fn made(&mut self, text: String) -> Result<Value, Stop> {
        self.run.charge_text(text.len())?;
        Ok(Value::from(text))
    }

    /// A list that was made, within its bound.
    pub fn made_list(&mut self, items: Vec<Value>) -> Result<Value, Stop> {
        if items.len() > MOST_ITEMS {
            return Err(Stop::Bound(format!("a list has more than {MOST_ITEMS} elements")));
        }
        self.run.charge(8 * items.len())?;
        Ok(Value::from(items))
    }

    pub fn refuse(&self, wanted: &str, found: &Value) -> Stop {
        Stop::Failed(format!("{} takes {wanted}, not {}", self.name, kind_name(found)))
    }
}

/// What kind of value it is, with its article.
pub fn kind_name(value: &Value) -> &'static str {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => "nothing",
        ValueKind::Bool => "a truth value",
        ValueKind::String | ValueKind::Bytes => "a text",
        ValueKind::Array => "a list",
        ValueKind::Map => "a record",
        _ => "a number",
    }
}

/// The text of anything but a list or a map. Whole numbers are written as such, as ids may come as floats.
pub fn scalar_text(value: &Value) -> Option<Cow<'_, str>> {
    if let Some(text) = value.as_str() {
        return Some(Cow::Borrowed(text));
    }
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Some(Cow::Borrowed("")),
        ValueKind::Array | ValueKind::Map | ValueKind::Bytes => None,
        ValueKind::F64 => value.as_f64().map(|float| Cow::Owned(number::written(float))),
        _ => Some(Cow::Owned(value.to_string())),
    }
}

/// The text of any value: lists and maps as JSON.
pub fn full_text<'v>(value: &'v Value, run: &mut Run) -> Result<Cow<'v, str>, Stop> {
    let text = match scalar_text(value) {
        Some(text) => text,
        None => Cow::Owned(json(value)?),
    };
    run.charge_text(text.len())?;
    Ok(text)
}

/// A value as JSON on one line, within the bound of a text.
pub fn json(value: &Value) -> Result<String, Stop> {
    let mut bounded = Bounded::new(MOST_TEXT);
    match serde_json::to_writer(&mut bounded, value) {
        Ok(()) => Ok(bounded.into_text()),
        Err(_) if bounded.passed => Err(Stop::Bound(format!("a value is longer than {MOST_TEXT} octets"))),
        Err(error) => Err(Stop::Failed(format!("a value can not be written as JSON: {error}"))),
    }
}

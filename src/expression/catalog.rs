//! The filters, tests and functions that are admitted: one table for the checker, the renderer and the manual.

use super::filter::{Apply, cut, date, list, mail, number, test, text};

/// A filter, a test or a function.
#[derive(Debug)]
pub struct Entry {
    /// As it is written.
    pub name: &'static str,
    /// What it is used on.
    pub takes: Takes,
    /// In the order of the manual.
    pub arguments: &'static [Argument],
    /// What it makes.
    pub gives: Gives,
    /// One sentence for the manual.
    pub doc: &'static str,
    pub(super) apply: Apply,
}

/// What may stand before the `|` or the `is`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Also a number or a truth value, written out.
    Text,
    List,
    Map,
    Number,
    TextOrList,
    Any,
}

/// What comes out; for nothing, a filter gives what is empty of that kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    Text,
    Truth,
    /// A number, 0 for nothing.
    Count,
    /// A number, nothing for nothing.
    Number,
    Texts,
    List,
    /// The kind that went in.
    Same,
    /// An element of the list that went in.
    Item,
    Any,
}

/// An argument; all are written with their names.
#[derive(Debug)]
pub struct Argument {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
}

/// What an argument may be. Where it is written out, it is checked at load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// A text that is not empty.
    Filled,
    Whole,
    Truth,
    Any,
    /// A regular expression.
    Pattern,
    /// A group of the pattern beside it, by number or by name.
    Group,
    /// Line numbers: `1,3-4`.
    Lines,
    /// A time zone: `Europe/Berlin`.
    Zone,
    /// A strftime format.
    Format,
    /// A name within the elements of the list.
    Attribute,
    /// One of these texts.
    OneOf(&'static [&'static str]),
}

const fn needs(name: &'static str, kind: Kind) -> Argument {
    Argument {
        name,
        kind,
        required: true,
    }
}

const fn may(name: &'static str, kind: Kind) -> Argument {
    Argument {
        name,
        kind,
        required: false,
    }
}

const fn entry(
    name: &'static str,
    takes: Takes,
    arguments: &'static [Argument],
    gives: Gives,
    apply: Apply,
    doc: &'static str,
) -> Entry {
    Entry {
        name,
        takes,
        arguments,
        gives,
        doc,
        apply,
    }
}

const LAST: Argument = may("last", Kind::Truth);
const FOLD: Argument = may("ignore_case", Kind::Truth);
const PATTERN: Argument = needs("pattern", Kind::Pattern);
const PAT: Argument = needs("pat", Kind::Text);

/// The filters, in the order of the manual.
#[rustfmt::skip]
pub const FILTERS: &[Entry] = &[
    // cutting
    entry("before", Takes::Text, &[needs("delimiter", Kind::Filled), LAST, FOLD], Gives::Text, cut::before,
        "What stands before the first (or last) delimiter; empty where there is none."),
    entry("after", Takes::Text, &[needs("delimiter", Kind::Filled), LAST, FOLD], Gives::Text, cut::after,
        "What stands after the first (or last) delimiter; empty where there is none."),
    entry("between", Takes::Text, &[needs("start", Kind::Filled), needs("end", Kind::Filled), LAST, FOLD], Gives::Text, cut::between,
        "What stands between the first (or last) start and the next end; empty where one is missing."),
    entry("regex_find", Takes::Text, &[PATTERN], Gives::Text, cut::regex_find,
        "The first match of a regular expression; empty where there is none."),
    entry("regex_capture", Takes::Text, &[PATTERN, may("group", Kind::Group)], Gives::Text, cut::regex_capture,
        "A group of the first match, by number (1 where none is given) or by name."),
    entry("before_regex", Takes::Text, &[PATTERN], Gives::Text, cut::before_regex,
        "What stands before the first match of a regular expression; empty where there is none."),
    entry("after_regex", Takes::Text, &[PATTERN], Gives::Text, cut::after_regex,
        "What stands after the first match of a regular expression; empty where there is none."),
    entry("regex_escape", Takes::Text, &[], Gives::Text, cut::regex_escape,
        "The text as a regular expression that finds just it."),
    entry("lines", Takes::Text, &[needs("select", Kind::Lines)], Gives::Text, cut::lines,
        "Lines by number: \"1,3-4\", \"2-\" to the end; lines that are not there are left out."),
    // mail
    entry("domain", Takes::Text, &[], Gives::Text, mail::domain, "The domain of a mail address, in lower case."),
    entry("local_part", Takes::Text, &[], Gives::Text, mail::local_part, "What stands before the @ of a mail address."),
    entry("first_name", Takes::Text, &[], Gives::Text, mail::first_name,
        "The first name in a display name, also in \"Last, First\"; titles, suffixes and tags such as [EXT] are left out."),
    entry("last_name", Takes::Text, &[], Gives::Text, mail::last_name,
        "The last name in a display name, also in \"Last, First\"; empty where there is but one name."),
    entry("registrable_domain", Takes::Text, &[], Gives::Text, mail::registrable_domain,
        "The part of a domain that its owner registered, by the public suffix list: example.co.uk of mail.example.co.uk."),
    entry("is_freemail", Takes::Text, &[], Gives::Truth, mail::is_freemail,
        "Whether an address or a domain belongs to a provider of free mail."),
    entry("strip_html", Takes::Text, &[], Gives::Text, text::strip_html, "The text of an HTML document, without its tags."),
    // texts
    entry("upper", Takes::Text, &[], Gives::Text, text::upper, "In capital letters."),
    entry("lower", Takes::Text, &[], Gives::Text, text::lower, "In small letters."),
    entry("capitalize", Takes::Text, &[], Gives::Text, text::capitalize, "The first letter large, the others small."),
    entry("title", Takes::Text, &[], Gives::Text, text::title, "Each word's first letter large, the others small."),
    entry("trim", Takes::Text, &[may("pat", Kind::Text)], Gives::Text, text::trim,
        "Without white space, or without pat, at both ends."),
    entry("trim_start", Takes::Text, &[may("pat", Kind::Text)], Gives::Text, text::trim_start,
        "Without white space, or without pat, at the start."),
    entry("trim_end", Takes::Text, &[may("pat", Kind::Text)], Gives::Text, text::trim_end,
        "Without white space, or without pat, at the end."),
    entry("replace", Takes::Text, &[needs("from", Kind::Filled), needs("to", Kind::Text)], Gives::Text, text::replace,
        "With each from replaced by to."),
    entry("truncate", Takes::Text, &[needs("length", Kind::Whole), may("end", Kind::Text)], Gives::Text, text::truncate,
        "The first length characters, and end (…) where some were cut off."),
    entry("indent", Takes::Text,
        &[may("width", Kind::Whole), may("first", Kind::Truth), may("blank", Kind::Truth)], Gives::Text, text::indent,
        "Each line but the first and empty ones moved in by width (4) blanks."),
    entry("newlines_to_br", Takes::Text, &[], Gives::Text, text::newlines_to_br, "With <br> for each end of line."),
    entry("escape_html", Takes::Text, &[], Gives::Text, text::escape_html, "With &, <, >, \" and ' written for HTML."),
    entry("urlencode", Takes::Text, &[], Gives::Text, text::urlencode, "Percent-encoded, for a part of a URL."),
    entry("split", Takes::Text, &[needs("pat", Kind::Filled)], Gives::Texts, text::split, "The parts between pat, as a list."),
    entry("wordcount", Takes::Text, &[], Gives::Count, text::wordcount, "How many words there are."),
    entry("str", Takes::Any, &[], Gives::Text, text::str, "As text; lists and records as JSON."),
    entry("json_encode", Takes::Any, &[], Gives::Text, text::json_encode, "As JSON on one line."),
    // dates and numbers
    entry("format_date", Takes::Text, &[may("timezone", Kind::Zone), may("format", Kind::Format)], Gives::Text, date::format_date,
        "An RFC 3339 date in a time zone (UTC) by a strftime format (\"%Y-%m-%d %H:%M\")."),
    entry("int", Takes::Any, &[may("base", Kind::Whole)], Gives::Number, number::int,
        "The whole number that a text or a number is, 0x… with base=16; nothing for an empty text."),
    entry("float", Takes::Any, &[], Gives::Number, number::float, "The number that a text is; nothing for an empty text."),
    entry("round", Takes::Number, &[may("method", Kind::OneOf(&["ceil", "floor"])), may("precision", Kind::Whole)], Gives::Number,
        number::round, "Rounded to precision (0) digits; up with ceil, down with floor."),
    entry("abs", Takes::Number, &[], Gives::Number, number::abs, "Without its sign."),
    entry("pluralize", Takes::Number, &[may("singular", Kind::Text), may("plural", Kind::Text)], Gives::Text, number::pluralize,
        "The ending for so many: singular (nothing) for 1, else plural (s)."),
    // lists and maps
    entry("first", Takes::List, &[], Gives::Item, list::first, "The first element."),
    entry("last", Takes::List, &[], Gives::Item, list::last, "The last element."),
    entry("nth", Takes::List, &[needs("n", Kind::Whole)], Gives::Item, list::nth, "The element with number n, counted from 0."),
    entry("join", Takes::List, &[may("sep", Kind::Text)], Gives::Text, list::join, "The elements as one text, with sep between them."),
    entry("sort", Takes::List, &[may("attribute", Kind::Attribute)], Gives::Same, list::sort,
        "Sorted, by an attribute where one is given."),
    entry("unique", Takes::List, &[], Gives::Same, list::unique, "Each element once."),
    entry("slice", Takes::TextOrList, &[may("start", Kind::Whole), may("end", Kind::Whole)], Gives::Same, list::slice,
        "The part from start up to, not with, end; negative numbers count from the end."),
    entry("map", Takes::List, &[needs("attribute", Kind::Attribute)], Gives::List, list::map, "One attribute of each element."),
    entry("filter", Takes::List, &[needs("attribute", Kind::Attribute), may("value", Kind::Any)], Gives::Same, list::filter,
        "The elements whose attribute is value, or is something where no value is given."),
    entry("reverse", Takes::TextOrList, &[], Gives::Same, list::reverse, "From the end to the start."),
    entry("length", Takes::Any, &[], Gives::Count, list::length, "How many characters, elements or keys there are."),
    entry("get", Takes::Map, &[needs("key", Kind::Text), may("default", Kind::Any)], Gives::Any, list::get,
        "What stands under key, else default."),
    entry("keys", Takes::Map, &[], Gives::Texts, list::keys, "The keys of a map."),
    entry("values", Takes::Map, &[], Gives::List, list::values, "The values of a map."),
    entry("pairs", Takes::Map, &[], Gives::List, list::pairs, "The keys and values of a map, as lists of two."),
    entry("default", Takes::Any, &[needs("value", Kind::Any), may("boolean", Kind::Truth)], Gives::Any, text::default,
        "Value where there is nothing or an empty text or list; with boolean=true also for 0 and false."),
];

/// The tests, in the order of the manual.
#[rustfmt::skip]
pub const TESTS: &[Entry] = &[
    entry("containing", Takes::Any, &[needs("pat", Kind::Any), FOLD], Gives::Truth, test::containing,
        "Whether a text has a part, a list an element, a map a key."),
    entry("starting_with", Takes::Text, &[PAT, FOLD], Gives::Truth, test::starting_with, "Whether a text begins so."),
    entry("ending_with", Takes::Text, &[PAT, FOLD], Gives::Truth, test::ending_with, "Whether a text ends so."),
    entry("matching", Takes::Text, &[needs("pat", Kind::Pattern)], Gives::Truth, test::matching,
        "Whether a regular expression matches somewhere in a text."),
    entry("defined", Takes::Any, &[], Gives::Truth, test::defined, "Whether it is there and not null."),
    entry("undefined", Takes::Any, &[], Gives::Truth, test::undefined, "Whether it is missing or null."),
    entry("none", Takes::Any, &[], Gives::Truth, test::undefined, "Whether it is missing or null."),
    entry("string", Takes::Any, &[], Gives::Truth, test::string, "Whether it is a text."),
    entry("number", Takes::Any, &[], Gives::Truth, test::number, "Whether it is a number."),
    entry("integer", Takes::Any, &[], Gives::Truth, test::integer, "Whether it is a whole number."),
    entry("float", Takes::Any, &[], Gives::Truth, test::float, "Whether it is a number with a fraction."),
    entry("bool", Takes::Any, &[], Gives::Truth, test::truth, "Whether it is true or false."),
    entry("array", Takes::Any, &[], Gives::Truth, test::array, "Whether it is a list."),
    entry("map", Takes::Any, &[], Gives::Truth, test::map, "Whether it is a map or a record."),
    entry("iterable", Takes::Any, &[], Gives::Truth, test::iterable, "Whether a loop can walk it."),
    entry("odd", Takes::Number, &[], Gives::Truth, test::odd, "Whether a whole number is odd."),
    entry("even", Takes::Number, &[], Gives::Truth, test::even, "Whether a whole number is even."),
    entry("divisible_by", Takes::Number, &[needs("divisor", Kind::Whole)], Gives::Truth, test::divisible_by,
        "Whether a whole number is a multiple of divisor."),
];

/// The functions.
#[rustfmt::skip]
pub const FUNCTIONS: &[Entry] = &[entry("range", Takes::Any,
    &[may("start", Kind::Whole), needs("end", Kind::Whole), may("step_by", Kind::Whole)], Gives::List, list::range,
    "The whole numbers from start (0) up to, not with, end; at most 10000.")];

/// The entry of a name.
pub fn find(entries: &'static [Entry], name: &str) -> Option<&'static Entry> {
    entries.iter().find(|entry| entry.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_there_once_and_described() {
        for entries in [FILTERS, TESTS, FUNCTIONS] {
            for (index, entry) in entries.iter().enumerate() {
                assert!(
                    entries[..index].iter().all(|earlier| earlier.name != entry.name),
                    "{} is there twice",
                    entry.name
                );
                assert!(entry.doc.ends_with('.'), "{} wants a sentence", entry.name);
            }
        }
    }
}

//! Filters on mail addresses, domains and people's names.

use tera::Value;

use super::Input;
use crate::{
    expression::{budget::Stop, freemail::is_freemail_domain},
    message::address,
};

type Made = Result<Value, Stop>;

/// The two halves of an address, also of `Ann <ann@example.org>`; the second empty where there is no @.
fn halves(text: &str) -> (&str, &str) {
    let text = text.trim();
    let inner = text
        .rsplit_once('<')
        .map_or(text, |(_, inner)| inner.trim_end_matches('>'));
    inner.rsplit_once('@').unwrap_or((inner, ""))
}

/// The domain of an address or the domain itself, in lower case and without a dot at its end.
fn domain_of(text: &str) -> String {
    let domain = match halves(text) {
        (domain, "") => domain,
        (_, domain) => domain,
    };
    address::folded_domain(domain)
}

/// The domain of an address.
pub fn domain(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    input.made(halves(&text).1.trim_end_matches('.').to_lowercase())
}

/// What stands before the @.
pub fn local_part(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    match halves(&text) {
        (_, "") => input.made(String::new()),
        (local, _) => input.made(local.to_owned()),
    }
}

/// The registrable domain; empty where the text is none.
pub fn registrable_domain(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    let domain = domain_of(&text);
    input.made(address::registrable_domain(&domain).unwrap_or_default().to_owned())
}

/// Whether an address or a domain is free mail, by the table or by the configuration.
pub fn is_freemail(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    let domain = domain_of(&text);
    let configured = input
        .run
        .freemail
        .iter()
        .flat_map(|domains| domains.iter())
        .any(|known| known.eq_ignore_ascii_case(&domain));
    Ok(Value::from(configured || is_freemail_domain(&domain)))
}

/// The first name.
pub fn first_name(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    input.made(names(&text).0)
}

/// The last name.
pub fn last_name(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    input.made(names(&text).1)
}

/// First and last name of a display name; of an address, by the dots in its local part.
fn names(text: &str) -> (String, String) {
    let text = text.trim().trim_matches(['"', '\'']).trim();
    if text.contains('@') && !text.contains(char::is_whitespace) {
        return names_of_address(halves(text).0);
    }
    // "Lee, Ann (Sales)" and "Ann Lee | Example" name the company or the role too.
    let text = without_tags(text)
        .split(['(', '[', '<', '|'])
        .next()
        .unwrap_or_default();
    let mut parts = text.split(',').map(name_words).filter(|words| !words.is_empty());
    let words = parts.next().unwrap_or_default();
    if let Some(given) = parts.next() {
        return (given[0].to_owned(), words.join(" "));
    }
    match words.as_slice() {
        [] => (String::new(), String::new()),
        [only] => ((*only).to_owned(), String::new()),
        [first, .., _] => ((*first).to_owned(), last_words(&words).join(" ")),
    }
}

/// Without what gateways put before a name: `[EXT] Ann Lee`.
fn without_tags(text: &str) -> &str {
    let mut text = text.trim_start();
    while let Some((_, rest)) = [("[", ']'), ("(", ')')]
        .into_iter()
        .find_map(|(opening, closing)| text.strip_prefix(opening)?.split_once(closing))
    {
        text = rest.trim_start();
    }
    text
}

/// What is put before a name, in lower case and without dots.
const TITLES: &[&str] = &[
    "dame", "dipl-ing", "dott", "dr", "dr-ing", "dra", "frau", "herr", "ing", "madame", "mag", "med", "miss", "mlle",
    "mme", "monsieur", "mr", "mrs", "ms", "mx", "prof", "rev", "sir", "sra", "srta",
];
/// What is put behind a name, without dots.
const SUFFIXES: &[&str] = &[
    "BSc", "CPA", "Esq", "II", "III", "IV", "JD", "Jr", "LLM", "MBA", "MD", "MSc", "PMP", "PhD", "Sr", "jr", "sr",
];

/// The words of a name without titles and suffixes; a title that stands alone is a name.
fn name_words(text: &str) -> Vec<&str> {
    let plain = |word: &str| word.replace('.', "");
    let mut words: Vec<&str> = text.split_whitespace().collect();
    while words.len() > 1 && TITLES.contains(&plain(words[0]).to_lowercase().as_str()) {
        words.remove(0);
    }
    let is_suffix = |word: &&str| SUFFIXES.contains(&plain(word).as_str());
    while words.last().is_some_and(is_suffix) {
        words.pop();
    }
    words
}

/// The last word, with the small words before it that belong to it: `van der Berg`.
fn last_words<'a, 'b>(words: &'b [&'a str]) -> &'b [&'a str] {
    let small = |word: &&str| word.chars().all(|letter| letter.is_lowercase() || letter == '\'');
    let particles = words[1..words.len() - 1]
        .iter()
        .rev()
        .take_while(|word| small(word))
        .count();
    &words[words.len() - 1 - particles..]
}

fn names_of_address(local: &str) -> (String, String) {
    let local = local.split('+').next().unwrap_or_default();
    let mut parts = local
        .split(['.', '_'])
        .filter(|part| part.chars().any(char::is_alphabetic))
        .map(with_capital);
    let first = parts.next().unwrap_or_default();
    (first, parts.next_back().unwrap_or_default())
}

fn with_capital(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().collect::<String>() + letters.as_str())
        .unwrap_or_default()
}

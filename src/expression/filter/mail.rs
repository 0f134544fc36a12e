//! Filters on mail addresses, domains and people's names.

use tera::Value;

use super::Input;
use crate::expression::{budget::Stop, freemail::is_freemail_domain};

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
    domain.trim().trim_end_matches('.').to_lowercase()
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
    input.made(psl::domain_str(&domain).unwrap_or_default().to_owned())
}

/// Whether an address or a domain is free mail, by the table or by the configuration.
pub fn is_freemail(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    let domain = domain_of(&text);
    let configured = input
        .run
        .freemail
        .iter()
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
    let text = text.split(['(', '[', '<', '|']).next().unwrap_or_default().trim();
    if let Some((last, first)) = text.split_once(',') {
        let first = first.split(',').next().unwrap_or_default();
        return (
            first.split_whitespace().next().unwrap_or_default().to_owned(),
            words(last),
        );
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        [] => (String::new(), String::new()),
        [only] => ((*only).to_owned(), String::new()),
        [first, .., _] => ((*first).to_owned(), last_words(&words).join(" ")),
    }
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

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
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

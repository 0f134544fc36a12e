//! Questions and answers, a line each: with somebody at a terminal, or with a script that gives the answers.

use std::io::{self, IsTerminal, Write};

use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader};

use super::{
    echo,
    list::{Item, Listing},
    wrap::wrapped,
};
use crate::{
    cli::{
        Failure, Status,
        print::{Screen, plain},
    },
    secret::SecretString,
};

/// Takes away what was answered before, where nothing need be answered.
const NOTHING: &str = "-";
/// Of a terminal that does not say how wide it is.
const WIDTH: u16 = 80;
/// What says that it is narrower is mistaken.
const NARROWEST: u16 = 20;

/// Who is asked, and where the questions stand.
pub struct Dialogue {
    input: Box<dyn AsyncBufRead + Unpin>,
    output: Box<dyn Write>,
    /// The terminal shows what is typed; answers of a script are repeated, so that the output reads as a dialogue.
    is_typed: bool,
    /// A script can not answer once more: its next line is for the next question.
    is_strict: bool,
    /// So many lines were answered.
    lines: usize,
    /// What was asked last.
    question: String,
    /// Of the terminal; `None`: a program reads along, which looks for whole lines.
    width: Option<usize>,
}

/// What was picked from a list.
#[derive(Debug, PartialEq, Eq)]
pub enum Picked {
    /// One of the items, by its index.
    Item(usize),
    /// No item has that in its name, or it is a word of the question.
    Other(String),
}

impl Dialogue {
    /// Standard input and output.
    pub fn of_standard() -> Dialogue {
        let is_typed = io::stdin().is_terminal();
        Dialogue {
            input: Box::new(BufReader::new(tokio::io::stdin())),
            output: Box::new(io::stdout()),
            is_typed,
            is_strict: !is_typed,
            lines: 0,
            question: String::new(),
            width: io::stdout().is_terminal().then(|| {
                let width = Screen::of_stdout().width.filter(|width| *width >= NARROWEST);
                width.unwrap_or(WIDTH).into()
            }),
        }
    }

    /// Prose that needs no answer.
    pub fn tell(&mut self, text: &str) -> Result<(), Failure> {
        let text = self.fitted(&plain(text));
        writeln!(self.output, "{text}")?;
        Ok(self.output.flush()?)
    }

    fn fitted(&self, text: &str) -> String {
        self.width.map_or(text.to_owned(), |width| wrapped(text, width))
    }

    /// A line that needs no answer, as it is. What others wrote into it can not write on the terminal.
    pub fn say(&mut self, line: &str) -> Result<(), Failure> {
        writeln!(self.output, "{}", plain(line))?;
        Ok(self.output.flush()?)
    }

    /// The head of what is asked or said next.
    pub fn head(&mut self, title: &str) -> Result<(), Failure> {
        self.say("")?;
        self.say(title)
    }

    /// Something was tried and is well.
    pub fn praise(&mut self, what: &str) -> Result<(), Failure> {
        self.tell(&format!("  ok: {what}"))
    }

    /// Something is wrong with what was answered.
    pub fn object(&mut self, what: &str) -> Result<(), Failure> {
        self.again(&format!("That does not work: {what}"))
    }

    /// Why something is asked again; with a script it ends there.
    fn again(&mut self, why: &str) -> Result<(), Failure> {
        if !self.is_strict {
            return self.tell(&format!("  {why}"));
        }
        let text = format!(
            "line {} of the answers, to the question {:?}: {}; no configuration was written",
            self.lines,
            self.question,
            why.trim_end_matches('.')
        );
        Err(Failure::new(Status::Usage, format!("\n{text}")))
    }

    /// Asks for a text; Enter takes the default.
    pub async fn ask(&mut self, question: &str, default: Option<&str>) -> Result<String, Failure> {
        loop {
            let answer = self.answer(question, default.unwrap_or_default()).await?;
            match (answer.as_str(), default) {
                ("", Some(default)) => return Ok(default.to_owned()),
                ("", None) => self.again("An answer is needed here.")?,
                _ => return Ok(answer),
            }
        }
    }

    /// Asks for a text that may be left out.
    pub async fn ask_optional(&mut self, question: &str, default: Option<&str>) -> Result<Option<String>, Failure> {
        let answer = self.answer(question, default.unwrap_or("none")).await?;
        Ok(match answer.as_str() {
            "" => default.map(str::to_owned),
            NOTHING => None,
            _ => Some(answer),
        })
    }

    /// Asks for one of some words, or the beginning of one; gives its index. Without a default one has to be said.
    pub async fn choose(&mut self, question: &str, words: &[&str], default: Option<usize>) -> Result<usize, Failure> {
        let question = format!("{question} ({})", words.join("/"));
        loop {
            let answer = self.ask(&question, default.map(|at| words[at])).await?.to_lowercase();
            let exact = words.iter().position(|word| *word == answer);
            let mut begun = (0..words.len()).filter(|&at| words[at].starts_with(&answer));
            match (exact, begun.next(), begun.next()) {
                (Some(at), ..) | (None, Some(at), None) => return Ok(at),
                _ => self.again(&format!("One of these is needed: {}.", words.join(", ")))?,
            }
        }
    }

    /// Asks for yes or no.
    pub async fn agrees(&mut self, question: &str, default: bool) -> Result<bool, Failure> {
        let at = usize::from(!default);
        Ok(self.choose(question, &["yes", "no"], Some(at)).await? == 0)
    }

    /// Asks for an item of a list, by its number, its name or a part of the name, which shortens the list; or for `word`,
    /// which means something else whatever the items are called. What no item has in its name is another answer, or
    /// refused with what `missing` says of it; the list is not shown again for that.
    pub async fn pick(
        &mut self,
        question: &str,
        items: &[Item],
        mut default: Option<usize>,
        word: &str,
        missing: Option<&dyn Fn(&str) -> String>,
    ) -> Result<Picked, Failure> {
        let listing = Listing(items);
        let mut shown: Vec<usize> = (0..items.len()).collect();
        loop {
            for line in listing.lines(&shown) {
                self.say(&line)?;
            }
            let number = default.map(|at| items[at].number.to_string());
            let answer = self.ask(question, number.as_deref()).await?;
            if let Some(at) = listing.chosen(&answer).filter(|_| answer != word) {
                return Ok(Picked::Item(at));
            }
            if answer == word {
                return Ok(Picked::Other(answer));
            }
            shown = listing.alike(&answer);
            match (shown.as_slice(), missing) {
                ([], None) => return Ok(Picked::Other(answer)),
                ([], Some(missing)) => self.object(&missing(&answer))?,
                (alike, _) => default = (alike.len() == 1).then(|| alike[0]),
            }
        }
    }

    /// Asks for a secret, which is shown nowhere. Where there is one already, `default` says which, and Enter keeps it:
    /// `None`.
    pub async fn secret(&mut self, question: &str, default: Option<&str>) -> Result<Option<SecretString>, Failure> {
        loop {
            // Before the question: somebody may type as soon as it is there.
            let silence = self.is_typed.then(echo::off).transpose()?;
            self.prompt(question, default.unwrap_or_default())?;
            let line = self.line(question).await;
            drop(silence);
            let line = line?;
            self.say(if self.is_typed { "" } else { "(not shown)" })?;
            match line {
                Some(line) if !line.is_empty() => return Ok(Some(SecretString::from(line))),
                Some(_) if default.is_some() => return Ok(None),
                Some(_) => self.again("An answer is needed here.")?,
                None => self.again("That is no UTF-8 text.")?,
            }
        }
    }

    async fn answer(&mut self, question: &str, default: &str) -> Result<String, Failure> {
        loop {
            self.prompt(question, default)?;
            let Some(line) = self.line(question).await? else {
                self.again("That is no UTF-8 text.")?;
                continue;
            };
            let answer = line.trim();
            if !self.is_typed {
                self.say(answer)?;
            }
            return Ok(answer.to_owned());
        }
    }

    fn prompt(&mut self, question: &str, default: &str) -> Result<(), Failure> {
        let default = match default {
            "" => String::new(),
            default => format!(" [{}]", plain(default)),
        };
        write!(self.output, "{} ", self.fitted(&format!("{question}{default}:")))?;
        Ok(self.output.flush()?)
    }

    /// The next line without its end; `None` where it is no text.
    async fn line(&mut self, question: &str) -> Result<Option<String>, Failure> {
        let mut octets = Vec::new();
        if self.input.read_until(b'\n', &mut octets).await? == 0 {
            let text = format!("the answers end at the question {question:?}; no configuration was written");
            return Err(Failure::new(Status::Usage, format!("\n{text}")));
        }
        self.lines += 1;
        question.clone_into(&mut self.question);
        if octets.last() == Some(&b'\n') {
            octets.pop();
        }
        if octets.last() == Some(&b'\r') {
            octets.pop();
        }
        Ok(String::from_utf8(octets).ok())
    }
}

#[cfg(test)]
mod tests;

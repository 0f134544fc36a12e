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
        Dialogue {
            input: Box::new(BufReader::new(tokio::io::stdin())),
            output: Box::new(io::stdout()),
            is_typed: io::stdin().is_terminal(),
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
        self.tell(&format!("  That does not work: {what}"))
    }

    /// Asks for a text; Enter takes the default.
    pub async fn ask(&mut self, question: &str, default: Option<&str>) -> Result<String, Failure> {
        loop {
            let answer = self.answer(question, default.unwrap_or_default()).await?;
            match (answer.as_str(), default) {
                ("", Some(default)) => return Ok(default.to_owned()),
                ("", None) => self.say("  An answer is needed here.")?,
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
                _ => self.say(&format!("  One of these is needed: {}.", words.join(", ")))?,
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
                Some(_) => self.say("  An answer is needed here.")?,
                None => self.say("  That is no UTF-8 text.")?,
            }
        }
    }

    async fn answer(&mut self, question: &str, default: &str) -> Result<String, Failure> {
        loop {
            self.prompt(question, default)?;
            let Some(line) = self.line(question).await? else {
                self.say("  That is no UTF-8 text.")?;
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
pub mod tests {
    use std::{
        io::Cursor,
        sync::{Arc, Mutex},
    };

    use super::*;
    use crate::secret::ExposeSecret;

    /// What a dialogue has said so far.
    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(octets)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// With these answers `doing` gives `expected`, and this is read on the way.
    async fn check<T: PartialEq + std::fmt::Debug>(
        answers: &str,
        doing: impl AsyncFnOnce(&mut Dialogue) -> Result<T, Failure>,
        expected: T,
        said: &str,
    ) {
        let paper = Paper::default();
        let mut dialogue = Dialogue {
            input: Box::new(Cursor::new(answers.as_bytes().to_vec())),
            output: Box::new(paper.clone()),
            is_typed: false,
            width: None,
        };
        assert_eq!(doing(&mut dialogue).await.unwrap(), expected, "{answers:?}");
        assert_eq!(String::from_utf8_lossy(&paper.0.lock().unwrap()), said);
    }

    fn items() -> Vec<Item> {
        [(12, "Acme Ltd"), (13, "Acme"), (16, "Unknown senders")]
            .map(|(number, name)| Item {
                number,
                name: name.to_owned(),
                note: String::new(),
            })
            .into()
    }

    #[tokio::test]
    async fn enter_takes_the_default_and_a_question_without_one_is_asked_again() {
        check(
            "\r\n",
            async |d| d.ask("Port", Some("993")).await,
            "993".to_owned(),
            "Port [993]: \n",
        )
        .await;
        check(
            "\n 143 \n",
            async |d| d.ask("Port", None).await,
            "143".to_owned(),
            "Port: \n  An answer is needed here.\nPort: 143\n",
        )
        .await;
    }

    #[tokio::test]
    async fn what_may_be_left_out_is_kept_replaced_or_taken_away() {
        for (answer, expected) in [("\n", Some("/a")), ("/b\n", Some("/b")), ("-\n", None)] {
            let said = format!("CA [/a]: {answer}");
            let asking = async |d: &mut Dialogue| d.ask_optional("CA", Some("/a")).await;
            check(answer, asking, expected.map(str::to_owned), &said).await;
        }
        let asking = async |d: &mut Dialogue| d.ask_optional("CA", None).await;
        check("\n", asking, None, "CA [none]: \n").await;
    }

    #[tokio::test]
    async fn a_word_may_be_shortened_as_long_as_it_is_the_only_one() {
        let words = ["skip", "starttls", "process"];
        let said = "What (skip/starttls/process): s\n  One of these is needed: skip, starttls, process.\n\
                    What (skip/starttls/process): ST\n";
        check("s\nST\n", async |d| d.choose("What", &words, None).await, 1, said).await;
        let said = "Well (yes/no) [no]: \n";
        check("\n", async |d| d.agrees("Well", false).await, false, said).await;
    }

    #[tokio::test]
    async fn a_part_of_a_name_shortens_the_list() {
        let all = "   12  Acme Ltd\n   13  Acme\n   16  Unknown senders\n";
        let one = "   16  Unknown senders\nClient [16]: \n";
        check(
            "UNKN\n\n",
            async |d| d.pick("Client", &items(), None, "me", None).await,
            Picked::Item(2),
            &format!("{all}Client: UNKN\n{one}"),
        )
        .await;
        for (answer, expected) in [
            ("12\n", Picked::Item(0)),
            ("acme\n", Picked::Item(1)),
            ("Globex\n", Picked::Other("Globex".to_owned())),
            ("me\n", Picked::Other("me".to_owned())),
        ] {
            let said = format!("{all}Client: {answer}");
            check(
                answer,
                async |d| d.pick("Client", &items(), None, "me", None).await,
                expected,
                &said,
            )
            .await;
        }
    }

    #[tokio::test]
    async fn a_list_is_not_shown_again_for_an_answer_that_is_not_in_it() {
        let missing = |name: &str| format!("nobody is called {name:?}");
        let said = "   12  Acme Ltd\n   13  Acme\n   16  Unknown senders\nClient [16]: Globex\n  \
                    That does not work: nobody is called \"Globex\"\nClient [16]: \n";
        let asking = async |d: &mut Dialogue| d.pick("Client", &items(), Some(2), "me", Some(&missing)).await;
        check("Globex\n\n", asking, Picked::Item(2), said).await;
    }

    #[tokio::test]
    async fn prose_and_questions_are_as_wide_as_the_terminal_and_lists_as_they_are() {
        let width = async |d: &mut Dialogue| {
            d.width = Some(24);
            d.praise("the server at mail.example.com answers")?;
            d.say("   12  a name that is longer than the terminal")?;
            d.ask("What it is called in the rules", Some("support")).await
        };
        let said = "  ok: the server at\n  mail.example.com\n  answers\n   12  a name that is longer than the terminal\n\
                    What it is called in the\nrules [support]: \n";
        check("\n", width, "support".to_owned(), said).await;
    }

    #[tokio::test]
    async fn a_secret_is_taken_as_it_is_and_not_shown() {
        let asking = async |d: &mut Dialogue| {
            let secret = d.secret("Password", None).await?;
            Ok(secret.map(|secret| secret.expose_secret().to_owned()))
        };
        let said = "Password: (not shown)\n  An answer is needed here.\nPassword: (not shown)\n";
        check("\n hun ter2 \r\n", asking, Some(" hun ter2 ".to_owned()), said).await;
        let asking = async |d: &mut Dialogue| Ok(d.secret("Password", Some("as before")).await?.is_none());
        check("\n", asking, true, "Password [as before]: (not shown)\n").await;
    }

    #[tokio::test]
    async fn the_end_of_the_answers_is_a_failure_that_names_the_question() {
        let mut dialogue = Dialogue {
            input: Box::new(Cursor::new(Vec::new())),
            output: Box::new(io::sink()),
            is_typed: false,
            width: None,
        };
        let failure = dialogue.ask("Port", Some("993")).await.unwrap_err();
        assert_eq!(failure.status, Status::Usage);
        assert!(
            failure
                .text
                .ends_with("end at the question \"Port\"; no configuration was written")
        );
    }
}

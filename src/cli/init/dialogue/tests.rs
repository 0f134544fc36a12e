//! Questions and answers on paper.

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
        is_strict: false,
        lines: 0,
        question: String::new(),
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
        is_strict: false,
        lines: 0,
        question: String::new(),
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

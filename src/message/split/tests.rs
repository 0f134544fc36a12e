//! What programs write in many languages, and what people do with it.

use super::*;

const ANSWER: Occasion = Occasion {
    answers: true,
    forwards: false,
};

#[track_caller]
fn check(body: &str, visible: &str, quoted: &str, signature: &str) {
    let split = of(body, &[], ANSWER).split;
    let found = (split.visible.as_str(), split.quoted.as_str(), split.signature.as_str());
    assert_eq!(found, (visible, quoted, signature));
}

/// A text above a quotation that begins with these lines and goes on without signs.
#[track_caller]
fn check_cut(lead: &str) {
    let quoted = format!("{lead}\n\nHave you tried paper?\n\nSupport");
    check(&format!("It works.\n\n{quoted}"), "It works.", &quoted, "");
}

/// A text above and one below a quotation with signs that begins with these lines.
#[track_caller]
fn check_signs(lead: &str) {
    let quoted = format!("{lead}\n\n> Have you tried paper?\n>> No.");
    check(
        &format!("Hello,\n\n{quoted}\n\nIt works."),
        "Hello,\n\nIt works.",
        &quoted,
        "",
    );
}

#[test]
fn the_header_that_outlook_writes_out_ends_the_text_in_many_languages() {
    for labels in [
        "From Sent To Subject",
        "Von Gesendet An Betreff",
        "Von Datum An Betreff",
        "De Envoyé À Objet",
        "De Enviado Para Asunto",
        "De Enviado_el Para Asunto",
        "Da Inviato A Oggetto",
        "Van Verzonden Aan Onderwerp",
        "De Enviado Para Assunto",
        "De Enviada_em Para Assunto",
        "Från Skickat Till Ämne",
        "Fra Sendt Til Emne",
        "Fra Dato Til Emne",
        "Lähettäjä Lähetetty Vastaanottaja Aihe",
        "Od Wysłano Do Temat",
        "Od Odesláno Komu Předmět",
        "Od Odoslané Komu Predmet",
        "Feladó Elküldve Címzett Tárgy",
        "De_la Trimis Către Subiect",
        "Kimden Gönderildi Kime Konu",
        "Από Στάλθηκε Προς Θέμα",
        "От Отправлено Кому Тема",
        "Від Надіслано Кому Тема",
        "差出人 送信日時 宛先 件名",
        "发件人 发送时间 收件人 主题",
        "寄件者 寄件日期 收件者 主旨",
        "보낸_사람 보낸_날짜 받는_사람 제목",
    ] {
        let labels: Vec<String> = labels.split(' ').map(|label| label.replace('_', " ")).collect();
        let values = [
            "Support <support@example.com>",
            "Monday, 23 November 2026 10:00",
            "Ann",
            "RE: Printer",
        ];
        for (colon, bold) in [(": ", ""), (" : ", ""), ("：", ""), (": ", "*")] {
            let line = |(label, value): (&String, &str)| format!("{bold}{label}{}{bold}{value}", colon);
            let header: Vec<String> = labels.iter().zip(values).map(line).collect();
            check_cut(&header.join("\n"));
            check_cut(&format!("________________________________\n{}", header.join("\n")));
            check_cut(&format!("-----Original Message-----\n{}", header.join("\n")));
        }
    }
}

#[test]
fn separators_end_the_text_in_many_languages() {
    for separator in [
        "-----Original Message-----",
        "-------- Original message --------",
        "-----Ursprüngliche Nachricht-----",
        "-------- Originalnachricht --------",
        "-----Message d'origine-----",
        "-----Mensaje original-----",
        "-----Messaggio originale-----",
        "-----Oorspronkelijk bericht-----",
        "-----Mensagem original-----",
        "-----Ursprungligt meddelande-----",
        "-----Oprindelig meddelelse-----",
        "-----Opprinnelig melding-----",
        "-----Alkuperäinen viesti-----",
        "-----Wiadomość oryginalna-----",
        "-----Původní zpráva-----",
        "---------- Forwarded message ---------",
        "---------- Weitergeleitete Nachricht ---------",
        "---------- Message transféré ---------",
        "---------- Przekazana wiadomość ---------",
        "Begin forwarded message:",
        "Anfang der weitergeleiteten Nachricht:",
        "Début du message réexpédié :",
        "----- Forwarded by Ann Lee/Acme on 23.11.2026 10:00 -----",
    ] {
        check_cut(separator);
        check_cut(&format!(
            "{separator}\nSubject: Printer\nDate: Monday\nFrom: Support <support@example.com>"
        ));
        check_signs(separator);
    }
}

#[test]
fn attributions_are_quoted_in_many_languages() {
    for (attribution, is_certain) in [
        (
            "On Mon, Nov 23, 2026 at 10:00 AM Support <support@example.com> wrote:",
            true,
        ),
        (
            "On Mon, Nov 23, 2026 at 10:00 AM Support <support@example.com>\nwrote:",
            true,
        ),
        (
            "On Monday, 23 November 2026 at 10:00:00 GMT+1,\nSupport <support@example.com>\nwrote:",
            true,
        ),
        (
            "Am Mo., 23. Nov. 2026 um 10:00 Uhr schrieb Support <support@example.com>:",
            true,
        ),
        ("Am 23.11.2026 um 10:00 schrieb Support:", true),
        (
            "Support <support@example.com> schrieb am Mo., 23. Nov. 2026,\n10:00:",
            true,
        ),
        (
            "Le lun. 23 nov. 2026 à 10:00, Support <support@example.com> a écrit :",
            true,
        ),
        (
            "El lun, 23 nov 2026 a las 10:00, Support (<support@example.com>)\nescribió:",
            true,
        ),
        (
            "Il giorno lun 23 nov 2026 alle ore 10:00 Support <support@example.com>\nha scritto:",
            true,
        ),
        (
            "Op ma 23 nov 2026 om 10:00 schreef Support <support@example.com>:",
            true,
        ),
        (
            "Em seg., 23 de nov. de 2026 às 10:00, Support <support@example.com>\nescreveu:",
            true,
        ),
        (
            "Den mån 23 nov. 2026 kl 10:00 skrev Support <support@example.com>:",
            true,
        ),
        (
            "Den man. 23. nov. 2026 kl. 10.00 skrev Support <support@example.com>:",
            true,
        ),
        (
            "ma 23. marrask. 2026 klo 10.00 Support (support@example.com) kirjoitti:",
            true,
        ),
        (
            "pon., 23 lis 2026 o 10:00 Support <support@example.com> napisał(a):",
            true,
        ),
        (
            "po 23. 11. 2026 v 10:00 odesílatel Support <support@example.com> napsal:",
            true,
        ),
        (
            "po 23. 11. 2026 o 10:00 Support <support@example.com> napísal(a):",
            true,
        ),
        (
            "Support <support@example.com> ezt írta (időpont: 2026. nov. 23., H, 10:00):",
            true,
        ),
        (
            "În lun., 23 nov. 2026 la 10:00, Support <support@example.com> a scris:",
            true,
        ),
        (
            "Support <support@example.com>, 23 Kas 2026 Pzt, 10:00 tarihinde şunu yazdı:",
            true,
        ),
        ("пн, 23 нояб. 2026 г. в 10:00, Support <support@example.com>:", true),
        ("2026年11月23日(月) 10:00 Support <support@example.com>:", true),
        ("Support <support@example.com> 于2026年11月23日周一 10:00写道：", true),
        (
            "2026년 11월 23일 (월) 오전 10:00, Support <support@example.com>님이 작성:",
            true,
        ),
        (">>> Support <support@example.com> 23.11.2026 10:00 >>>", true),
        ("Support wrote:", false),
        ("Hi Ann, on Monday you wrote:", false),
    ] {
        if is_certain {
            check_cut(attribution);
        }
        if !attribution.starts_with('>') {
            check_signs(attribution);
        }
    }
}

#[test]
fn an_attribution_takes_nothing_of_the_text_above_it() {
    check(
        "It works.\nThanks\nOn 23.11.2026 10:00, Support wrote:\n> Paper?",
        "It works.\nThanks",
        "On 23.11.2026 10:00, Support wrote:\n> Paper?",
        "",
    );
}

#[test]
fn answers_between_what_is_quoted_are_seen() {
    check(
        "Hello,\n\nSupport wrote:\n> One?\nYes.\n> Two?\n>> No\n\nMaybe.\n> Three?",
        "Hello,\n\nYes.\n\nMaybe.",
        "Support wrote:\n> One?\n\n> Two?\n>> No\n\n> Three?",
        "",
    );
    check("> One?\n\nYes.\n", "Yes.", "> One?", "");
}

#[test]
fn an_answer_below_a_header_that_is_written_out_is_not_hidden() {
    let body =
        "From: Support <support@example.com>\nSent: Monday\nTo: Ann\nSubject: Printer\n\nPaper?\n\nYes, it works.";
    check(body, body, "", "");
    let forwarded = of(
        body,
        &[],
        Occasion {
            forwards: true,
            answers: false,
        },
    )
    .split;
    assert_eq!((forwarded.visible.as_str(), forwarded.quoted.as_str()), ("", body));
}

#[test]
fn signatures_are_told_from_texts() {
    check("Hello\n-- \nAnn Lee\nAcme\n", "Hello", "", "-- \nAnn Lee\nAcme");
    check("Hello\n--\nAnn", "Hello", "", "--\nAnn");
    check(
        "Yes\n-- \nAnn\n\nSupport wrote:\n> Paper?\n> -- \n> Support",
        "Yes",
        "Support wrote:\n> Paper?\n> -- \n> Support",
        "-- \nAnn",
    );
    let long = format!("Hello\n-- \n{}", "More.\n".repeat(40));
    check(&long, &long, "", "");
    check("-- \nAnn Lee", "-- \nAnn Lee", "", "");
    // A rule between two texts.
    let ruled = format!("One.\n--\n{}", "and so on ".repeat(10));
    check(&ruled, &ruled, "", "");
    check("One\n--", "One\n--", "", "");
}

#[test]
fn the_line_of_a_telephone_is_a_signature_in_many_languages() {
    for line in [
        "Sent from my iPhone",
        "Get Outlook for iOS<https://aka.ms/example>",
        "Von meinem iPhone gesendet",
        "Gesendet von Outlook für Android",
        "Envoyé de mon iPhone",
        "Enviado desde mi iPhone",
        "Inviato da iPhone",
        "Verstuurd vanaf mijn iPad",
        "Enviado do meu iPhone",
        "Skickat från min iPhone",
        "Sendt fra min iPhone",
        "Lähetetty iPhonesta",
        "Wysłane z iPhone'a",
        "Odesláno z iPhonu",
        "Odoslané z iPhonu",
        "iPhone'umdan gönderildi",
        "Отправлено с iPhone",
        "iPhoneから送信",
        "发自我的iPhone",
        "나의 iPhone에서 보냄",
    ] {
        check(&format!("Yes.\n\n{line}\n"), "Yes.", "", line);
        check(
            &format!("Yes.\n\n{line}\n\nSupport wrote:\n> Paper?"),
            "Yes.",
            "Support wrote:\n> Paper?",
            line,
        );
    }
}

#[test]
fn a_text_that_nobody_quotes_stays_whole() {
    for body in [
        "",
        "\n\n",
        "Hello,\n\nthe printer is broken.\n\nAnn\n",
        "From the office: nothing prints.\nTo do: call me.\nSubject: closed.\n",
        "On Monday the printer said 10:00 and then:\nnothing.",
        "My boss wrote:\nnothing at all.",
        "- Original Message - is what it prints.",
        "_______________________________________\nAnn Lee",
        ">From here on it fails.",
        "Sent from my desk with love",
        "Outlook for Android does not start on my phone",
        "Von: Hamburg\nNach: Berlin\nDatum: Montag",
        "Steps:\n1. open it\n2. wait\n--- nothing ---\n",
    ] {
        check(body, body, "", "");
    }
    // Nobody answers anything: a form on a web site writes so, and people paste what they got.
    for body in [
        "From: Ann <ann@example.org>\nDate: 23.11.2026\nSubject: Printer\n\nIt does not print.",
        "I got this:\n\nFrom: Bank <bank@example.org>\nDate: 23.11.2026\nSubject: Your account\n\nIs it genuine?",
        "They said:\nOn 23.11.2026 10:00, Bob <bob@example.org> wrote:\nPay.\n\nIs it genuine?",
    ] {
        assert_eq!(of(body, &[], Occasion::default()).split.visible, body);
    }
}

/// A small generator with a seed, so that a failure comes again (xorshift).
struct Seeded(u64);

impl Seeded {
    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        from[usize::try_from(self.0 % 1_000_003).unwrap() % from.len()]
    }
}

const LINES: &[&str] = &[
    "",
    "",
    "Hello",
    "It works.",
    "> quoted",
    ">> quoted",
    ">From",
    "-- ",
    "--",
    "Sent from my iPhone",
    "Support wrote:",
    "On 23.11.2026 10:00, Support <support@example.com> wrote:",
    "wrote:",
    "On Mon 23",
    "From: Ann <ann@example.org>",
    "Sent: Monday",
    "To: Support",
    "Subject: Printer",
    "-----Original Message-----",
    "Begin forwarded message:",
    "________________________________",
    ">>> Ann 10:00 >>>",
    "> From: Ann",
    "   ",
    "\u{a0}",
    "> ",
    ":",
];
const MARKS: [Mark; 6] = [
    Mark::Plain,
    Mark::Quoted,
    Mark::Signature,
    Mark::Indented,
    Mark::Rest,
    Mark::Perhaps,
];

#[test]
fn every_line_is_in_exactly_one_of_the_three_and_in_order() {
    let mut seeded = Seeded(0x9e37_79b9_7f4a_7c15);
    for round in 0..4_000 {
        let lines: Vec<&str> = (0..round % 30).map(|_| seeded.pick(LINES)).collect();
        let marks: Vec<Placed> = (0..lines.len())
            .filter_map(|line| {
                let mark = seeded
                    .pick(&["0", "1", "2", "3", "4", "5", "-", "-", "-", "-", "-", "-", "-", "-"])
                    .parse();
                mark.ok().map(|mark: usize| Placed {
                    line,
                    mark: MARKS[mark],
                    place: 0,
                })
            })
            .collect();
        let body = lines.join("\n");
        for (marks, forwards) in [(&[][..], false), (&marks, true), (&marks, false)] {
            let split = of(
                &body,
                marks,
                Occasion {
                    answers: true,
                    forwards,
                },
            )
            .split;
            assert!(split.is_of(&body), "{body:?} as {split:?}");
        }
    }
}

#[test]
fn lines_without_a_sign_stay_visible_whatever_their_order() {
    let mut seeded = Seeded(7);
    let words = [
        "",
        "Hello",
        "It works.",
        "1. one",
        "- two",
        "a: b",
        "Dear all,",
        "Ann",
        "On Monday",
        "at 10:00:",
        "https://example.org/",
    ];
    for round in 0..2_000 {
        let lines: Vec<&str> = (0..round % 25).map(|_| seeded.pick(&words)).collect();
        let body = lines.join("\n");
        check(&body, &body, "", "");
    }
}

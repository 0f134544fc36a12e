//! The manual page: the options of every command as they are, and around them what no option says.

use std::io::{self, Write};

use clap_mangen::{
    Man,
    roff::{Inline, Roff, bold, italic, roman},
};

use super::Status;

/// Rows of a section: what is named, and what it is.
pub type Rows = &'static [(&'static str, &'static str)];

/// Where things lie under the shipped unit and the package.
pub const FILES: Rows = &[
    ("/etc/halo-intake/halo-intake.toml", "the configuration"),
    (
        "/etc/halo-intake/conf.d/*.toml",
        "read after it, in name order: tables merge, rules append",
    ),
    (
        "/etc/halo-intake/secrets/",
        "where init and the manual put secrets, a file each, for the unit's LoadCredential=",
    ),
    (
        "/var/lib/halo-intake/",
        "the state folder of the service: journal.db, lock, control.sock, what halo probe found, refresh tokens",
    ),
    (
        "/usr/share/doc/halo-intake/",
        "the manual; a sample of every key is examples/halo-intake.toml, whole configurations are in examples/recipes",
    ),
];

/// The environment, as far as it is read.
pub const ENVIRONMENT: Rows = &[
    ("HALO_INTAKE_CONFIG", "the configuration, where --config names none"),
    ("HALO_INTAKE_LOG", "how much is logged, where --log-level does not say"),
    (
        "HALO_INTAKE__SECTION__KEY",
        "a key of the configuration by its path in capitals; wins over every file",
    ),
    (
        "CREDENTIALS_DIRECTORY",
        "where { credential = \"NAME\" } is read; systemd sets it for the unit, people set it on a command line",
    ),
    (
        "STATE_DIRECTORY",
        "the state folder where the configuration has no state_dir; systemd sets it for the unit",
    ),
    (
        "HTTPS_PROXY, HTTP_PROXY, NO_PROXY",
        "how Halo and other HTTP servers are reached",
    ),
    ("NO_COLOR", "where it is set, nothing is coloured"),
];

/// What signals do to a running daemon.
pub const SIGNALS: Rows = &[
    (
        "SIGTERM, SIGINT",
        "finish or hand back what is in hand within 10 seconds; a second one ends it at once",
    ),
    (
        "SIGHUP",
        "loads and checks the configuration anew; with a fault in it the old one goes on",
    ),
];

const DESCRIPTION: &[&str] = &[
    "halo-intake watches mailboxes by IMAP or as Maildirs, reads every message into named facts, takes it through the \
     rules of its configuration, and acts on Halo PSA, HaloITSM or HaloServiceDesk: it creates the users that are \
     missing, at the right client and site, creates and continues tickets, and looks things up. A journal on disk \
     knows for every message what became of it and why.",
    "init asks for a first configuration; check says what is wrong with one; explain shows what it would do with a \
     message; run does it. Beside the running service log lists what became of messages, show tells everything of \
     one, and retry runs it again. demo and sandbox need neither Halo nor a mail server.",
];

/// Writes the page.
pub fn render(out: &mut impl Write) -> io::Result<()> {
    let command = super::described().subcommand_value_name("COMMAND");
    let man = Man::new(command.clone());
    man.render_title(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    let mut description = Roff::new();
    description.control("SH", ["DESCRIPTION"]);
    for paragraph in DESCRIPTION {
        description.text([roman(*paragraph)]).control("PP", []);
    }
    description.to_writer(out)?;
    man.render_options_section(out)?;

    let mut heading = Roff::new();
    heading.control("SH", ["COMMANDS"]);
    heading.to_writer(out)?;
    commands(out, &command, command.get_name())?;

    let statuses: Vec<(String, &str)> = Status::ALL
        .map(|status| (status.number().to_string(), status.meaning()))
        .to_vec();
    section(out, "FILES", FILES, italic)?;
    section(out, "ENVIRONMENT", ENVIRONMENT, bold)?;
    section(out, "SIGNALS", SIGNALS, bold)?;
    section(out, "EXIT STATUS", &statuses, bold)?;
    see_also(out)
}

/// Every command below this one: how it is called, what it does, what it takes.
fn commands(out: &mut impl Write, command: &clap::Command, called: &str) -> io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        let called = format!("{called} {}", below.get_name());
        let man = Man::new(below.clone().subcommand_value_name("COMMAND").bin_name(&called));
        writeln!(out, ".SS \"{called}\"")?;
        body(out, |page| man.render_synopsis_section(page))?;
        writeln!(out, ".PP")?;
        body(out, |page| man.render_description_section(page))?;
        if below.get_arguments().next().is_some() {
            body(out, |page| man.render_options_section(page))?;
        }
        commands(out, below, &called)?;
    }
    Ok(())
}

/// A section of the generator's without its heading.
fn body(out: &mut impl Write, render: impl Fn(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut page = Vec::new();
    render(&mut page)?;
    let is_body = |line: &&[u8]| {
        ![&b".SH"[..], b".ie", b".el"]
            .iter()
            .any(|start| line.starts_with(start))
    };
    for line in page.split_inclusive(|octet| *octet == b'\n').filter(is_body) {
        out.write_all(line)?;
    }
    Ok(())
}

fn section<T: AsRef<str>>(
    out: &mut impl Write,
    heading: &str,
    rows: &[(T, &str)],
    shown: fn(String) -> Inline,
) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", [heading]);
    for (name, meaning) in rows {
        roff.control("TP", [])
            .text([shown(name.as_ref().to_owned())])
            .text([roman(*meaning)]);
    }
    roff.to_writer(out)
}

fn see_also(out: &mut impl Write) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    let pages = [("systemctl", "(1), "), ("journalctl", "(1), "), ("systemd.exec", "(5)")];
    let pages = pages.map(|(page, section)| [bold(page), roman(section)]);
    roff.text(pages.concat()).control("PP", []);
    roff.text([
        roman("The manual is in "),
        italic("/usr/share/doc/halo-intake/docs"),
        roman("; its first page is "),
        italic("first-hour.md"),
        roman("."),
    ]);
    roff.to_writer(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_every_option_of_it_is_on_the_page() {
        let mut page = Vec::new();
        render(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap().replace('\\', "");
        let command = crate::cli::described();
        let mut left: Vec<(String, &clap::Command)> = vec![("halo-intake".to_owned(), &command)];
        while let Some((called, command)) = left.pop() {
            assert!(page.contains(&called), "{called}");
            for option in command.get_arguments().filter_map(clap::Arg::get_long) {
                assert!(page.contains(&format!("--{option}")), "{called} --{option}");
            }
            for below in command.get_subcommands() {
                left.push((format!("{called} {}", below.get_name()), below));
            }
        }
        for heading in ["FILES", "ENVIRONMENT", "SIGNALS", "EXIT STATUS", "SEE ALSO"] {
            assert!(
                page.contains(&format!(".SH \"{heading}\"")) || page.contains(&format!(".SH {heading}\n")),
                "{heading}"
            );
        }
    }
}

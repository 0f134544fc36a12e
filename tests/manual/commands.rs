//! `docs/commands.md`: commands with their options, files, environment, signals and exit statuses.

use std::fmt::Write;

use clap::{Arg, Command};
use halo_intake::cli::{
    Status, described,
    man::{ENVIRONMENT, FILES, Rows, SIGNALS},
};

use crate::{cell, code, page_is, section, text};

const HEAD: &str = "\
# Commands

This page is made from the program's own tables (`UPDATE=1 cargo test --test manual`), as the manual page (`halo-intake man`) and
`halo-intake help COMMAND` are. [The first hour](first-hour.md) shows them in use.
";

#[test]
fn the_commands_are_what_the_program_takes() {
    page_is("docs/commands.md", &commands());
}

#[test]
fn the_readme_has_every_exit_status() {
    let readme = text("README.md");
    for status in Status::ALL {
        let row = format!("| {} | {} |", status.number(), status.meaning());
        assert!(readme.contains(&row), "README.md lacks {row}");
    }
}

fn commands() -> String {
    let mut page = HEAD.to_owned();
    let program = described();
    options(&mut page, "Every command", "", &program);
    below(&mut page, &program, program.get_name());
    named(&mut page, "Files", "", FILES);
    let more = "\n\nA key's variable is `HALO_INTAKE__` and its path in capitals, with `__` between the parts: [configuration.md](configuration.md#layers).";
    named(&mut page, "Environment", more, ENVIRONMENT);
    named(&mut page, "Signals", "", SIGNALS);
    let statuses = Status::ALL.map(|status| [status.number().to_string(), status.meaning().to_owned()]);
    section(&mut page, "Exit statuses", &["status", "means"], statuses.into_iter());
    page
}

fn below(page: &mut String, command: &Command, called: &str) {
    for below_it in command.get_subcommands() {
        let called = format!("{called} {}", below_it.get_name());
        let about = below_it.get_long_about().or_else(|| below_it.get_about());
        let about = about
            .expect("every command says what it does")
            .to_string()
            .replace("\n\n", ". ")
            .replace('\n', " ");
        let about = about.trim_end_matches('.');
        options(page, &format!("`{called}`"), &format!("\n\n{about}."), below_it);
        below(page, below_it, &called);
    }
}

/// A heading, what stands below it, and the options where there are some.
fn options(page: &mut String, heading: &str, more: &str, command: &Command) {
    let arguments: Vec<&Arg> = command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set() && !["help", "version"].contains(&argument.get_id().as_str()))
        .collect();
    if arguments.is_empty() {
        writeln!(page, "\n## {heading}{more}").expect("a text takes everything");
    } else {
        let rows = arguments.into_iter().map(option);
        section(page, &format!("{heading}{more}"), &["argument", "default", ""], rows);
    }
}

fn option(argument: &Arg) -> [String; 3] {
    let values = argument.get_value_names().unwrap_or_default();
    let value = values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let takes = argument.get_action().takes_values();
    let name = match argument.get_long() {
        Some(long) if takes => format!("--{long} {value}"),
        Some(long) => format!("--{long}"),
        None => value,
    };
    let defaults: Vec<String> = argument
        .get_default_values()
        .iter()
        .filter(|_| takes)
        .map(|value| code(&value.to_string_lossy()))
        .collect();
    let possible: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|_| takes)
        .map(|value| code(value.get_name()))
        .collect();
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let help = if possible.is_empty() {
        help
    } else {
        format!("{help}: {}", possible.join(", "))
    };
    [code(&name), defaults.join(", "), cell(&help)]
}

fn named(page: &mut String, heading: &str, more: &str, rows: Rows) {
    let rows = rows.iter().map(|(name, meaning)| [code(name), cell(meaning)]);
    section(page, &format!("{heading}{more}"), &["name", ""], rows);
}

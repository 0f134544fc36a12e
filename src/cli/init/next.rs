//! What is said at the end: what was written, and what to do next.

use std::path::{Path, PathBuf};

use super::{
    answers::{Answers, Source, variable},
    dialogue::Dialogue,
    place::{FOR_ROOT, Place},
};
use crate::{
    cli::{Common, Failure},
    config::{Backlog, load},
};

/// Tells it.
pub fn tell(
    dialogue: &mut Dialogue,
    place: &Place,
    source: Source,
    written: &[PathBuf],
    answers: &Answers,
) -> Result<(), Failure> {
    dialogue.head("Written")?;
    for file in written {
        dialogue.say(&format!("  {}", file.display()))?;
    }
    dialogue.head("Next")?;
    commands(dialogue, place, source, answers)?;
    if answers.mailbox()?.backlog == Some(Backlog::Report) {
        dialogue.tell(
            "  With backlog = \"report\" the first start tells what would become of the mail that is there, and waits until \
             it is \"process\" or \"skip\".",
        )?;
    }
    dialogue.tell(&if place.path == Path::new(FOR_ROOT) {
        "  As a service: systemctl enable --now halo-intake; docs/first-hour.md says what else.".to_owned()
    } else {
        format!("  The service reads {FOR_ROOT}, not this file; docs/first-hour.md says what else.")
    })?;
    match source {
        Source::Credential => {
            dialogue.tell("  There the unit needs, by \"systemctl edit halo-intake\":")?;
            dialogue.say("    [Service]")?;
            let folder = place.secrets();
            let line = |name: &str| format!("    LoadCredential={name}:{}", folder.join(name).display());
            let mut names = answers.typed.iter().map(|typed| typed.name.as_str());
            names.try_for_each(|name| dialogue.say(&line(name)))
        }
        Source::File if !answers.typed.is_empty() => dialogue.tell(
            "  The service has a user of its own, who has to be able to read the secrets; with credentials it can.",
        ),
        _ => Ok(()),
    }
}

/// What is copied into a shell stays in one line.
fn commands(dialogue: &mut Dialogue, place: &Place, source: Source, answers: &Answers) -> Result<(), Failure> {
    if source == Source::Env && !answers.typed.is_empty() {
        dialogue.tell("  First set these variables to the secrets that you typed:")?;
        for typed in &answers.typed {
            dialogue.say(&format!("    export {}=…", variable(&typed.name)))?;
        }
    }
    let program = program(place, source);
    for (command, what) in [
        (
            "check --online",
            "tries everything once more; sends and changes nothing",
        ),
        (
            "explain --online FILE.eml",
            "what would become of a message that was saved as a file",
        ),
        ("run --once", "takes what is there, for real, and ends"),
        ("run", "the daemon, until Ctrl-C"),
    ] {
        dialogue.say(&format!("  {program} {command}"))?;
        dialogue.tell(&format!("      {what}"))?;
    }
    Ok(())
}

/// The program as it has to be called to find all that was written.
fn program(place: &Place, source: Source) -> String {
    let mut program = String::new();
    if source == Source::Credential {
        program.push_str(&format!("env CREDENTIALS_DIRECTORY={} ", quoted(&place.secrets())));
    }
    program.push_str("halo-intake");
    let found = load::find(None, &Common::environment()).ok();
    let found = found.and_then(|found| std::path::absolute(found.path).ok());
    if found.as_ref() != Some(&place.path) {
        program.push_str(&format!(" --config {}", quoted(&place.path)));
    }
    program
}

/// As a shell takes it for one word.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    if text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+".contains(c)) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_can_be_copied_into_a_shell() {
        for (path, expected) in [("/etc/a-b.toml", "/etc/a-b.toml"), ("/a b/it's", r"'/a b/it'\''s'")] {
            assert_eq!(quoted(Path::new(path)), expected);
        }
    }
}

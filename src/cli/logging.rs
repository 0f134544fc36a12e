//! Where log lines go: text or JSON on standard error, or the systemd journal with its fields.

use std::{
    io::IsTerminal,
    os::{fd::AsFd, unix::fs::MetadataExt},
};

use tracing_subscriber::{Layer, filter::Targets, layer::SubscriberExt, registry, util::SubscriberInitExt};

use super::{Common, Failure, LogFormat, Status, print};

mod journald;
mod lines;
mod record;

use journald::Journald;
use lines::{Form, Lines};

/// The levels that can be asked for.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

impl Common {
    /// Begins to log. Where standard error is the systemd journal, its own form is the default.
    pub fn begin_logging(&self, default_level: &str) -> Result<(), Failure> {
        let filter = filter(self.log_level.as_deref().unwrap_or(default_level))?;
        let form = match self.log_format {
            Some(LogFormat::Journald) => Journald::reach().map(Form::Journald).map_err(|error| {
                let text = format!("the systemd journal can not be reached: {error}; use --log-format text");
                Failure::new(Status::Unavailable, text)
            })?,
            Some(LogFormat::Json) => Form::Json,
            Some(LogFormat::Text) => text(),
            None if is_stderr(std::env::var("JOURNAL_STREAM").ok().as_deref()) => {
                Journald::reach().map_or_else(|_| text(), Form::Journald)
            }
            None => text(),
        };
        // A second call, as in a test, keeps the first.
        let _ = registry().with(Lines(form).with_filter(filter)).try_init();
        Ok(())
    }
}

fn text() -> Form {
    Form::Text {
        colours: std::io::stderr().is_terminal() && print::may_colour(),
    }
}

/// The libraries below speak up at warn unless the operator asks for them by name.
fn filter(level: &str) -> Result<Targets, Failure> {
    let directives = if level.contains('=') {
        level.to_owned()
    } else if LEVELS.contains(&level) {
        format!("warn,halo_intake={level}")
    } else {
        let text = format!("log level {level:?} is not known; known are {}", LEVELS.join(", "));
        return Err(Failure::new(Status::Usage, text));
    };
    directives
        .parse()
        .map_err(|error| Failure::new(Status::Usage, format!("log level: {error}")))
}

/// Whether standard error is the stream that `$JOURNAL_STREAM` names (systemd.exec(5)): whatever a service starts
/// inherits the variable, also where its output goes elsewhere.
fn is_stderr(journal_stream: Option<&str>) -> bool {
    let Some((device, inode)) = journal_stream.and_then(|stream| stream.split_once(':')) else {
        return false;
    };
    let stderr = std::io::stderr().as_fd().try_clone_to_owned().map(std::fs::File::from);
    let metadata = stderr.and_then(|file| file.metadata());
    metadata.is_ok_and(|found| device == found.dev().to_string() && inode == found.ino().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_was_inherited_does_not_make_standard_error_the_journal() {
        let stderr = std::fs::File::from(std::io::stderr().as_fd().try_clone_to_owned().unwrap());
        let metadata = stderr.metadata().unwrap();
        assert!(is_stderr(Some(&format!("{}:{}", metadata.dev(), metadata.ino()))));
        for other in [None, Some(""), Some("8:12"), Some("nonsense")] {
            assert!(!is_stderr(other), "{other:?}");
        }
    }

    #[test]
    fn a_level_that_is_not_known_is_named_with_those_that_are() {
        assert!(filter("info").is_ok() && filter("halo_intake=debug,warn").is_ok());
        let failure = filter("loud").unwrap_err();
        assert_eq!(failure.status, Status::Usage);
        assert!(
            failure.text.contains("\"loud\"") && failure.text.contains("debug"),
            "{failure}"
        );
    }
}

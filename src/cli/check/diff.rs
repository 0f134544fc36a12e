//! `check --diff`: what a reload would change.

use std::path::Path;

use super::{super::print, Ended, Failure, Format, Status, counted, runtime, say};
use crate::{
    cli::Common,
    config::{
        effective::{Change, Effective, Salt, changes},
        load,
    },
    daemon::control,
    generation::{Faults, Generation},
};

/// Prints the differences from `old`, or from what the running service has. The status is 0 whatever they are.
pub(super) fn print(generation: &Generation, old: Option<&Path>, format: Format) -> Ended {
    let found = match old {
        Some(old) => from_file(generation, old)?,
        None => from_service(generation)?,
    };
    match format {
        Format::Json => found.iter().try_for_each(print::json_line)?,
        Format::Table => {
            found
                .iter()
                .for_each(|change| say(format_args!("{}", print::plain(&change.to_string()))));
            let many = counted(found.len(), "difference", "differences");
            let from = old.map_or("the running service".to_owned(), |old| old.display().to_string());
            say(format_args!("{many} from {from}"));
        }
    }
    Ok(Status::Done)
}

/// A file that is perhaps faulty by now is compared all the same, as far as it can be read.
fn from_file(generation: &Generation, old: &Path) -> Result<Vec<Change>, Failure> {
    let salt = Salt::new().map_err(|_| Failure::new(Status::Broken, "the system gives no random numbers"))?;
    let draft = load::load(old, &Common::environment());
    if draft.config.is_none() {
        return Err(Faults(draft.placed(&[])).into());
    }
    Ok(since(generation, &draft.written.effective(&salt), &salt))
}

fn from_service(generation: &Generation) -> Result<Vec<Change>, Failure> {
    let state_dir = &generation.config.state_dir;
    let asked = runtime()?.block_on(control::running(state_dir));
    let unavailable = |text: String| Failure::new(Status::Unavailable, text);
    let asked = asked.map_err(|error| unavailable(format!("the running service does not answer: {error}")))?;
    let running = asked.ok_or_else(|| {
        unavailable(format!(
            "no service runs on state_dir {}; compare with a file: check --diff OLD.toml",
            state_dir.display()
        ))
    })?;
    Ok(since(generation, &running.effective, &running.salt))
}

fn since(generation: &Generation, before: &Effective, salt: &Salt) -> Vec<Change> {
    changes(before, &generation.written.effective(salt))
}

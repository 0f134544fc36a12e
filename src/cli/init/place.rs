//! Where the configuration and its secrets are written: whole or not at all, and over nothing without being told.

use std::{
    io,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

use super::{
    answers::{Answers, Source, Typed},
    dialogue::Dialogue,
    sample,
};
use crate::{
    cli::{Common, Failure, Status},
    config::load,
    draft::{Draft, provide},
    generation::Generation,
    secret::ExposeSecret,
};

/// Where the service reads it.
pub const FOR_ROOT: &str = "/etc/halo-intake/halo-intake.toml";
const FOR_OTHERS: &str = "config/halo-intake.toml";

/// Where it is written.
pub struct Place {
    /// The configuration.
    pub path: PathBuf,
    /// `--force`: nobody is asked whether a file may be replaced.
    is_forced: bool,
    /// The configuration may be replaced.
    may_replace: bool,
    is_root: bool,
}

impl Place {
    /// As named, else where the program itself would look.
    pub fn of(output: Option<&Path>, common: &Common, is_forced: bool) -> Result<Place, Failure> {
        let is_root = rustix::process::geteuid().is_root();
        let named = output.map(Path::to_owned).or_else(|| common.config.clone());
        let named = named.or_else(|| {
            std::env::var_os("HALO_INTAKE_CONFIG")
                .filter(|name| !name.is_empty())
                .map(PathBuf::from)
        });
        let path = named.unwrap_or_else(|| if is_root { FOR_ROOT } else { FOR_OTHERS }.into());
        Ok(Place {
            path: std::path::absolute(path)?,
            is_forced,
            may_replace: is_forced,
            is_root,
        })
    }

    /// Says where it will be, and asks whether what is there may go. Nothing is touched yet.
    pub async fn agree(&mut self, dialogue: &mut Dialogue) -> Result<(), Failure> {
        let path = self.path.display().to_string();
        dialogue.tell(&format!("The configuration will be {path}."))?;
        let refused = |reason: &str| {
            Failure::new(
                Status::Usage,
                format!("{path} can not be written: {reason}; name another with --output"),
            )
        };
        if self.path.is_dir() {
            return Err(refused("it is a folder"));
        }
        may_be_made(&self.path).map_err(|reason| refused(&reason))?;
        if self.path.exists() && !self.may_replace {
            if !dialogue.agrees("It is there already. Replace it", false).await? {
                let text = format!(
                    "{path} stays as it is, and no configuration was written; name another with --output, or replace it \
                     with --force"
                );
                return Err(Failure::new(Status::Usage, text));
            }
            self.may_replace = true;
        }
        Ok(())
    }

    /// Asks for the folder of the journal, which a sign-in with a code already needs.
    pub async fn state_dir(&self, dialogue: &mut Dialogue) -> Result<PathBuf, Failure> {
        let default = if self.is_root {
            "/var/lib/halo-intake".to_owned()
        } else {
            absolute("state")?
        };
        loop {
            let answer = dialogue
                .ask("Folder of the journal, on a local disk", Some(&default))
                .await?;
            let folder = std::path::absolute(&answer)?;
            match may_be_made(&folder.join("journal.db")) {
                Ok(()) => return Ok(folder),
                Err(reason) => dialogue.object(&reason)?,
            }
        }
    }

    /// The folder of secrets.
    pub fn secrets(&self) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("/")).join("secrets")
    }

    /// Asks where the secrets are to be.
    pub async fn keep_secrets(&self, dialogue: &mut Dialogue, answers: &mut Answers) -> Result<Source, Failure> {
        let folder = self.secrets();
        if answers.typed.is_empty() {
            return Ok(Source::File);
        }
        dialogue.head("The secrets")?;
        let shown = folder.display();
        dialogue.tell(&format!("file: each in a file of {shown}, for its owner alone"))?;
        dialogue.tell("credential: the same, handed to the service by systemd (LoadCredential=)")?;
        dialogue.tell("env: written nowhere; you set variables")?;
        let default = usize::from(self.is_root);
        let source = loop {
            let words = ["file", "credential", "env"];
            match dialogue.choose("Where they are", &words, Some(default)).await? {
                2 => break Source::Env,
                at if self.may_hold(dialogue, &answers.typed).await? => {
                    break if at == 0 { Source::File } else { Source::Credential };
                }
                _ => {}
            }
        };
        answers.keep_secrets(source, &folder);
        Ok(source)
    }

    async fn may_hold(&self, dialogue: &mut Dialogue, typed: &[Typed]) -> Result<bool, Failure> {
        let folder = self.secrets();
        if let Err(reason) = may_be_made(&folder.join("a secret")) {
            dialogue.object(&reason)?;
            return Ok(false);
        }
        let there: Vec<&str> = typed
            .iter()
            .map(|typed| typed.name.as_str())
            .filter(|name| folder.join(name).exists())
            .collect();
        if there.is_empty() || self.is_forced {
            return Ok(true);
        }
        let question = format!(
            "There is already, in {}: {}. Replace it",
            folder.display(),
            there.join(", ")
        );
        dialogue.agrees(&question, false).await
    }

    /// Writes all, the configuration last; gives the files.
    pub fn write(&self, answers: &Answers, text: &str, source: Source) -> Result<Vec<PathBuf>, Failure> {
        let not_written = |error: io::Error| {
            Failure::new(
                Status::Broken,
                format!("the configuration could not be written: {error}"),
            )
        };
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        provide(folder).map_err(not_written)?;
        let (mut drafts, mut files) = (Vec::new(), Vec::new());
        for typed in answers.typed.iter().filter(|_| source != Source::Env) {
            let path = self.secrets().join(&typed.name);
            let mut draft = Draft::begin(&path).map_err(not_written)?;
            draft
                .fill(typed.value.expose_secret().as_bytes())
                .map_err(not_written)?;
            drafts.push(draft);
            files.push(path);
        }
        let mut configuration = Draft::begin(&self.path).map_err(not_written)?;
        configuration.fill(text.as_bytes()).map_err(not_written)?;
        configuration.open_to_all().map_err(not_written)?;
        for draft in drafts {
            draft.put().map_err(not_written)?;
        }
        let put = if self.may_replace {
            configuration.put()
        } else {
            configuration.put_first()
        };
        put.map_err(|error| {
            let text = format!("{} was not written: {error}", self.path.display());
            Failure::new(Status::Broken, text)
        })?;
        files.push(self.path.clone());
        Ok(files)
    }
}

/// The text that is to be written, after the program's own reading of it: what is wrong with it is a fault of `init`,
/// or of what lies in `conf.d` and in the environment.
pub fn read(path: &Path, answers: &Answers, mailbox: &str, rules: &str) -> Result<String, Failure> {
    let environment = Common::environment();
    let text = sample::fill(answers, mailbox, rules);
    let bare = load::of_text(path, answers.toml() + rules, &environment);
    let draft = load::of_text(path, text.clone(), &environment);
    let broken = |what: &str| {
        let text = format!(
            "the configuration was not written; what is wrong with it is a bug of init, or stands in conf.d beside it or in \
             the environment:\n{what}"
        );
        Failure::new(Status::Broken, text)
    };
    if draft.digest != bare.digest {
        return Err(broken("it does not say what was answered"));
    }
    Generation::of(path, draft).map_err(|faults| broken(&faults.to_string()))?;
    Ok(text)
}

/// A path as it is from any folder.
pub fn absolute(path: &str) -> Result<String, Failure> {
    Ok(std::path::absolute(path)?.display().to_string())
}

/// Whether a file could be made there, with the folders that are missing; nothing is made.
fn may_be_made(path: &Path) -> Result<(), String> {
    let there = path.ancestors().skip(1).find(|folder| folder.exists());
    let folder = there.unwrap_or(Path::new("/"));
    let shown = folder.display();
    if !folder.is_dir() {
        return Err(format!("{shown} is no folder"));
    }
    access(folder, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| format!("{shown} can not be written to: {error}"))
}

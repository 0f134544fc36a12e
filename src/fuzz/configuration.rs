//! A text as the configuration: it loads, or its faults say why, each with its place, and neither shows a secret.

use std::path::Path;

use crate::{config::document::Document, config::load, generation::Generation};

/// Secrets of the environment, where the text can not reach them.
const SECRET: &str = "geheim-4711-niemand";
/// Stands in texts of the corpus where a secret does.
const WRITTEN_SECRET: &str = "hunter2-0815";

pub(super) fn check(octets: &[u8]) {
    let Ok(text) = String::from_utf8(octets.to_vec()) else {
        return;
    };
    let may_show = may_show_the_written(&text);
    let paths = [
        "MAILBOX__SUPPORT__PASSWORD",
        "HALO__MAIN__CLIENT_SECRET",
        "SMTP__PASSWORD",
    ];
    let environment = paths.map(|path| (format!("HALO_INTAKE__{path}"), SECRET.to_owned()));
    let documents = Document::parse("halo-intake.toml".to_owned(), text).map(|one| vec![one]);
    let draft = load::of_documents(documents, &environment);
    let shown = format!("{draft:?}");
    let (shown, faults) = match Generation::of(Path::new("halo-intake.toml"), draft) {
        Ok((generation, warnings)) => {
            assert!(warnings.0.iter().all(|placed| placed.fault.warning));
            (shown + &format!("{generation:?}"), warnings)
        }
        Err(faults) => {
            assert!(
                faults.0.iter().any(|placed| !placed.fault.warning),
                "refused without a word"
            );
            (shown, faults)
        }
    };
    for placed in &faults.0 {
        assert!(!placed.fault.problem.is_empty());
    }
    for text in [shown, faults.to_string()] {
        assert!(!text.contains(SECRET), "{text}");
        assert!(may_show || !text.contains(WRITTEN_SECRET), "{text}");
    }
}

/// Whether the secret of the corpus stands anywhere but where one is written: as a host's name it may well be shown.
fn may_show_the_written(text: &str) -> bool {
    let is_secret = |line: &str| {
        let line = line.trim_start();
        ["password = \"", "client_secret = \""].iter().any(|key| {
            line.strip_prefix(key)
                .is_some_and(|rest| rest.starts_with(WRITTEN_SECRET) && rest.matches(WRITTEN_SECRET).count() == 1)
        })
    };
    let mut lines = text.split(['\n', '\r']).filter(|line| line.contains(WRITTEN_SECRET));
    text.contains("'''") || text.contains("\"\"\"") || text.contains("rule") || !lines.all(is_secret)
}

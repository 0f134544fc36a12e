//! Where the configuration file is.

use std::path::{Path, PathBuf};

use super::variable;

/// Where a configuration is looked for when nobody names one.
const USUAL: [&str; 2] = ["./config/halo-intake.toml", "/etc/halo-intake/halo-intake.toml"];

/// The configuration file.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    pub path: PathBuf,
    /// Nobody named it, and it lies where the command was called: perhaps it is not what is meant.
    pub is_of_this_folder: bool,
    /// Another one that exists, where nobody named one.
    pub beside: Option<PathBuf>,
}

/// Finds the configuration file: the one that is named, by the command line or by `$HALO_INTAKE_CONFIG`, whether
/// it exists or not; else the first usual one that exists.
pub fn find(explicit: Option<&Path>, environment: &[(String, String)]) -> Result<Found, String> {
    let named = explicit.map(Path::to_owned);
    if let Some(path) = named.or_else(|| variable(environment, "HALO_INTAKE_CONFIG").map(PathBuf::from)) {
        return Ok(Found {
            path,
            is_of_this_folder: false,
            beside: None,
        });
    }
    let mut there = USUAL.iter().map(PathBuf::from).filter(|path| path.exists());
    there
        .next()
        .map(|path| Found {
            is_of_this_folder: path.is_relative(),
            path,
            beside: there.next(),
        })
        .ok_or_else(|| {
            format!(
                "there is no configuration at {}; name one with --config FILE, or run halo-intake init for a first one",
                USUAL.join(" or ")
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_file_comes_before_the_usual_ones() {
        let found = |path: &str, is_of_this_folder| Ok((PathBuf::from(path), is_of_this_folder));
        // This machine may have one as well.
        let find = |explicit, environment: &[_]| {
            find(explicit, environment).map(|found| (found.path, found.is_of_this_folder))
        };
        let environment = [("HALO_INTAKE_CONFIG".to_owned(), "b.toml".to_owned())];
        assert_eq!(find(Some(Path::new("a.toml")), &environment), found("a.toml", false));
        assert_eq!(find(None, &environment), found("b.toml", false));
        let unset = [("HALO_INTAKE_CONFIG".to_owned(), String::new())];
        assert_eq!(find(None, &unset), found(USUAL[0], true));
    }
}

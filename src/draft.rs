//! A small file of the state folder, or a first configuration, replaced whole: readers find the earlier one or the new
//! one, and its owner alone reads it unless it is opened to all.

use std::{
    fs::{DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

use crate::crash::{self, Step};

/// The file to be, opened before anything is asked for its sake: a folder that can't be written to shall not cost what
/// can't be asked twice.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    draft: PathBuf,
    file: File,
}

impl Draft {
    /// Opens it beside `path`; makes the folder where it is missing.
    pub fn begin(path: &Path) -> io::Result<Draft> {
        let mut draft = path.as_os_str().to_owned();
        draft.push(".new");
        let draft = PathBuf::from(draft);
        let folder = path.parent().unwrap_or(Path::new("."));
        Ok(Draft {
            file: create(folder, &draft)?,
            path: path.to_owned(),
            draft,
        })
    }

    /// Puts it, with these octets, in the place of the earlier one.
    pub fn keep(mut self, octets: &[u8], step: Step) -> io::Result<()> {
        self.fill(octets)?;
        crash::across(step, || self.put())
    }

    /// Writes these octets; they have no name yet.
    pub fn fill(&mut self, octets: &[u8]) -> io::Result<()> {
        self.file.write_all(octets)?;
        self.file.sync_all()
    }

    /// Lets everybody on this machine read it: it holds no secret.
    pub fn open_to_all(&self) -> io::Result<()> {
        self.file.set_permissions(Permissions::from_mode(0o644))
    }

    /// Puts what it was filled with in the place of the earlier one.
    pub fn put(self) -> io::Result<()> {
        std::fs::rename(&self.draft, &self.path)?;
        self.sync_folder()
    }

    /// The same where there is no earlier one; one that came meanwhile is left alone.
    pub fn put_first(self) -> io::Result<()> {
        std::fs::hard_link(&self.draft, &self.path)?;
        self.sync_folder()
    }

    fn sync_folder(&self) -> io::Result<()> {
        let folder = self.path.parent().map(File::open).transpose()?;
        folder.map_or(Ok(()), |folder| folder.sync_all())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After the rename there is none.
        let _ = std::fs::remove_file(&self.draft);
    }
}

/// An empty file for its owner alone, in a folder that is made where it is missing.
pub fn create(folder: &Path, path: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    // Root makes it, and a daemon with a user of its own reads: the file belongs to whom the folder belongs to.
    let folder = std::fs::metadata(folder)?;
    if folder.uid() != file.metadata()?.uid() {
        // Others than root may not do that, and the daemon says if it can't read the file.
        let _ = fchown(&file, Some(folder.uid()), Some(folder.gid()));
    }
    Ok(file)
}

/// A folder that others may enter, made with those above it where they are missing.
pub fn provide(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        provide(above)?;
    }
    std::fs::create_dir(folder)?;
    std::fs::set_permissions(folder, Permissions::from_mode(0o755))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_that_came_meanwhile_is_left_alone_and_the_draft_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let put_first = |text: &str| {
            let mut draft = Draft::begin(&path).unwrap();
            draft.fill(text.as_bytes()).unwrap();
            draft.put_first()
        };
        put_first("first").unwrap();
        assert_eq!(put_first("second").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_draft_is_its_owners_alone_until_it_is_opened_to_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b/c/d");
        provide(path.parent().unwrap()).unwrap();
        assert_eq!(mode(&folder.path().join("b")), 0o755);
        let draft = Draft::begin(&path).unwrap();
        assert_eq!(mode(&path.with_extension("new")), 0o600);
        draft.open_to_all().unwrap();
        draft.put().unwrap();
        assert_eq!(mode(&path), 0o644);
    }
}

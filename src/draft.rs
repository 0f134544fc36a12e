//! A small file of the state folder, replaced whole: readers find the earlier one or the new one, and its owner alone
//! reads it.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown},
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
        self.file.write_all(octets)?;
        self.file.sync_all()?;
        crash::across(step, || std::fs::rename(&self.draft, &self.path))?;
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

//! Which file a path means, whatever names lead to it.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

/// What tells files apart: links of both kinds to one file have the same.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Identity {
    /// Device and inode.
    #[cfg(unix)]
    Inode(u64, u64),
    /// The path without links, where the system has nothing better or the file cannot be asked.
    Path(PathBuf),
}

impl Identity {
    /// The identity of what this path leads to, which need not be there.
    pub fn of(path: &Path) -> Identity {
        match fs::metadata(path) {
            Ok(metadata) => Identity::known(path, &metadata),
            Err(_) => Identity::Path(path.into()),
        }
    }

    /// The same for whom has asked for the metadata already.
    pub fn known(path: &Path, metadata: &Metadata) -> Identity {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let _ = path;
            Identity::Inode(metadata.dev(), metadata.ino())
        }
        #[cfg(not(unix))]
        {
            let _ = metadata;
            Identity::Path(fs::canonicalize(path).unwrap_or_else(|_| path.into()))
        }
    }
}

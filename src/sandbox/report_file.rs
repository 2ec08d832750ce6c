//! The file that a confined audit leaves its report in. It is opened while files may still be opened, and filled at the end.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, Write};
use std::path::Path;

/// A file to write a report into. What stood in it stays until the report is complete and there is room for it: a confined program
/// can neither write another file beside it nor rename one.
#[derive(Debug)]
pub struct ReportFile {
    file: File,
    report: RefCell<Vec<u8>>,
}

impl ReportFile {
    /// Opens the file with the rights that the process has now, and makes it where there is none. Root follows no symbolic link:
    /// whoever may write in the folder would choose what it overwrites.
    ///
    /// # Errors
    /// As [`File::open`]; it is a symbolic link, and the process is root.
    pub fn open(path: &Path) -> io::Result<ReportFile> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        if rustix::process::geteuid().is_root() {
            use std::os::unix::fs::OpenOptionsExt;
            options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
            if path.is_symlink() {
                return Err(io::Error::other("it is a symbolic link, which root does not follow"));
            }
        }
        Ok(ReportFile { file: options.open(path)?, report: RefCell::default() })
    }

    /// Puts what was written to it in the place of what stood in the file.
    ///
    /// # Errors
    /// There is no room, and the file is as it was; or as [`File::write`].
    pub fn place(&self) -> io::Result<()> {
        let report = self.report.take();
        let length = report.len() as u64;
        make_room(&self.file, length)?;
        let mut file = &self.file;
        // A pipe has no place to go back to, and a terminal no length.
        let is_file = file.rewind().is_ok();
        file.write_all(&report)?;
        if is_file && length < file.seek(io::SeekFrom::End(0))? { file.set_len(length) } else { Ok(()) }
    }
}

impl Write for &ReportFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.report.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reserves the room, where the file system can do that, and leaves length and contents as they are.
#[cfg(target_os = "linux")]
fn make_room(file: &File, length: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    match fallocate(file, FallocateFlags::KEEP_SIZE, 0, length) {
        Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => Err(error.into()),
        // Not every file system can, and a pipe has no room.
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn make_room(_: &File, _: u64) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_stood_in_the_file_stays_until_the_report_is_complete() {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let path = folder.path().join("report");
        fs::write(&path, "an older and longer report").expect("the folder is ours");
        let output = ReportFile::open(&path).expect("the file is ours");
        let read = || fs::read_to_string(&path).expect("the file is there");
        (&output).write_all(b"half a re").expect("there is memory");
        assert_eq!(read(), "an older and longer report");
        (&output).write_all(b"port").expect("there is memory");
        output.place().expect("there is room");
        assert_eq!(read(), "half a report");
    }

    #[test]
    fn what_has_no_length_is_written_as_well() {
        for path in ["/dev/null"].iter().filter(|path| Path::new(path).exists()) {
            let output = ReportFile::open(Path::new(path)).expect("everybody may write it");
            (&output).write_all(b"report").expect("there is memory");
            output.place().expect("it takes everything");
        }
    }
}

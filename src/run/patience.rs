//! Inputs that keep a person waiting: a pipe that nobody has opened for writing, and one that delivers nothing. Said once, so that
//! nobody takes the program for stuck; it waits on.

use super::console::{Quiet, tell};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Time after which a person wonders: until a pipe is opened, and until it delivers something.
const UNTIL_OPENED: Duration = Duration::from_secs(1);
const UNTIL_DATA: Duration = Duration::from_secs(5);

/// Opens a path if it is a pipe; none where it is anything else.
pub(super) fn pipe(path: &Path, quiet: Quiet) -> Option<io::Result<Box<dyn Read + Send>>> {
    if !is_pipe(path) {
        return None;
    }
    let name = path.display().to_string();
    let opened = {
        let _watch =
            Watch::start(UNTIL_OPENED, format!("waiting for {name} to be opened for writing; Ctrl-C ends"), quiet);
        File::open(path)
    };
    Some(opened.map(|file| watched(file, name, quiet)))
}

#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_pipe(path: &Path) -> bool {
    let _ = fs::metadata(path);
    false
}

/// An input that says once when it delivers nothing for some seconds.
pub(super) fn watched(input: impl Read + Send + 'static, name: String, quiet: Quiet) -> Box<dyn Read + Send> {
    match quiet {
        Quiet::Yes => Box::new(input),
        Quiet::No => Box::new(Watched::new(input, name)),
    }
}

/// Says a sentence after some time, unless it is dropped before.
struct Watch {
    _over: Sender<()>,
}

impl Watch {
    fn start(after: Duration, sentence: String, quiet: Quiet) -> Option<Watch> {
        if quiet == Quiet::Yes {
            return None;
        }
        let (over, ended) = channel();
        thread::spawn(move || {
            if ended.recv_timeout(after) == Err(RecvTimeoutError::Timeout) {
                tell(&sentence);
            }
        });
        Some(Watch { _over: over })
    }
}

struct Watched<R> {
    input: R,
    begun: Instant,
    /// Since when it waits for data, in milliseconds after `begun`; [`BUSY`] while it does not.
    since: Arc<AtomicU64>,
}

const BUSY: u64 = u64::MAX;

impl<R> Watched<R> {
    fn new(input: R, name: String) -> Watched<R> {
        const LOOK: Duration = Duration::from_millis(250);
        let (begun, since) = (Instant::now(), Arc::new(AtomicU64::new(BUSY)));
        let shared = Arc::downgrade(&since);
        thread::spawn(move || {
            while let Some(since) = shared.upgrade() {
                let since = since.load(Ordering::Relaxed);
                if since != BUSY && begun.elapsed() >= Duration::from_millis(since) + UNTIL_DATA {
                    tell(&format!("{name} has delivered nothing for {} seconds; still waiting", UNTIL_DATA.as_secs()));
                    return;
                }
                thread::sleep(LOOK);
            }
        });
        Watched { input, begun, since }
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let since = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(BUSY);
        self.since.store(since, Ordering::Relaxed);
        let read = self.input.read(into);
        self.since.store(BUSY, Ordering::Relaxed);
        read
    }
}

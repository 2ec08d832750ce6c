//! What is written to files: never over evidence, and never half.

mod support;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::{Talk, client, server, write_pcap};
use tempfile::TempDir;

const OLD: &str = "the report of yesterday\n";

#[test]
fn no_capture_is_overwritten_whoever_named_it() {
    let case = Case::new();
    let capture = case.capture("case.pcap");
    let other = case.capture("another.pcap");
    let pcapng = case.file("b.pcapng", b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a");
    let packed = case.file("a.pcap.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03");
    let snoop = case.file("old.cap", b"snoop\0\0\0\0\0\0\x02");
    let nanoseconds = case.file("report.json", b"\x4d\x3c\xb2\xa1\x02\0\x04\0");
    for target in [&other, &pcapng, &packed, &snoop, &nanoseconds] {
        let before = fs::read(target).expect("it is there");
        let target_name = path(target);
        let file = vec!["file", "-q", "-o", target_name, path(&capture)];
        let ports = vec!["ports", "-o", target_name];
        let bench = vec!["bench", "--packets", "3000", "--flows", "100", "--write", target_name];
        for arguments in [file, ports, bench] {
            let told = cap_audit(&arguments);
            assert_eq!((told.code, told.out.as_str()), (Some(3), ""), "{arguments:?}: {}", told.err);
            assert!(told.err.contains("it may be evidence"), "{arguments:?}: {}", told.err);
            assert_eq!(fs::read(target).expect("it is there"), before, "{arguments:?}");
        }
    }
}

#[cfg(unix)]
#[test]
fn links_to_an_input_are_the_input() {
    let case = Case::new();
    let capture = case.capture("case.pcap");
    let (hard, soft) = (case.path("hard.txt"), case.path("soft.txt"));
    fs::hard_link(&capture, &hard).expect("the folder takes links");
    std::os::unix::fs::symlink(&capture, &soft).expect("the folder takes links");
    let before = fs::read(&capture).expect("it is there");
    for output in [&capture, &hard, &soft] {
        let told = cap_audit(&[OsStr::new("file"), OsStr::new("-o"), output.as_os_str(), capture.as_os_str()]);
        assert_eq!(told.code, Some(3), "{}", told.err);
        assert!(told.err.contains("it is one of the captures; name another file with -o"), "{}", told.err);
        assert_eq!(fs::read(&capture).expect("it is there"), before);
    }
}

#[test]
fn the_port_map_in_use_is_not_overwritten() {
    let case = Case::new();
    let capture = case.capture("case.pcap");
    let map = case.path("map.toml");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/portmap/citrix.toml"), &map).expect("it can be copied");
    let before = fs::read(&map).expect("it is there");
    for arguments in [vec!["file", path(&capture)], vec!["ports"]] {
        let arguments = [&arguments[..], &["--port-map", path(&map), "-o", path(&map)]].concat();
        let told = cap_audit(&arguments);
        assert_eq!(told.code, Some(3), "{}", told.err);
        assert!(told.err.contains("it is the port map in use"), "{}", told.err);
        assert_eq!(fs::read(&map).expect("it is there"), before);
    }
}

#[test]
fn a_missing_folder_is_named() {
    let case = Case::new();
    let (capture, missing) = (case.capture("case.pcap"), case.path("no such folder"));
    let told = cap_audit(&["file", "-o", path(&missing.join("report.txt")), path(&capture)]);
    assert_eq!(told.code, Some(3));
    let words = format!("there is no such folder as {}; make it", missing.display());
    assert!(told.err.contains(&words), "{}", told.err);
}

#[cfg(unix)]
#[test]
fn a_report_replaces_the_old_one_and_leaves_nothing_beside_it() {
    use std::os::unix::fs::PermissionsExt;
    let case = Case::new();
    let capture = case.capture("case.pcap");
    fs::create_dir(case.path("reports")).expect("the folder takes folders");
    let report = case.file("reports/report.txt", OLD.as_bytes());
    fs::set_permissions(&report, fs::Permissions::from_mode(0o640)).expect("the owner may do so");
    std::os::unix::fs::symlink("reports/report.txt", case.path("latest")).expect("the folder takes links");
    std::os::unix::fs::symlink("reports/next.txt", case.path("next")).expect("the folder takes links");
    for (output, written) in [("latest", "reports/report.txt"), ("next", "reports/next.txt")] {
        let told = cap_audit(&["file", "-o", path(&case.path(output)), path(&capture)]);
        assert_eq!(told.code, Some(0), "{}", told.err);
        assert!(case.path(output).is_symlink(), "the link stays a link");
        let text = fs::read_to_string(case.path(written)).expect("the report was written");
        assert!(text.contains("Nothing wrong in 1 Citrix flow") && !text.contains("yesterday"), "{text}");
    }
    let mode = |name: &str| fs::metadata(case.path(name)).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode("reports/report.txt"), 0o640, "as the old one");
    File::create(case.path("plain")).expect("the folder takes files");
    assert_eq!(mode("reports/next.txt"), mode("plain"), "as any new file");
    let mut names: Vec<_> = case.names("reports");
    names.sort();
    assert_eq!(names, ["next.txt", "report.txt"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_the_old_report_whole() {
    let case = Case::new();
    let capture = case.capture("case.pcap");
    let report = case.file("report.txt", OLD.as_bytes());
    // No file may grow beyond one block of 512 bytes, and the signal that says so is ignored.
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" file --format json -o \"$1\" \"$2\"";
    let output = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_cap-audit"), path(&report), path(&capture)])
        .output()
        .expect("there is a shell");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{err}");
    assert!(err.contains("cannot write the report to"), "{err}");
    assert_eq!(fs::read_to_string(&report).expect("it is there"), OLD);
    assert_eq!(case.names("."), ["case.pcap", "report.txt"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_killed_program_leaves_the_old_file_whole() {
    let case = Case::new();
    // The mix takes seconds to write; it is killed in the middle, by every signal that ends a program.
    let mix = case.file("mix.txt", OLD.as_bytes());
    for signal in ["INT", "TERM", "HUP", "KILL"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cap-audit"))
            .args(["bench", "--packets", "400000", "--write", path(&mix)])
            .stdout(Stdio::null())
            .spawn()
            .expect("the program runs");
        let open = PathBuf::from(format!("/proc/{}/fd", child.id()));
        let writes = || {
            let files = fs::read_dir(&open).into_iter().flatten().flatten();
            files.filter_map(|file| fs::read_link(file.path()).ok()).any(|file| file.starts_with(case.0.path()))
        };
        while !writes() {
            assert!(child.try_wait().expect("it can be asked").is_none(), "it ended before it wrote");
            std::thread::yield_now();
        }
        let killed = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
        assert!(killed.expect("there is a kill").success());
        assert!(!child.wait().expect("it ends").success(), "{signal}");
        assert_eq!(fs::read_to_string(&mix).expect("it is there"), OLD, "{signal}");
        assert_eq!(case.names("."), ["mix.txt"], "{signal}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn devices_and_pipes_are_written_directly() {
    let case = Case::new();
    let capture = case.capture("case.pcap");
    let told = cap_audit(&["file", "-o", "/dev/stdout", path(&capture)]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert!(told.out.contains("Nothing wrong in 1 Citrix flow"), "{}", told.out);
    assert_eq!(cap_audit(&["file", "-o", "/dev/null", path(&capture)]).code, Some(0));
    assert!(!Path::new("/dev/null").is_file());
    let pipe = case.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("there is a mkfifo").success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || {
            let mut text = String::new();
            File::open(pipe).and_then(|mut file| file.read_to_string(&mut text)).expect("it can be read");
            text
        }
    });
    assert_eq!(cap_audit(&["file", "-o", path(&pipe), path(&capture)]).code, Some(0));
    assert!(reader.join().expect("it reads to the end").contains("Nothing wrong in 1 Citrix flow"));
}

struct Case(TempDir);

impl Case {
    fn new() -> Case {
        Case(tempfile::tempdir().expect("there is room for a test"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        File::create(&path).and_then(|mut file| file.write_all(bytes)).expect("it can be written");
        path
    }

    fn capture(&self, name: &str) -> PathBuf {
        let talk = Talk::between(client("10.0.0.14", 50_123), server("10.0.0.22", 1494));
        let packets = talk.opened().answers(b"\x7f\x7fICA\0").says(b"\x7f\x7fICA\0").closed().packets();
        self.file(name, &write_pcap(Vec::new(), &packets).expect("memory takes what is written to it"))
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).expect("it is there");
        let mut names: Vec<_> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

struct Told {
    code: Option<i32>,
    out: String,
    err: String,
}

fn cap_audit<S: AsRef<OsStr>>(arguments: &[S]) -> Told {
    let output = Command::new(env!("CARGO_BIN_EXE_cap-audit")).args(arguments).output().expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Told { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}

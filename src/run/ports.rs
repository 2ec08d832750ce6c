//! `cap-audit ports`: searches and exports the port map. Also where a map is read for every other command.

use super::Exit;
use super::console::{Quiet, Target, tell, write_to};
use super::draft::check;
use crate::cli::{ListKind, PortsArgs, PortsFormat};
use crate::error::{Error, Output, Precious};
use crate::portmap::{Found, Listing, PortMap, Query};
use crate::report::ports;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

pub(super) fn list_ports(args: &PortsArgs) -> Result<Exit, Error> {
    let map = port_map(args.port_map.as_deref())?;
    if let Some(output) = &args.output {
        check(output, Output::Report, map_in_use(args.port_map.as_deref()))?;
    }
    let text = (!args.words.is_empty()).then(|| args.words.join(" "));
    let query = Query {
        product: args.product.clone(),
        ports: args.ports.clone(),
        protocol: args.protocol,
        role: args.role.clone(),
        text,
    };
    let found = map.search(&query);
    let target = args.output.as_deref().map_or(Target::Standard, Target::File);
    let nothing = found.rules.is_empty() && query != Query::default();
    if args.format != PortsFormat::Text || nothing {
        found.understood.iter().for_each(|it| tell(&ports::understood(it)));
    }
    write_to(target, |out, paper| match args.list {
        Some(kind) => write_list(out, args.format, kind, &map, &found, paper.width()),
        None if nothing && args.format == PortsFormat::Text => Ok(()),
        None => write_rules(out, args.format, &map, &found, paper.width()),
    })?;
    if nothing {
        tell(&ports::nothing(&found, &query));
        return Ok(Exit::Found);
    }
    Ok(Exit::Clean)
}

fn write_rules<W: Write>(
    out: &mut BufWriter<W>,
    format: PortsFormat,
    map: &PortMap,
    found: &Found,
    width: usize,
) -> io::Result<()> {
    match format {
        PortsFormat::Text => {
            write_understood(out, found)?;
            ports::write_text(out, map, &found.rules, width)
        }
        PortsFormat::Csv => ports::write_csv(out, map, &found.rules),
        PortsFormat::Json => ports::write_json(out, map, &found.rules),
    }
}

fn write_list<W: Write>(
    out: &mut BufWriter<W>,
    format: PortsFormat,
    kind: ListKind,
    map: &PortMap,
    found: &Found,
    width: usize,
) -> io::Result<()> {
    let listing = match kind {
        ListKind::Products => Listing::Products,
        ListKind::Roles => Listing::Roles,
        ListKind::Services => Listing::Services,
    };
    let names = map.list(listing, &found.rules);
    match format {
        PortsFormat::Text if names.is_empty() => Ok(()),
        PortsFormat::Text => {
            write_understood(out, found)?;
            ports::write_list_text(out, &names, width)
        }
        PortsFormat::Csv => ports::write_list_csv(out, &names),
        PortsFormat::Json => ports::write_list_json(out, &names),
    }
}

fn write_understood(out: &mut impl Write, found: &Found) -> io::Result<()> {
    found.understood.iter().try_for_each(|it| writeln!(out, "{}", ports::understood(it)))?;
    if found.understood.is_empty() { Ok(()) } else { writeln!(out) }
}

/// The port map in use, which no output may overwrite.
pub(super) fn map_in_use(path: Option<&Path>) -> impl Iterator<Item = (&Path, Precious)> {
    path.into_iter().map(|path| (path, Precious::PortMap))
}

/// The map of that file, or the embedded one. Several errors in it are told one by one, the first [`FAULTS_TOLD`] of them.
pub(super) fn port_map(path: Option<&Path>) -> Result<PortMap, Error> {
    let Some(path) = path else { return Ok(PortMap::citrix()) };
    let text = read_map(path).map_err(|error| Error::OpenPortMap { path: path.into(), error })?;
    PortMap::parse(&text).map_err(|error| {
        for fault in error.faults.iter().take(FAULTS_TOLD).filter(|_| error.faults.len() > 1) {
            tell(&format!("port map {}, {fault}", path.display()));
        }
        Error::PortMap { path: path.into(), error }
    })
}

/// Reads a text of at most [`LARGEST_MAP`] bytes, from a file or a pipe.
fn read_map(path: &Path) -> io::Result<String> {
    let mut file = open(path)?;
    let begin = Instant::now();
    let mut told = false;
    let mut bytes = Vec::new();
    let mut block = vec![0; 1 << 16];
    loop {
        let waits = match file.read(&mut block) {
            // A named pipe that nobody has opened for writing ends at once, and may begin yet.
            Ok(0) if bytes.is_empty() && is_pipe(&file) => {
                if begin.elapsed() > NOBODY_WRITES {
                    return Err(io::Error::other("nothing came out of this pipe"));
                }
                true
            }
            Ok(0) => break,
            Ok(length) => {
                bytes.extend_from_slice(&block[..length]);
                if bytes.len() > LARGEST_MAP {
                    return Err(io::Error::other("it is larger than 16 MiB, which no port map is"));
                }
                false
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => false,
            Err(error) => return Err(error),
        };
        if waits {
            if !told && begin.elapsed() > NOBODY_WRITES {
                tell(&format!("waiting for the port map from {}", path.display()));
                told = true;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
    String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Opens without waiting for somebody who writes into a pipe.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?.into())
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(unix)]
fn is_pipe(file: &File) -> bool {
    use std::os::unix::fs::FileTypeExt;
    file.metadata().is_ok_and(|metadata| metadata.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_pipe(_: &File) -> bool {
    false
}

/// Maximum size of a port map in bytes. The built-in one has a hundredth of it.
const LARGEST_MAP: usize = 16 << 20;

/// Maximum number of errors of a port map that are told one by one.
const FAULTS_TOLD: usize = 20;

/// How long a pipe may be without anybody who writes into it, before that is an error.
const NOBODY_WRITES: Duration = Duration::from_secs(2);

/// A map that says nothing about its services can be used, but less is found with it.
pub(super) fn remark_on_map(map: &PortMap, path: Option<&Path>, quiet: Quiet) {
    if let Some(path) = path.filter(|_| !map.knows_its_services()) {
        quiet.remark(&format!(
            "the port map {} says of no service what it speaks (proved_by, speaks, session, instead), so fallbacks, foreign protocols and \
             session ports that are open to the internet are not found; the head of the built-in map explains these keys",
            path.display()
        ));
    }
}

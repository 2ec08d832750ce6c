//! `cap-audit bench`: how many packets a second this machine classifies, and what each step of the way costs.

use super::Exit;
use super::console::{Target, tell, write_to};
use super::draft::Draft;
use crate::bench::{Capture, Holds, Mix, MixLine, Tell, Traffic, Written, measure};
use crate::cli::{BenchArgs, BenchFormat};
use crate::error::{Error, Output};
use crate::report;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Measures, or writes the mix that it would measure with.
pub(super) fn bench(args: &BenchArgs) -> Result<Exit, Error> {
    if let Some(path) = &args.pcap {
        let capture = Capture { holds: Holds::File(path.clone()), mix: None };
        return measured(args, &capture);
    }
    let mix = mix(args);
    let traffic = match mix.traffic() {
        Ok(traffic) => traffic,
        Err(error) => {
            tell(&format!("cannot make such a mix: {error}"));
            return Ok(Exit::Wrong);
        }
    };
    let line = MixLine::new(&mix, traffic.promise());
    if let Some(path) = &args.write {
        write_capture(path, traffic)?;
        print(args.format, &Written::new(path.display().to_string(), line))?;
        return Ok(Exit::Clean);
    }
    let room = usize::try_from(traffic.estimated_bytes()).unwrap_or(0);
    let bytes = traffic.write(Vec::with_capacity(room)).expect("memory takes what is written to it");
    measured(args, &Capture { holds: Holds::Bytes(Arc::new(bytes)), mix: Some(line) })
}

/// The mix that was asked for.
fn mix(args: &BenchArgs) -> Mix {
    let packets = args.packets.unwrap_or(if args.write.is_some() { WRITTEN } else { IN_MEMORY });
    let few = u32::try_from(packets / PACKETS_A_FLOW).unwrap_or(u32::MAX).clamp(1, FLOWS);
    let mut mix =
        Mix { packets, flows: args.flows.unwrap_or(few), seed: args.seed, sizes: args.sizes, ..Mix::default() };
    for share in &args.shares {
        mix.shares[share.service] = share.weight;
    }
    mix
}

/// Packets of a mix that is measured with: about 1.1 GB.
const IN_MEMORY: u64 = 2_000_000;
/// Packets of a mix that is written: about 2.2 GB.
const WRITTEN: u64 = 4_000_000;
/// Conversations of a mix at most, and the least number of packets for each of them.
const FLOWS: u32 = 60_000;
const PACKETS_A_FLOW: u64 = 30;

fn write_capture(path: &Path, traffic: Traffic) -> Result<(), Error> {
    let wrong = |error: io::Error| Error::WriteCapture { path: path.into(), error };
    let draft = Draft::begin(path, Output::Mix)?;
    let out = traffic.write(io::BufWriter::with_capacity(1 << 20, draft)).map_err(wrong)?;
    out.into_inner().map_err(|error| wrong(error.into_error()))?.keep()
}

fn measured(args: &BenchArgs, capture: &Capture) -> Result<Exit, Error> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let most = args.workers.map_or(cores, usize::from);
    let Some(measured) = measure(capture, most, usize::from(args.rounds))? else {
        tell("there is no packet to measure with");
        return Ok(Exit::NothingJudged);
    };
    print(args.format, &measured)?;
    Ok(Exit::Clean)
}

fn print(format: BenchFormat, what: &impl Tell) -> Result<(), Error> {
    write_to(Target::Standard, |out, _| match format {
        BenchFormat::Text => what.text(out),
        BenchFormat::Json => report::write_document(out, what),
    })
}

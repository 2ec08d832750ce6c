//! What was measured or made, in words and tables.

use super::measure::{Measured, MixLine, PipelineLine, SizesLine, Speed, Step, Written};
use crate::report;
use crate::report::count;
use serde::Serialize;
use std::fmt;
use std::io::{self, Write};

/// What can be told for people and for programs.
pub(crate) trait Tell: Serialize {
    fn text(&self, out: &mut dyn Write) -> io::Result<()>;
}

impl Tell for Written {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}: {}", self.file, self.mix.in_words())?;
        writeln!(out, "flows: {}", self.mix.services_in_words())
    }
}

impl MixLine {
    fn in_words(&self) -> String {
        let SizesLine { empty, small, full } = self.sizes;
        let [packets, flows] =
            [(self.packets, "packet"), (self.flows, "flow")].map(|(number, what)| grouped(&count(number, what)));
        format!("{packets} in {flows}, seed {}, sizes {empty},{small},{full}", self.seed)
    }

    fn services_in_words(&self) -> String {
        let services: Vec<String> = self.services.iter().map(|(name, flows)| format!("{name} {flows}")).collect();
        services.join(", ")
    }
}

impl Tell for Measured {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Measured { program, machine, traffic, rounds, steps, pipelines, peak_memory, peak_memory_capture, .. } =
            self;
        let model = machine.model.as_deref().unwrap_or("processor unknown");
        writeln!(
            out,
            "{} {} on {}, {model}, {}",
            program.name,
            program.version,
            count(machine.cores as u64, "core"),
            machine.system
        )?;
        let bytes = report::bytes(traffic.bytes);
        match &traffic.mix {
            Some(mix) => writeln!(out, "made-up traffic: {}, {bytes}", mix.in_words())?,
            None => {
                let packets = grouped(&count(traffic.packets, "packet"));
                writeln!(out, "{}: {packets}, {bytes}", report::printable(&traffic.name))?;
            }
        }
        writeln!(out, "medians of {}\n", count(*rounds as u64, "round"))?;
        writeln!(out, "{:<24} {:>12} {:>8} {:>12}", "one thread", "packets/s", "Gbit/s", "ns a packet")?;
        for (line, step) in steps.iter().zip(Step::ALL) {
            writeln!(out, "  {:<22} {}", step.meaning(), line.speed)?;
        }
        writeln!(out)?;
        let heads = ["packets/s", "Gbit/s", "ns a packet", "batch p50", "p99", "p99.9"];
        let [one, two, three, four, five, six] = heads;
        writeln!(out, "{:<24} {one:>12} {two:>8} {three:>12} {four:>12} {five:>9} {six:>9}", "a reader and")?;
        for PipelineLine { workers, speed, batch_us } in pipelines {
            let [p50, p99, p999] =
                [batch_us.p50, batch_us.p99, batch_us.p999].map(|micros| format!("{:.2} ms", micros as f64 / 1e3));
            writeln!(out, "  {:<22} {speed} {p50:>12} {p99:>9} {p999:>9}", count(*workers as u64, "worker"))?;
        }
        let peak = peak_memory.map_or("unknown".into(), report::bytes);
        let beside = match peak_memory_capture {
            0 => String::new(),
            capture => format!(", of which {} are the traffic itself", report::bytes(*capture)),
        };
        writeln!(out, "\npeak memory: {peak}{beside}")
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packets = grouped(&format!("{:.0}", self.packets_per_s));
        write!(f, "{packets:>12} {:>8.2} {:>12.1}", self.gbit_per_s, self.ns_per_packet)
    }
}

/// The same text with commas between the thousands of the number that it begins with.
fn grouped(text: &str) -> String {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let comma = |place: usize| place > 0 && place < digits && (digits - place).is_multiple_of(3);
    text.char_indices().flat_map(|(place, c)| comma(place).then_some(',').into_iter().chain([c])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let cases = ["7", "999", "1,000", "60,000 flows", "12,345,678"];
        assert_eq!(cases.map(|text| grouped(&text.replace(',', ""))), cases);
    }
}

//! `cap-audit ports`: searches and exports the port map. Also where a map is read for every other command.

use super::Exit;
use super::console::{Quiet, Target, write_to};
use super::draft::check;
use crate::cli::{PortsArgs, PortsFormat};
use crate::error::{Error, Output, Precious};
use crate::portmap::{PortMap, Query};
use crate::report::ports;
use std::fs;
use std::path::Path;

pub(super) fn list_ports(args: &PortsArgs) -> Result<Exit, Error> {
    let map = port_map(args.port_map.as_deref())?;
    if let Some(output) = &args.output {
        check(output, Output::Report, map_in_use(args.port_map.as_deref()))?;
    }
    let text = (!args.words.is_empty()).then(|| args.words.join(" "));
    let query = Query {
        product: args.product.clone(),
        port: args.port,
        protocol: args.protocol,
        role: args.role.clone(),
        text,
    };
    let rules = map.select(&query);
    let target = args.output.as_deref().map_or(Target::Standard, Target::File);
    write_to(target, |out, paper| match args.format {
        PortsFormat::Text => ports::write_text(out, &map, &rules, paper.width()),
        PortsFormat::Csv => ports::write_csv(out, &map, &rules),
        PortsFormat::Json => ports::write_json(out, &map, &rules),
    })?;
    Ok(Exit::Clean)
}

/// The port map in use, which no output may overwrite.
pub(super) fn map_in_use(path: Option<&Path>) -> impl Iterator<Item = (&Path, Precious)> {
    path.into_iter().map(|path| (path, Precious::PortMap))
}

/// The map of that file, or the embedded one.
pub(super) fn port_map(path: Option<&Path>) -> Result<PortMap, Error> {
    let Some(path) = path else { return Ok(PortMap::citrix()) };
    let text = fs::read_to_string(path).map_err(|error| Error::OpenPortMap { path: path.into(), error })?;
    PortMap::parse(&text).map_err(|error| Error::PortMap { path: path.into(), error })
}

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

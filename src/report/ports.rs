//! How the rules of the port map are printed: as text for people, as CSV and as JSON (contract: `cap-audit ports`).

use std::io::{self, Write};
use std::ops::RangeInclusive;

use serde::Serialize;

use super::json::write_document;
use super::tables;
use crate::outside::printable;
use crate::portmap::{Direction, Found, Layer, Listed, PortMap, PortRule, Query, RuleId, Understood, ports_text};
use crate::transport::Transport;

/// Writes rules for people, grouped by product, in lines of at most `width` columns (never less than 66).
///
/// # Errors
/// What `out` says.
pub fn write_text(out: &mut impl Write, map: &PortMap, rules: &[RuleId], width: usize) -> io::Result<()> {
    let mut product = None;
    for &id in rules {
        let rule = map.rule(id);
        if product != Some(&rule.product) {
            writeln!(out, "{}\n", printable(&rule.product))?;
            product = Some(&rule.product);
        }
        writeln!(out, "  {}", printable(&rule.id))?;
        for line in block(map, rule, width).lines() {
            writeln!(out, "{}", line.trim_end())?;
        }
        writeln!(out)?;
    }
    writeln!(out, "{}", printable(&summary(map, rules)))
}

/// Writes rules as CSV, one a line, under the header
/// `id,product,source,destination,protocol,ports,service,direction,detail,document`. Lists are joined with `;`, a range is
/// `a-b`. The document of a correction is the source that it cites.
///
/// # Errors
/// What `out` says.
pub fn write_csv(out: &mut impl Write, map: &PortMap, rules: &[RuleId]) -> io::Result<()> {
    let row = |&id: &RuleId| {
        let rule = map.rule(id);
        [
            rule.id.clone(),
            rule.product.clone(),
            rule.sources.join(";"),
            rule.destinations.join(";"),
            protocols(rule, ";"),
            ports(rule, ";"),
            map.service_name(rule.service).to_string(),
            rule.direction.name().to_string(),
            rule.detail.clone(),
            rule.origin(),
        ]
    };
    tables::write_rows(out, CSV_HEADER, rules.iter().map(row))
}

/// Writes rules as one JSON array of objects with the names of the CSV header, and `udp_service`, `reply`, `layer`, `why`,
/// `cited` and `note`. A port is a number, a range the text `"a-b"`.
///
/// # Errors
/// What `out` says.
pub fn write_json(out: &mut impl Write, map: &PortMap, rules: &[RuleId]) -> io::Result<()> {
    let rules: Vec<JsonRule<'_>> = rules.iter().map(|&id| JsonRule::of(map, map.rule(id))).collect();
    write_document(out, &rules)
}

/// Writes names for people, each with its number of rules and what else is understood for it, in lines of at most `width`
/// columns (never less than 66).
///
/// # Errors
/// What `out` says.
pub fn write_list_text(out: &mut impl Write, names: &[Listed], width: usize) -> io::Result<()> {
    let rows = names.iter().flat_map(|listed| {
        let also = (!listed.also.is_empty()).then(|| [String::new(), format!("also: {}", listed.also.join("; "))]);
        [[format!("{:>5}", listed.rules), listed.name.clone()]].into_iter().chain(also)
    });
    for line in tables::beside(rows, [COUNT, width.max(NARROWEST) - COUNT], 0).lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    writeln!(out, "\nNumber of rules, name, and what else is understood for it: {} names", names.len())
}

/// Writes names as CSV, one a line, under the header `name,rules,also`; lists are joined with `;`.
///
/// # Errors
/// What `out` says.
pub fn write_list_csv(out: &mut impl Write, names: &[Listed]) -> io::Result<()> {
    let row = |listed: &Listed| [listed.name.clone(), listed.rules.to_string(), listed.also.join(";")];
    tables::write_rows(out, ["name", "rules", "also"], names.iter().map(row))
}

/// Writes names as one JSON array of objects with the names of the CSV header.
///
/// # Errors
/// What `out` says.
pub fn write_list_json(out: &mut impl Write, names: &[Listed]) -> io::Result<()> {
    write_document(out, &names)
}

/// How something was understood that is not in the map as it was typed, in one sentence.
pub fn understood(understood: &Understood) -> String {
    match understood {
        Understood::Synonym { typed, means } => format!("`{typed}` is {} in this map", means.join(" or ")),
        Understood::Near { typed, shown } => format!("no rule names `{typed}`; showing `{shown}`"),
    }
}

/// Why nothing was found and what to do, in one sentence.
pub fn nothing(found: &Found, query: &Query) -> String {
    let parts = [&query.product, &query.role, &query.text].into_iter().flatten();
    let several = parts.flat_map(|part| part.split_whitespace()).count() + query.ports.len() > 1;
    match &found.unknown[..] {
        [] if several => "no rule fits all of that together, though each part fits some; ask for less".into(),
        [] => "no rule fits; `cap-audit ports --list products` shows the products that the map knows".into(),
        unknown => {
            let quoted: Vec<String> = unknown.iter().map(|typed| format!("`{typed}`")).collect();
            format!(
                "no rule names {}; `cap-audit ports --list roles` (or products, services) shows the names in the map",
                quoted.join(" or ")
            )
        }
    }
}

/// What stands under the id of a rule: what and where on the left, who and why on the right.
fn block(map: &PortMap, rule: &PortRule, width: usize) -> String {
    let correction = match &rule.layer {
        Layer::Correction { why, cited } => Some(["correction".to_string(), format!("{why} Source: {cited}.")]),
        Layer::Document => None,
    };
    let rows = [[place(rule), ends(rule)], [services(map, rule), rule.detail.clone()]].into_iter().chain(correction);
    tables::beside(rows, [LEFT, width.max(NARROWEST) - LEFT], INDENT)
}

/// Transport and ports: `tcp/udp 1494`, or the transport alone.
fn place(rule: &PortRule) -> String {
    let protocols = protocols(rule, "/");
    if rule.transports == [Transport::Icmp] {
        protocols
    } else if rule.ports.is_empty() {
        format!("{protocols}, any port")
    } else {
        format!("{protocols} {}", ports(rule, ", "))
    }
}

fn ends(rule: &PortRule) -> String {
    let arrow = match rule.direction {
        Direction::OneWay => "->",
        Direction::Both => "<->",
    };
    format!("{} {arrow} {}", rule.sources.join(", "), rule.destinations.join(", "))
}

fn services(map: &PortMap, rule: &PortRule) -> String {
    let service = map.service_name(rule.service);
    match rule.udp_service {
        Some(over_udp) => format!("{service} (udp: {})", map.service_name(over_udp)),
        None => service.to_string(),
    }
}

fn summary(map: &PortMap, rules: &[RuleId]) -> String {
    let corrections = rules.iter().filter(|&&id| map.rule(id).layer != Layer::Document).count();
    let shown = rules.len() - corrections;
    let of = format!("{shown} of {} documented rules", map.documented());
    format!(
        "{of}, {corrections} of {} corrections ({} {})",
        map.rules().len() - map.documented(),
        map.name(),
        map.version()
    )
}

fn protocols(rule: &PortRule, between: &str) -> String {
    let names: Vec<&str> = rule.transports.iter().map(|transport| transport.name()).collect();
    names.join(between)
}

fn ports(rule: &PortRule, between: &str) -> String {
    let ports: Vec<String> = rule.ports.iter().map(ports_text).collect();
    ports.join(between)
}

/// A rule as it stands in the JSON export.
#[derive(Serialize)]
struct JsonRule<'a> {
    id: &'a str,
    product: &'a str,
    source: &'a [String],
    destination: &'a [String],
    protocol: Vec<&'static str>,
    ports: Vec<JsonPort>,
    service: &'a str,
    udp_service: Option<&'a str>,
    reply: Vec<JsonPort>,
    direction: &'static str,
    detail: &'a str,
    document: &'a [String],
    layer: &'static str,
    why: Option<&'a str>,
    cited: Option<&'a str>,
    note: Option<&'a str>,
}

impl<'a> JsonRule<'a> {
    fn of(map: &'a PortMap, rule: &'a PortRule) -> JsonRule<'a> {
        let (why, cited) = match &rule.layer {
            Layer::Document => (None, None),
            Layer::Correction { why, cited } => (Some(why.as_str()), Some(cited.as_str())),
        };
        JsonRule {
            id: &rule.id,
            product: &rule.product,
            source: &rule.sources,
            destination: &rule.destinations,
            protocol: rule.transports.iter().map(|transport| transport.name()).collect(),
            ports: rule.ports.iter().map(JsonPort::of).collect(),
            service: map.service_name(rule.service),
            udp_service: rule.udp_service.map(|service| map.service_name(service)),
            reply: rule.reply.iter().map(JsonPort::of).collect(),
            direction: rule.direction.name(),
            detail: &rule.detail,
            document: &rule.documents,
            layer: rule.layer.name(),
            why,
            cited,
            note: rule.note.as_deref(),
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum JsonPort {
    Number(u16),
    Range(String),
}

impl JsonPort {
    fn of(range: &RangeInclusive<u16>) -> JsonPort {
        if range.start() == range.end() { JsonPort::Number(*range.start()) } else { JsonPort::Range(ports_text(range)) }
    }
}

/// The first line of the CSV export: a contract with scripts.
const CSV_HEADER: [&str; 10] =
    ["id", "product", "source", "destination", "protocol", "ports", "service", "direction", "detail", "document"];

/// Columns that ports and service take in the text, with the space around them: `tcp/udp 3148, 3149, 3159` is the longest.
const LEFT: usize = 30;

/// Columns that the number of rules takes, with the space around it.
const COUNT: usize = 7;

/// Columns before the ports.
const INDENT: u16 = 4;

/// Minimum width in columns: an id of 64 characters after its indent, which is never cut because people copy it.
const NARROWEST: usize = 66;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::portmap::Query;

    fn everything(map: &PortMap) -> Vec<RuleId> {
        map.select(&Query::default())
    }

    fn text(map: &PortMap, rules: &[RuleId], width: usize) -> String {
        let mut out = Vec::new();
        write_text(&mut out, map, rules, width).expect("memory takes everything");
        String::from_utf8(out).expect("text")
    }

    fn csv_of(map: &PortMap, rules: &[RuleId]) -> String {
        let mut out = Vec::new();
        write_csv(&mut out, map, rules).expect("memory takes everything");
        String::from_utf8(out).expect("text")
    }

    fn json_of(map: &PortMap, rules: &[RuleId]) -> serde_json::Value {
        let mut out = Vec::new();
        write_json(&mut out, map, rules).expect("memory takes everything");
        serde_json::from_slice(&out).expect("JSON")
    }

    #[test]
    fn the_text_fits_the_terminal() {
        let map = PortMap::citrix();
        for (width, limit) in [(80, 80), (100, 100), (200, 200), (10, NARROWEST)] {
            let text = text(&map, &everything(&map), width);
            assert_eq!(text.lines().find(|line| line.chars().count() > limit), None, "{width}");
            assert!(text.lines().all(|line| line.trim_end() == line), "no blank at the end of a line");
            for rule in map.rules() {
                assert!(text.contains(&format!("\n  {}\n", rule.id)), "{}", rule.id);
            }
        }
    }

    #[test]
    fn the_text_of_a_rule_reads_like_a_sentence() {
        let map = PortMap::citrix();
        let query = Query { text: Some("cvad.workspace-app.vda".into()), ports: vec![2598], ..Query::default() };
        let expected = "\
Citrix Virtual Apps and Desktops

  cvad.workspace-app.vda.session-reliability
    tcp/udp 2598              Citrix Workspace app -> Virtual Delivery Agent
    cgp (udp: edt)            Direct workload connection with session
                              reliability

1 of 309 documented rules, 0 of 4 corrections (citrix 2026-11)
";
        assert_eq!(text(&map, &map.select(&query), 80), expected);
    }

    #[test]
    fn the_text_shows_corrections_directions_and_missing_ports() {
        let map = PortMap::citrix();
        let shown = |words: &str| {
            let rules = map.select(&Query { text: Some(words.into()), ..Query::default() });
            text(&map, &rules, 120)
        };
        assert!(shown("fix.pvs").contains("    correction                The documents list DHCP"));
        assert!(shown("cvad.vda.delivery-controller.http").contains("Virtual Delivery Agent <-> Delivery Controller"));
        assert!(shown("storefront.peer").contains("tcp, any port "));
        assert!(shown("sdx.svm.adc-instance.icmp").contains("    icmp                      Citrix SDX SVM -> "));
        assert!(text(&map, &[], 80).contains("0 of 309 documented rules"));
    }

    #[test]
    fn the_csv_export_keeps_its_contract() {
        let map = PortMap::citrix();
        let csv = csv_of(&map, &everything(&map));
        let mut lines = csv.lines();
        assert_eq!(
            lines.next(),
            Some("id,product,source,destination,protocol,ports,service,direction,detail,document")
        );
        assert_eq!(lines.count(), 313);
        let audio = "\ngateway.snip.vda.audio,Citrix Gateway,Citrix Gateway SNIP,Virtual Delivery Agent,udp,16500-16509,\
                     audio,one-way,Real-time ICA/HDX audio over UDP,ports-paper-ja;ports-paper-fr\n";
        assert!(csv.contains(audio));
        assert_eq!(csv_of(&map, &[]).lines().count(), 1, "the header stands over an empty list too");
    }

    #[test]
    fn the_json_export_says_everything() {
        let map = PortMap::citrix();
        let rules = json_of(&map, &everything(&map));
        let rule = |id: &str| {
            let rules = rules.as_array().expect("an array");
            rules.iter().find(|rule| rule["id"] == id).cloned().expect("a rule of that id")
        };
        let login = rule("pvs.target-device.tftp.logon");
        assert_eq!(login["ports"], serde_json::json!([6910]));
        assert_eq!(login["reply"], serde_json::json!([6910]));
        assert_eq!(login["layer"], "document");
        let ica = rule("cvad.workspace-app.vda.ica");
        assert_eq!(ica["protocol"], serde_json::json!(["tcp", "udp"]));
        assert_eq!((&ica["service"], &ica["udp_service"]), (&"ica".into(), &"edt".into()));
        assert_eq!(ica["document"], serde_json::json!(["support-blog", "ports-paper-ja", "ports-paper-fr"]));
        assert_eq!(rule("gateway.snip.vda.audio")["ports"], serde_json::json!(["16500-16509"]));
        let pxe = rule("fix.pvs.target-device.pxe.proxy-dhcp");
        assert_eq!((&pxe["layer"], &pxe["document"]), (&"correction".into(), &serde_json::json!([])));
        assert!(pxe["why"].is_string() && pxe["cited"].is_string() && pxe["note"].is_null());
    }
}

//! What a user asks of the map: the rules of a product, a port, a protocol or a role, or those that mention some words.

use super::PortMap;
use super::rule::{Layer, PortRule, RuleId, ServiceId};
use super::terms::{Term, Texts, Typed, has_whole, nearest, read, words_of};
use crate::transport::Transport;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Which rules to show. What is empty or `None` excludes nothing; every other field must fit. Capital and small letters are
/// equal, and words are found at their start. Other names of the same thing, which the map lists, are understood.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Query {
    /// Words of the name of the product.
    pub product: Option<String>,
    /// Destination ports of which the rule names at least one, singly or in a range.
    pub ports: Vec<u16>,
    /// A transport that the rule lists; with `ports`, the one over which it names the port.
    pub protocol: Option<Transport>,
    /// Words of the name of a source or a destination.
    pub role: Option<String>,
    /// Words that all stand somewhere in the rule, be it in its id, its roles, its service or its remarks. Of several numbers,
    /// such as `2598`, `tcp/2598`, `1494,2598` or `16500-16509`, the rule names at least one as a port.
    pub text: Option<String>,
}

/// What a [`Query`] finds.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Found {
    /// The rules that fit, in the order of the map.
    pub rules: Vec<RuleId>,
    /// What was read as something else than what was typed, in that order.
    pub understood: Vec<Understood>,
    /// What was typed and stands in no rule.
    pub unknown: Vec<String>,
}

/// What was read as something else than what was typed.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Understood {
    /// Another name of something in the map.
    Synonym {
        /// What was typed.
        typed: String,
        /// The names in the map.
        means: Vec<String>,
    },
    /// No rule has it, so the nearest word was taken.
    Near {
        /// What was typed.
        typed: String,
        /// What was taken.
        shown: String,
    },
}

/// A kind of names that a map lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listing {
    /// Products.
    Products,
    /// Roles: sources and destinations.
    Roles,
    /// Services.
    Services,
}

/// A name of the map.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct Listed {
    /// The name.
    pub name: String,
    /// Number of rules that have it.
    pub rules: usize,
    /// What else is understood for it, or the title of a service.
    pub also: Vec<String>,
}

impl PortMap {
    /// The rules that fit, in the order of the map.
    pub fn select(&self, query: &Query) -> Vec<RuleId> {
        self.search(query).rules
    }

    /// The rules that fit, and how the words were understood.
    pub fn search(&self, query: &Query) -> Found {
        let mut found = Found::default();
        let mut fitting: Vec<bool> = self.rules().iter().map(|rule| query.fits_numbers(rule)).collect();
        let fields: [(&Option<String>, TextsOf, bool); 3] =
            [(&query.product, product, false), (&query.role, roles, false), (&query.text, everything, true)];
        for (typed, texts_of, numbers) in fields {
            let Some(typed) = typed else { continue };
            let texts: Vec<Texts> = self.rules().iter().map(|rule| texts_of(self, rule)).collect();
            let terms = Search { map: self, texts: &texts, numbers }.understand(typed, &mut found);
            for ((fits, rule), texts) in fitting.iter_mut().zip(self.rules()).zip(&texts) {
                *fits &= terms.iter().all(|term| term.fits(rule, texts));
            }
        }
        if found.unknown.is_empty() {
            found.rules = self.rule_ids().zip(fitting).filter(|(_, fits)| *fits).map(|(rule, _)| rule).collect();
        }
        found
    }

    /// The names of one kind in these rules, in the order of the alphabet; services in the order of the map.
    pub fn list(&self, listing: Listing, rules: &[RuleId]) -> Vec<Listed> {
        let rules = || rules.iter().map(|&rule| self.rule(rule));
        let named = |names: &mut dyn Iterator<Item = BTreeSet<&String>>| {
            let mut counted: BTreeMap<&String, usize> = BTreeMap::new();
            names.flatten().for_each(|name| *counted.entry(name).or_default() += 1);
            let other = |name: &str| self.synonyms.iter().filter(|synonym| synonym.is_of(name)).collect::<Vec<_>>();
            let written = |name: &str| {
                let all = other(name).into_iter().flat_map(|synonym| &synonym.written);
                all.filter(|typed| words_of(typed) != words_of(name)).cloned().collect()
            };
            let listed = |(name, rules): (&String, usize)| Listed { name: name.clone(), rules, also: written(name) };
            counted.into_iter().map(listed).collect::<Vec<Listed>>()
        };
        match listing {
            Listing::Products => named(&mut rules().map(|rule| BTreeSet::from([&rule.product]))),
            Listing::Roles => named(&mut rules().map(|rule| rule.sources.iter().chain(&rule.destinations).collect())),
            Listing::Services => {
                let has = |rule: &&PortRule, id: ServiceId| rule.service == id || rule.udp_service == Some(id);
                let services = self.services().iter().enumerate().map(|(place, service)| {
                    let id = ServiceId(super::rule::small(place));
                    let number = rules().filter(|rule| has(rule, id)).count();
                    Listed { name: service.name.clone(), rules: number, also: vec![service.title.clone()] }
                });
                services.filter(|service| service.rules > 0).collect()
            }
        }
    }
}

impl Query {
    fn fits_numbers(&self, rule: &PortRule) -> bool {
        let mut over = rule.transports.iter().filter(|&&transport| self.protocol.is_none_or(|it| it == transport));
        let named = |transport| self.ports.is_empty() || self.ports.iter().any(|&port| rule.names(transport, port));
        over.any(|&transport| named(transport))
    }
}

/// What is searched for the words of one field of a query.
type TextsOf = fn(&PortMap, &PortRule) -> Texts;

fn product(_: &PortMap, rule: &PortRule) -> Texts {
    Texts { about: vec![words_of(&rule.product)], ..Texts::default() }
}

fn roles(_: &PortMap, rule: &PortRule) -> Texts {
    Texts {
        about: rule.sources.iter().chain(&rule.destinations).map(|role| words_of(role)).collect(),
        ..Texts::default()
    }
}

fn everything(map: &PortMap, rule: &PortRule) -> Texts {
    let services = [Some(rule.service), rule.udp_service];
    let services = services.into_iter().flatten().map(|id| map.service(id)).flat_map(|it| [&it.name, &it.title]);
    let about = [&rule.id, &rule.product, &rule.detail].into_iter().chain(&rule.sources).chain(&rule.destinations);
    let why = match &rule.layer {
        Layer::Document => None,
        Layer::Correction { why, .. } => Some(why),
    };
    let remarks = rule.note.iter().chain(why).chain(&rule.documents).map(|text| words_of(text));
    Texts {
        about: about.chain(services).map(|text| words_of(text)).collect(),
        remarks: remarks.chain([words_of(rule.layer.name())]).collect(),
    }
}

/// Understands the words of one field.
struct Search<'a> {
    map: &'a PortMap,
    /// Of each rule.
    texts: &'a [Texts],
    /// Whether numbers are ports.
    numbers: bool,
}

impl<'a> Search<'a> {
    fn understand(&self, typed: &str, found: &mut Found) -> Vec<Term> {
        let mut words: Vec<String> = typed.split_whitespace().map(String::from).collect();
        // A corrected word may complete a name of several words, so everything is read again after it.
        for Typed { place, term, .. } in self.read(&words) {
            let Some(Term::Words(parts)) = term.filter(|term| !self.somewhere(term)) else { continue };
            let Some(shown) = self.near(&parts) else { continue };
            let typed = std::mem::replace(&mut words[place.start], shown.clone());
            found.understood.push(Understood::Near { typed, shown });
        }
        let mut terms = Vec::new();
        let mut ports = Vec::new();
        for Typed { place, synonym, term } in self.read(&words) {
            let Some(term) = term else { continue };
            let typed = words[place].join(" ");
            if !self.somewhere(&term) {
                found.unknown.push(typed);
                continue;
            }
            let is_itself = |means: &String| has_whole(&words_of(means), &words_of(&typed));
            if let Some(synonym) = synonym.filter(|synonym| !synonym.means.iter().any(is_itself)) {
                found.understood.push(Understood::Synonym { typed, means: synonym.means.clone() });
            }
            match term {
                Term::Ports(numbers) => ports.extend(numbers),
                other => terms.push(other),
            }
        }
        // No rule names two services at once; of several numbers one is enough.
        terms.extend((!ports.is_empty()).then_some(Term::Ports(ports)));
        terms
    }

    fn read(&self, words: &[String]) -> Vec<Typed<'a>> {
        let mut read = read(words, &self.map.synonyms, self.numbers);
        for typed in &mut read {
            // A number that is no port may be part of a text, such as the 1912 of a version.
            let no_port = matches!(&typed.term, Some(term @ Term::Ports(_)) if !self.somewhere(term));
            if no_port {
                let as_words = Term::Words(words_of(&words[typed.place.start]));
                typed.term = self.somewhere(&as_words).then_some(as_words).or(typed.term.take());
            }
        }
        read
    }

    /// Whether any rule fits.
    fn somewhere(&self, term: &Term) -> bool {
        self.map.rules().iter().zip(self.texts).any(|(rule, texts)| term.fits(rule, texts))
    }

    /// The same words, and for each that is not known the nearest that is; `None` where that changes nothing.
    fn near(&self, parts: &[String]) -> Option<String> {
        let of_rules = self.texts.iter().flat_map(|texts| texts.about.iter().flatten());
        let useful = self.map.synonyms.iter().flat_map(|synonym| synonym.typed.iter().flatten());
        let known: BTreeSet<&str> = of_rules.chain(useful).map(String::as_str).collect();
        let last = parts.len().checked_sub(1)?;
        let mut changed = false;
        let mut shown = Vec::new();
        for (place, part) in parts.iter().enumerate() {
            let begins = |word: &&str| word.starts_with(part.as_str());
            if known.contains(part.as_str()) || place == last && known.iter().any(begins) {
                shown.push(part.as_str());
                continue;
            }
            shown.push(nearest(part, known.iter().copied())?);
            changed = true;
        }
        changed.then(|| shown.join("-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(map: &'a PortMap, query: &Query) -> Vec<&'a str> {
        map.select(query).into_iter().map(|rule| map.rule(rule).id.as_str()).collect()
    }

    fn asked(words: &str) -> Query {
        Query { text: Some(words.into()), ..Query::default() }
    }

    #[test]
    fn a_port_finds_the_rules_that_name_it_in_the_order_of_the_map() {
        let map = PortMap::citrix();
        let at = |port, protocol| found(&map, &Query { ports: vec![port], protocol, ..Query::default() });
        assert_eq!(at(6910, None), ["pvs.target-device.tftp.logon", "pvs.target-device.server.streaming"]);
        assert_eq!(at(6910, Some(Transport::Tcp)), Vec::<&str>::new());
        assert_eq!(at(1494, Some(Transport::Tcp)).len(), 5);
        assert_eq!(at(1494, Some(Transport::Udp)).len(), 4);
        assert_eq!(at(0, Some(Transport::Icmp)).len(), 4);
        let over = |protocol| found(&map, &Query { protocol: Some(protocol), ..Query::default() }).len();
        // 230 rules are TCP alone, 46 UDP alone, 29 both; two corrections are TCP, one is UDP.
        assert_eq!((over(Transport::Tcp), over(Transport::Udp), over(Transport::Icmp)), (262, 76, 4));
    }

    #[test]
    fn products_roles_and_words_are_found_in_part_and_in_any_case() {
        let map = PortMap::citrix();
        let product = Query { product: Some("sd-wan".into()), ..Query::default() };
        assert_eq!(found(&map, &product).len(), 23);
        let role = |role: &str| found(&map, &Query { role: Some(role.into()), ..Query::default() });
        assert!(role("wol proxy").contains(&"remote-pc.wol-proxy.vda.wake-up-proxy"), "a source");
        assert!(role("PRINT SERVER").contains(&"ups.vda.print-server.cgp"), "a destination");
        assert_eq!(role("mainframe"), Vec::<&str>::new());
        let words = |words: &str| found(&map, &asked(words));
        assert_eq!(words("Citrix ADC cluster 7000"), ["adc.nsip.cluster-node.heartbeat"]);
        assert_eq!(words("lmadmin admin-workstation"), ["license.admin-workstation.license-server.console"]);
        assert_eq!(words("  ").len(), 313, "no word excludes nothing");
        let both = Query { role: Some("storefront".into()), ports: vec![808], ..Query::default() };
        assert_eq!(found(&map, &both), ["storefront.storefront.storefront.subscription-replication"]);
    }

    #[test]
    fn words_are_found_at_their_start_and_abbreviations_as_a_whole() {
        let map = PortMap::citrix();
        let sta = found(&map, &asked("sta"));
        assert!(sta.contains(&"gateway.snip.sta"), "{sta:?}");
        for id in &sta {
            let rule = map.rules().iter().find(|rule| rule.id == *id).expect("a rule of the map");
            let names = [&rule.destinations[..], &[map.service(rule.service).title.clone()]].concat().join(" ");
            assert!(names.contains("Ticket"), "{id}: a workstation, a standard edition or a state is no STA");
        }
        let ica = found(&map, &asked("ica"));
        assert!(ica.contains(&"cvad.workspace-app.vda.ica") && !ica.iter().any(|id| id.starts_with("app-layering")));
        let adm = found(&map, &asked("adm"));
        assert!(!adm.contains(&"sdx.admin-workstation.sdx-lom.gui"), "an administrator is no ADM");
        assert_eq!(found(&map, &asked("workst")), found(&map, &asked("workstation")), "the beginning is enough");
    }

    #[test]
    fn several_names_of_one_thing_find_the_same() {
        let map = PortMap::citrix();
        let same: [&[&str]; 20] = [
            &["adc", "Citrix ADC", "NetScaler", "netscaler adc"],
            &["Citrix Gateway", "NetScaler Gateway"],
            &["adm", "MAS", "NetScaler Console", "NetScaler MAS", "Citrix ADM"],
            &["Delivery Controller", "DDC"],
            &["XenApp", "Virtual Apps", "XenDesktop", "Virtual Desktops", "CVAD", "Citrix Virtual Apps and Desktops"],
            &["StoreFront", "SF", "serveur StoreFront", "StoreFront サーバー"],
            &["PVS", "Provisioning Services", "Citrix Provisioning"],
            &["WEM", "Workspace Environment Management"],
            &["VDA", "Virtual Delivery Agent", "agent de livraison virtuel", "仮想配信エージェント"],
            &[
                "FAS",
                "Federated Authentication Service",
                "フェデレーション認証サービス",
                "Service d’authentification fédérée",
            ],
            &["UPS", "Universal Print Server", "ユニバーサルプリントサーバー", "Serveur d’impression universelle"],
            &["license server", "licence server", "license", "Citrixライセンスサーバー", "Serveur de licences Citrix"],
            &["Workspace app", "Receiver", "Citrix Receiver", "Application Citrix Workspace", "Citrix Workspaceアプリ"],
            &["XenServer", "Citrix Hypervisor"],
            &["XenMobile", "Endpoint Management", "Citrix Endpoint Management"],
            &["STA", "Secure Ticket Authority", "安全な発券機関"],
            &["Admin Workstation", "管理ワークステーション", "Poste de travail administrateur"],
            &["Target Device", "ターゲットデバイス", "Machine cible"],
            &["Domain Controller", "Contrôleur de domaine", "ドメイン コントローラー"],
            &["session reliability", "セッション画面の保持", "fiabilité de session"],
        ];
        for names in same {
            let first = found(&map, &asked(names[0]));
            assert!(!first.is_empty(), "{}", names[0]);
            for name in &names[1..] {
                assert_eq!(found(&map, &asked(name)), first, "{name} and {}", names[0]);
            }
        }
        let of = |product: &str| Query { product: Some(product.into()), ..Query::default() };
        assert_eq!(found(&map, &of("NetScaler")).len(), 27);
        assert_eq!(found(&map, &of("XenDesktop")).len(), 21, "twenty rules and a correction");
        let role = |role: &str| Query { role: Some(role.into()), ..Query::default() };
        assert_eq!(found(&map, &role("DDC")), found(&map, &role("delivery controller")));
        let (console, adm) = (found(&map, &asked("console")), found(&map, &asked("adm")));
        assert!(
            adm.iter().all(|id| console.contains(id)) && console.contains(&"wem.admin-console.infrastructure-service")
        );
    }

    /// A synonym for which the rules have nothing would be understood and never be of use.
    #[test]
    fn every_synonym_means_something_in_the_map() {
        let map = PortMap::citrix();
        for synonym in map.synonyms.iter().filter(|synonym| !synonym.means.is_empty()) {
            for typed in &synonym.written {
                let nothing = synonym.written.contains(&"ShareFile".to_string());
                assert_eq!(map.select(&asked(typed)).is_empty(), nothing, "{typed}");
            }
        }
    }

    #[test]
    fn numbers_are_ports_in_every_form() {
        let map = PortMap::citrix();
        let over = |port, protocol| found(&map, &Query { ports: vec![port], protocol, ..Query::default() });
        let (tcp, udp) = (Some(Transport::Tcp), Some(Transport::Udp));
        assert_eq!(found(&map, &asked("tcp/2598")), over(2598, tcp));
        assert_eq!(found(&map, &asked("2598/udp")), over(2598, udp));
        assert_eq!(found(&map, &asked("port 2598")), over(2598, None));
        let both = found(&map, &Query { ports: vec![1494, 2598], ..Query::default() });
        assert_eq!(both.len(), over(1494, None).len() + over(2598, None).len());
        for words in ["1494,2598", "1494 2598", "2598, 1494"] {
            assert_eq!(found(&map, &asked(words)), both, "{words}");
        }
        let audio = ["gateway.snip.vda.audio", "cvad.workspace-app.vda.audio"];
        for words in ["16503", "udp/16509", "16500-16509", "16400-16500"] {
            let ids = found(&map, &asked(words));
            assert!(audio.iter().all(|id| ids.contains(id)) && ids.len() == 2, "{words}: {ids:?}");
        }
        assert_eq!(found(&map, &asked("16503 gateway")), ["gateway.snip.vda.audio"]);
        assert_eq!(found(&map, &asked("tcp/16503")), Vec::<&str>::new());
        assert_eq!(found(&map, &asked("9.9.9.9")).len(), 1, "an address is a role");
        assert!(found(&map, &asked("1912")).iter().all(|id| id.starts_with("wem.") || id.starts_with("cvad.")));
    }

    #[test]
    fn near_misses_are_understood_and_told() {
        let map = PortMap::citrix();
        let near = |typed: &str, shown: &str| Understood::Near { typed: typed.into(), shown: shown.into() };
        let search = |words: &str| map.search(&asked(words));
        let storefront = search("storfront");
        assert_eq!(storefront.understood, [near("storfront", "storefront")]);
        assert_eq!(storefront.rules, map.select(&asked("storefront")));
        let netscaler = search("netscalr");
        let means = Understood::Synonym { typed: "netscaler".into(), means: vec!["ADC".into()] };
        assert_eq!(netscaler.understood, [near("netscalr", "netscaler"), means]);
        assert_eq!(netscaler.rules, map.select(&asked("adc")));
        assert_eq!(search("delivery controler").rules, map.select(&asked("delivery controller")));
        assert_eq!(search("controleur de domaine").rules, map.select(&asked("domain controller")));
        let role = map.search(&Query { role: Some("directr".into()), ..Query::default() });
        assert_eq!(role.rules, map.select(&Query { role: Some("director".into()), ..Query::default() }));
        let unknown = search("storefront mainframe");
        assert_eq!((unknown.rules.len(), &unknown.unknown[..]), (0, &["mainframe".to_string()][..]));
        assert_eq!(search("4711").unknown, ["4711"]);
        assert_eq!(search("storefront").understood, []);
    }

    #[test]
    fn products_and_roles_are_listed_with_what_is_understood_for_them() {
        let map = PortMap::citrix();
        let all = map.select(&Query::default());
        let products = map.list(Listing::Products, &all);
        assert_eq!((products.len(), products.iter().map(|it| it.rules).sum::<usize>()), (26, 313));
        let adc = products.iter().find(|listed| listed.name == "Citrix ADC").expect("a product");
        assert!(adc.rules == 27 && adc.also.contains(&"NetScaler".to_string()), "{adc:?}");
        let roles = map.list(Listing::Roles, &map.select(&asked("universal print server")));
        let names: Vec<&str> = roles.iter().map(|role| role.name.as_str()).collect();
        assert_eq!(names, ["Universal Print Server", "Virtual Delivery Agent"]);
        assert_eq!(map.list(Listing::Services, &all).len(), map.services().len());
    }
}

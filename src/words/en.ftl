# The words of cap-audit in English (Fluent, https://projectfluent.org). Every sentence for people that a report holds stands here;
# the program knows codes and facts only. A line break inside a text is a blank.
#
# A finding has three texts: .title (one line), .meaning (what it means for the user), .remedy (what to do). They may name what its
# `Check` declares and, where the finding has them, { $clients }, { $server }, { $transport }, { $port } and { $flows }. Lists of hosts
# come as words. { $remarks } are the sentences `remark-...` that apply, in order. { $x } is a fact, { x } another text of this file.


## Findings: what does not come about

blocked-silent =
    .title = { blocked-place }: no answer
    .meaning = { $clients } tried { tries }, and nothing came back in { $watched } ({ flows }). A firewall drops the packets, or
        the host is down. A Windows firewall also answers with silence where nothing listens. { $remarks }
    .remedy = { $advice ->
        [look-at-times] { blocked-at-times }
        [only-your-own] { blocked-public }
       *[allow] Allow { port } from { $clients } to { $server } in every firewall on the way, the one on the server included. Then check
            that the service listens: { listens }.
    }

blocked-refused =
    .title = { blocked-place }: refused
    .meaning = The first SYN of { $clients } was answered with a reset ({ flows }). The host is reachable, but nothing listens on this
        port, or a firewall answers in its place. { $remarks }
    .remedy = { $advice ->
        [look-at-times] { blocked-at-times }
        [only-your-own] { blocked-public }
       *[allow] Check that the service runs and listens on { port } of { $server }: { listens }. If it does, look for a firewall on the way
            that answers with resets.
    }

blocked-prohibited =
    .title = { blocked-place }: { $cause ->
        [nothing-listens] nothing listens there
        [host-unreachable] the host cannot be reached
        [server-policy] prohibited by the server itself
       *[device-policy] prohibited by a device on the way
    }
    .meaning = { $senders } told { $clients }: { $errors }. { $cause ->
        [nothing-listens] The host is reachable, but no program listens on this port
        [host-unreachable] The packets do not get to the host: it is down, or there is no route to it
       *[device-policy] A firewall or router rejects the packets openly
    } ({ flows }). { $remarks }
    .remedy = { $advice ->
        [look-at-times] { blocked-at-times }
        [only-your-own] { blocked-public }
       *[allow] { $cause ->
            [nothing-listens] Check that the service runs and listens on { port } of { $server }: { listens }.
            [host-unreachable] Check that { $server } is up and has this address, then the routes from { $clients } to it.
            [server-policy] Allow { port } from { $clients } in the firewall on { $server } itself.
           *[device-policy] Allow { port } from { $clients } to { $server } on { $senders }, which sent the message.
        }
    }

blocked-half-open =
    .title = { blocked-place }: the answer does not reach the client
    .meaning = { $server } answered the SYN of { $clients } and repeated its answer, but the handshake was never completed ({ flows }). The
        way back to the client is blocked or leads elsewhere. { $remarks }
    .remedy = { $advice ->
        [look-at-times] { blocked-at-times }
        [only-your-own] { blocked-public }
       *[allow] Check routes and firewalls from { $server } back to { $clients }: the answers of { port } leave the server and do not arrive.
    }

blocked-reset-early =
    .title = { blocked-place }: cut { reset-after }
    .meaning = The connection of { $clients } was reset { reset-after }, before the server said anything ({ flows }). A firewall
        that looks into the traffic, a TLS inspection, or the service itself ends it. { $remarks }
    .remedy = { $advice ->
        [look-at-times] { blocked-at-times }
        [only-your-own] { blocked-public }
       *[allow] Exempt { port } between { $clients } and { $server } from content or TLS inspection, then look at the event log of the
            service.
    }

reset-after = { $after ->
        [at-once] right after the handshake
        [later] { $after_longest } after the handshake
       *[between] { $after_shortest } to { $after_longest } after the handshake
    }

blocked-place = { port }, { $service_title }, to { $server }

blocked-at-times = No firewall rule is missing now. Look at { $server } at that time: was it restarted, overloaded, or at a limit of
    connections? Was a rule changed since?

blocked-public = If { $clients } and { $server } are both yours, allow { port } between them. If not, there is nothing to do: session ports
    must not be open to the internet.

remark-generic-port = Many programs use this port, so it may have nothing to do with Citrix.
remark-consequence = { $consequence }
remark-service-fails = What needs this service does not work.
remark-port-is-open = The port is open now: after the last of these attempts had begun the same hosts completed a connection there ({ $worked ->
        [one] { $worked } answered flow
       *[other] { $worked } answered flows
    } in all).
remark-open-to-some = { $again ->
        [one] { $again } of these clients was
       *[other] { $again } of these clients were
    } answered there later.
remark-old-session = A session that was opened before goes on: a firewall with a new rule stops new connections and lets old ones live.
remark-both-public = Client and server have public addresses, so they may belong to different owners.
remark-neighbour = The server is on the internet and nothing else ties these hosts to Citrix, so this is most likely another program.
remark-answers-unknown = More paths were answered than are kept, so an answer to these tries may be among the others.
remark-one-direction = The capture holds one direction only here, so the answer may also have been a refusal.
remark-host-down = Nobody answered when the link was asked for { $server } (ARP or neighbour discovery): the host is down, or not in that
    network.
remark-lossy = The capture lost packets in that time, so an answer may have been lost as well.


## Findings: what works, but not the way it should

fallback-cgp-to-ica =
    .title = Sessions to { $server } run on TCP { $port } because TCP { $blocked_port } is blocked
    .meaning = { $clients } could not reach TCP { $blocked_port } and took TCP { $port }. The user sees nothing at first. Without session
        reliability the window goes after about 30 seconds of a broken line, instead of waiting 180 seconds.
    .remedy = Repair what blocks TCP { $blocked_port }; it is a finding of its own.

fallback-edt-to-tcp =
    .title = Sessions to { $server } run over TCP because EDT (UDP) is blocked
    .meaning = { $clients } tried EDT over UDP without success and took TCP. Sessions start later and feel slower on long or lossy lines,
        and the client tries UDP again every five minutes.
    .remedy = Repair what blocks UDP; it is a finding of its own. If UDP is not wanted, set the policy HDX adaptive transport to Off.


path-died =
    .title = { blocked-place }: sessions died
    .meaning = { $gone ->
        [client] { $clients } stopped answering
        [server] { $server } stopped answering
       *[either] One side or the other stopped answering
    } in the middle of a session, and the other side repeated its data in vain ({ flows }). { $idle ->
        [none] Data had flowed until then.
        [once] Before that, nothing had been said for { $idle_longest }.
        [equal] Each time nothing had been said for about { $idle_longest } before: a firewall or load balancer on the way may forget
            idle sessions after that time.
       *[different] In some of them nothing had been said for { $idle_shortest } to { $idle_longest } before.
    } A closed laptop, a lost radio link and a killed host look the same.
    .remedy = { $idle ->
        [equal] Compare the idle timers of the firewalls and load balancers between { $clients } and { $server } with that time, and make
            them longer, or keep-alives shorter.
       *[other] Ask what happened to the side that fell silent. If many users are concerned, look for a device on the way that forgets
            sessions or was switched over.
    }

launch-slow =
    .title = { $sessions ->
        [one] A session
       *[other] { $sessions } sessions
    } to { $server } spent { $typical } finding a transport
    .meaning = { $clients } tried { $blocked_transport } { $blocked_port } first, in vain, and came through on { port } after { $typical }{ $sessions ->
        [one] {""}
       *[other] {" "}typically, and { $longest } at most
    }. Users wait that long for each start, and after a broken line once more.
    .remedy = Repair what blocks { $blocked_transport } { $blocked_port }; it is a finding of its own. If that way is not wanted, see that
        clients do not try it first.

path-idle-timeout =
    .title = { $sessions } sessions on { port } dropped after { $idle } without traffic each: something forgets connections after that time
    .meaning = Each time nothing had been said for { $idle }{ $spread ->
        [some] {" "}to { $idle_longest }
       *[none] {""}
    } before a session of { $clients } to { $server } broke. So equal a time is that of a timer, which may also be a little shorter: of a
        firewall, a NAT or a load balancer on the way, or of a policy on the server.{ $others ->
        [0] {""}
        [one] {" "}{ $others } other session broke after another silence.
       *[other] {" "}{ $others } other sessions broke after another silence.
    }
    .remedy = Find the device between { $clients } and { $server } that forgets connections after { $idle }, and let it wait longer; or let
        sessions speak more often than that (keep-alives).


## Findings: what should not be there

unexpected-foreign-protocol =
    .title = { $heard } is spoken on { port } of { $server }, the port of { $service_title }
    .meaning = { $clients } and { $server } speak { $heard } there ({ flows }). The Citrix service of that port cannot run beside it, and a
        firewall rule made for Citrix lets something else through.
    .remedy = Find the program with `netstat -ano | findstr :{ $port }` on { $server }, and move or remove it. If nobody knows it, treat it
        as a way around the firewall.

unexpected-citrix-on-other-port =
    .title = { $heard } is spoken on { port } of { $server }, which is not its port
    .meaning = { $clients } reached a Citrix session on a port that the map does not know ({ flows }). A changed listener port or the
        multi-port policy may be the reason. Firewall rules and monitoring for TCP 1494 and 2598 do not cover it.
    .remedy = Check the listener port and the Multi-Port policy on { $server }. If the port is wanted, document it and add it to a port map
        of your own (--port-map); if not, go back to TCP 1494 and 2598.

unexpected-transport =
    .title = { port } of { $server } answers, but { $service_title } uses { $known_transport } there
    .meaning = { $clients } and { $server } talk over the wrong transport for this port ({ flows }). It is another program, or a firewall
        rule that was opened for the wrong protocol is being used.
    .remedy = Find out what listens on { port } of { $server }, and check that the firewall rule says { $known_transport } { $port }.

unexpected-internet-exposed =
    .title = { port } of { $server } answers to the internet
    .meaning = { $server_range ->
        [public] Server and client both have public addresses; if that is one network of your own, this is no finding. { exposed }
       *[private] { exposed }
    }
    .remedy = Close { port } to the internet and let users in through Citrix Gateway on TCP and UDP 443.

exposed = { $clients } reached the session port from a public address ({ flows }). Session traffic there is not protected by TLS unless
    that was set up on the server, and anyone can try to log on.


## Findings: one thing that makes many attempts

unexpected-scan =
    .title = { $clients } tried { scan-ports } on { scan-hosts } and got no session there
    .meaning = It made { tries-in-all } at { scan-ports } of the port map ({ $port_list }) on { scan-hosts }, and no session came of any. { $through ->
        [elsewhere] To other hosts it has sessions on the same port, so its ways to these are blocked, or these hosts are down.
       *[nowhere] That is how a port scanner, a vulnerability scanner or an inventory works.
    } These tries are told here once, and not as blocks.
    .remedy = Find out what { $clients } ran at that time. If it is a Citrix component that has to reach these hosts, all its ways to them are
        blocked: start with one of them.

tries-in-all = { $flows ->
        [one] { $flows } try
       *[other] { $flows } tries
    }
scan-ports = { $ports ->
        [one] { $ports } port
       *[other] { at-least }{ $ports } ports
    }
scan-hosts = { $hosts ->
        [one] { $hosts } host
       *[other] { at-least }{ $hosts } hosts
    }
at-least = { $count ->
        [at-least] at least{" "}
       *[all] {""}
    }

unexpected-flood =
    .title = Flood of single tries at { port } of { $server }
    .meaning = { $origin ->
        [forged] { at-least }{ $sources } sources tried once each, and none repeated its try as a real host does ({ flows }): their addresses look forged
       *[one] { $clients } tried again and again, many times a second, without waiting for an answer ({ flows })
    }. They are told here once, and not as blocks. Real attempts in between are judged as always.
    .remedy = Find where the packets enter the network: their hardware addresses name the port of the switch. Until then limit new connections
        to { port } of { $server }.

unexpected-from-internet =
    .title = { port } was tried from the internet, and these did not get in
    .meaning = { $clients } tried the session port on { $server } from public addresses ({ flows }) and got no session. Firewall or server turned
        these away, as they should.
    .remedy = Nothing has to be opened. Users from outside come in through Citrix Gateway on TCP and UDP 443.


## Findings: what the capture does not allow to be judged

quality-no-packets =
    .title = { $state ->
        [damaged] No packet could be read
       *[empty] No packet was captured
    }
    .meaning = There is nothing to judge.
    .remedy = { $state ->
        [damaged] Copy the capture again; if it is damaged at its source as well, record again.
       *[empty] Check the interface, the capture filter and the place of the capture, and record again.
    }

quality-one-direction =
    .title = Only one direction was captured
    .meaning = Of { $tcp_flows ->
        [one] { $tcp_flows } TCP flow
       *[other] { $tcp_flows } TCP flows
    } only one side is in the capture, although the other plainly answered. Whether these were blocked cannot be told from here.
    .remedy = Capture at a place that both directions pass, or mirror both directions of the port.

quality-cut-packets =
    .title = Packets were cut when they were captured
    .meaning = Of { packets } only the first bytes were kept. Ports, states and byte counts are complete; what was spoken can be told for
        some flows only.
    .remedy = To have the payload judged as well, capture whole packets (tcpdump -s 0, pktmon --pkt-size 0).

quality-starts-in-middle =
    .title = The capture starts in the middle of conversations
    .meaning = { flows } on Citrix ports already ran when the capture began. They work; how they were opened, and what protocol they speak,
        cannot be told.
    .remedy = To see a launch, start the capture before the user starts the session.

quality-ends-early =
    .title = The capture ended before attempts were decided
    .meaning = { flows } on Citrix ports had no answer yet when the capture ended. That is too early to call them blocked: a client tries
        for 21 seconds or longer.
    .remedy = Let the capture run for at least half a minute after the failure.


## Parts of sentences

flows = { $flows ->
        [one] { $flows } flow
       *[other] { $flows } flows
    }
packets = { $packets ->
        [one] { $packets } packet
       *[other] { $packets } packets
    }
tries = { $tries ->
        [one] { $tries } time
       *[other] { $tries } times
    }
attempts = { $tries ->
        [one] { $tries } try
       *[other] { $tries } tries
    }
port = { $transport } { $port }
listens = on Windows, `netstat -ano | findstr :{ $port }` shows it

# A length of time. It comes with its unit wherever it stands in a text.
duration = { $unit ->
        [seconds] { $number } s
        [minutes] { $number } min
        [hours] { $number ->
            [one] { $number } hour
           *[other] { $number } hours
        }
        [days] { $number ->
            [one] { $number } day
           *[other] { $number } days
        }
       *[years] { $number ->
            [one] { $number } year
           *[other] { $number } years
        }
    }

# Hosts: { $count } of them, of which the first three are named.
hosts = { $count ->
        [0] nobody
        [1] { $first }
        [2] { $first } and { $second }
        [3] { $first }, { $second } and { $third }
       *[other] { $first }, { $second } and { $more } more
    }

# Hosts, and others that are not named.
hosts-and-others = { $hosts } and others

# Ports: { $list } of them, and { $more } that are not named.
ports = { $list }{ $more ->
        [0] {""}
       *[other] {" "}and { $more } more
    }

# A service that no map knows.
no-service = no known service

transport = { $name ->
        [tcp] TCP
        [udp] UDP
       *[icmp] ICMP
    }

# What was spoken; { $capitals } is its short name in capital letters.
protocol = { $name ->
        [kerberos] Kerberos
        [tds] SQL Server (TDS)
       *[other] { $capitals }
    }

# The words of RFC 792, RFC 1812 and RFC 4443 for an error.
icmp-error = { $error ->
        [icmp-3-0] network unreachable
        [icmp-3-1] host unreachable
        [icmp-3-2] protocol unreachable
        [icmp-3-3] port unreachable
        [icmp-3-9] network administratively prohibited
        [icmp-3-10] host administratively prohibited
        [icmp-3-13] communication administratively prohibited
        [icmpv6-1-0] no route
        [icmpv6-1-1] administratively prohibited
        [icmpv6-1-3] address unreachable
        [icmpv6-1-4] port unreachable
        [icmpv6-1-5] source address failed policy
        [icmpv6-1-6] route rejected
       *[other] unreachable
    } ({ $family ->
        [icmpv6] ICMPv6
       *[icmp] ICMP
    } type { $type } code { $code })


## What an evidence packet shows

note-first = first packet
note-syn = SYN, { ordinal } try
note-syn-ack = SYN-ACK, { ordinal } time
note-datagram = datagram, { ordinal } try
note-reset = reset
note-icmp-error = ICMP error
note-client-payload = first payload of the client
note-server-payload = first payload of the server

ordinal = { $number ->
        [1] first
        [2] second
        [3] third
       *[other] { $number }th
    }


## Why not everything in a capture can be judged

about-finding = { $title }: { $meaning }
about-filter = The filter "{ $filter }" left out { $packets } of { $all ->
        [one] { $all } packet
       *[other] { $all } packets
    } of { $capture }; they were not looked into.
about-filter-link = Among these are all packets of { $capture } with the link type { $link }, for which the filter has no meaning: { $what }.
about-live-filter = Of { $capture } only what the filter "{ $filter }" lets through was captured; the rest is not counted and was not looked into.
about-damage = { $capture } is damaged at byte { $position }, { $packet ->
        [0] before the first packet
       *[other] after packet { $packet }
    }: { $what }{ $after ->
        [resumed] ; reading went on at byte { $resumed }
        [lost] ; what follows could not be read
       *[end] {""}
    }.
about-damages = { $capture } is damaged in { $damages } places; the first is told.
about-loss = { $capture }: { $who ->
        [interface] its interface
       *[kernel] the capturing system
    } lost { packets }, so a missing answer may have been lost as well.
about-missing-times = { $capture }: { packets } without a time got the time of the packet before.
about-wrong-clock = { $capture }: packets have times before 1990 or after 2100; the clock that wrote them was wrong.
about-future-clock = { $capture }: its last packet has a time { $ahead } after the clock of this computer; one of the two clocks is wrong.
about-oddity = { $capture }: { $oddity ->
        [fraction-beyond-second] a time had a fraction of a whole second or more, which was added on
        [captured-above-original] more bytes were captured than the packet is said to have had
        [header-in-the-middle] another pcap header stands between packets: files were joined by hand
        [uneven-block-length] a block length is not a multiple of four and was rounded up
        [packet-past-block] a packet claims to go on past its block and was cut there
        [short-block] a block is too short for its kind and was left out
        [section-version] a section has a pcapng version other than 1.0
       *[too-many-interfaces] a section describes too many interfaces, and some were left out
    } ({ $times ->
        [1] once
       *[other] { $times } times
    }, first at packet { $packet }).
about-links = { packets } came over a link type that is not read{ $links ->
        [known] {" "}({ $names })
       *[unknown] {""}
    }.
about-undescribed-interfaces = { packets } came over an interface that the capture does not describe.
about-cut-headers = Of { packets } too little was captured to read the headers.
about-broken-headers = { packets } with broken headers were left out.
about-flow-limit = There were more conversations at the same time than are followed: { flows } were given up early, those first that say
    least (floods, scans, single tries). They were watched only until then, and what came later of them counts as a new one.
about-opening-limit = There were more unfinished openings than are kept: of { flows } the protocol was told by what had come until then.
about-unlisted = There is more to tell than is kept: { flows } are counted but not told.
about-many-pairs = There are more pairs of hosts than are told apart: the directions of { flows } count for the capture as a whole only.
about-unlisted-ways = Sessions ran between more hosts than are kept, so some ways around a blocked port may not be told.
about-unlisted-sessions = There are more flows of sessions than are kept one by one: of what comes later in the captures no session is told.
about-steps-back = The clock of the capture steps back { $steps ->
        [one] { $steps } time
       *[other] { $steps } times
    }, by up to { $largest }; times after such a step are held, or moved forward where they stay behind.
about-late-packets = { packets } came a few moments later than their times say; short times such as round trips may be wrong.
about-duplicates = { $percent } % of the packets are in the capture twice; they were not taken for retransmissions.
about-overlap = More captures overlap in time than are merged at once: { $captures ->
        [one] { $captures } was
       *[other] { $captures } were
    } read afterwards, so conversations that lie in several of them are not put together, and what is seen in several is counted in each.
about-unclear-flows = Of { $flows ->
        [one] { $flows } conversation
       *[other] { $flows } conversations
    } the capture shows too little to tell what became of them.
about-other-packets = No packet belongs to a conversation that can be judged: { $skipped }.
about-tunnels = Packets inside of other packets are not read, and what they carry was not judged: { $skipped }.
about-missing-hosts = { $packets } requests (ARP or neighbour discovery) for { $hosts } had no answer: down, or not in that network.

skipped = { $packets } { $why ->
        [pppoe] PPPoE
        [macsec] MACsec
        [gre] GRE (a tunnel)
        [ipip] IP in IP
        [ipsec] IPsec
        [eapol] EAPOL (802.1X)
        [stp] spanning tree
        [loopback] loopback tests
        [fcoe] FCoE
        [roce] RoCE
        [netbios] NetBIOS
        [other-ethertype] of an unknown EtherType
        [other-llc] IEEE 802.2 of an unknown kind
        [other-ip] neither TCP, UDP nor ICMP
        [fragment_without_start] fragments whose start is missing
        [icmp_other] ICMP messages that belong to no conversation
       *[other] { $capitals }
    }


## What a live audit tells while it goes on

news-withdrawn = WITHDRAWN
news-changed = Changed:
news-reason = Reason:
news-severity = was { $was }, now { $now }
news-confidence = confidence was { $was }, now { $now }
news-clients = was { $was ->
        [one] { $was } client
       *[other] { $was } clients
    }, now { $now }
news-because = { $because ->
        [answered-later] the port answered later
        [failed-again] the port had answered, and now fails again
        [one-direction] the capture holds one direction only here, so the answer may be there and not seen
        [both-directions] both directions are captured after all
        [packets-lost] packets were lost while it happened
        [told-as] it is part of another finding now, { $id }
        [not-kept] more was seen than is kept, so it can no longer be shown
       *[outweighed] what was seen later speaks against it
    }
news-report = Report of { $at }, after { $duration }
news-packets = { $number ->
        [one] { $number } packet
       *[other] { $number } packets
    } (+{ $more })
news-flows = { $number ->
        [one] { $number } flow
       *[other] { $number } flows
    } (+{ $more })
news-blocked = { $number } blocked (+{ $more })
news-nothing-wrong = No error and no warning.
news-nothing-new = No finding is new, changed or gone since the last report.
news-further = { $number ->
        [one] { $number } finding
       *[other] { $number } findings
    } more came, changed or went.

about-interruption = { $what } at { $from }: { $back ->
        [yes] nothing was captured there until { $to }.
       *[no] nothing was captured there afterwards.
    }
about-interruptions = { $capture } ended { $times } times; the first { $listed } are told.


## The report to be read

text-program = cap-audit { $version }, port map { $map } { $map_version } ({ $rules } rules)
text-capture = { $name } ({ $format }, { $links }): { $facts }
text-no-packets = no packets
text-captures = { $captures } captures: { $facts }; they are listed after the findings.
text-inventory = Captures
text-more-captures = ... and { $more } more; --format json lists all of them.
text-time = { $duration } from { $first }
text-zone = Times are in { $zone }.

text-nothing-judged = Nothing could be judged; the reasons stand below.
text-no-citrix = No Citrix traffic was recognised.
text-nothing-wrong-kept = Not everything that was seen could be kept, so nothing is said to be right; the reasons stand below.
text-nothing-wrong = Nothing wrong in { citrix-flows }.
text-no-citrix-judged = No Citrix flow could be judged; the reasons stand below.
text-nothing-wrong-in-part = Nothing wrong in { citrix-flows }; { $unclear } more could not be judged.
text-found = Found: { $parts }.
text-count = { $severity ->
        [error] { $number ->
            [one] { $number } error
           *[other] { $number } errors
        }
        [warning] { $number ->
            [one] { $number } warning
           *[other] { $number } warnings
        }
       *[info] { $number ->
            [one] { $number } remark
           *[other] { $number } remarks
        }
    }
text-severity = { $severity ->
        [error] ERROR
        [warning] WARNING
       *[info] INFO
    }
text-confidence = ({ $confidence ->
        [low] low
        [medium] medium
       *[high] high
    } confidence)
text-more-findings = { $findings ->
        [one] { $findings } finding
       *[other] { $findings } findings
    } more, no worse than these: -v shows them, --format json as well.

text-do = Do:
text-packets = Packets:
text-when = When:
text-when-tries = { attempts } { period }
text-when-flows = { flows } { period }
period = { $last ->
        [same] at { $first }
       *[other] from { $first } to { $last }
    }
text-vlans = VLAN:
text-wireshark = Wireshark:
text-concerns = Concerns:
text-more-packets = and more
text-source = Source:
text-more-sources = { $first }; { $sources } more with -v
text-next-time = Next time:
text-products = { $products ->
        [one] { $products } Citrix product
       *[other] { $products } Citrix products
    }
text-rules = { $rules ->
        [one] { $rules } rule
       *[other] { $rules } rules
    } (-v names them)

text-services = Services
text-no-service = No flow belongs to a service of the map.
text-other-traffic = Other traffic: { flows }{ $blocked ->
        [0] {""}
       *[other] { $flows ->
            [1] , blocked
           *[other] , { $blocked } of them blocked
        }
    }. Nothing ties it to Citrix: a port that many programs use, or one that is not in the map.
text-column-service = service
text-column-flows = flows
text-column-blocked = blocked
text-column-packets = packets
text-column-bytes = bytes
text-column-rtt = rtt p50

text-unclear = What could not be judged, and why
text-unclear-flows = { citrix-flows } could not be judged.
text-comments = Comments in the capture
text-comment-packet = packet { $packet }:
text-flows = Flows
text-flows-left-out = { flows } are counted, but not listed; --max-flows lists more.

citrix-flows = { $flows ->
        [one] { $flows } Citrix flow
       *[other] { $flows } Citrix flows
    }

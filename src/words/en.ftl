# The words of cap-audit in English (Fluent, https://projectfluent.org). Every sentence for people that a report holds stands here;
# the program knows codes and facts only. A line break inside a text is a blank.
#
# A finding has three texts: .title (one line), .meaning (what it means for the user), .remedy (what to do). They may name what its
# `Check` declares and, where the finding has them, { $clients }, { $server }, { $transport }, { $port } and { $flows }. Lists of hosts
# come as words. { $remarks } are the sentences `remark-...` that apply, in order. { $x } is a fact, { x } another text of this file.


## Findings: what does not come about

blocked-silent =
    .title = { blocked-place }: no answer
    .meaning = { $clients } tried at least { tries }, and nothing came back in { $watched } s ({ flows }). A firewall drops the packets, or
        the host is down. A Windows firewall also answers with silence where nothing listens. { $remarks }
    .remedy = { $worked ->
        [0] Allow { port } from { $clients } to { $server } in every firewall on the way, the one on the server included. Then check that
            the service listens: { listens }.
       *[other] { blocked-at-times }
    }

blocked-refused =
    .title = { blocked-place }: refused
    .meaning = The first SYN of { $clients } was answered with a reset ({ flows }). The host is reachable, but nothing listens on this
        port, or a firewall answers in its place. { $remarks }
    .remedy = { $worked ->
        [0] Check that the service runs and listens on { port } of { $server }: { listens }. If it does, look for a firewall on the way
            that answers with resets.
       *[other] { blocked-at-times }
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
    .remedy = { $worked ->
        [0] { $cause ->
            [nothing-listens] Check that the service runs and listens on { port } of { $server }: { listens }.
            [host-unreachable] Check that { $server } is up and has this address, then the routes from { $clients } to it.
            [server-policy] Allow { port } from { $clients } in the firewall on { $server } itself.
           *[device-policy] Allow { port } from { $clients } to { $server } on { $senders }, which sent the message.
        }
       *[other] { blocked-at-times }
    }

blocked-half-open =
    .title = { blocked-place }: the answer does not reach the client
    .meaning = { $server } answered the SYN of { $clients } and repeated its answer, but the handshake was never completed ({ flows }). The
        way back to the client is blocked or leads elsewhere. { $remarks }
    .remedy = { $worked ->
        [0] Check routes and firewalls from { $server } back to { $clients }: the answers of { port } leave the server and do not arrive.
       *[other] { blocked-at-times }
    }

blocked-reset-early =
    .title = { blocked-place }: cut { reset-after }
    .meaning = The connection of { $clients } was reset { reset-after }, before the server said anything ({ flows }). A firewall
        that looks into the traffic, a TLS inspection, or the service itself ends it. { $remarks }
    .remedy = { $worked ->
        [0] Exempt { port } between { $clients } and { $server } from content or TLS inspection, then look at the event log of the service.
       *[other] { blocked-at-times }
    }

reset-after = { $after ->
        [at-once] right after the handshake
        [later] { $after_longest } s after the handshake
       *[between] { $after_shortest } to { $after_longest } s after the handshake
    }

blocked-place = { port }, { $service_title }, to { $server }

blocked-at-times = No firewall rule is missing. Look at { $server } at that time: was it restarted, overloaded, or at a limit of
    connections?

remark-generic-port = Many programs use this port, so it may have nothing to do with Citrix.
remark-consequence = { $consequence }
remark-service-fails = What needs this service does not work.
remark-port-is-open = The port is open: { $worked ->
        [one] { $worked } flow
       *[other] { $worked } flows
    } between the same hosts worked, the last of them later.
remark-one-direction = The capture holds one direction only here, so the answer may also have been a refusal.
remark-host-down = Nobody answered when the link was asked for { $server } (ARP or neighbour discovery): the host is down, or not in that
    network.
remark-lossy = The capture lost packets in that time, so an answer may have been lost as well.


## Findings: what works, but not the way it should

fallback-cgp-to-ica =
    .title = Sessions to { $server } run on TCP { $port } because TCP { $blocked_port } is blocked
    .meaning = { $clients } could not reach TCP { $blocked_port } and took TCP { $port }. The user sees nothing at first. Without session
        reliability the window goes after about 30 seconds of a broken line, instead of waiting 180 seconds.
    .remedy = Mend what blocks TCP { $blocked_port }; it is told as a finding of its own.

fallback-edt-to-tcp =
    .title = Sessions to { $server } run over TCP because EDT (UDP) is blocked
    .meaning = { $clients } tried EDT over UDP without success and took TCP. Sessions start later and feel slower on long or lossy lines,
        and the client tries UDP again every five minutes.
    .remedy = Mend what blocks UDP; it is told as a finding of its own. If UDP is not wanted, set the policy HDX adaptive transport to Off.


path-died =
    .title = { blocked-place }: sessions died
    .meaning = { $gone ->
        [client] { $clients } stopped answering
        [server] { $server } stopped answering
       *[either] One side or the other stopped answering
    } in the middle of a session, and the other side repeated its data in vain ({ flows }). { $idle ->
        [none] Data had flowed until then.
        [once] Before that, nothing had been said for { $idle_longest } s.
        [equal] Each time nothing had been said for about { $idle_longest } s before: a firewall or load balancer on the way may forget
            idle sessions after that time.
       *[different] In some of them nothing had been said for { $idle_shortest } to { $idle_longest } s before.
    } A closed laptop, a lost radio link and a killed host look the same.
    .remedy = { $idle ->
        [equal] Compare the idle timers of the firewalls and load balancers between { $clients } and { $server } with that time, and make
            them longer, or keep-alives shorter.
       *[other] Ask what happened to the side that fell silent. If many users are concerned, look for a device on the way that forgets
            sessions or was switched over.
    }


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
port = { $transport } { $port }
listens = on Windows, `netstat -ano | findstr :{ $port }` shows it

# Hosts: { $count } of them, of which the first three are named.
hosts = { $count ->
        [0] nobody
        [1] { $first }
        [2] { $first } and { $second }
        [3] { $first }, { $second } and { $third }
       *[other] { $first }, { $second } and { $more } more
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
about-flow-limit = The limit of flows was reached: { packets } were left out.
about-unlisted = There is more to tell than is kept: { flows } are counted but not told.
about-many-networks = There are more pairs of networks than are told apart: of { flows } without a reply, the capture as a whole decides
    whether one would have been captured.
about-unlisted-ways = Sessions ran between so many hosts that some ways around a blocked port may not be told.
about-steps-back = The clock of the capture steps back { $steps ->
        [one] { $steps } time
       *[other] { $steps } times
    }, by up to { $largest } s; times behind such a step are held, or moved forward where they stay behind.
about-late-packets = { packets } lay up to a few moments behind others; short times such as round trips may be wrong.
about-duplicates = { $percent } % of the packets are in the capture twice; they were not taken for retransmissions.
about-overlap = Captures overlap in time: what is seen in several of them is counted in each.
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


## The report to be read

text-program = cap-audit { $version }, port map { $map } { $map_version } ({ $rules } rules)
text-capture = { $name } ({ $format }, { $links }): { $facts }
text-no-packets = no packets
text-time = { $seconds } s from { $first } UTC

text-nothing-judged = Nothing could be judged; the reasons stand below.
text-no-citrix = No Citrix traffic was recognised.
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
text-wireshark = Wireshark:
text-concerns = Concerns:
text-source = Source:
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

citrix-flows = { $flows ->
        [one] { $flows } Citrix flow
       *[other] { $flows } Citrix flows
    }

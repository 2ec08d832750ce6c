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
remark-next-server = Each of these clients asked the next server, which answered: they wait, and nothing stops.
remark-only-where-used = Not every site needs it, and in this capture nobody gets through there.
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
remark-clock-leaps = Right after the first of these tries nothing at all was captured for a while, or the clock of the capture leapt, so they were
    watched for less than it seems.
remark-lossy = The capture lost packets in that time, so an answer may have been lost as well.


## Findings: where a story stops

# { $subject } (one host, as a sentence begins), { $subjects } (several), { $story }, { $phase }, { $done }, { $stopped } and { $remedy }
# stand in the port map.
service-stopped =
    .title = { $subject_count ->
        [one] { $subject } { $clients }
       *[other] { $subject_count } { $subjects }
    }{ $done_count ->
        [0] {""}
       *[other] {" "}got through { $done },
    } { $opener ->
        [server] { $done_count ->
            [0] {""}
           *[other] and{" "}
        }{ $how ->
            [silent] did not answer { story-servers } on { $transport } { $ports } ({ $phase })
            [refused] refused { story-servers } on { $transport } { $ports } ({ $phase })
           *[prohibited] could not be reached by { story-servers } on { $transport } { $ports } ({ $phase })
        }
       *[subject] { $how ->
        [missing] and never came to { $phase }
       *[asked] asked { story-servers } for { $phase } on { $transport } { $ports }, { $how ->
            [silent] { story-none }
            [refused] and { story-was } refused{ $asked ->
                [one] {""}
               *[other] {" "}by all
            }
            [prohibited] { $word ->
                [nothing-listens] where nothing listens
                [host-unreachable] which cannot be reached
               *[prohibited] and { story-was } told by ICMP that this is not allowed
            }
            [half-open] and the answers did not arrive
            [cut] and the connections were cut
           *[error] and the answer was { story-error }
        }
        }
    }
    .meaning = { $story } stops there: { $how ->
        [silent] nothing came back. A firewall drops the packets, or the service or its host is down.
        [refused] a reset answered. Nothing listens there, or a firewall answers in its place.
        [prohibited] { $word ->
            [nothing-listens] an ICMP error answered: the host is reachable, and no program listens on this port.
            [host-unreachable] an ICMP error answered: the host is down, or there is no route to it.
           *[prohibited] an ICMP error answered: a firewall or router rejects the packets.
        }
        [half-open] the server answered, and the handshake was never completed. The way back is blocked or leads elsewhere.
        [cut] the connection was reset soon after the handshake, before the server said anything.
        [missing] what came before was answered, and for { $watched } nothing of what has to follow was seen, although the
            capture shows other traffic of the same hosts.
       *[error] the way there is open, and the service itself says no.
    } { $done_count ->
        [0] {""}
       *[other] What came before works.
    } { $stopped } { $remarks }
    .remedy = { $how ->
        [error] { $remedy } { $word ->
            [stuck] Allow UDP from any port of { $server } to { $clients }.
           *[other] {""}
        }
        [missing] { $remedy } Look at the last thing that worked, and capture on the host itself to see what it tries next.
        [refused] { $remedy } Check that the service runs and listens on { $transport } { $ports } of { $opener ->
            [server] { $clients }
           *[subject] { $server }
        }: { listens }.
        [cut] { $remedy } { story-allow }
        [prohibited] { $word ->
            [nothing-listens] { $remedy } { story-allow }
           *[other] { story-allow } { $remedy }
        }
       *[silent] { story-allow } { $remedy }
    }

story-servers = { $asked ->
    [one] { $server }
   *[other] { $asked } servers
}
story-allow = { $opener ->
    [server] Allow { $transport } { $ports } to { $clients } from { $server }.
   *[subject] Allow { $transport } { $ports } from { $clients } to { $server }, and check that the service listens: { listens }.
}
story-was = { $subject_count ->
    [one] was
   *[other] were
}
story-none = { $asked ->
    [one] and got no answer
    [2] and neither answered
   *[other] and none answered
}
# How an error is called: { $word } is its protocol and number.
story-error = { $word ->
    [no-hello] none: TLS was not answered
    [stuck] data that did not arrive: it was sent again and again, and never acknowledged
    [tftp-1] "file not found"
    [tftp-2] "access violation"
    [dns-3] "no such name"
    [dns-2] "server failure"
    [dns-5] "refused"
    [kerberos-6] "client not known"
    [kerberos-7] "server not known"
    [kerberos-14] "encryption type not supported"
    [kerberos-18] "account disabled, expired or locked out"
    [kerberos-24] "wrong password"
    [kerberos-37] "clocks differ too much"
    [http-400] HTTP 400 (bad request)
    [http-403] HTTP 403 (forbidden)
    [http-404] HTTP 404 (not found)
    [http-500] HTTP 500 (internal error)
    [http-502] HTTP 502 (bad gateway)
    [http-503] HTTP 503 (service unavailable)
   *[other] { $word }
}
# What follows for a story from a larger cause.
problem-stops-a-story = { $meaning } { $stopped }
# What follows where hosts wait for a server before they ask the next one.
problem-makes-wait = { $meaning } Hosts wait { $waited_exact ->
        [at-least] at least { $waited_for_next }
       *[answered] { $waited_for_next }
    } for it before { $next_servers } answers.

service-detour =
    .title = { $subject_count ->
        [one] { $subject } { $clients } waits
       *[other] { $subject_count } { $subjects } wait
    } { $exact ->
        [at-least] at least { $waited }
       *[answered] { $waited }
    } for { $server }, which does not answer on { port } ({ $phase }); { $instead } answers
    .meaning = { $clients } asked { $server } for { $phase } and heard nothing ({ flows }); then { $instead } answered. What needs it works,
        and people wait for it each time that this server is asked first.
    .remedy = Bring { $server } back, or allow { port } from { $clients } to it. If it was removed, take it out of DNS and of the lists
        of servers that these hosts have.

## Findings: what works, but not the way it should

fallback-cgp-to-ica =
    .title = Sessions to { $server } run on TCP { $port } because TCP { $blocked_port } is blocked
    .meaning = { $clients } could not reach TCP { $blocked_port } and took TCP { $port }. The user sees nothing at first. Without session
        reliability the window goes after about 30 seconds of a broken line, instead of waiting 180 seconds.
    .remedy = Repair what blocks TCP { $blocked_port }; it is a finding of its own.

fallback-edt-to-tcp =
    .title = Sessions to { $server } run over TCP because EDT (UDP) is blocked
    .meaning = { $clients } tried EDT over UDP without success and took TCP. Sessions start later and feel slower on long or lossy lines. { udp-again }
    .remedy = Repair what blocks UDP; it is a finding of its own. If UDP is not wanted, set the policy HDX adaptive transport to Off.

fallback-audio-to-tcp =
    .title = Sound of sessions on { $server } stays inside TCP because UDP { $audio_ports } gets no reply
    .meaning = { $sender ->
        [client] { $clients } sent to UDP { $audio_ports } of { $server }
       *[server] { $server } sent to UDP { $audio_ports } of { $clients }
    } while the session between them ran over TCP, and nothing came back ({ flows }). Sound moves to UDP only after both directions were
        tested, so it stays in the connection of the session: it stutters when the line is busy or loses packets.
    .remedy = Allow UDP { $audio_ports } between { $clients } and { $server } in both directions, in the firewall on { $server } as well. The
        audio range is 16500 to 16509 unless a policy says otherwise. If sound over UDP is not wanted, turn it off by policy.

fallback-dtls-to-tls =
    .title = DTLS to { port } of { $server } gets no answer, while TCP { $port } does
    .meaning = { $clients } began DTLS with { $server } and got no answer ({ flows }); over TCP the same server answered. { $tie ->
        [name] The server has a name of Citrix, so this was EDT, and sessions
        [ports] The server serves ports of Citrix, so this was most likely EDT, and sessions
       *[none] Nothing ties the server to Citrix, and VPN clients speak DTLS on this port as well. If it is a Citrix Gateway, sessions
    } run over TLS: they start later and feel slower on long or lossy lines. { udp-again }
    .remedy = Allow { port } from { $clients } to { $server }, and check that DTLS is on at the virtual server of the Gateway. Where UDP was closed
        on purpose, set the policy HDX adaptive transport to Off, so that clients do not try.

fallback-quic-to-tls =
    .title = QUIC to { port } of { $server } gets no answer, while TCP { $port } does
    .meaning = { $clients } began { $heard } with { $server } and got no answer ({ flows }); over TCP the same server answered. { $tie ->
        [name] The server has a name of Citrix.
       *[ports] The server serves ports of Citrix.
    } Browsers and clients take TLS by themselves, so users notice a short delay at most.
    .remedy = Nothing has to be repaired. If EDT to this server is wanted, check that { port } is open for it.

fallback-rendezvous =
    .title = Sessions on { $server } come through { $clients }, because { $server } does not get to the Gateway Service
    .meaning = { $server } failed on TCP { $gateway_port } of { $gateways }, which is called by a name of the Gateway Service, and soon after
        { $clients } opened { port } of { $server } ({ flows }), as a Cloud Connector does when Rendezvous fails. Sessions work, but all that they
        carry passes the connector, and EDT cannot be used. If these are devices of users, they came by chance at that time.
    .remedy = Allow TCP and UDP { $gateway_port } from { $server } to the names under nssvc.net, without TLS inspection. Then look for trimmed ECDHE
        cipher suites on { $server }. What blocks TCP { $gateway_port } is a finding of its own.

launch-failed =
    .title = Sessions on { $server } could not be started: every way that was tried is blocked
    .meaning = { $clients } tried { $over ->
        [tcp] TCP { $tcp_ports }
       *[both] TCP { $tcp_ports } and UDP { $udp_ports }
    } for up to { $tried }, and no session came of any ({ flows }). The user will have seen a message that the application cannot be started
        because there is no Citrix server at that address. { $later ->
        [0] {""}
        [one] One of these clients got a session later.
       *[other] { $later } of these clients got a session later.
    }
    .remedy = One way is enough for a session, so begin with TCP 2598. What blocks each way is a finding of its own. { $later ->
        [0] {""}
       *[other] No rule is missing now: ask what was changed or restarted on { $server } or on the way at that time.
    }

# A client that fell back tries UDP again.
udp-again = { $retries ->
        [0] While the session runs, the client tries UDP again every five minutes.
        [one] UDP was tried again after { $retry_interval }, as a client does after a fallback.
       *[other] UDP was tried again { $retries } times, about every { $retry_interval }, as a client does after a fallback.
    }

remark-maybe-rendezvous = Soon after, a session was opened to { $clients } from elsewhere. If { $server } belongs to the Citrix Gateway Service,
    Rendezvous has failed, and the session comes through a Cloud Connector instead.


service-slow =
    .title = { blocked-place }: { slow-how }
    .meaning = { $how ->
        [never] { $server } accepted the connection of { $clients }, acknowledged the request, and did not answer: the client gave up after
            up to { $longest } ({ flows }).{ $network ->
                [fast] {" "}Not the network: the round trip takes { $rtt }.
               *[unknown] {""}
            }
        [hello] { slow-network } { $clients } waited for the first words of TLS ({ flows }).
       *[late] { slow-network } { $clients } waited a second or longer { slow-times } ({ flows }{ $of ->
            [0] {""}
           *[other] {" "}of { $of } there
        }).
    }{ slow-others }
    .remedy = { slow-remedy }
service-repeats =
    .title = { blocked-place }: slow, { $share } % of the requests repeated
    .meaning = { $service_title } is slow, not down: { $share } % of { $of } requests of { $clients } to { $server } were sent again with the
        same content ({ $repeated }), while others were answered. { $who ->
            [some-clients] Of the requests of { $other_clients ->
                [one] one other client
               *[other] { $other_clients } other clients
            } of this server { $other_repeated } of { $other_sent } were.
            [all-clients] All clients of this server that were captured are concerned.
           *[only-client] No other client of this server was captured.
        }
    .remedy = { repeats-remedy }

slow-how = { $how ->
        [never] no answer within { $longest }, though the connection stands
        [hello] slow, TLS began after { $longest }{ slow-round-trip }
       *[late] slow, answers after { $longest }{ slow-round-trip }
    }
slow-round-trip = { $network ->
        [fast] , round trip { $rtt }
       *[unknown] {""}
    }
slow-network = { $network ->
        [fast] Not the network: the round trip takes { $rtt }, the answer of { $server } took { $longest }.
       *[unknown] The answer of { $server } took { $longest }; how long the network takes is not known here.
    }
slow-times = { $times ->
        [one] once
       *[other] { $times } times
    }
slow-others = { $fast_servers ->
        [0] {""}
        [one] {" "}Another server of this service answers faster.
       *[other] {" "}{ $fast_servers } other servers of this service answer faster.
    }
slow-remedy = No firewall rule is missing. Look at { $server } at that time: processor, memory, disk, worker processes, and what it waits for
    itself, such as its database or a domain controller.
repeats-remedy = { $who ->
        [some-clients] Look at the line and the network ports of { $clients }: speed, duplex, errors, Large Send Offload.
        [all-clients] Look at { $server } and its line first: disk, cache, processor, network port, Large Send Offload.
       *[only-client] Compare with another client: if it is the same there, look at { $server } and its line, else at the line of { $clients }.
    }

path-died =
    .title = { blocked-place }: sessions died
    .meaning = { $gone ->
        [client] { $clients } stopped answering
        [server] { $server } stopped answering
       *[either] One side or the other stopped answering
    } in the middle of a session, and the other side repeated its data in vain ({ flows }). { $idle ->
        [none] Data had flowed until then.
        [once] Before that, nothing had been said for { $idle_longest }: a stateful firewall, NAT or load balancer on the way that forgot the
            connection in that time drops what comes after it without a word.
        [equal] Each time nothing had been said for about { $idle_longest } before: a firewall or load balancer on the way may forget
            idle sessions after that time.
       *[different] In some of them nothing had been said for { $idle_shortest } to { $idle_longest } before.
    } { $back ->
        [0] A closed laptop, a lost radio link and a killed host look the same.
        [one] One client was answered on a new connection, so both hosts are up: the connection itself was forgotten.
       *[other] { $back } clients were answered on new connections, so the hosts are up: the connections themselves were forgotten.
    }
    .remedy = { $idle ->
        [once] { $back ->
            [0] { died-remedy }
           *[other] Compare the idle timers of the firewalls, NAT and load balancers between { $clients } and { $server } with { $idle_longest }:
                make them longer, or keep-alives shorter.
        }
        [equal] Compare the idle timers of the firewalls and load balancers between { $clients } and { $server } with that time, and make
            them longer, or keep-alives shorter.
       *[other] { died-remedy }
    }

died-remedy = Ask what happened to the side that fell silent. If many users are concerned, look for a device on the way that forgets sessions or
        was switched over.

path-mtu =
    .title = { port } to { $server }: large packets of the { $sender } vanish, small ones pass
    .meaning = { $sender ->
        [server] { $server }
       *[client] { $clients }
    } sent packets of { $size } bytes again and again ({ $times } times in { flows }){ mtu-in-vain }, while { $sender ->
        [server] { $clients }
       *[client] { $server }
    } went on answering. { mtu-outcome } { mtu-icmp } { $others ->
        [0] {""}
        [one] Large packets of the same kind arrive on the way of { $others } other client, so it is not the server.
       *[other] Large packets of the same kind arrive on the ways of { $others } other clients, so it is not the server.
    }
    .remedy = { mtu-remedy }

path-fragments =
    .title = { port } to { $server } comes in fragments
    .meaning = { $fragmented ->
        [one] { $fragmented } datagram
       *[other] { $fragmented } datagrams
    } between { $clients } and { $server } came in fragments ({ $packets } packets in { flows }). Where one fragment is lost all of the datagram is, and
        firewalls and NAT often drop fragments: sessions freeze, and streams become slow. The sender takes the path for wider than it is.
    .remedy = Let the size of datagrams fit the path: for EDT turn on MTU discovery (VDA 1912, Workspace app 1911, or later) or set a smaller MSS,
        for Provisioning set a smaller MTU. Find the link or tunnel on the way that is narrower than 1,500 bytes.

mtu-in-vain = { $over ->
        [udp] {" "}over UDP, as happens where none of them arrives
       *[tcp] , and they were never acknowledged
    }
mtu-outcome = { $outcome ->
        [smaller] The sender tried smaller packets after a while, and those arrived{ $arrived ->
            [0] {""}
           *[other] {" "}({ $arrived } bytes)
        }: it works, and each session loses seconds at its start.
       *[stuck] The sender did not try smaller ones, so the session hangs until somebody gives up.{ $arrived ->
            [0] {""}
           *[other] {" "}Elsewhere packets of { $arrived } bytes took their place and arrived.
        }
    }
mtu-icmp = { $icmp ->
        [named] { $icmp_from } said that no more than { $mtu } bytes fit (ICMP): the message is there, and the sender does not act on it.
        [unnamed] { $icmp_from } said that packets are too big (ICMP), without saying what would fit.
       *[none] No ICMP message says that packets are too big: a firewall drops it, or a device on the way never sends it. An inspection that
            drops these very packets looks the same.
    }
mtu-remedy = Find the link between the two that takes less than { $size } bytes (a VPN, a tunnel, a PPPoE line). { $over ->
        [udp] Let the datagrams fit: for EDT turn on MTU discovery (VDA 1912, Workspace app 1911, or later, with session reliability), or set
            a smaller EDT MSS in the ICA settings of the clients (CTX231821); for Provisioning set a smaller MTU.
       *[tcp] Let it lower the MSS of TCP connections to the size that fits (MSS clamping).
        } Let ICMP "fragmentation needed" (type 3 code 4; over IPv6 "packet too big") pass
        every firewall. To measure what fits: ping with "don't fragment" and growing sizes.

path-loss =
    .title = { $share } % of the packets of { $sender ->
        [server] { $where ->
            [server] { $server } to its clients
            [network] servers to one network of clients
            [client] servers to { $clients }
            [pair] { $server } to { $clients }
           *[everywhere] all servers
        }
       *[client] { $where ->
            [server] the clients of { $server }
            [network] one network of clients
            [client] { $clients }
            [pair] { $clients } to { $server }
           *[everywhere] all clients
        }
    } had to be sent again
    .meaning = { $repeated } packets of { $sender ->
        [server] { $server } to { $clients }
       *[client] { $clients } to { $server }
    } were lost on the way and sent again ({ $paths ->
        [one] one pair of hosts
       *[other] { $paths } pairs of hosts
    }). { $where ->
        [everywhere] Every path that carried enough loses packets: it is where all of them come together, or at the place of the capture.
        [server] All paths of { $server } lose packets, from several networks: it is the server or what is near it.
        [network] All paths of that network of clients lose packets: it is their line, or what is near it.
        [client] All paths of { $clients } lose packets: it is that access line, a radio link, or the host itself.
       *[pair] Others of both hosts do not: look at what lies between these two alone.
    } { $good_paths ->
        [0] There is no path without loss to compare with.
        [one] Beside it one path lost { $good_share } %.
       *[other] Beside it { $good_paths } paths lost { $good_share } %.
    } From one in a hundred on TCP slows down, and sessions stutter.
    .remedy = Look at the counters of errors and drops along that way (a full line, duplex, a bad cable, a radio link, a queue that is too short),
        in the direction from { $sender ->
        [server] { $server } to { $clients }
       *[client] { $clients } to { $server }
    }. EDT copes with loss better than TCP.

path-nat =
    .title = { $kind ->
        [source] { $clients } appear to { $server } as { $as }
        [destination] { $server } stands for { $as }
       *[both] A device between { $clients } and { $server } changes both addresses, to { $as }
    } (address translation)
    .meaning = The capture holds connections to { port } twice ({ flows }), before and behind a device that changes addresses: the same first sequence
        number at the same moment, a hop further. They are one connection each, so count them once. { $fate ->
        [same] {""}
        [only-before] { $broken } of them were answered before the device and not behind it: the device answers by itself, and the server does
            not, or its answer is lost.
        [only-behind] { $broken } of them were answered behind the device and not before it: the answer is lost in the device, or on the way
            from it to the client.
       *[different] { $broken } of them were answered on one side of it only.
    }
    .remedy = { $fate ->
        [same] Nothing has to be repaired. Firewall rules behind the device must name the addresses that are seen there.
       *[other] Look at the table of connections on the device, and at what lies on the side that got no answer.
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

path-reset =
    .title = { $pattern ->
        [at-once] { $together } sessions on { port } were reset at once, at { $at }
       *[came-back] { $sessions } sessions on { port } were reset while they were in use
    }
    .meaning = { $pattern ->
        [at-once] Sessions of { $clients } to { $server } were in use when the server's side reset { $together } of them{ $times ->
            [one] {" "}within one second
           *[other] , several within one second, { $times } times
        }. That is no ordinary end: the server or its service went down or restarted, or a device on the way cut them.{ $others ->
            [0] {""}
            [one] {" "}One more was reset at another time.
           *[other] {" "}{ $others } more were reset at other times.
        }
       *[came-back] Sessions of { $clients } to { $server } were reset by the server's side, and each time the client came back to the
            same server within three minutes. So the users did not want them to end.
    }{ $back ->
        [0] {""}
        [one] {" "}One client came back within three minutes.
       *[other] { $pattern ->
            [at-once] {" "}Of { $back } sessions the client came back within three minutes.
           *[came-back] {""}
        }
    }{ $idle ->
        [0] {""}
        [one] {" "}Before one of the resets nothing had been said for a minute or longer.
       *[other] {" "}Before { $idle } of the resets nothing had been said for a minute or longer.
    }
    .remedy = { $pattern ->
        [at-once] Look in the event log of { $server } for a restart, a crash or an update at { $at }. If there is none, look for a firewall or
            load balancer on the way that was switched over or reloaded then.
       *[came-back] Look in the event log of { $server } for services that failed at these times. If there are none, ask who runs the
            firewalls and load balancers on the way whether they end sessions that are idle or old.
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


## Findings: one thing that makes many attempts

unexpected-scan =
    .title = { $clients } tried { scan-ports } on { scan-hosts } and got no session there
    .meaning = It made { tries-in-all } at { scan-ports } of the port map ({ $port_list }) on { scan-hosts }, and no session came of any. { $through ->
        [elsewhere] To other hosts it has sessions on the same port, so its ways to these are blocked, or these hosts are down.
       *[nowhere] That is how a port scanner, a vulnerability scanner or an inventory works.
    } { $seen ->
        [in-part] The capture lacks packets of that time, so answers may be missing. These
       *[whole] These
    } tries are told here once, and not as blocks.
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


## Findings: what anybody on the way can read. Nothing of it is broken.

encryption-plain-adc-sync =
    .title = Not encrypted: { $service_title }
    .meaning = { flows } to { server-number } went over the port without TLS. What the appliances tell each other, configuration among it,
        can be read by anybody on the way.
    .remedy = Use the secure ports, TCP 3008 and 3009: on the appliance "secure" of the RPC node (set ns rpcNode -secure ON), at both ends.
encryption-plain-ica =
    .title = Not encrypted: { $service_title }
    .meaning = { flows } to { server-number } ran without TLS or DTLS. The "basic" encryption of ICA only hides: who sees the packets
        on the way can read screen and keyboard, unless a policy demands SecureICA.
    .remedy = Enable TLS on the VDAs, which gives DTLS as well, or let sessions in through a Gateway. In a network that you trust this may be meant.
encryption-plain-layering =
    .title = Not encrypted: { $service_title }
    .meaning = { flows } to { server-number } spoke HTTP. Commands and disks can be read by anybody on the way.
    .remedy = Use the HTTPS ports of the same services: the number is higher by 500.
encryption-plain-ldap =
    .title = A password went over LDAP in the clear
    .meaning = { flows } to { server-number } logged on with a name and a password before TLS was asked for. Anybody on the way can read both.
    .remedy = Use LDAPS (TCP 636, global catalog 3269) or StartTLS: on ADC and Gateway it is the security type of the LDAP server.
encryption-plain-recording =
    .title = Not encrypted: { $service_title }
    .meaning = { flows } to { server-number } spoke HTTP. It is HTTPS unless TLS was not set up, and what is recorded can be read by anybody on
        the way.
    .remedy = Bind a certificate to the web site of the Session Recording server, and set HTTPS on agents and players.
encryption-plain-storefront =
    .title = Not encrypted: { $service_title }
    .meaning = { flows } to { server-number } asked for a store over HTTP. Logons and launch files can be read by anybody on the way.
    .remedy = Bind a certificate to the web site of StoreFront and set its base URL to https.
encryption-plain-xml =
    .title = Not encrypted: { $service_title }
    .meaning = { flows } to { server-number } spoke HTTP. Names and passwords of users and tickets of sessions can be read by anybody on the
        way.
    .remedy = Give the controllers a certificate and set https for the XML service in StoreFront and for the STA in StoreFront and Gateway alike.
encryption-old-tls =
    .title = { $service_title } is encrypted with { old-version }
    .meaning = { flows } to { server-number }: the server chose { old-version }, which is no longer held to be safe.
    .remedy = Enable TLS 1.2 and 1.3 on server and client, and turn off what is older.
server-number = { $server_count ->
        [one] 1 server
       *[other] { $server_count } servers
    }
old-version = { $version ->
        [ssl-3] SSL 3.0
        [tls-1-0] TLS 1.0
        [tls-1-1] TLS 1.1
       *[dtls-1-0] DTLS 1.0
    }


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


## Findings: TLS and DTLS as far as they can be read

tls-alert =
    .title = { $protocol } to { $server }, { port }: { tls-alert-name } from the { $by }{ tls-after }
    .meaning = { tls-alert-sender } ended the handshake with the alert { $number }, { tls-alert-name } ({ flows }{ $version_known ->
        [yes] , { $version }
       *[no] {""}
    }). { tls-alert-meaning }{ tls-beside }
    .remedy = { tls-alert-remedy }

tls-alert-sender = { $by ->
        [client] { $clients }
       *[server] { $server }
    }

# How long after what.
tls-after = { $timing ->
        [unknown] {""}
        [at-once] , right after { tls-after-what }
        [fast] , { $after_ms } ms after { tls-after-what }
       *[slow] , { $after } after { tls-after-what }
    }
tls-after-what = { $stage ->
        [certificate] the certificate of { $subject } (issuer { $issuer })
        [subject] the certificate of { $subject }
        [answer] the answer of the server
        [hello] the ClientHello
       *[client] what the client said last
    }

# Alerts in the words of RFC 8446, 6, and RFC 5246, 7.2.
tls-alert-name = { $number ->
        [10] 'unexpected message'
        [20] 'bad record MAC'
        [22] 'record overflow'
        [40] 'handshake failure'
        [41] 'no certificate'
        [42] 'bad certificate'
        [43] 'unsupported certificate'
        [44] 'certificate revoked'
        [45] 'certificate expired'
        [46] 'certificate unknown'
        [47] 'illegal parameter'
        [48] 'unknown CA'
        [49] 'access denied'
        [50] 'decode error'
        [51] 'decrypt error'
        [70] 'protocol version'
        [71] 'insufficient security'
        [80] 'internal error'
        [86] 'inappropriate fallback'
        [109] 'missing extension'
        [110] 'unsupported extension'
        [112] 'unrecognized name'
        [113] 'bad certificate status response'
        [115] 'unknown PSK identity'
        [116] 'certificate required'
        [120] 'no application protocol'
       *[other] alert { $number }
    }

tls-the-certificate = { $stage ->
        [certificate] the certificate of { $subject }, issued by { $issuer }
        [subject] the certificate of { $subject }
       *[other] the certificate of the other side
    }

tls-alert-meaning = { $number ->
        [40] { $by ->
            [server] { $stage ->
                [hello] The server found no cipher suite, version or curve in the hello that it accepts too, or it has no certificate for that
                    name.
               *[other] The server broke off although a version was agreed: often it wants a certificate of the client, and got none that it takes.
            }
           *[client] The client does not accept what the server chose.
        }
        [42] The { $by } cannot use { tls-the-certificate }: it is damaged, or its signature is wrong.
        [43] The { $by } does not support the kind of { tls-the-certificate }.
        [44] The { $by } holds { tls-the-certificate } for revoked.
        [45] For the { $by }, { tls-the-certificate } has expired or is not valid yet, by its own clock.
        [46] The { $by } does not accept { tls-the-certificate } and does not say why: a name that does not match, or a check that failed.
        [48] The { $by } does not trust { tls-the-certificate }: it lacks the root or an intermediate certificate.
        [49] The certificate is right, and the { $by } still refuses.
        [51] A signature or a checksum of the handshake is wrong for the { $by }: the key does not belong to the certificate, or something changes
            the traffic on the way.
        [70] The { $by } does not support the version of { $protocol } that the other side wants.
        [71] The { $by } wants stronger cipher suites than the other side offers.
        [80] The { $by } failed by itself, for a reason of its own.
        [86] The client came back with a lower version than the server supports: an earlier try failed.
        [112] The server has no certificate for { $named ->
            [yes] the name { $server_name }
           *[no] the name that the client asked for
        }.
        [116] The server wants a certificate of the client, and got none.
        [120] Client and server have no application protocol (ALPN) in common.
       *[other] The { $by } could not make sense of what the other side sent, or a device on the way changed it.
    }

tls-alert-remedy = { $number ->
        [40] { $by ->
            [server] Compare the cipher suites, versions and curves that are allowed on { $server } with those of { $clients }: Schannel settings
                and policies on Windows, the cipher group of the virtual server on a NetScaler. Then look whether a certificate is bound for the
                name that is asked for.
           *[client] Compare the cipher suites and versions that are allowed on { $clients } with those of { $server }.
        }
        [42] { tls-replace }
        [43] { tls-replace }
        [44] { tls-replace }
        [45] Check the dates of the certificate, and the clocks of both sides; renew it where it has expired.
        [46] Check that the name by which { tls-checked-by } call the other side stands in its certificate, and that lists of revoked certificates
            can be fetched.
        [48] Install { $stage ->
            [certificate] the certificates of { $issuer }
           *[other] the root and intermediate certificates of the issuer
        } on { tls-checked-by }, and let the other side send its whole chain. If that issuer is not the one you expect, something on the way breaks
            TLS open.
        [49] Check which certificates of clients { $server } lets in.
        [70] Allow a common version: TLS 1.2 at least on both sides. Look for old clients, and for servers on which it was turned off.
        [71] Allow stronger cipher suites on the side that offers too little.
        [80] Look in the event log of the { $by } at that time.
        [112] Bind a certificate for that name on { $server }, or let clients ask for the right name.
        [116] Give { $clients } a certificate, or do not ask for one on { $server }.
       *[other] Look in the event log of the { $by } at that time (on Windows: Schannel), and for a TLS inspection on the way.
    }

tls-checked-by = { $by ->
        [client] { $clients }
       *[server] { $server }
    }
tls-replace = Look at the certificate, and replace it where that is right. If it is not the one you expect, something on the way breaks TLS open.

tls-unanswered =
    .title = TLS to { $server }, { port }: { $how ->
        [closed] closed by the server right after the hello
       *[silent] no answer to the hello
    }
    .meaning = The connection of { $clients } stands, and the ClientHello{ $named ->
        [yes] {" "}for { $server_name }
       *[no] {""}
    } went out ({ flows }). { $how ->
        [closed] The server closed the connection without a word. So does a server that has no certificate on this port, or one that does not speak
            TLS there.
       *[silent] The server says nothing at all. The service hangs, it does not speak TLS on this port, or a device on the way swallows the hello.
    }{ $seen ->
        [in-part] {" "}The capture lacks packets here, so an answer may have been lost as well.
       *[whole] {""}
    }{ tls-beside }
    .remedy = { $how ->
        [closed] Check that a certificate is bound to { port } of { $server } and is valid (on Windows: `netsh http show sslcert`, and Schannel in
            the event log).
       *[silent] Check on { $server } that the service of { port } answers, for example from the server itself. If it does, look for a TLS inspection on the
            way, and whether large packets get through.
    }

tls-mismatch =
    .title = { $spoken ->
        [tls] TLS to { $server }, { port }: the server answers in { tls-spoken }
       *[plain] Plain HTTP to { $server }, { port }: { $plain ->
            [text] closed without a word, as where TLS is wanted
           *[known] the server wants TLS there
        }
    }
    .meaning = { $spoken ->
        [tls] { $clients } began TLS, and the server answered in { tls-spoken } ({ flows }). No connection comes of that.
       *[plain] { $clients } spoke HTTP without TLS, and the server { $plain ->
            [text] closed the connection without a word ({ flows }), as servers do that want TLS on this port.
           *[known] turned that away ({ flows }).
        } What was sent could be read on the way.
    }{ tls-beside }
    .remedy = { $spoken ->
        [tls] Turn TLS on for { port } of { $server }, or let { $clients } come without it: http instead of https, or another port.
       *[plain] Let { $clients } use https for { port } of { $server }: look for an address that begins with http:// in its settings.
    }

tls-spoken = { $plain ->
        [text] plain text
       *[known] plain { $heard }
    }

# What ties it to Citrix, and whether it is over.
tls-beside = { $citrix ->
        [unknown] {" "}Many programs use this port, and nothing ties these hosts to Citrix.
       *[other] {""}
    }{ $again ->
        [0] {""}
        [one] {" "}One of these clients came back later, and got further.
       *[other] {" "}{ $again } of these clients came back later, and got further.
    }


## Problems: what findings have in common. Three texts for each cause, as findings have them. They may name the parameters of the
## problem, and { $clients } and { $server } (in short: all of them), their numbers, { $ports } and more: `named_in_problem` says what.

problem-no-answer =
    .title = { problem-place }: no answer{ problem-standing }
    .meaning = { problem-tried }, and nothing came back. { $servers_up ->
            [reached] Others are answered there at the same time, so a firewall drops the packets of these clients, or the way back fails.
            [old-sessions] Sessions there that began before go on, so the service runs and the way is whole: a firewall with a new rule lets no new
                connections through, or the service takes no more.
            [answered] { problem-it-answered } before: since then a firewall drops the packets, or the service or its host stopped.
            [all] { $server_count ->
                [one] The server is
               *[other] The servers are
            } up, so a firewall drops the packets, or nothing listens there: a Windows firewall answers that with
                silence.
            [before] { $server_count ->
                [one] The server was
               *[other] The servers were
            } heard of at other times. A firewall drops the packets, or nothing listens there, or the host went down since.
            [some] A firewall drops the packets, or those servers that were not heard of are down.
           *[none] A firewall drops the packets, or { $server_count ->
                [one] the server is
               *[other] the servers are
            } down.
        } { $remarks }{ problem-follows }
    .remedy = { $standing ->
        [over] { problem-at-times }
        [neighbour] { problem-not-citrix }
        [public] { problem-public }
       *[failing] { $culprit ->
            [client_host] Look at { $clients } itself first, and at its network: nothing at all answers it.
           *[other] { "" }
        } { problem-first-sure }Allow { $ports } from { $clients } to { $server }, { $servers_up ->
            [reached] and check the routes back to them. The service listens: others reach it.
            [old-sessions] and look for a rule that was added then. Also look whether the service is at a limit of connections.
            [answered] and look for what changed then: a rule, or the service, which may have stopped: { listens }.
            [all] { problem-check-service }
            [before] { problem-check-service }
            [some] or check that those servers are up that were not heard of.
           *[none] or check that { problem-servers-are } up.
        }
    }

# Before the remedy of what most of those who were hit got past later.
problem-answered-since = Most of these clients were answered there after the last try in vain: look first whether it still fails. { $remedy }

problem-refused =
    .title = { problem-place }: refused{ problem-standing }
    .meaning = { problem-tried }, and a reset answered. The way there is open, but nothing listens on this port, or a firewall answers in
        place of { $server_count ->
            [one] the server
           *[other] the servers
        }. { $remarks }{ problem-follows }
    .remedy = { $standing ->
        [over] { problem-at-times }
        [neighbour] { problem-not-citrix }
        [public] { problem-public }
       *[failing] { $culprit ->
            [middlebox] Look for a firewall or load balancer on the way that answers with resets, and allow { $ports } from { $clients } to
                { $server } there. If there is none, check that the service listens: { listens }.
           *[other] Check that the service runs and listens on { $ports } of { $server }: { listens }. If it does, look for a firewall on the
                way that answers with resets.
        }
    }

problem-prohibited =
    .title = { problem-place }: { $cause ->
        [nothing-listens] nothing listens
        [host-unreachable] { $server_count ->
            [one] host unreachable
           *[other] hosts unreachable
        }
        [server-policy] rejected by the server
       *[device-policy] rejected on the way
    }{ problem-standing }
    .meaning = { problem-tried }, and { $senders } answered with an ICMP error. { $cause ->
        [nothing-listens] The host is reachable, but no program listens on this port.
        [host-unreachable] { $servers_up ->
            [reached] Others reach it, so the route from these clients fails.
            [all] It was heard of at that time, so a route to it fails.
           *[none] The packets do not get to the host: it is down, or there is no route to it.
        }
        [server-policy] A rule on the server itself forbids it.
       *[device-policy] A firewall or router on the way forbids it.
    } { $remarks }{ problem-follows }
    .remedy = { $standing ->
        [over] { problem-at-times }
        [neighbour] { problem-not-citrix }
        [public] { problem-public }
       *[failing] { $cause ->
            [nothing-listens] Check that the service runs and listens on { $ports } of { $server }: { listens }.
            [host-unreachable] { $servers_up ->
                [reached] Check the routes from { $clients } to { $server }.
                [all] Check the routes from { $clients } to { $server }.
               *[none] Check that { $server } { $server_count ->
                    [one] is up and has this address
                   *[other] are up and have these addresses
                }, then the routes from { $clients }.
            }
            [server-policy] Allow { $ports } from { $clients } in the firewall on { $server } itself.
           *[device-policy] Allow { $ports } from { $clients } to { $server } on { $senders }, which sent the errors.
        }
    }

problem-half-open =
    .title = { problem-place }: answers do not arrive{ problem-standing }
    .meaning = { problem-tried }. { $server } answered each SYN and repeated the answer, but no handshake was completed: the way back to the
        clients is blocked or leads elsewhere. { $remarks }{ problem-follows }
    .remedy = { $standing ->
        [over] { problem-at-times }
        [neighbour] { problem-not-citrix }
        [public] { problem-public }
       *[failing] Check routes and firewalls from { $server } back to { $clients }: the answers of { $ports } leave and do not arrive.
    }

problem-cut =
    .title = { problem-place }: cut after the handshake{ problem-standing }
    .meaning = { problem-tried }, and each connection was reset before the server said anything. A firewall that looks into the traffic, a
        TLS inspection, or the service itself ends it. { $remarks }{ problem-follows }
    .remedy = { $standing ->
        [over] { problem-at-times }
        [neighbour] { problem-not-citrix }
        [public] { problem-public }
       *[failing] Exempt { $ports } between { $clients } and { $server } from content or TLS inspection, then look at the event log of the
            service.
    }

problem-host-down =
    .title = { problem-hosts }: { $proof ->
        [unanswered-arp] { $server_count ->
            [one] host is down
           *[other] hosts are down
        }
        [unreachable] not found by the router
       *[no-sign-of-life] { $servers_up ->
            [none] no sign of life
           *[other] no sign of life any more
        }
    }
    .meaning = { problem-tried } on { $ports }, and no answer came back. { $proof ->
        [unanswered-arp] The link was asked for { $server } (ARP or neighbour discovery), and nobody answered: down, or not in that network.
        [unreachable] A router does not find { $server } (ICMP host unreachable), while other servers in the same network answer the same
            clients: down, or not in that network.
       *[no-sign-of-life] Nothing else was heard of { $server } { $servers_up ->
                [none] either
               *[other] since
            }, while other servers in the same network answer the same clients:
            down, or a firewall drops all that goes there.
    }{ problem-follows }
    .remedy = Check that { problem-servers-are } up and connected: { $server }. { $proof ->
        [no-sign-of-life] If so, allow { $ports } from { $clients } to { $server }.
       *[other] Nothing has to be opened in a firewall before that.
    }

problem-service-down =
    .title = { problem-hosts }: session service is down
    .meaning = { problem-tried } on { $ports }, and nobody got a session on any of these ports. Resets say that nothing
        listens there. The service that takes sessions does not run, or a firewall on the host blocks all its ports.{ problem-follows }
    .remedy = Check that the Citrix services on { $server } run and listen: { listens }. Restart them, and look at the event log of the
        host.

problem-subnet-against-port =
    .title = { problem-place }: blocked for { $network_count ->
        [one] { $networks }
       *[other] { $network_count } networks
    }
    .meaning = None of { client-count } seen from { $networks } got an answer on { $ports } of { $server } ({ attempts-in-all }), while other
        clients are answered { $port_count ->
            [one] there
           *[other] on { $contrast_transport } { $contrast_port } of it
        } at the same time. { $neighbours ->
            [reached] The same clients reach other servers of the same network, so a firewall on { $server } itself keeps { problem-networks }
                out, or a rule on the way that names { $server_count ->
                    [one] this server
                   *[other] these servers
                }.
           *[unknown] A rule does not let { problem-networks } through: on the way, or in a firewall on { $server_count ->
                [one] the server
               *[other] the servers
            }.
        } { $remarks }{ problem-follows }
    .remedy = Allow { $ports } from { $networks } to { $server } { $neighbours ->
        [reached] in the firewall on { $server } itself; then look for a rule on the way that names { $server_count ->
            [one] it
           *[other] them
        }.
       *[unknown] in the firewalls between them, and in those on { $server_count ->
            [one] the server
           *[other] the servers
        }.
    }

problem-check-service = { $dtls ->
        [no] and check that the service listens: { listens }.
       *[edt] and check that DTLS is on at the virtual server.
    }
problem-networks = { $network_count ->
        [one] this network
       *[other] these networks
    }
problem-it-answered = { $server_count ->
        [one] The port answered others
       *[other] The servers answered there
    }

problem-scan =
    .title = { $client_count ->
        [one] Scan by { $clients }
       *[other] Scans by { client-count }
    }: { $ports ->
        [one] { $ports } port
       *[other] { at-least }{ $ports } ports
    }, { server-count }
    .meaning = { $client_count ->
        [one] { $clients } made
       *[other] { client-count } made
    } { attempts-in-all } at { server-count } (ports { $port_list }), and no session came of any. { $through ->
        [elsewhere] To other hosts there are sessions on the same port, so the ways to these are blocked, or these hosts are down.
       *[nowhere] That is how a port scanner, a vulnerability scanner or an inventory works.
    }
    .remedy = Find out what { $clients } ran at that time. If it is a Citrix component that has to reach these hosts, all its ways to them are
        blocked: start with one of them.

problem-flood =
    .title = { problem-place }: flood of single tries
    .meaning = { $origin ->
        [forged] { at-least }{ $client_told } sources tried once each ({ attempts-in-all }), and their addresses look forged.
       *[one] { $clients } tried again and again, many times a second, without waiting for an answer ({ attempts-in-all }).
    } Real attempts in between are judged as always.
    .remedy = Find where the packets enter the network: their hardware addresses name the port of the switch. Until then limit new connections
        to { $ports } of { $server }.

problem-fallback =
    .title = Sessions on { $ports } instead of { $blocked_transport } { $blocked_port }
    .meaning = { client-count } could not use { $blocked_transport } { $blocked_port } to { $server } and took { $ports } ({ $attempts ->
        [one] 1 session
       *[other] { $attempts_told } sessions
    }). Sessions work, but not the way they should.
    .remedy = Allow { $blocked_transport } { $blocked_port } from { $clients } to { $server }.

problem-launch-failed =
    .title = Launches failed for { client-count }
    .meaning = { client-count } tried to start sessions ({ attempts-in-all }), and none came about.
    .remedy = Look at the first step that failed, in the findings of this problem.

problem-exposed =
    .title = { problem-place }: answers to the internet
    .meaning = { client-count } reached { $server } from public addresses ({ flows-in-all }). { $server_range ->
        [public] The servers have public addresses as well; if all of that is one network of your own, this is no problem.
       *[private] Session traffic there is not protected by TLS unless that was set up on the server, and anyone can try to log on.
    }
    .remedy = Close { $ports } of { $server } to the internet and let users in through Citrix Gateway on TCP and UDP 443.

problem-from-internet =
    .title = { problem-place }: tried from the internet, in vain
    .meaning = { client-count } tried { $server } from public addresses ({ attempts-in-all }) and got no session. Firewall or servers turned
        these away, as they should.
    .remedy = Nothing has to be opened. Users from outside come in through Citrix Gateway on TCP and UDP 443.

problem-foreign-protocol =
    .title = { problem-place }: { $heard } is spoken there
    .meaning = { client-count } and { server-count } speak { $heard } on the port of Citrix ({ flows-in-all }). The Citrix service of that
        port cannot run beside it, and a firewall rule made for Citrix lets something else through.
    .remedy = Find the program with `netstat -ano | findstr :{ $port }` on { $server }, and move or remove it. If nobody knows it, treat it
        as a way around the firewall.

problem-other-port =
    .title = { $heard } is spoken on { $ports }, not its port
    .meaning = { client-count } reached Citrix sessions on { $server } on a port that the map does not know ({ flows-in-all }). A changed
        listener port or the multi-port policy may be the reason. Firewall rules and monitoring for TCP 1494 and 2598 do not cover it.
    .remedy = Check the listener port and the Multi-Port policy on { $server }. If the port is wanted, document it and add it to a port map
        of your own (--port-map); if not, go back to TCP 1494 and 2598.

problem-other-transport =
    .title = { problem-place }: answers, but belongs to { $known_transport }
    .meaning = { client-count } and { server-count } talk over the wrong transport for this port ({ flows-in-all }). It is another program,
        or a firewall rule that was opened for the wrong protocol is being used.
    .remedy = Find out what listens on { $ports } of { $server }, and check that the firewall rule says { $known_transport } { $port }.

problem-session-died =
    .title = { problem-place }: sessions died
    .meaning = { problem-died }. A closed laptop, a lost radio link and a killed host look the same.
    .remedy = Ask what happened to the side that fell silent. If many users are concerned, look for a device on the way that forgets sessions
        or was switched over.

problem-idle-timeout =
    .title = { problem-place }: idle sessions break after { $idle_longest }
    .meaning = { problem-sessions } broke, and each time nothing had been said for about { $idle_longest } before: a firewall or load
        balancer on the way may forget idle sessions after that time, or a policy on the server ends them.
    .remedy = Compare the idle timers of the firewalls and load balancers between { $clients } and { $server } with that time, and make them
        longer, or keep-alives shorter.

problem-encryption =
    .title = { $state ->
        [old] Encrypted with { old-version }{ $named ->
            [none] {""}
           *[other] : { $named }
        }
       *[plain] Not encrypted: { $named }
    }
    .meaning = Nothing is broken. { $state ->
        [old] In { flows-in-all } to { server-count } the server chose a version of TLS that is no longer held to be safe.
       *[plain] What goes over { flows-in-all } to { server-count } can be read by anybody on the way. Each finding says what that is, and what to
            set instead.
    }
    .remedy = { $state ->
        [old] Enable TLS 1.2 and 1.3 on servers and clients, and turn off what is older.
       *[plain] Use TLS where the network on the way is not trusted. What to set for each service stands in its finding.
    }

problem-mtu =
    .title = { problem-place }: large packets of the { $sender } vanish, small ones pass
    .meaning = { problem-sessions } sent packets of { $size } bytes again and again{ mtu-in-vain }, while the other side went on
        answering. { mtu-outcome } { mtu-icmp } { $others ->
        [0] {""}
       *[other] Large packets arrive on the ways of other clients of the same server, so it is not the server.
    }
    .remedy = { mtu-remedy }

problem-reset-in-session =
    .title = { problem-place }: { $pattern ->
        [at-once] sessions were reset at once
       *[came-back] sessions were reset while they were in use
    }
    .meaning = The server's side reset { $attempts ->
            [one] one session
           *[other] { $attempts_told } sessions
        } between { client-count } and { server-count } that were in use. { $pattern ->
            [at-once] Sessions of several users were reset within one second, at { $at }: the server or its service went down or restarted,
                or a device on the way cut them.
           *[came-back] The clients came back to the same servers within three minutes: the users did not want them to end.
        }{ $back ->
            [0] {""}
            [one] {" "}One client came back within three minutes.
           *[other] { $pattern ->
                [at-once] {" "}Of { $back } sessions the client came back within three minutes.
               *[came-back] {""}
            }
        }{ $idle ->
            [0] {""}
            [one] {" "}Before one of the resets nothing had been said for a minute or longer.
           *[other] {" "}Before { $idle } of the resets nothing had been said for a minute or longer.
        }
    .remedy = { $pattern ->
        [at-once] Look in the event log of { $server } for a restart, a crash or an update at { $at }. If there is none, look for a firewall or
            load balancer on the way that was switched over or reloaded then.
       *[came-back] Look in the event logs of the servers for services that failed at these times. If there are none, ask who runs the
            firewalls and load balancers on the way whether they end sessions that are idle or old.
    }

problem-slow =
    .title = { problem-place } to { problem-hosts }: { slow-how }
    .meaning = { $how ->
        [never] { $server } accepted connections of { client-count }, acknowledged their requests, and did not answer: the clients gave up
            after up to { $longest }.{ $network ->
                [fast] {" "}Not the network: the round trip takes { $rtt }.
               *[unknown] {""}
            }
        [hello] { slow-network } { client-count } waited for the first words of TLS.
       *[late] { slow-network } { client-count } waited a second or longer { slow-times }.
    }{ slow-others }
    .remedy = { slow-remedy }
problem-repeats =
    .title = { problem-place } to { problem-hosts }: slow, { $share } % of the requests repeated
    .meaning = Slow, not down: { $share } % of { $of } requests of { client-count } to { $server } were sent again with the same content
        ({ $repeated }), while others were answered.
    .remedy = { repeats-remedy }

problem-sessions = { $attempts ->
        [one] One session
       *[other] { $attempts_told } sessions
    } between { client-count } and { server-count }
problem-died = { problem-sessions } died: one side repeated its data in vain, and the other was not heard of again

problem-place = { $ports }{ $dtls ->
        [edt] {" "}(EDT over DTLS)
        [dtls] {" "}(DTLS)
       *[no] { $service_known ->
            [yes] {" "}({ $service_title })
           *[no] {""}
        }
    }
problem-hosts = { $server_count ->
        [one] { $server }
       *[other] { $server_told } servers
    }
problem-standing = { $standing ->
        [over] , works again
        [public] , between public addresses
        [unsure] , not certain
        [neighbour] , likely not Citrix
       *[failing] {""}
    }
problem-tried = { client-count } tried { $server_count ->
        [one] { $server }
       *[other] { $server_told } servers
    } ({ attempts-in-all })
problem-servers-are = { $server_count ->
        [one] this server is
       *[other] these { $server_told } servers are
    }
problem-first-sure = { $standing ->
        [unsure] First make sure: the capture may have missed the answers.{" "}
       *[failing] {""}
    }
problem-at-times = No firewall rule is missing now. Look at { $server } at that time: restarted, overloaded, or at a limit of connections?
    Was a rule changed since?
problem-not-citrix = Nothing has to be done for Citrix.
problem-public = If { $clients } and { $server } are both yours, allow { $ports } between them. If not, there is nothing to do: session ports
    must not be open to the internet.
problem-follows = { $instead ->
        [0] {""}
       *[other] {" "}{ $instead ->
            [one] { $instead } session runs
           *[other] { $instead } sessions run
        } { $instead_where ->
            [one-port] on { $instead_transport } { $instead_port }
           *[several-ports] over { $instead_transport }
        } instead.
    }{ $dtls ->
        [no] {""}
       *[edt] {" "}Over TCP { $port } the same server answers, so sessions run over TLS there.
    }{ $slow ->
        [slow] {" "}Launches take { $longer } longer.
       *[no] {""}
    }{ $launch_clients ->
        [0] {""}
        [one] {" "}Launches failed for { $launch_clients } client.
       *[other] {" "}Launches failed for { $launch_clients } clients.
    }
client-count = { at-least-hosts }{ $client_count ->
        [one] { $clients }
       *[other] { $client_told } clients
    }
server-count = { $server_count ->
        [one] { $server }
       *[other] { $server_told } servers
    }
attempts-in-all = { $attempts ->
        [one] { $attempts_told } attempt
       *[other] { $attempts_told } attempts
    }
# Hosts as ranges that hold others as well.
hosts-among = { $told } hosts in { $ranges } ({ $covered } addresses)
flows-in-all = { $attempts ->
        [one] { $attempts_told } flow
       *[other] { $attempts_told } flows
    }
these-clients = { $number ->
        [one] this client
       *[other] these { $told } clients
    }
these-servers = { $number ->
        [one] this server
       *[other] these { $told } servers
    }

problem-attempts = { $what ->
        [sessions] { $number ->
            [one] { $told } session
           *[other] { $told } sessions
        }
        [flows] { $number ->
            [one] { $told } flow
           *[other] { $told } flows
        }
       *[attempts] { $number ->
            [one] { $told } attempt
           *[other] { $told } attempts
        }
    }
problem-servers = { $number ->
        [one] { $told } server
       *[other] { $told } servers
    }{ over-cover }{ $answered ->
        [none] { $number ->
            [one] , which never answered
           *[other] , none ever answered
        }
        [all] { $number ->
            [one] , which answered others or at other times
           *[other] , all of which answered others or at other times
        }
        [some] { $number ->
            [one] , which answered others or at other times
           *[other] , { $answered_told } of them answered others or at other times
        }
       *[unsaid] {""}
    }
problem-clients = { at-least-hosts }{ $number ->
        [one] { $told } client
       *[other] { $told } clients
    }{ over-cover }
at-least-hosts = { $more ->
        [more] at least{" "}
       *[all] {""}
    }
over-cover = { $extent ->
        [over] {" "}among { $covered } addresses
        [networks] , all that were seen from there
       *[exact] {""}
    }
problem-when = { $first }{ $last ->
        [same] {""}
       *[other] -{ $last }
    }{ $trend ->
        [once] , once
        [steady] , steady
        [growing] , growing
        [fading] , fading
        [over] , over
        [ceased] , not tried again since
       *[unsaid] {""}
    }
problem-works = { $contrast ->
        [other-clients] from { $clients }: { works-flows } on the same servers and port
        [earlier] until { $until }: { works-flows } of { $clients } on the same servers and port
        [other-servers] { $servers }: { works-flows } of the same clients on { port }
        [other-port] { port }: { works-flows } of the same clients on the same servers
       *[elsewhere] { $servers }: { works-flows } of others on { port }
    }
works-flows = { $number ->
        [one] { $told } flow
       *[other] { $told } flows
    }


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
        [milliseconds] { $number } ms
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

# The last two of a list.
and = { $first } and { $last }

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
note-late-answer = answer that came late
note-alert = TLS alert

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
about-half-seen = Between { $pairs ->
        [one] { $pairs } pair
       *[other] { $pairs } pairs
    } of hosts only one direction was captured, although the other plainly answered. Whether anything was blocked there cannot be told.
about-holes = { $flows ->
        [one] { $flows } TCP flow
       *[other] { $flows } TCP flows
    } of the { $carrying } that carry payload have holes: of what was sent at least { $percent ->
        [0] a part
       *[other] { $percent } %
    } is not in the capture. The capture or the mirror port lost packets, so a missing answer may have been lost as well.
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
about-leap = From { $from } nothing at all was captured for { $duration }{ $watched ->
        [yes] : the clock leapt, or this computer slept
       *[no] , although much was before and after: the capture stood still, or its clock leapt
    }. What was not answered then is not called blocked for sure.
about-short = The capture is { $duration } long. Before { $grace } no attempt without an answer is called blocked.
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


## What captures are good for, in one line

quality-line = { $verdict ->
        [good] Capture good: { $counted ->
            [yes] nothing lost or cut
           *[no] nothing cut, and no sign of loss
        }
       *[other] Capture { $verdict }{ $named ->
            [0] {""}
           *[other] : { $flaws }{ $more ->
                [0] {""}
               *[other] {" "}and { $more } more
            }
        }
    }.
flaw-no-packets = no packets
flaw-one-direction = one direction only of { percent-of } connections
flaw-damaged = the file is damaged
flaw-lost = { percent-of } packets lost
flaw-interrupted = nothing captured for a while
flaw-clock = its clock is not even
flaw-cut = { percent-of } packets cut
flaw-starts-in-middle = starts in the middle
flaw-too-short = too short to call anything silent
flaw-ends-early = ends too early
flaw-duplicated = { percent-of } packets twice
flaw-filtered = a filter left packets out
flaw-not-read = some packets are of kinds that are not read
flaw-not-kept = more in it than is kept
flaw-odd = odd in places
flaw-unclear = too little of each conversation
percent-of = { $percent ->
        [0] less than 1 % of the
       *[other] { $percent } % of the
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


## Two reports side by side

diff-before = Before:
diff-after = After:
diff-heading = { $name }{ $named ->
        [yes] {" "}({ $captures })
       *[no] {""}
    }: { packets }{ $first ->
        [none] {""}
       *[other] , from { $first } UTC
    }
diff-nothing-in-common = There is nothing to compare: no server stands in both. Problems in the earlier one: { $was }; in the
    later one: { $is }; --format json lists them.
diff-findings-only = One of the two reports knows no problems, so findings are compared.
diff-verdict = { $all ->
        [0] Nothing is wrong in either.
       *[other] { $worse ->
            [0] { $in_part ->
                [0] Nothing got worse:
               *[other] Nothing is known to have got worse, and not all can be compared:
            }
           *[other] Something got worse:
        }
    }
diff-count = { $number } { $state ->
        [new] new
        [worse] worse
        [gone] gone
        [better] better
        [same] the same
        [not_comparable] not to be compared exactly
       *[not_evaluable] not seen again
    }
diff-state = { $state ->
        [new] NEW
        [worse] WORSE
        [gone] GONE
        [better] BETTER
        [same] THE SAME
        [not_comparable] NOT COMPARABLE
       *[not_evaluable] NOT SEEN AGAIN
    }
diff-further = { $number } more; --format json tells them all.

diff-new = { $basis ->
        [worked-before] It worked before: { $working } of { paths } got an answer in the earlier capture.
        [tried-before] It was tried before as well, and nothing was told of it.
       *[not-tried-before] Nobody tried it in the earlier capture, so it may have been so before.
    } { diff-hit }
diff-hit = { $clients_is ->
        [one] { $clients_is } client
       *[other] { $clients_is } clients
    }, { $servers_is ->
        [one] { $servers_is } server
       *[other] { $servers_is } servers
    }.
diff-gone = { $basis ->
        [works-now] It was tried again and works: { $working } of { paths } get an answer now.
        [not-there-now] It was tried again, and it is not there any more.
       *[did-not-happen-again] It did not happen again. Nothing says that it will not.
    }
diff-not-evaluable = { $basis ->
        [others-only] That is no all-clear: others get an answer there, but none of those who were hit tried again.
        [part-only] That is no all-clear for all: { $working } of { paths } get an answer now, and the rest was not tried again or came to nothing.
        [not-decided] That is no all-clear: it was tried, and the later capture does not show that it works.
        [flows-left-out] That is no all-clear: the later report does not list all flows, so what was tried is not known.
       *[not-tried] That is no all-clear: nobody tried it in the later capture.
    }
diff-changed = { $clients_was ->
        [one] { $clients_was } client
       *[other] { $clients_was } clients
    } -> { $clients_is }, { $servers_was ->
        [one] { $servers_was } server
       *[other] { $servers_was } servers
    } -> { $servers_is }{ $severity_change ->
        [no] {""}
       *[other] , { $severity_was } -> { $severity_is }
    }{ $sureness_change ->
        [surer] , surer than before
        [less-sure] , less sure than before
       *[no] {""}
    }{ $working ->
        [0] {""}
       *[other] ; { $working } of { paths } get an answer now
    }.
diff-moved = { $how ->
        [hit-now] Hit now, not before
        [answered] Answered again
        [not-there] Not there any more
        [not-answered] Not hit any more, and not shown to work everywhere
       *[not-shown] Not told any more, and not shown to be gone
    }: { $hosts }{ $more ->
        [0] {""}
       *[other] {" "}and { $more } more
    }.
diff-server = { $number ->
        [one] server { $server }
       *[other] servers { $server }
    }
diff-network = { $network } ({ $clients ->
        [one] { $clients } client
       *[other] { $clients } clients
    })
diff-worked-before = { $paths ->
        [one] { $paths } path that is hit now worked before.
       *[other] { $paths } paths that are hit now worked before.
    }
diff-none-tried-before = Nobody of these tried it in the earlier capture, so it may have been so before.
diff-other-cause = Before it was told as { $title }.
diff-in-part = That cannot be compared exactly: not all who are hit are named in both.
paths = { $paths ->
        [one] { $paths } path
       *[other] { $paths } paths
    }


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
text-next-time = Next time:

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


## The explanation of one flow

explain-flow = Flow { $id } of { $flows }: { $protocol } { $client } -> { $server }
explain-service = Service: { $service }. Community ID: { $id }
explain-when = From { $first } { $zone } on, for { $time }. Packets: { $client } of the client, { $server } of the server ({ $bytes }).
explain-capture = It begins in { $name }.
explain-in-capture = in { $name }:
explain-chosen-of = Asked for by { $id }, which is about { $number ->
        [one] this flow.
       *[other] { $number } flows, among them: { $list }.
    }
explain-same-ends = { $number } flows have these ends, and this is the first of them: { $list }.

explain-verdict = { $outcome ->
        [established] Established: the handshake was completed
        [answered] Answered: both sides spoke
        [silent] Silent: nothing came back
        [refused] Refused: a reset answered the SYN
        [prohibited] Prohibited: an ICMP error answered
        [half_open] Half open: the answer did not reach the client
        [reset_early] Reset early: the server's side cut it before the server said anything
        [unanswered] Unanswered: no reply, which does not mean that it is blocked
        [midstream] Midstream: the start was not captured
        [one_way] One way: one direction was not captured
       *[undecided] Undecided: the capture does not show what became of it
    }{ $blocked ->
        [yes] , which counts as blocked
       *[no] {""}
    }. { $verdict ->
        [expected] Expected: a rule of the map explains it{ explain-because }
        [unexpected] Unexpected: no rule of the map explains it{ explain-because }
        [unmapped] Unmapped: nothing ties it to Citrix{ explain-because }
       *[not_evaluable] Not evaluable: the capture does not show enough{ explain-because }
    }.
explain-because = { $reason ->
        [none] {""}
        [generic-port] {" "}(many programs use the port)
        [unknown-port] {" "}(no rule names the port)
        [foreign-protocol] {" "}(another protocol than that of the port is spoken)
        [citrix-on-other-port] {" "}(a Citrix protocol on a port that is not its own)
        [other-transport] {" "}(the port belongs to a service of the other transport)
        [capture-too-short] {" "}(the capture ended too early)
        [too-few-tries] {" "}(there were too few tries)
        [one-direction] {" "}(one direction is missing)
        [sent-to-many] {" "}(it was sent to many)
        [reset-only] {" "}(there is little more than a reset)
        [quoted-only] {" "}(only an ICMP error tells of it)
        [no-clear-answer] {" "}(there is no clear answer)
       *[flow-limit] {" "}(it was given up early, because there were too many flows)
    }

explain-packets = Packets (seconds since the first, number in the capture)
explain-quiet = ... { $time } nothing ...
explain-quiet-end = ... { $time } nothing, until { $end ->
        [capture] the capture ended
       *[watch] it was watched no longer
    }
explain-left-out = ... { $packets } packets left out: { $client } of the client, { $server } of the server, { $bytes } of payload ...
explain-other-packets = The second reading of the captures found other packets than the first: they changed meanwhile, or there were more
    flows than are followed at the same time.
explain-segment = { $what ->
        [syn] SYN
        [syn-ack] SYN-ACK
        [rst] RST
        [fin] FIN{ explain-with-data }
        [data] data, { explain-bytes }
        [ack] ACK
       *[other] a segment without ACK{ explain-with-data }
    }
explain-with-data = { $number ->
        [0] {""}
       *[other] {" "}with { explain-bytes }
    }
explain-bytes = { $number ->
        [one] { $number } byte
       *[other] { $number } bytes
    }
explain-datagram = datagram, { explain-bytes }
explain-echo = { $who ->
        [client] echo request
       *[server] echo reply
    }
explain-fragment = a later fragment, { explain-bytes }
explain-error = ICMP error from { $sender }: { $error }
explain-try = { $number ->
        [2] second time
        [3] third time
       *[other] time { $number }
    }
explain-again = sent again
explain-copy = captured twice
explain-tls = in the clear: { $list }
explain-alert = TLS alert { $number } { $name }
explain-heard = { $protocol } recognised{ $named ->
        [yes] {" "}for { $name }
       *[no] {""}
    }

explain-rules = Where it stands in the port map
explain-rules-of-port = { $rules ->
        [0] No rule names { $transport } { $port }.
        [one] One rule names { $transport } { $port }.
       *[other] { $rules } rules name { $transport } { $port }. { $first ->
            [one] The first names it most exactly.
           *[other] { $all ->
                [yes] All name it equally exactly, so they stand in the order of the map.
               *[no] The first { $first } name it most exactly, and stand in the order of the map.
            }
        }
    }{ $generic ->
        [yes] {" "}Many programs use this port: the number alone proves nothing.
       *[no] {""}
    }
explain-rules-icmp = { $rules ->
        [0] No rule names ICMP.
        [one] One rule names ICMP.
       *[other] { $rules } rules name ICMP.
    } Any host pings, so that proves nothing.
explain-rules-of-other = { $rules ->
        [one] One rule names
       *[other] { $rules } rules name
    } the same port over { $transport }.
explain-more-rules = ... and { $number } more; -v tells all.
explain-roles = Whether client and server have the roles that a rule names is not known: nobody has told which host is what, so roles decide
    nothing.
explain-matched = Matched: { $fits ->
        [yes] transport, port
       *[no] not the transport, but the port
    } ({ $width ->
        [1] the number itself
       *[other] one of a range of { $width }
    }). Payload: { $payload ->
        [agrees] { $protocol }, which { $service } speaks
        [differs] { $protocol }, which { $service } does not speak
        [unknown] { $protocol }; the map does not say what { $service } speaks
       *[nothing-heard] nothing was told by it
    }. Roles: not known.
explain-document = Document: { $document }

explain-steps = Step by step

explain-client-seen = { $answer ->
        [yes] The client sent { explain-packet-count }.
       *[no] No packet of the client was captured.
    }
explain-server-seen = { $answer ->
        [yes] The server sent { explain-packet-count }.
       *[no] No packet of the server was captured.
    }
explain-packet-count = { $packets ->
        [one] { $packets } packet
       *[other] { $packets } packets
    }
explain-client-went-on-alone = { $answer ->
        [yes] The client acknowledged or sent data, so there was an answer that the capture does not hold.
       *[no] The client acknowledged nothing and sent no data.
    }
explain-client-followed-up = { $answer ->
        [yes] The client sent what it sends only after an answer, so there was one that the capture does not hold.
       *[no] The client sent nothing that shows an answer the capture does not hold.
    }
explain-client-reset-alone = { $answer ->
        [yes] The client reset after its SYN, so there was an answer that the capture does not hold.
       *[no] The client did not reset.
    }
explain-no-error = No ICMP error quotes it.
explain-unreachable = { $answer ->
        [yes] { $sender } told the client that its packets do not arrive: { $error }.
       *[no] { $sender } sent an ICMP error that does not tell the client that its packets do not arrive: { $error }.
    }
explain-answer-quoted = { $answer ->
        [yes] That ICMP error quotes a packet of the server: it did answer, and the capture does not hold it.
       *[no] That ICMP error quotes a packet of the client.
    }
explain-syn-seen = { $answer ->
        [yes] { $number ->
            [one] { $number } SYN of the client was seen.
           *[other] { $number } SYNs of the client were seen.
        }
       *[no] No SYN of the client was seen.
    }
explain-tries = { $answer ->
        [yes] { $number } SYNs were enough (needed: { $needed }).
       *[no] { $number ->
            [one] { $number } SYN is too few
           *[other] { $number } SYNs are too few
        } (needed: { $needed }).
    }
explain-watched = { $answer ->
        [yes] It was watched for { $time }, which is long enough (needed: { $needed }).
       *[no] It was watched for { $time } only (needed: { $needed }).
    }
explain-cut-off = { $answer ->
        [yes] The capture ended, or nobody looked any longer, { $time } after its first packet, when another try might still have come (no
            further one comes after { $needed }).
       *[no] The client had time for more tries, and made none.
    }
explain-let-go = { $answer ->
        [yes] It was given up before its time, because there were more flows than are followed at the same time.
       *[no] It was not given up before its time.
    }
explain-syn-ack-seen = { $answer ->
        [yes] { $number ->
            [one] { $number } SYN-ACK of the server was seen.
           *[other] { $number } SYN-ACKs of the server were seen.
        }
       *[no] No SYN-ACK of the server was seen.
    }
explain-server-went-on = { $answer ->
        [yes] The server sent more than SYN-ACKs and resets.
       *[no] The server sent nothing but SYN-ACKs and resets.
    }
explain-client-went-on = { $answer ->
        [yes] The client went on after the SYN-ACK: it got it.
       *[no] The client did not go on after the SYN-ACK.
    }
explain-refused = { $answer ->
        [yes] A reset of the server's side acknowledged a SYN: that is a refusal.
       *[no] No reset acknowledged a SYN.
    }
explain-reset-beside-answer = { $answer ->
        [yes] A reset answered the same SYN before the SYN-ACK did: that is what the client goes by.
       *[no] No reset came before the SYN-ACK.
    }
explain-client-reset = { $answer ->
        [yes] The client reset once the port had answered: it wanted to know no more, as a monitor does.
       *[no] The client did not reset.
    }
explain-answer-repeated = { $answer ->
        [yes] SYN-ACK or SYN were repeated ({ $number ->
                [one] { $number } SYN-ACK
               *[other] { $number } SYN-ACKs
            }): the answer did not arrive.
       *[no] Neither SYN-ACK nor SYN were repeated.
    }
explain-watched-since-answer = { $answer ->
        [yes] It was watched for { $time } after the first SYN-ACK, which is long enough (needed: { $needed }).
       *[no] It was watched for { $time } only after the first SYN-ACK (needed: { $needed }).
    }
explain-no-reset = The server did not reset after the handshake.
explain-reset-soon = { $answer ->
        [yes] The server's side reset { $brief } after the handshake, which is early (limit: { $limit }).
       *[no] The server's side reset { $brief } after the handshake, which is not early (limit: { $limit }).
    }
explain-server-said = { $answer ->
        [yes] Before that the server had said something ({ explain-bytes }).
       *[no] The server had said nothing.
    }
explain-client-ended-first = { $answer ->
        [yes] The client had ended first, so that nothing was cut.
       *[no] The client had not ended.
    }
explain-answered-elsewhere = { $answer ->
        [yes] The answer came from another port of the server, as TFTP does it.
       *[no] No answer came from another port of the server.
    }
explain-sent-to-many = { $answer ->
        [yes] It was sent to a broadcast or multicast address: nobody answers from there.
       *[no] It was sent to one host.
    }
explain-stream = { $answer ->
        [yes] { $number } datagrams are session data, which nobody sends without an answer: one direction may be missing.
       *[no] { $number ->
            [one] { $number } datagram is
           *[other] { $number } datagrams are
        } no stream of session data.
    }
explain-tried-again = { $answer ->
        [yes] It was tried { $number } times in { $time } (needed: { $needed } times, at least { $least } apart).
       *[no] It was tried { $number ->
            [one] once
           *[other] { $number } times
        } in { $time }, which is too little (needed: { $needed } times, at least { $least } apart).
    }
explain-showing = { $showing ->
        [silence] The packets show silence.
        [no-reply] The packets show no reply{ explain-doubt }.
        [refusal] The packets show a refusal.
        [unreachable] The packets show that the server could not be reached.
        [unacknowledged] The packets show an answer that did not reach the client.
        [early-reset] The packets show that the server's side cut the connection early.
        [handshake] The packets show a handshake.
        [exchange] The packets show that both sides spoke.
        [midstream] The packets show a conversation of which the start was not captured.
        [sent-to-many] The packets show what needs no answer.
        [one-direction] The packets show one direction only, although the other exists.
       *[unclear] The packets do not show what became of it{ explain-doubt }.
    }
explain-doubt = { $doubt ->
        [none] {" "}although it was asked for often and long enough
        [capture-too-short] : the capture ended too early
        [too-few-tries] : there were too few tries
        [reset-only] : there is little more than a reset
        [quoted-only] : only an ICMP error tells of it
        [flow-limit] : it was given up early
       *[other] : there is no clear answer
    }

explain-any-host-pings = It is ICMP: any host pings, so that says nothing about Citrix.
explain-nothing-told = No protocol was told by the payload.
explain-payload-tells = { $answer ->
        [yes] The payload is { $protocol }, told surely enough to overrule a port.
       *[no] The payload looks like { $protocol }, but not surely enough to overrule a port.
    }
explain-only-citrix-speaks = { $answer ->
        [yes] Only Citrix speaks { $protocol }.
       *[no] { $protocol } is not spoken by Citrix alone, or not over this transport.
    }
explain-session-port = { $answer ->
        [yes] The port is a session port: ICA and CGP are both at home there.
       *[no] The port is no session port.
    }
explain-built-on = { $answer ->
        [yes] The service of this port is built on { $protocol }.
       *[no] No service of this port is built on { $protocol }.
    }
explain-spoken-by-server = { $answer ->
        [yes] The server speaks { $protocol } as well.
       *[no] Only the client spoke { $protocol }: a probe of anything does that.
    }
explain-own-port = { $answer ->
        [yes] { $protocol } belongs to the service of this port.
       *[no] The service of this port is not known by { $protocol }.
    }
explain-asked-by = The path that was asked for tells the service.
explain-citrix-name = { $answer ->
        [yes] The name or path that was asked for belongs to Citrix, and a rule names the port.
       *[no] No name or path points to Citrix.
    }
explain-contradicts = { $answer ->
        [yes] The service of this port does not speak { $protocol }, and the server does.
       *[no] That { $protocol } is spoken does not contradict the port.
    }
explain-port-known = { $answer ->
        [yes] Rules of the map name the port.
       *[no] No rule of the map names the port.
    }
explain-generic-port = { $answer ->
        [yes] Many programs use this port, so that it proves nothing.
       *[no] The port is specific: its number is enough.
    }
explain-public-server = { $answer ->
        [yes] The server has a public address, and servers on the internet use every port for something.
       *[no] The server has no public address.
    }
explain-opened-and-answered = { $answer ->
        [yes] It was seen to be opened and answered, on a port that is not handed out to clients.
       *[no] It was not seen to be opened and answered on a port that is not handed out to clients, so the port of the other transport
            says nothing.
    }
explain-known-of-other = { $answer ->
        [yes] The same port over { $transport } belongs to a service of Citrix.
       *[no] The same port over { $transport } belongs to no service of Citrix alone.
    }

explain-reply-due = { $answer ->
        [yes] The service always answers what it was sent, so silence means something.
       *[no] No answer is due to what was sent, so silence means nothing.
    }
explain-one-direction = { $answer ->
        [yes] The capture holds one direction only between these hosts, so the answer may have passed unseen.
       *[no] Nothing shows that the capture lacks a direction between these hosts.
    }
explain-tries-add-up = { $answer ->
        [yes] All tries of this client on this port count together, and are enough: { $number } from { $ports } ports in { $time }, and { $met ->
            [syn-ack] a SYN-ACK came to each and was never acknowledged.
           *[nothing] no answer since the first.
        }
       *[no] All tries of this client on this port together ({ $number } from { $ports ->
            [one] { $ports } port
           *[other] { $ports } ports
        } in { $time }) do not add up to silence: { $why ->
            [flood] they are a flood, which waits for no answer
            [told-no] some of them were told no
            [answers-unknown] more paths were answered than are kept, so an answer may be among the others
            [answered] the port answered meanwhile
            [both] a SYN-ACK came to some of them and nothing to others
           *[few] they are too few, or too close together
        }.
    }
explain-wrong-language = { $answer ->
        [yes] The client spoke another protocol than the port is for, and was shown the door: nothing is blocked.
       *[no] The client did not speak another protocol than the port is for.
    }
explain-concerns-citrix = { $fit ->
        [fits] Port and payload agree with the map, so it concerns Citrix.
        [foreign] The payload contradicts the port, so it concerns Citrix.
        [citrix-elsewhere] Citrix is spoken on a port that is not its own, so it concerns Citrix.
        [other-transport] The port belongs to a service of the other transport, so it concerns Citrix.
        [generic-port] Nothing but a port that many programs use ties it to Citrix, so it is not counted as Citrix.
       *[unknown-port] Neither port nor payload tie it to Citrix.
    }
explain-evaluable = { $answer ->
        [yes] What became of it can be judged.
       *[no] What became of it cannot be judged.
    }

explain-signs = What speaks for it (+), against it (-), and what else is known

explain-sign-basis = { $basis ->
        [handshake] Who is the client was told by the handshake.
        [port_map] Who is the client was told by the port map: the server's port is the one that it knows.
        [payload] Who is the client was told by who spoke first.
        [port_order] Who is the client was guessed by the ports: the start was not captured.
       *[first_packet] Who is the client was guessed by the first packet: the start was not captured.
    }
explain-sign-watched = { $answer ->
        [yes] It was watched for { $time }: past the shortest schedule of tries of a Windows client ({ $needed }), so silence is certain.
       *[no] It was watched for { $time }: longer than the least ({ $least }), shorter than the shortest schedule of tries of a Windows
            client ({ $needed }).
    }
explain-sign-let-go = It was given up before its time, because there were more flows than are followed at the same time.
explain-sign-directions = TCP flows between these hosts: { $both } captured in both directions, { $one } in one. The capture { $seen ->
        [half] misses one direction.
       *[whole] holds both.
    }
explain-sign-lossy = The capture lost packets in that time, so an answer may have been lost as well.
explain-sign-no-loss = { $known ->
        [yes] The captures say that no packet was lost in that time.
       *[no] Whether packets were lost, the captures do not say.
    }
explain-sign-filter = Only what passed the filter { $filter } was read.
explain-sign-clock = The clock of the captures stepped back, so times may be wrong.
explain-sign-answered = The same client was answered on this port { $when ->
        [before] before: { explain-times }, the last time at { $last }
        [after] later: { explain-times }, the first time at { $first }
       *[meanwhile] in that time as well: { explain-times }, from { $first } to { $last }
    }.
explain-times = { $number ->
        [one] once
       *[other] { $number } times
    }
explain-sign-never-answered = The same client was never answered on this port.
explain-sign-other-clients = { $number ->
        [0] No other client was answered on this port of the server.
        [one] { $number } other client was answered on this port of the server: the service runs, at least at times.
       *[other] { $number } other clients were answered on this port of the server: the service runs, at least at times.
    }
explain-sign-answers-unknown = More paths were answered than are kept, so an answer may be among the others.
explain-sign-other-tries = { $number ->
        [one] { $number } other flow of this client to this port came to nothing
       *[other] { $number } other flows of this client to this port came to nothing
    } ({ $tries } tries in all, those of this flow among them).
explain-sign-reset = The reset came with a time to live of { $ttl }; answers of the server come with { $usual }: { $answer ->
        [yes] nothing tells the two apart.
       *[no] it may come from somebody else.
    }
explain-sign-reset-alone = The reset came with a time to live of { $ttl }; there is no answer of the server to compare it with.
explain-sign-error = The ICMP error came from { $answer ->
        [yes] the server itself
       *[no] { $sender }, which is not the server
    }.
explain-sign-host-down = Nobody answered when the link was asked for the server (ARP or neighbour discovery), { $number } times.
explain-sign-again = Sent again: { $client } segments of the client, { $server } of the server.
explain-sign-copies = { $number ->
        [one] { $number } packet was
       *[other] { $number } packets were
    } captured twice and counted once.
explain-sign-cut = Payload is missing from the capture (snap length), so the protocol may not have been told.
explain-sign-died = One side repeated its data until it gave up, and the other was not heard of again.

explain-what-if = What would have changed it
explain-would-be = If { $changes }: { $outcome ->
        [half_open] half open
        [reset_early] reset early
        [one_way] one way
       *[other] { $outcome }
    }{ $blocked ->
        [yes] {" "}(blocked)
       *[no] {""}
    }, { $verdict ->
        [not_evaluable] not evaluable
       *[other] { $verdict }
    }.
explain-and = {" "}and{" "}
explain-nothing-else = Nothing that is tried here would have changed it.
explain-if-answer = a SYN-ACK had come and the client had gone on
explain-if-reply = a reply had come
explain-if-no-answer = nothing had come back, in as many tries and as much time as silence takes
explain-if-refusal = a reset had answered the SYN
explain-if-prohibition = an ICMP error had said that it is prohibited
explain-if-no-error = there had been no ICMP error
explain-if-more-tries = { $number ->
        [one] one more try
       *[other] { $number } more tries
    } had been seen
explain-if-more-time = it had been watched for { $time } more, and nothing had come
explain-if-cut = the capture had ended { $time } after its first packet
explain-if-acknowledgement = the client had acknowledged the SYN-ACK
explain-if-no-reset = the server's side had not reset
explain-if-server-spoke = the server had said something before the reset
explain-if-other-direction = the other direction had been captured as well
explain-if-start = the start had been captured
explain-if-spoken = both sides had spoken { $protocol }
explain-if-citrix-name = a name of Citrix had been asked for
explain-if-nothing-told = the payload had told no protocol

explain-part-of = What it is part of
explain-problem = Problem p{ $rank } ({ $id }): { $title }
explain-finding = { $about ->
        [capture] Remark
       *[traffic] Finding
    } { $code } ({ $id }): { $title }
explain-no-finding = No finding: { $why ->
        [blocked] what came to nothing here is told with a scan or a flood, or concerns nobody who is known.
        [unmapped] nothing ties it to Citrix.
        [not_evaluable] it cannot be judged.
        [unexpected] it is told with others.
       *[expected] nothing is wrong with it.
    }


## Who is behind a problem. The signs of a suspect, and why others are not excluded

culprit = { $kind ->
        [unknown] { $number ->
            [0] cannot be told
           *[other] cannot be told; possible are { $suspects }
        }
       *[other] { $suspects } ({ $confidence } confidence)
    }.
suspect = { $suspect ->
        [server] the server itself
        [host_firewall] a firewall on the server
        [middlebox] a device on the way
        [client_host] the client, or a firewall on it
        [network_path] the network between them
       *[unknown] somebody
    }{ $known ->
        [yes] , { $address }
       *[no] {""}
    }

sign-server-went-on = The server went on after the reset as if it had not sent one ({ flows }).
sign-reset-ttl = The resets came with TTL { $ttl }; the server's own packets come with TTL { $own }.
sign-reset-ttl-local = No router had handled the resets (TTL { $ttl }) where they were captured; the server's own packets come from behind one
    (TTL { $own }).
sign-reset-ttl-near = The resets came with TTL { $ttl }, the server's own packets always with TTL { $own }: a small difference.
sign-reset-ttl-start = The resets came with TTL { $ttl }, the server's own packets with TTL { $own }: from as far, but with another start value.
sign-reset-ttl-same = The resets came with TTL { $ttl }, as the server's own packets do.
sign-reset-fast = The resets came { $delay } ms after what they answer; the server's own answers take { $own } ms at least.
sign-reset-delay-same = The resets came { $delay } ms after what they answer, no sooner than the server's own answers ({ $own } ms).
sign-reset-identification = The IP identification of the resets is { $own ->
        [zero] not 0, that of the server's own answers always
       *[set] 0, that of the server's own answers never
    }.
sign-reset-identification-same = The IP identification of the resets is { $own ->
        [zero] 0, as that
       *[set] not 0, like that
    } of the server's own answers.
sign-reset-copies-identification = The resets carry the IP identification of the client's last packet.
sign-reset-copies-window = The resets carry the window of the client's SYN.
sign-reset-numbers = The resets have a sequence number other than 0, although they answer a SYN.
sign-reset-options = The resets carry no TCP options; those that the server sends in its sessions do.
sign-reset-after-greeting = Connections are cut { $shortest } to { $longest } after the handshake, when the client has begun to speak and the
    server has not.
sign-answers-others = { $server_count ->
        [one] The same port of the same server answered { clients-by-number } in the meantime.
       *[other] The same port of each of these servers answered { clients-by-number } or more in the meantime.
    }
sign-answers-these = The same port answered { $clients } of these clients as well, in the meantime or afterwards.
sign-client-unanswered = Nothing at all answered { $client } since then, while others are answered there.
sign-whole-networks-here = Nobody in { $networks } gets through to { $servers }, while { clients-by-number } of other networks did.
sign-old-sessions = { $flows ->
        [one] One session
       *[other] { $flows } sessions
    } on the same port that began before went on, while new connections got no answer.
sign-up = { $servers } sent other packets in the meantime or right before, so it was up.
sign-alive = { $servers } answered other flows of the same network in the meantime, such as on { port }.
sign-alive-before-and-after = { $servers } answered other flows of the same network before and after, such as on { port }.
sign-many-servers = { $number } servers that answer on other ports are all silent here.
sign-neighbours-answer = Other servers of the same network answered clients of the same networks on this port about that time: { $others }.
sign-whole-networks = Nobody in { $networks } gets through, while { clients-by-number } of other networks did.
sign-unanswered-requests = { $servers } was asked for on its own link { $requests } times, and nobody answered.
sign-never-heard = Nothing was heard of { $servers }: no answer to anybody on any TCP or UDP port, no reply to ARP or neighbour discovery.
sign-icmp-device = { $senders } rejected the packets: { $errors }.
sign-icmp-not-server = { $senders } is not the server.
sign-icmp-nearer = The messages came over a way of { $ttl } hops, the server's own packets over { $own }.
sign-icmp-several-servers = { $senders } speaks for { $number } servers.
sign-icmp-policy-of-server = The server itself told that a rule forbids it: { $errors }.
sign-icmp-instead-of-reset = The server answered TCP with an ICMP message ({ $errors }); a port where nothing listens answers with a reset.
sign-icmp-port-closed = The server itself told that nothing listens: { $errors }.
sign-icmp-ttl-same = The messages came over as many hops as the server's own packets.
sign-icmp-ttl = The messages carry the server's address and came over { $ttl } hops, the server's own packets over { $own }.
sign-icmp-no-host = { $senders } found nobody with the server's address: { $errors }.
sign-icmp-no-host-for-some = { $senders } found nobody with the server's address, although the server answered other flows of the same
    network about that time: { $errors }.
sign-icmp-no-route = { $senders } knows no way to the server: { $errors }.
sign-not-acknowledged = { $servers } answered the SYN, and the client never went on ({ flows }).
sign-captured-at-client = The answer was seen on the client's own link: no router had handled the client's packets (TTL { $ttl }).
sign-captured-at-server = The answer was seen on the server's own link: no router had handled it yet (TTL { $ttl }).

doubt-same-reset = A firewall on the server that rejects with resets looks the same as a port where nothing listens.
doubt-imitation = A device on the way that imitates the server's packets looks the same.
doubt-odd-server = Some systems send resets that differ from their other packets.
doubt-stealth = A Windows firewall stays silent where nothing listens, so it may also be that the service does not run.
doubt-full = A service that takes no more connections, or has stopped, is silent as well.
doubt-single-rule = A rule on the way may name single servers.
doubt-down = The server may be down.
doubt-silence = Silence does not tell where the packets were dropped, and systems send few ICMP errors, so that none were seen proves nothing.
doubt-route = A missing route, or a link that fails, looks the same.
doubt-address = The server may have another address, or lie in another network.
doubt-same-rejection = A firewall on the server rejects with the same message unless it is told otherwise.
doubt-forged-icmp = A device on the way may send such messages in the server's name.
doubt-way-back = The capture does not show what became of the answer behind the place where it was taken.
doubt-no-comparison = There are no packets of the server's own in this capture to compare with.
doubt-many-servers = There were too many servers to remember how each of them answers.
doubt-one-direction = The capture holds one direction only here, so nothing was looked into.
doubt-unsure = The capture does not show surely enough that it is blocked, so nothing was looked into.
doubt-contradiction = The signs contradict each other.

clients-by-number = { $others ->
        [one] { $others } other client
       *[other] { $others } other clients
    }


## The first screen, one problem, and the tables by host

screen-captures = { $captures } captures{ $folder ->
        [none] {""}
       *[other] {" "}in { $folder }
    }{ $names ->
        [none] {""}
       *[some] : { $names }{ $more ->
            [0] {""}
           *[other] {" "}and { $more } more
        }
    }
screen-packets = { $number ->
        [one] { $told } packet
       *[other] { $told } packets
    }
screen-problems = { $number ->
        [one] { $told } PROBLEM
       *[other] { $told } PROBLEMS
    }
screen-failed = { $failed } of { screen-connections } failed
screen-connections = { $number ->
        [one] { $told } connection
       *[other] { $told } connections
    }
screen-hit = { $more ->
        [more] at least { $hit }
       *[all] { $hit }
    } { $of ->
        [unknown] {""}
       *[other] of { $of }{" "}
    }{ $number ->
        [one] client
       *[other] clients
    } hit
screen-to = to
screen-from = from
screen-when = when
screen-works = works
screen-so = so
screen-who = who
screen-but = but
screen-do = DO
screen-pair = { $client } to { $server }
screen-first-host = { $first } and others:
screen-in = in { $names }{ $more ->
        [unknown] {" "}and perhaps others
        [0] {""}
       *[other] {" "}and { $more } more
    }
screen-all-remarks = (-v: { $remarks ->
        [one] { $remarks } remark
       *[other] { $remarks } remarks
    } in full)
screen-more-problems = { $told } more{ $errors ->
        [0] , no error among them
        [one] , { $errors } error among them
       *[other] , { $errors } errors among them
    }: { $live ->
        [live] -v
       *[file] --problem N, or -v
    }
screen-also = also
screen-infos = { $number ->
        [one] 1 remark ({ $first }): { $title }.
       *[other] { $number } remarks ({ $first }-{ $last }): { $title }, and others.
    }
screen-comments = { $number ->
        [one] { $told } comment
       *[other] { $told } comments
    } in the capture (-v).
screen-ok = OK
screen-others = { $number ->
        [one] { $told } other connection
       *[other] { $told } other connections
    }: nothing ties { $number ->
        [one] it
       *[other] them
    } to Citrix.
screen-unclear = UNCLEAR
screen-unclear-flows = { $number ->
        [one] { $told } Citrix connection
       *[other] { $told } Citrix connections
    } (-v): { $why }
screen-doubt = { $doubt ->
        [capture-too-short] the capture ended too early
        [too-few-tries] too few tries
        [one-direction] one direction only was captured
        [sent-to-many] sent to many, who do not answer
        [reset-only] only a reset was captured
        [quoted-only] known from an ICMP error only
        [no-clear-answer] no clear answer
       *[flow-limit] more at once than is followed
    }
screen-more = More:
screen-ways = { $live ->
        [live] with -v all findings and services, with -o FILE and --format json a report for programs
       *[file] { $problems ->
            [some] --problem 1 (hosts, packets, filter)  --by client  -v (all)  --format json
           *[none] -v (services, round trips)  --by client  --format json
        }
    }

detail-head = PROBLEM { $rank } of { $all }
detail-servers = servers
detail-clients = clients
detail-hosts = { $told }
detail-and-others = {" "}and others, who are not named
detail-when = when
detail-works = works
detail-no-contrast = nothing near it was seen to work
detail-wireshark = Wireshark
detail-selects-more = (selects also what else passed there; the filters below select each finding)
detail-rules = rules
detail-sources = sources
detail-what = what
detail-means = means
detail-vlans = VLAN
detail-packets = packets

by-column-name = { $by ->
        [client] client
        [server] server
       *[service] service
    }
by-column-connections = connections
by-column-failed = failed
by-column-problems = in problem
by-column-unclear = unclear
by-what = { $by ->
        [client] { $rows ->
            [one] client
           *[other] clients
        }
        [server] { $rows ->
            [one] server
           *[other] servers
        }
       *[service] { $rows ->
            [one] service
           *[other] services
        }
    }
by-rest = ... and { $rows_told } more { by-what }: { screen-connections }, { $failed } failed, { $unclear } unclear, in problem { $problems }; -v lists all.
by-others = Other traffic, which nothing ties to Citrix: { screen-connections }, { $failed } failed, { $unclear } unclear.
by-all = All { $rows_told } { by-what }: { screen-connections }, { $failed } failed, { $unclear } unclear.
by-left-out = { $number ->
        [one] { $told } connection is
       *[other] { $told } connections are
    } counted in the report and not in this table; --max-flows lets more in.

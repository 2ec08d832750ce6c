"""What stand-ins say in logons, registrations, tickets and handshakes that fail: DNS, Kerberos, HTTP, TLS and DTLS.

As in `talk.py`: formats follow public standards, what lies behind them is filler. Reference numbers in comments are those of
`src/facts.md`.
"""

import select
import ssl
import struct
import time

from talk import dns_query, dtls_message, dtls_record, filler, receive

# DNS (RFC 1035, 4.1).


def zone(names):
    """A server that knows these names, and says of every other that it does not exist (RCODE 3)."""

    def answer(query):
        identity, name = struct.unpack_from("!H", query)[0], name_of(query)
        if name not in names:
            return [struct.pack("!HHHHHH", identity, 0x8183, 1, 0, 0, 0) + query[12:]]
        address = bytes(int(part) for part in names[name].split("."))
        head = struct.pack("!HHHHHH", identity, 0x8180, 1, 1, 0, 0)
        return [head + query[12:] + struct.pack("!HHHIH", 0xC00C, 1, 1, 300, 4) + address]

    return answer


def name_of(query):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    return ".".join(labels)


def asks_name(made, server, name, identity=0x3C01):
    """Ask for the IPv4 address of a name; gives the answer."""
    made.sendto(dns_query(identity, name), (server.address, 53))
    return made.recv(512)


# Kerberos (RFC 4120, 5): DER, no key of anybody. On TCP the length comes first (7.2.2).


def der(tag, *parts):
    body = b"".join(parts)
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def field(number, *parts):
    return der(0xA0 | number, *parts)


def integer(value):
    return der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def general(text):
    return der(0x1B, text.encode())


def octets(data):
    return der(0x04, data)


def principal(kind, *names):
    return der(0x30, field(0, integer(kind)), field(1, der(0x30, *map(general, names))))


def moment(seconds):
    return der(0x18, time.strftime("%Y%m%d%H%M%SZ", time.gmtime(seconds)).encode())


def sealed(size, seed):
    """Encrypted data of type 18, AES-256 (RFC 3962): filler."""
    return der(0x30, field(0, integer(18)), field(2, octets(filler(size, seed))))


def ticket(realm, service):
    return der(0x61, der(0x30, field(0, integer(5)), field(1, general(realm)), field(2, service), field(3, sealed(900, 61))))


REALM = "CORP.EXAMPLE"
KRBTGT = principal(2, "krbtgt", REALM)


def tgs_request(service):
    """Ask for a ticket to a service, with the ticket to ask for tickets."""
    proof = der(0x6E, der(0x30, field(0, integer(5)), field(1, integer(14)), field(2, der(0x03, bytes(5))),
                          field(3, ticket(REALM, KRBTGT)), field(4, sealed(180, 62))))
    proofs = der(0x30, der(0x30, field(1, integer(1)), field(2, octets(proof))))
    body = der(0x30, field(0, der(0x03, bytes.fromhex("0040810000"))), field(2, general(REALM)), field(3, service),
               field(5, der(0x18, b"20370913024805Z")), field(7, integer(0x2A5B)), field(8, der(0x30, integer(18))))
    return der(0x6C, der(0x30, field(1, integer(5)), field(2, integer(12)), field(3, proofs), field(4, body)))


def tgs_reply(service, machine):
    return der(0x6D, der(0x30, field(0, integer(5)), field(1, integer(13)), field(3, general(REALM)),
                         field(4, principal(1, machine)), field(5, ticket(REALM, service)), field(6, sealed(280, 63))))


def kerberos_error(code, service, skew=0):
    """KRB-ERROR (RFC 4120, 5.9.1) with the server's time, which is so many seconds ahead."""
    now = time.time() + skew
    return der(0x7E, der(0x30, field(0, integer(5)), field(1, integer(30)), field(4, moment(now)),
                         field(5, integer(271828)), field(6, integer(code)), field(9, general(REALM)), field(10, service)))


CLOCK_SKEW = 37  # KRB_AP_ERR_SKEW (RFC 4120, 7.5.9)


def asks_ticket(host):
    """Ask for a ticket to a host on TCP 88; what comes back is read and not judged."""

    def talk(connection):
        said = tgs_request(principal(2, "HOST", host))
        connection.sendall(struct.pack("!I", len(said)) + said)
        receive(connection, struct.unpack("!I", receive(connection, 4))[0])

    return talk


def gives_tickets(host, machine, skewed=()):
    """A key distribution centre that gives tickets to this host, and an error to machines whose clock is wrong."""

    def talk(connection):
        receive(connection, struct.unpack("!I", receive(connection, 4))[0])
        service = principal(2, "HOST", host)
        late = connection.getpeername()[0] in skewed
        said = kerberos_error(CLOCK_SKEW, service, 1020) if late else tgs_reply(service, machine)
        connection.sendall(struct.pack("!I", len(said)) + said)
        receive(connection, 1)

    return talk


# HTTP/1.1: registration, XML service, tickets (facts REG-01, XML-01, STA-01).

REGISTRAR = "/Citrix/CdsController/IRegistrar"
XML = "/scripts/wpnbr.dll"
STA = "/scripts/ctxsta.dll"
SOAP = "application/soap+xml; charset=utf-8"
XML_BODY = ('<?xml version="1.0" encoding="UTF-8"?>\r\n<!DOCTYPE NFuseProtocol SYSTEM "NFuse.dtd">\r\n'
            '<NFuseProtocol version="5.4"><RequestAppData/></NFuseProtocol>\r\n')
STA_BODY = ('<?xml version="1.0" encoding="UTF-8"?>\r\n<!DOCTYPE CtxSTAProtocol SYSTEM "CtxSTA.dtd">\r\n'
            '<CtxSTAProtocol version="4.0"><RequestData/></CtxSTAProtocol>\r\n')


def posted(path, host, body, kind="text/xml"):
    head = f"POST {path} HTTP/1.1\r\nContent-Type: {kind}\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body.encode()


def envelope(size, seed=0):
    """A SOAP envelope around hexadecimal filler."""
    return ('<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>' + filler(size // 2, seed).hex()
            + "</s:Body></s:Envelope>")


def answered(status, body):
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nServer: Microsoft-HTTPAPI/2.0\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body.encode()


def read_message(connection):
    """One request or answer with its body, or None when the other side has said goodbye."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return None
        data += part
    head, body = data.split(b"\r\n\r\n", 1)
    size = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
    receive(connection, size - len(body))
    return head


def asks(*requests, pause=0.05):
    """Requests on one connection, each after the answer to the one before."""

    def talk(connection):
        for request in requests:
            connection.sendall(request)
            read_message(connection)
            time.sleep(pause)

    return talk


def answers(waits=(), status="200 OK", size=700):
    """Answers every request; the first ones after these waits, in seconds."""

    def talk(connection):
        waiting = iter(waits)
        while read_message(connection) is not None:
            time.sleep(next(waiting, 0.0))
            connection.sendall(answered(status, envelope(size, 7)))

    return talk


# One question and one answer of whatever protocol.


def says(question, answer):
    def talk(connection):
        connection.sendall(question)
        receive(connection, len(answer))

    return talk


def takes(question, answer):
    def talk(connection):
        receive(connection, len(question))
        connection.sendall(answer)
        receive(connection, 1)

    return talk


# TLS (RFC 5246, RFC 8446) by the system's own library.


def versions(context, lowest, highest):
    context.minimum_version, context.maximum_version = lowest, highest
    if lowest < ssl.TLSVersion.TLSv1_2:
        context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def tls_host(files, lowest=ssl.TLSVersion.TLSv1_2, highest=ssl.TLSVersion.TLSv1_2, ciphers=None):
    """A server with a certificate that answers what comes; handshakes may fail."""
    context = versions(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), lowest, highest)
    context.load_cert_chain(*files)
    if ciphers:
        context.set_ciphers(ciphers)

    def talk(connection):
        try:
            with context.wrap_socket(connection.dup(), server_side=True) as secured:
                secured.settimeout(10)
                while secured.recv(4096):
                    secured.sendall(answered("200 OK", envelope(300, 9)))
        except ssl.SSLError:
            pass

    return talk


def tls_guest(name, lowest=ssl.TLSVersion.TLSv1_2, highest=ssl.TLSVersion.TLSv1_2, requests=2, trusts=True, ciphers=None,
              between=None, alert=None):
    """A client; `trusts` accepts any certificate, otherwise it knows no authority. `between` is called between requests. Where
    `alert` is given the handshake must fail with an error that has this text."""
    context = versions(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), lowest, highest)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE if trusts else ssl.CERT_REQUIRED
    if ciphers:
        context.set_ciphers(ciphers)

    def talk(connection):
        try:
            with context.wrap_socket(connection.dup(), server_hostname=name) as secured:
                secured.settimeout(10)
                for number in range(requests):
                    if between and number:
                        between()
                    secured.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
                    secured.recv(4096)
        except (ssl.SSLError, ConnectionResetError, TimeoutError) as problem:
            if alert is None or alert not in str(problem):
                raise
        else:
            if alert is not None:
                raise RuntimeError(f"the handshake did not fail with {alert}")

    return talk


def tls_alert(number, version=b"\x03\x03"):
    """A fatal alert in the clear."""
    return b"\x15" + version + struct.pack("!HBB", 2, 2, number)


def takes_plain_for_tls(connection):
    """A TLS server to which somebody speaks HTTP: an alert, protocol version, and goodbye."""
    read_message(connection)
    connection.sendall(tls_alert(70))


def takes_tls_for_plain(connection):
    """A web server to which somebody speaks TLS: 400, and goodbye."""
    connection.recv(4096)
    body = "<html><head><title>400 Bad Request</title></head></html>"
    connection.sendall(answered("400 Bad Request", body))


def hears_and_says_nothing(over):
    """Take what comes and never answer."""

    def talk(connection):
        while not over.is_set():
            if select.select([connection], [], [], 0.2)[0] and not connection.recv(4096):
                return

    return talk


# DTLS 1.2 (RFC 6347) that ends with an alert.


def dtls_named(name, number, cookie=b""):
    """A client hello with the server's name (RFC 6066, 3), the first without and the second with the server's cookie."""
    listed = b"\x00" + struct.pack("!H", len(name)) + name.encode()
    extension = struct.pack("!HHH", 0, len(listed) + 2, len(listed)) + listed
    suites = bytes.fromhex("c02fc030009c009d")
    hello = b"\xfe\xfd" + filler(32, 1) + b"\0" + bytes([len(cookie)]) + cookie + struct.pack("!H", len(suites)) + suites
    hello += b"\x01\0" + struct.pack("!H", len(extension)) + extension
    return dtls_record(22, 0, number, dtls_message(1, number, hello))


def dtls_tries(made, server, name):
    """Two hellos, the second with the server's cookie; what comes then is an alert."""
    made.connect((server.address, 443))
    made.send(dtls_named(name, 0))
    cookie = made.recv(2048)[28:48]
    made.send(dtls_named(name, 1, cookie))
    made.recv(2048)


def dtls_refuses(number):
    """Ask for a cookie, then end with this alert."""

    def answer(datagram):
        if int.from_bytes(datagram[7:11], "big") == 0:
            return [dtls_record(22, 0, 0, dtls_message(3, 0, b"\xfe\xff\x14" + filler(20, 2)))]
        return [dtls_record(21, 0, 1, bytes([2, number]))]

    return answer

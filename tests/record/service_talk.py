"""What the stand-ins of services say: network boot and Provisioning, licensing, logon, recording, WebSocket.

As in `talk.py`, which holds what is shared. Layouts follow the public standards that stand beside them; what lies behind them is
filler.
"""

import calendar
import socket
import struct
import time

from talk import filler, pvs_request, receive

EVERYBODY = "255.255.255.255"
NOBODY = "0.0.0.0"


# DHCP (RFC 2131, options of RFC 2132 and RFC 4578) and PXE: a proxy offer on UDP 67, boot information on UDP 4011.

DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5
MESSAGE, SERVER, CLASS, TFTP_SERVER, BOOT_FILE = 53, 54, 60, 66, 67


def dhcp(kind, number, hardware, options=(), own=NOBODY, given=NOBODY, next_server=NOBODY, file=b"", secs=0):
    """A message; `options` are pairs of number and bytes."""
    operation = 2 if kind in (OFFER, ACK) else 1
    head = struct.pack("!BBBBIHH", operation, 1, 6, 0, number, secs, 0x8000)
    head += b"".join(socket.inet_aton(one) for one in (own, given, next_server, NOBODY))
    head += hardware.ljust(16, b"\0") + bytes(64) + file.ljust(128, b"\0") + bytes.fromhex("63825363")
    listed = [(MESSAGE, bytes([kind])), *options]
    body = b"".join(struct.pack("!BB", option, len(value)) + value for option, value in listed)
    return (head + body + b"\xff").ljust(300, b"\0")


def dhcp_options(message):
    """The options of a message by their number."""
    made, at = {}, 240
    while at < len(message) and message[at] != 255:
        if message[at] == 0:
            at += 1
            continue
        made[message[at]] = message[at + 2:at + 2 + message[at + 1]]
        at += 2 + message[at + 1]
    return made


def pxe_wishes(hardware, uefi=False):
    """What the boot program of a network card says of itself (RFC 4578)."""
    name = b"PXEClient:Arch:00007:UNDI:003016" if uefi else b"PXEClient:Arch:00000:UNDI:002001"
    return [
        (55, bytes([1, 3, 6, 11, 13, 17, 43, 54, 60, 66, 67, 97])),
        (57, struct.pack("!H", 1260)),
        (97, b"\0" + hardware.ljust(16, b"\x11")),
        (93, struct.pack("!H", 7 if uefi else 0)),
        (94, bytes.fromhex("010310" if uefi else "010201")),
        (CLASS, name),
    ]


def dhcp_server(own, given, boot=None):
    """Leases one address. `boot` names the server and the file to boot from."""
    base = [(SERVER, socket.inet_aton(own)), (51, struct.pack("!I", 86_400)), (1, bytes([255, 255, 255, 0]))]
    named = dict(given=given)
    if boot:
        base += [(TFTP_SERVER, boot[0].encode()), (BOOT_FILE, boot[1])]
        named |= dict(next_server=boot[0], file=boot[1])

    def answer(message):
        asked = dhcp_options(message)
        number, hardware = struct.unpack_from("!I", message, 4)[0], message[28:34]
        if asked[MESSAGE][0] == DISCOVER:
            return [dhcp(OFFER, number, hardware, base, **named)]
        if asked.get(SERVER) == socket.inet_aton(own):
            return [dhcp(ACK, number, hardware, base, **named)]
        return []

    return answer


def pxe_proxy(own):
    """The PXE service beside a DHCP server: it offers no address, and says that it is there to be asked on UDP 4011."""

    def answer(message):
        asked = dhcp_options(message)
        if asked[MESSAGE][0] != DISCOVER or not asked.get(CLASS, b"").startswith(b"PXEClient"):
            return []
        number, hardware = struct.unpack_from("!I", message, 4)[0], message[28:34]
        return [dhcp(OFFER, number, hardware, [(SERVER, socket.inet_aton(own)), (CLASS, b"PXEClient"), (97, asked[97])])]

    return answer


def pxe_server(own, file):
    """The PXE service on UDP 4011: names the boot file."""

    def answer(message):
        asked = dhcp_options(message)
        number, hardware = struct.unpack_from("!I", message, 4)[0], message[28:34]
        options = [(SERVER, socket.inet_aton(own)), (CLASS, b"PXEClient"), (97, asked[97]), (BOOT_FILE, file)]
        client = socket.inet_ntoa(message[12:16])
        return [dhcp(ACK, number, hardware, options, own=client, next_server=own, file=file)]

    return answer


def dhcp_lease(made, hardware, number, uefi=False, collect=0.4):
    """Ask everybody for an address, collect offers, and take the first that has one."""
    wishes = pxe_wishes(hardware, uefi)
    made.sendto(dhcp(DISCOVER, number, hardware, wishes), (EVERYBODY, 67))
    offers = []
    end = time.monotonic() + collect
    while (left := end - time.monotonic()) > 0:
        made.settimeout(left)
        try:
            offers.append(made.recv(2048))
        except TimeoutError:
            break
    made.settimeout(5)
    best = next(one for one in offers if one[16:20] != bytes(4))
    options = [(50, best[16:20]), (SERVER, dhcp_options(best)[SERVER]), *wishes]
    made.sendto(dhcp(REQUEST, number, hardware, options, secs=1), (EVERYBODY, 67))
    while dhcp_options(made.recv(2048))[MESSAGE][0] != ACK:
        pass
    return socket.inet_ntoa(best[16:20])


def pxe_question(own, hardware, number):
    """What a client asks the PXE service on UDP 4011."""
    return dhcp(REQUEST, number, hardware, pxe_wishes(hardware), own=own)


# TFTP (RFC 1350, 2347, 2348, 2349).


def tftp_request(name, **options):
    listed = b"".join(key.encode() + b"\0" + str(value).encode() + b"\0" for key, value in options.items())
    return b"\x00\x01" + name + b"\0octet\0" + listed


def tftp_agreed(**options):
    listed = b"".join(key.encode() + b"\0" + str(value).encode() + b"\0" for key, value in options.items())
    return b"\x00\x06" + listed


def tftp_error(code, text):
    return b"\x00\x05" + struct.pack("!H", code) + text + b"\0"


def tftp_data(number, content, size):
    return struct.pack("!HH", 3, number) + content[(number - 1) * size:number * size]


def tftp_sizes_and_sends(well_known, sized, fresh, content):
    """Serve a boot program: it asks for the size first and breaks off, then asks again and takes the file in blocks of 1,456."""
    _, sender = well_known.recvfrom(2048)
    sized.sendto(tftp_agreed(tsize=len(content)), sender)
    sized.recvfrom(2048)
    _, sender = well_known.recvfrom(2048)
    fresh.sendto(tftp_agreed(blksize=1456), sender)
    fresh.recvfrom(2048)
    for number in range(1, len(content) // 1456 + 2):
        fresh.sendto(tftp_data(number, content, 1456), sender)
        fresh.recvfrom(2048)


def tftp_boot(first, second, server, name):
    """What the boot program of a network card does: ask for the size, break off (error 0), ask again, acknowledge blocks."""
    first.sendto(tftp_request(name, tsize=0), (server.address, 69))
    _, sender = first.recvfrom(2048)
    first.sendto(tftp_error(0, b"TFTP Aborted"), sender)
    time.sleep(0.05)
    second.sendto(tftp_request(name, blksize=1456), (server.address, 69))
    _, sender = second.recvfrom(2048)
    second.sendto(b"\x00\x04\x00\x00", sender)
    while True:
        block, sender = second.recvfrom(2048)
        second.sendto(b"\x00\x04" + block[2:4], sender)
        if len(block) < 1460:
            return


# Provisioning: requests with a number of their own, answered one by one; what is not answered is repeated with the same bytes.


def pvs_sender(size):
    """Answers a request with its own number."""
    return lambda datagram: [datagram[:8] + filler(size, struct.unpack_from("<I", datagram, 4)[0])]


def pvs_stream(made, server, port, requests, size=24, pause=0.004, patience=None):
    """Ask for one thing after the other. Where `patience` is given, a request without an answer for so long is sent again. Gives
    the number of repeats."""
    made.connect((server.address, port))
    made.settimeout(patience or 5)
    repeats = 0
    for number in range(requests):
        question = pvs_request("object", size, number)
        while True:
            made.send(question)
            try:
                while made.recv(2048)[4:8] != question[4:8]:
                    pass
                break
            except TimeoutError:
                if not patience:
                    raise
                repeats += 1
        time.sleep(pause)
    return repeats


def insist(made, server, port, question, times, period=1.0):
    """Send the same datagram again and again; nobody is expected to answer."""
    for _ in range(times):
        made.sendto(question, (server.address, port))
        time.sleep(period)


# HTML5 client: HTTP with a wish to go on as WebSocket (RFC 6455).

WEBSOCKET_QUESTION = (
    b"GET / HTTP/1.1\r\nHost: vda1.corp.example:8008\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Origin: https://store.corp.example\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
WEBSOCKET_ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


def websocket_frame(body, masked):
    """A binary frame; a client masks what it says."""
    if not masked:
        head = bytes([0x82, len(body)]) if len(body) < 126 else b"\x82\x7e" + struct.pack("!H", len(body))
        return head + body
    key = filler(4, len(body))
    return bytes([0x82, 0x80 | len(body)]) + key + bytes(one ^ key[place % 4] for place, one in enumerate(body))


def websocket_client(connection, exchanges=8, pause=0.1):
    connection.sendall(WEBSOCKET_QUESTION)
    receive(connection, len(WEBSOCKET_ANSWER))
    for number in range(exchanges):
        connection.sendall(websocket_frame(filler(40, number), True))
        receive(connection, 304)
        time.sleep(pause)


def websocket_server(connection):
    receive(connection, len(WEBSOCKET_QUESTION))
    connection.sendall(WEBSOCKET_ANSWER)
    while receive(connection, 46) is not None:
        connection.sendall(websocket_frame(filler(300, 7), False))


# Session Recording: message queuing, binary protocol ([MS-MQQB] 2.2.19.1: version 10, signature "LIOR", size).


def queue_packet(size, seed):
    body = filler(size, seed)
    return struct.pack("<BBHIII", 0x10, 0, 0x03, 0x524F494C, 16 + size, 0xFFFFFFFF) + body


def queue_client(connection, messages=5, pause=0.2):
    for number in range(messages):
        connection.sendall(queue_packet(200 + number, number))
        receive(connection, 76)
        time.sleep(pause)


def queue_server(connection):
    while (head := receive(connection, 16)) is not None:
        receive(connection, struct.unpack_from("<I", head, 8)[0] - 16)
        connection.sendall(queue_packet(60, 9))


# Kerberos over TCP (RFC 4120): a length, then DER.

REALM = b"CORP.EXAMPLE"
PREAUTH_REQUIRED, CLOCK_SKEW = 25, 37


def der(tag, *parts):
    body = b"".join(parts)
    if len(body) < 128:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def whole(number):
    """An INTEGER that is not negative."""
    return der(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def held(number, *parts):
    """What stands behind a context tag."""
    return der(0xA0 | number, *parts)


def text(value):
    return der(0x1B, value)


def principal(kind, *names):
    return der(0x30, held(0, whole(kind)), held(1, der(0x30, *[text(name) for name in names])))


def moment(seconds):
    return der(0x18, time.strftime("%Y%m%d%H%M%SZ", time.gmtime(seconds)).encode())


def sealed(size, seed, kind=18):
    return der(0x30, held(0, whole(kind)), held(2, der(4, filler(size, seed))))


def kerberos_body(service, nonce):
    return der(
        0x30, held(0, der(3, bytes.fromhex("0040810010"))), held(1, principal(1, b"VDA1$")), held(2, text(REALM)),
        held(3, principal(2, *service)), held(5, der(0x18, b"20370913024805Z")), held(7, whole(nonce)),
        held(8, der(0x30, *[whole(kind) for kind in (18, 17, 23)])),
    )


def kerberos_request(kind, service, nonce, proof=None):
    """AS-REQ (10) or TGS-REQ (12). `proof` is what the client proves itself with: kind and bytes."""
    padata = [held(3, der(0x30, der(0x30, held(1, whole(proof[0])), held(2, der(4, proof[1])))))] if proof else []
    body = der(0x30, held(1, whole(5)), held(2, whole(kind)), *padata, held(4, kerberos_body(service, nonce)))
    return der(0x60 | kind, body)


def kerberos_ticket(kind, service, size):
    """AS-REP (11) or TGS-REP (13)."""
    ticket = der(0x61, der(0x30, held(0, whole(5)), held(1, text(REALM)), held(2, principal(2, *service)),
                           held(3, sealed(size, 5))))
    return der(0x60 | kind, der(0x30, held(0, whole(5)), held(1, whole(kind)), held(3, text(REALM)),
                                held(4, principal(1, b"VDA1$")), held(5, ticket), held(6, sealed(180, 6))))


def kerberos_error(code, service, stamp):
    """KRB-ERROR (RFC 4120, 5.9.1) with the server's time."""
    return der(0x7E, der(0x30, held(0, whole(5)), held(1, whole(30)), held(4, moment(stamp)), held(5, whole(4711)),
                         held(6, whole(code)), held(9, text(REALM)), held(10, principal(2, *service))))


TGT = (b"krbtgt", REALM)
TIMESTAMP, TGS_REQ = 2, 1  # kinds of proof (RFC 4120, 7.5.2)


def with_length(message):
    return struct.pack("!I", len(message)) + message


def kerberos_ask(connection, message):
    """Send a request; gives the tag of the answer."""
    connection.sendall(with_length(message))
    length = struct.unpack("!I", receive(connection, 4))[0]
    return receive(connection, length)[0]


def kerberos_first(connection):
    """A request without a proof, which is answered by the wish for one: a healthy beginning."""
    kerberos_ask(connection, kerberos_request(10, TGT, 1001))


def kerberos_proved(connection):
    kerberos_ask(connection, kerberos_request(10, TGT, 1002, (TIMESTAMP, sealed(56, 2))))


def kerberos_service(*names):
    """Ask for a ticket to a service, as the holder of a ticket."""

    def conversation(connection):
        kerberos_ask(connection, kerberos_request(12, names, 1003, (TGS_REQ, filler(620, 3))))

    return conversation


def kerberos_server(ahead=None):
    """A domain controller; with `ahead`, its clock is so many seconds from that of its clients, and it turns their proofs down."""

    def conversation(connection):
        while (head := receive(connection, 4)) is not None:
            message = receive(connection, struct.unpack("!I", head)[0])
            now = calendar.timegm(time.gmtime()) + (ahead or 0)
            if message[0] == 0x6C:
                answer = kerberos_ticket(13, (b"ldap", b"dc2.corp.example"), 700)
            elif b"\xa1\x03\x02\x01\x02\xa2" not in message[:64]:
                answer = kerberos_error(PREAUTH_REQUIRED, TGT, now)
            elif ahead is not None:
                answer = kerberos_error(CLOCK_SKEW, TGT, now)
            else:
                answer = kerberos_ticket(11, TGT, 700)
            connection.sendall(with_length(answer))

    return conversation


# LDAP (RFC 4511): a look at the root, a bind with Kerberos, a search.


def ldap_message(number, operation):
    return der(0x30, der(2, bytes([number])), operation)


def ldap_search(number, base, scope, attribute):
    present = der(0x87, b"objectClass")
    return ldap_message(number, der(0x63, der(4, base), der(0x0A, bytes([scope])), der(0x0A, b"\0"), whole(0), whole(0),
                                    der(1, b"\0"), present, der(0x30, der(4, attribute))))


def ldap_found(number, name, attribute, value):
    entry = der(0x64, der(4, name), der(0x30, der(0x30, der(4, attribute), der(0x31, der(4, value)))))
    return ldap_message(number, entry) + ldap_message(number, der(0x65, der(0x0A, b"\0"), der(4), der(4)))


LDAP_QUESTIONS = (
    ldap_search(1, b"", 0, b"defaultNamingContext"),
    ldap_message(2, der(0x60, whole(3), der(4), der(0xA3, der(4, b"GSS-SPNEGO"), der(4, b"\x60" + filler(900, 11))))),
    ldap_search(3, b"DC=corp,DC=example", 2, b"memberOf"),
)
LDAP_ANSWERS = (
    ldap_found(1, b"", b"defaultNamingContext", b"DC=corp,DC=example"),
    ldap_message(2, der(0x61, der(0x0A, b"\0"), der(4), der(4), der(0x87, filler(120, 12)))),
    ldap_found(3, b"CN=anna,DC=corp,DC=example", b"memberOf", b"CN=staff,DC=corp,DC=example"),
)

# A bind with a name and a password (RFC 4511, 4.2), and success.
LDAP_PASSWORD = ldap_message(1, der(0x60, whole(3), der(4, b"CN=svc-adc,DC=corp,DC=example"), der(0x80, filler(12, 13).hex().encode())))
LDAP_WELCOME = ldap_message(1, der(0x61, der(0x0A, b"\0"), der(4), der(4)))


def ldap_client(connection):
    for question, answer in zip(LDAP_QUESTIONS, LDAP_ANSWERS):
        connection.sendall(question)
        receive(connection, len(answer))
        time.sleep(0.02)


def ldap_server(connection):
    for question, answer in zip(LDAP_QUESTIONS, LDAP_ANSWERS):
        if receive(connection, len(question)) is None:
            return
        connection.sendall(answer)
    receive(connection, 1)

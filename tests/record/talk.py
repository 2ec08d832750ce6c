"""What the stand-ins say: the bytes of each protocol, as far as they are publicly known, and short conversations.

No Citrix software is involved. Greetings and headers follow public descriptions; what lies behind them is filler
from a counter, never data of anybody's session.
"""

import select
import socket
import ssl
import struct
import time

# CGP: both sides greet with 0x1A "CGP/01"; the client names the service that it wants, length first.
CGP = bytes.fromhex("1a4347502f3031")
CGP_CLIENT = CGP + bytes(12) + b"\x00\x16Citrix.TcpProxyService" + bytes(6)
CGP_SERVER = CGP + bytes(12) + b"\x00\x00\x00\xb4" + bytes(10)

# ICA: the server greets first, the client answers with the same six bytes.
ICA = bytes.fromhex("7f7f49434100")
ICA_HELLO = b"\x00" + struct.pack("<H", 15) + b"\x07\x00" + bytes(13)
ICA_MODULES = (
    (0x00, b"WFICA32.EXE"), (0x05, b"TDWSTCPN.DLL"), (0x04, b"PDRFRAMN.DLL"), (0x04, b"PDCRYPTN.DLL"),
    (0x02, b"WDICA30N.DLL"), (0x03, b"VDTW30N.DLL"), (0x03, b"VDCLIPN.DLL"), (0x03, b"VDLICN.DLL"),
)

# StreamProcess datagrams start with a little-endian code of the form xx 00 02 40.
PVS_CODES = {"login": 0x40020010, "boot-record": 0x40020004, "object": 0x40020006}


def filler(size, seed=0):
    """So many bytes that look like nothing in particular and are the same in every recording."""
    state = (seed * 2654435761 + 97) & 0xFFFFFFFF
    made = bytearray()
    while len(made) < size:
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        made.append(state >> 24)
    return bytes(made)


def receive(connection, size):
    """Exactly this number of bytes, or None when the other side has said goodbye."""
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            return None
        data += part
    return data


# CGP on TCP. Behind the greeting: a big-endian length, the size of the answer that is wanted, filler.


def cgp_greet(connection):
    connection.sendall(CGP_CLIENT)
    receive(connection, len(CGP_SERVER))


def cgp_exchange(connection, size=24, answer=400, seed=0):
    connection.sendall(struct.pack("!II", 4 + size, answer) + filler(size, seed))
    if answer:
        receive(connection, 8 + answer)


def cgp_client(connection, exchanges=6, pause=0.05, answer=400):
    cgp_greet(connection)
    for number in range(exchanges):
        cgp_exchange(connection, 24 + number, answer, number)
        time.sleep(pause)


def cgp_server(connection):
    if receive(connection, len(CGP_CLIENT)) is None:
        return
    connection.sendall(CGP_SERVER)
    while (head := receive(connection, 8)) is not None:
        length, answer = struct.unpack("!II", head)
        receive(connection, length - 4)
        if answer:
            connection.sendall(struct.pack("!II", 4 + answer, 0) + filler(answer, answer))


def cgp_server_cut_off(connection):
    """A server that at some time hears nothing any more."""
    try:
        cgp_server(connection)
    except TimeoutError:
        pass


def cgp_speaks_on(gone, exchanges):
    """A server that answers some requests, and speaks on when the client is gone."""

    def conversation(connection):
        receive(connection, len(CGP_CLIENT))
        connection.sendall(CGP_SERVER)
        for _ in range(exchanges):
            length, answer = struct.unpack("!II", receive(connection, 8))
            receive(connection, length - 4)
            connection.sendall(struct.pack("!II", 4 + answer, 0) + filler(answer, answer))
        gone.wait(20)
        connection.sendall(filler(300))
        time.sleep(32)

    return conversation


def cgp_until(over):
    """A server that answers until the scene is over, however long a client is quiet."""

    def conversation(connection):
        if receive(connection, len(CGP_CLIENT)) is None:
            return
        connection.sendall(CGP_SERVER)
        while not over.is_set():
            if not select.select([connection], [], [], 0.2)[0]:
                continue
            head = receive(connection, 8)
            if head is None:
                return
            length, answer = struct.unpack("!II", head)
            receive(connection, length - 4)
            if answer:
                connection.sendall(struct.pack("!II", 4 + answer, 0) + filler(answer, answer))

    return conversation


def cgp_killed(death):
    """A server that answers until its process is killed: the system resets what is open."""
    until = cgp_until(death)

    def conversation(connection):
        until(connection)
        if death.is_set():
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return conversation


# ICA on TCP. Records start with their length less two, little-endian, and 01; then the size of the wanted answer.


def ica_module(index, kind, name):
    rest = bytes([index, kind]) + struct.pack("<H", 1) + name.ljust(13, b"\0") + name[:8].ljust(9, b"\0") + bytes(8)
    length = struct.pack("<H", 4 + len(rest) - 2)
    return b"\x01" + length + length + rest


def ica_record(size, answer, seed):
    body = struct.pack("<H", answer) + filler(size, seed)
    return struct.pack("<HB", 1 + len(body), 0x01) + body


def ica_greet(connection):
    receive(connection, len(ICA))
    connection.sendall(ICA)
    receive(connection, len(ICA_HELLO))
    for index, (kind, name) in enumerate(ICA_MODULES):
        connection.sendall(ica_module(len(ICA_MODULES) - 1 - index, kind, name))
        time.sleep(0.004)
    receive(connection, 84)
    connection.sendall(b"\x04\x00\x00\x00\x00\x00")
    receive(connection, 6)
    connection.sendall(b"\x03\x00\x04\x00\x04\x00")


def ica_exchange(connection, size=10, answer=120, seed=0):
    connection.sendall(ica_record(size, answer, seed))
    if answer:
        receive(connection, answer)


def ica_client(connection, exchanges=6, pause=0.05, answer=120):
    ica_greet(connection)
    for number in range(exchanges):
        ica_exchange(connection, 10 + number % 4, answer + number, number)
        time.sleep(pause)


def ica_server(connection):
    connection.sendall(ICA)
    if receive(connection, len(ICA)) is None:
        return
    connection.sendall(ICA_HELLO)
    for _ in ICA_MODULES:
        head = receive(connection, 5)
        receive(connection, struct.unpack("<H", head[1:3])[0] - 2)
    connection.sendall(b"\x02" + struct.pack("<H", 81) + filler(81, 84))
    receive(connection, 6)
    connection.sendall(b"\x02\x00\x02\x00\x00\x00")
    receive(connection, 6)
    while (head := receive(connection, 3)) is not None:
        body = receive(connection, struct.unpack("<H", head[:2])[0] - 1)
        answer = struct.unpack("<H", body[:2])[0]
        if answer:
            connection.sendall(ica_record(answer - 5, 0, answer))


# EDT on UDP: UDT version 4 headers.


def udt_control(kind, info=0, stamp=0, peer=0, body=b""):
    return struct.pack("!HHIII", 0x8000 | kind, 0, info, stamp, peer) + body


def udt_handshake(request, cookie=0, own=0x2A01, peer=0, stamp=0):
    """The 64 bytes of a handshake; `request` is 1 for a request and -1 for the final reply."""
    body = struct.pack("!IIIIIiIi16s", 4, 2, 0x1000, 1500, 8192, request, own, cookie, bytes(16))
    return udt_control(0, 0, stamp, peer, body)


def udt_data(number, payload, stamp=0, peer=0x2A02):
    return struct.pack("!IIII", number & 0x7FFFFFFF, 0xE0000000 | (number & 0x1FFFFFFF), stamp, peer) + payload


def edt_client(made, server, port=2598, exchanges=20, answer=500, pause=0.02):
    """Shake hands, exchange data, shut down."""
    made.connect((server.address, port))
    made.send(udt_handshake(1))
    cookie = struct.unpack_from("!i", made.recv(2048), 44)[0]
    made.send(udt_handshake(1, cookie))
    made.recv(2048)
    for number in range(exchanges):
        question = struct.pack("!I", answer) + filler(40 + number % 7, number)
        made.send(udt_data(0x1000 + number, question, number * 20_000))
        made.recv(2048)
        time.sleep(pause)
        if number % 5 == 4:
            made.send(udt_control(2, number, number * 20_000, 0x2A02, struct.pack("!I", 0x1000 + number)))
    made.send(udt_control(5, 0, exchanges * 20_000, 0x2A02, bytes(4)))


def edt_server(datagram):
    kind = struct.unpack_from("!H", datagram)[0]
    if kind == 0x8000:
        cookie = struct.unpack_from("!i", datagram, 44)[0]
        return [udt_handshake(-1 if cookie else 1, 0x51C7, 0x2A02, 0x2A01)]
    if kind & 0x8000:
        return []
    number, answer = struct.unpack_from("!I", datagram)[0], struct.unpack_from("!I", datagram, 16)[0]
    return [udt_data(number, filler(answer, number), number, 0x2A01)]


def edt_tries(made, server, port=2598, seconds=3.0, period=0.25):
    """Handshake requests for so long; nobody is expected to answer."""
    made.connect((server.address, port))
    for number in range(round(seconds / period)):
        made.send(udt_handshake(1, stamp=number * 250_000))
        time.sleep(period)


# Provisioning Services and TFTP.


def pvs_request(code, size, seed):
    return struct.pack("<II", PVS_CODES[code], seed) + filler(size, seed)


def pvs_client(made, server, port, code, requests, answers):
    made.connect((server.address, port))
    for number in range(requests):
        made.send(pvs_request(code, 96, number))
        for _ in range(answers):
            made.recv(2048)
        time.sleep(0.02)


def pvs_server(code, size, answers):
    return lambda _: [pvs_request(code, size, number) for number in range(answers)]


def tftp_read(made, server, name):
    """Ask for a file and acknowledge its blocks. They come from a port that the server chooses."""
    made.sendto(b"\x00\x01" + name + b"\0octet\0", (server.address, 69))
    while True:
        block, sender = made.recvfrom(2048)
        made.sendto(b"\x00\x04" + block[2:4], sender)
        if len(block) < 516:
            return


def tftp_give(well_known, fresh, content):
    """Serve one read request: data comes from `fresh`, not from port 69."""
    _, sender = well_known.recvfrom(2048)
    for number in range(len(content) // 512 + 1):
        fresh.sendto(struct.pack("!HH", 3, number + 1) + content[number * 512:(number + 1) * 512], sender)
        fresh.recvfrom(2048)


# Everyday protocols.


def dns_query(identity, name, kind=1):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", identity, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def dns_server(address):
    def answer(query):
        head = struct.pack("!HHHHHH", struct.unpack_from("!H", query)[0], 0x8180, 1, 1, 0, 0)
        return [head + query[12:] + struct.pack("!HHHIH", 0xC00C, 1, 1, 300, 4) + socket.inet_aton(address)]

    return answer


def dns_lookup(made, server, name):
    made.sendto(dns_query(0x1A2B, name), (server.address, 53))
    made.recv(512)


SSH_SERVER = b"SSH-2.0-OpenSSH_9.2\r\n"
SSH_CLIENT = b"SSH-2.0-OpenSSH_9.6\r\n"


def ssh_client(connection):
    connection.sendall(SSH_CLIENT)
    receive(connection, len(SSH_SERVER))
    connection.sendall(filler(320, 22))
    receive(connection, 480)


def ssh_server(connection):
    connection.sendall(SSH_SERVER)
    receive(connection, len(SSH_CLIENT))
    receive(connection, 320)
    connection.sendall(filler(480, 23))
    receive(connection, 1)


def licence_client(connection):
    """A question and an answer; only the first bytes of the answer follow what scanners have seen."""
    connection.sendall(b"\x57" + filler(146, 27))
    receive(connection, 147)
    connection.sendall(b"\x57" + filler(146, 28))
    receive(connection, 147)


def licence_server(connection):
    while receive(connection, 147) is not None:
        connection.sendall(b"\x57\x57\x00\x00\x00\x00" + filler(141, 29))


def tls_client(name, requests=2, pause=0.05):
    """A real TLS handshake with server name; the certificate is made for the recording and not checked."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    def talk(connection):
        with context.wrap_socket(connection.dup(), server_hostname=name) as secured:
            secured.settimeout(10)
            for _ in range(requests):
                secured.sendall(b"GET / HTTP/1.1\r\nHost: " + name.encode() + b"\r\n\r\n")
                receive(secured, 1024)
                time.sleep(pause)

    return talk


def tls_server(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def talk(connection):
        with context.wrap_socket(connection.dup(), server_side=True) as secured:
            secured.settimeout(10)
            while secured.recv(4096):
                secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 985\r\n\r\n".ljust(1024, b"."))

    return talk


def dtls_hello(name):
    """A DTLS 1.2 client hello with the server's name (RFC 6347, 4.2.2; RFC 6066, 3)."""
    listed = b"\x00" + struct.pack("!H", len(name)) + name.encode()
    server_name = struct.pack("!HHH", 0, len(listed) + 2, len(listed)) + listed
    suites = bytes.fromhex("c02fc030009c009d")
    body = b"\xfe\xfd" + filler(32, 6347) + b"\x00\x00" + struct.pack("!H", len(suites)) + suites + b"\x01\x00"
    body += struct.pack("!H", len(server_name)) + server_name
    length = struct.pack("!I", len(body))[1:]
    message = b"\x01" + length + b"\x00\x00" + b"\x00\x00\x00" + length + body
    return b"\x16\xfe\xfd" + bytes(8) + struct.pack("!H", len(message)) + message


def quic_initial():
    """The long header of a QUIC version 1 initial packet (RFC 9000, 17.2.2); what follows would be encrypted."""
    return b"\xc3\x00\x00\x00\x01\x08" + filler(8, 9000) + b"\x00\x00\x44\xb8" + filler(1200, 9001)


def syslog(number):
    return f"<134>Nov 22 09:00:{number:02} adc1 : default EVENT STATECHANGE {number} 0 : device up".encode()


def trap(number):
    """An SNMPv2c trap, community "public", empty list of variables."""
    pdu = b"\x02\x02" + struct.pack("!H", 0x1000 + number) + bytes.fromhex("020100 020100 3000")
    message = bytes.fromhex("020101 0406") + b"public" + bytes([0xA7, len(pdu)]) + pdu
    return bytes([0x30, len(message)]) + message


def rtp(number, source):
    """RTP version 2, payload type 0, 20 ms of filler."""
    return struct.pack("!BBHII", 0x80, 0, number, number * 160, source) + filler(160, number)


def slam(connection):
    """Take the first bytes and reset the connection."""
    connection.recv(4096)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def expect_reset(connection):
    try:
        connection.recv(1)
    except ConnectionResetError:
        return
    raise RuntimeError("the connection was not reset")


def nothing(connection):
    """Connect and say nothing."""


def parrot(connection):
    while data := connection.recv(4096):
        connection.sendall(data)


def parrot_client(connection):
    for number in range(4):
        connection.sendall(filler(64, number))
        receive(connection, 64)
        time.sleep(0.05)


def syn(source, target, source_port, target_port):
    """An IPv4 packet with a TCP SYN, from whatever source."""
    ends = socket.inet_aton(source) + socket.inet_aton(target)
    tcp = struct.pack(">HHIIBBHHH", source_port, target_port, 1000 + source_port, 0, 5 << 4, 2, 64240, 0, 0)
    check = checksum(ends + struct.pack(">BBH", 0, 6, len(tcp)) + tcp)
    tcp = tcp[:16] + struct.pack(">H", check) + tcp[18:]
    # The kernel fills in length, identification and checksum of the IPv4 header.
    return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + ends + tcp


def checksum(data):
    """The Internet checksum of bytes of even length (RFC 1071)."""
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


HTTP_QUESTION = b"POST /Citrix/CdsController/ISessionManager HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
HTTP_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n".ljust(106, b".")


def http_client(connection):
    connection.sendall(HTTP_QUESTION)
    receive(connection, len(HTTP_ANSWER))


def http_server(connection):
    while receive(connection, len(HTTP_QUESTION)) is not None:
        connection.sendall(HTTP_ANSWER)


# DTLS 1.2 (RFC 6347): the first flights as far as they are in clear, then records of filler.


def dtls_record(kind, epoch, number, body):
    version = 0xFEFF if kind == 22 and not number else 0xFEFD
    return struct.pack("!BHHHIH", kind, version, epoch, 0, number, len(body)) + body


def dtls_message(kind, number, body):
    length = len(body).to_bytes(3, "big")
    return bytes([kind]) + length + struct.pack("!H", number) + bytes(3) + length + body


def dtls_first(number, cookie=b""):
    """A client hello, the first without and the second with the server's cookie."""
    suites = bytes.fromhex("c02fc030009c009d")
    hello = b"\xfe\xfd" + filler(32, 1) + b"\0" + bytes([len(cookie)]) + cookie
    hello += struct.pack("!H", len(suites)) + suites + b"\x01\0"
    return dtls_record(22, 0, number, dtls_message(1, number, hello))


def dtls_client(made, server, exchanges=10, pause=0.05):
    made.connect((server.address, 443))
    made.send(dtls_first(0))
    cookie = made.recv(2048)[28:48]
    made.send(dtls_first(1, cookie))
    made.recv(2048)
    for number in range(exchanges):
        made.send(dtls_record(23, 1, number, filler(60, number)))
        made.recv(2048)
        time.sleep(pause)


def dtls_server(datagram):
    if datagram[0] == 23:
        return [dtls_record(23, 1, int.from_bytes(datagram[7:11], "big"), filler(400, datagram[10]))]
    if int.from_bytes(datagram[7:11], "big") == 0:
        return [dtls_record(22, 0, 0, dtls_message(3, 0, b"\xfe\xff\x14" + filler(20, 2)))]
    hello = b"\xfe\xfd" + filler(32, 3) + b"\0" + bytes.fromhex("c02f00")
    return [dtls_record(22, 0, 1, dtls_message(2, 1, hello))]

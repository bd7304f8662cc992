"""Packets that no ordinary program sends, and counting those that come. Raw sockets, so it needs root.

    capture IFACE PORT              prints a line at the start, and counts as JSON when its input ends
    spoof SOURCE TARGET PORT        a handshake in the name of another address, its answer unseen
    scan SOURCE TARGET              SYNs to all 65,535 ports; prints the open and the closed ones
    advertise IFACE PREFIX...       one advertisement of a router, with these prefixes on the link
    serve HOST PORT                 a server that greets everybody; prints a line when it listens
    ask HOST PORT                   what such a server says; `nothing` when it does not
    flood TARGET PORT COUNT RATE    connects, says nothing, and leaves
"""
import json
import os
import select
import socket
import struct
import sys
import time

ETH_IP, ETH_IP6 = 0x0800, 0x86DD
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def checksum(data):
    if len(data) % 2:
        data += b'\0'
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def segment(source, target, sport, dport, flags, seq=1, ack=0, payload=b''):
    """An IPv4 packet with one TCP segment."""
    ends = socket.inet_aton(source) + socket.inet_aton(target)

    def tcp(check):
        return struct.pack('!HHIIBBHHH', sport, dport, seq, ack, 5 << 4, flags, 65535, check, 0) + payload

    pseudo = ends + struct.pack('!BBH', 0, 6, len(tcp(0)))
    body = tcp(checksum(pseudo + tcp(0)))
    return struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(body), 0, 0, 64, 6, 0) + ends + body


def raw():
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)


def tcp_of(frame):
    """Source address, ports, flags and length of the payload of a TCP frame; None for another one."""
    kind = struct.unpack('!H', frame[12:14])[0]
    ip = frame[14:]
    if kind == ETH_IP and ip[9] == 6:
        head, total = (ip[0] & 15) * 4, struct.unpack('!H', ip[2:4])[0]
        source = socket.inet_ntoa(ip[12:16])
    elif kind == ETH_IP6 and ip[6] == 6:
        head, total = 40, 40 + struct.unpack('!H', ip[4:6])[0]
        source = socket.inet_ntop(socket.AF_INET6, ip[8:24])
    else:
        return None
    tcp = ip[head:]
    sport, dport = struct.unpack('!HH', tcp[:4])
    return source, sport, dport, tcp[13], total - head - (tcp[12] >> 4) * 4


def sniffer(iface):
    sniff = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sniff.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    sniff.bind((iface, 0))
    return sniff


def incoming(sniff, seconds):
    """Frames that came in, until it was quiet for so long, or the input ended."""
    while True:
        ready, _, _ = select.select([sniff, sys.stdin], [], [], seconds)
        if sniff in ready:
            frame, address = sniff.recvfrom(65535)
            if address[2] != socket.PACKET_OUTGOING:
                yield frame
        elif not ready or not os.read(0, 4096):
            return


def capture(iface, port):
    sniff = sniffer(iface)
    print('capturing', flush=True)
    seen = {'packets': 0, 'payload': 0, 'synAcks': 0, 'resets': 0}
    for frame in incoming(sniff, 3600):
        found = tcp_of(frame)
        if not found or found[1] != int(port):
            continue
        flags, length = found[3:]
        seen['packets'] += 1
        seen['payload'] += length
        seen['synAcks'] += flags & (SYN | ACK) == SYN | ACK
        seen['resets'] += flags & RST != 0
    print(json.dumps(seen), flush=True)


def spoof(source, target, port):
    out = raw()
    for sport in range(40000, 40010):
        out.sendto(segment(source, target, sport, int(port), SYN), (target, 0))
        out.sendto(segment(source, target, sport, int(port), ACK | PSH, 2, 1, b'hello'), (target, 0))
    time.sleep(0.5)


def scan(source, target):
    sniff = sniffer('eth0')
    out = raw()
    answers = {'open': set(), 'closed': set()}

    def collect(seconds):
        for frame in incoming(sniff, seconds):
            found = tcp_of(frame)
            if found and found[0] == target and found[2] == 45000:
                answers['open' if found[3] & SYN else 'closed'].add(found[1])

    for port in range(1, 65536):
        out.sendto(segment(source, target, 45000, port, SYN), (target, 0))
        if port % 500 == 0:
            collect(0)
    collect(0.5)
    print(json.dumps({'open': sorted(answers['open']), 'closed': len(answers['closed'])}))


def advertise(iface, *prefixes):
    out = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex(iface))
    message = struct.pack('!BBHBBHII', 134, 0, 0, 64, 0, 1800, 0, 0)
    for prefix in prefixes:
        base = socket.inet_pton(socket.AF_INET6, prefix)
        # on the link, make an address of it, for ever (RFC 4861 4.6.2)
        message += struct.pack('!BBBBIII', 3, 4, 64, 0xC0, 0xFFFFFFFF, 0xFFFFFFFF, 0) + base
    out.sendto(message, ('ff02::1', 0, 0, socket.if_nametoindex(iface)))


def serve(host, port):
    listener = socket.create_server((host, int(port)), family=socket.AF_INET6 if ':' in host else socket.AF_INET)
    print('listening', flush=True)
    while True:
        try:
            connection, _ = listener.accept()
            connection.sendall(b'welcome')
            connection.close()
        except OSError:
            pass


def ask(host, port):
    try:
        print(socket.create_connection((host, int(port)), 2).recv(99).decode() or 'nothing')
    except OSError:
        print('nothing')


def flood(target, port, count, rate):
    start = time.monotonic()
    kept = []
    for i in range(int(count)):
        pause = start + i / float(rate) - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        attempt = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        attempt.setblocking(False)
        attempt.connect_ex((target, int(port)))
        kept.append(attempt)
        if len(kept) > 200:
            kept.pop(0).close()


if __name__ == '__main__':
    {f.__name__: f for f in (capture, spoof, scan, advertise, serve, ask, flood)}[sys.argv[1]](*sys.argv[2:])

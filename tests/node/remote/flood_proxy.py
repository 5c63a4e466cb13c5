"""flood_proxy.py FRONT BACK: Docker's socket BACK at FRONT, with ten thousand events a second on every event stream.

What it sends a second is in /run/flood.sent.
"""

import json
import os
import socket
import sys
import threading
import time

RATE, BATCHES = 10000, 20
EVENT = (json.dumps({"Type": "container", "Action": "die", "Actor": {"ID": "f" * 64, "Attributes": {"name": "flood"}}})
         + "\n").encode()


def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def flood(client):
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    body = EVENT * (RATE // BATCHES)
    chunk = f"{len(body):x}\r\n".encode() + body + b"\r\n"
    begun, sent = time.monotonic(), 0
    while True:
        client.sendall(chunk)
        sent += RATE // BATCHES
        passed = time.monotonic() - begun
        with open("/run/flood.sent", "w", encoding="ascii") as note:
            note.write(f"{sent / max(passed, 0.001):.0f}\n")
        time.sleep(max(0, sent / RATE - passed))


def serve(client):
    first = client.recv(65536)
    try:
        if b"/events?" in first.split(b"\r\n", 1)[0]:
            flood(client)
            return
        back = socket.socket(socket.AF_UNIX)
        back.connect(sys.argv[2])
        back.sendall(first)
        threading.Thread(target=copy, args=(back, client), daemon=True).start()
        copy(client, back)
    except OSError:
        client.close()


listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o660)
listener.listen(64)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

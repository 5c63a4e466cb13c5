"""Joins one connection of the guest (standard input and output) to a TCP port of this machine.

QEMU starts one of these for every connection the guest makes to the archive's address.
Usage: relay.py PORT
"""

import os
import select
import socket
import sys

_CHUNK = 65536


def _write_all(descriptor, data):
    while data:
        try:
            data = data[os.write(descriptor, data):]
        except BlockingIOError:
            select.select([], [descriptor], [])


def main(port):
    """Copy both ways until the server closes; the guest's end of sending is passed on."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as server:
        server.settimeout(None)
        readers = [0, server]
        while True:
            ready, _, _ = select.select(readers, [], [])
            if 0 in ready:
                try:
                    data = os.read(0, _CHUNK)
                except ConnectionError:
                    return
                if data:
                    server.sendall(data)
                else:
                    readers.remove(0)
                    server.shutdown(socket.SHUT_WR)
            if server in ready:
                data = server.recv(_CHUNK)
                if not data:
                    return
                _write_all(1, data)


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]))
    except OSError:
        sys.exit(1)

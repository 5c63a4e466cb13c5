"""class Tunnel: an HTTP CONNECT proxy on a Unix socket, by which an API server reaches what this machine cannot.

Addresses that it was told of lead to ports of 127.0.0.1; all others are taken as they are.
"""

import contextlib
import socket
import threading

_CHUNK = 65536
_HEADER_LIMIT = 16384
_CONNECT_SECONDS = 30


class Tunnel:
    """Listens at *path* until close(); every connection is carried by threads of this process."""

    def __init__(self, path):
        self.path = path
        self._ways = {}
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def lead(self, address, port, local_port):
        """What is meant for *address*:*port* goes to 127.0.0.1:*local_port*."""
        self._ways[address, port] = ("127.0.0.1", local_port)

    def close(self):
        """Take no further connections."""
        # close() alone does not wake a thread out of accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, contextlib.suppress(OSError):
            target = _target_of(_read_header(client))
            try:
                server = socket.create_connection(self._ways.get(target, target), timeout=_CONNECT_SECONDS)
            except OSError as error:
                client.sendall(f"HTTP/1.1 502 {error}\r\nContent-Length: 0\r\n\r\n".encode())
                return
            with server:
                server.settimeout(None)
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                _join(client, server)


def _read_header(client):
    """The request's head. A client sends no byte beyond it before it has its answer."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        got = client.recv(_HEADER_LIMIT - len(data))
        if not got:
            raise ConnectionError("no whole request")
        data += got
    return data


def _target_of(header):
    """(host, port) of "CONNECT host:port HTTP/1.1"."""
    words = header.split(b"\r\n", 1)[0].decode("ascii", "replace").split()
    host, _, port = words[1].rpartition(":") if words[:1] == ["CONNECT"] and len(words) > 1 else ("", "", "")
    if not port.isdigit():
        raise ConnectionError("not a request to connect")
    return host.strip("[]"), int(port)


def _join(one, other):
    back = threading.Thread(target=_copy, args=(other, one), daemon=True)
    back.start()
    _copy(one, other)
    back.join()


def _copy(source, sink):
    """Pass on all that comes, and its end."""
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)

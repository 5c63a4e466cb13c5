"""class MoodyServer: an API server that misbehaves on command, which a real one does not.

    with MoodyServer(folder) as server:
        server.moods.extend([Status(429, retry_after=3), Trickle(), Hang()])
        ...
        server.asked        what was asked, with the time of each

It has one Node, as patches made it. Each request meets the next of `moods`; with none left it answers as it should.
"""

import contextlib
import http.server
import json
import socket
import ssl
import threading
import time
from collections import deque
from dataclasses import dataclass

import pki


@dataclass(frozen=True)
class Status:
    """A refusal, as a Kubernetes Status."""

    code: int
    retry_after: int = 0
    message: str = "not now"


@dataclass(frozen=True)
class Trickle:
    """A byte of the answer a second, for ever."""


@dataclass(frozen=True)
class Hang:
    """The connection is closed in the middle of the answer."""


@dataclass(frozen=True)
class Garbage:
    """Status 200, and this."""

    text: bytes


@dataclass
class Asked:
    at: float
    method: str
    path: str
    token: str
    mood: object = None


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that went away is no news."""


class _ServerV6(_Server):
    address_family = socket.AF_INET6


class MoodyServer:
    def __init__(self, folder, address="127.0.0.1", token="first"):
        self.moods, self.asked, self.token = deque(), [], token
        self.node = {"kind": "Node", "metadata": {"name": "fleet-0", "uid": "1", "labels": {}}, "spec": {},
                     "status": {"conditions": []}}
        self._lock = threading.Lock()
        self.ended = threading.Event()
        pki.make_ca(folder)
        pki.make_server(folder, [address])
        self.authority = folder / "ca.crt"
        kind = _ServerV6 if ":" in address else _Server
        self._server = kind((address, 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.crt", folder / "server.key")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        host = f"[{address}]" if ":" in address else address
        self.url = f"https://{host}:{self._server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception):
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()

    def is_told(self):
        """Does the node say that it is a proven sandbox host?"""
        return any(c["type"] == "SandboxHostReady" and c["status"] == "True" for c in self.node["status"]["conditions"])

    def answer(self, method, path, body):
        """What a server in a good mood says: status and object."""
        if "/events" in path:
            return 201, {"kind": "Event", "metadata": {"name": "e"}}
        if method == "PATCH" and "/status" in path:
            self.node["status"]["conditions"] = body["status"]["conditions"]
        elif method == "PATCH":
            self.node["metadata"]["labels"] = body["metadata"]["labels"]
        return 200, self.node

    def take(self, asked):
        """Note a request, and what it meets."""
        with self._lock:
            if asked.token != f"Bearer {self.token}":
                asked.mood = Status(401, message="Unauthorized")
            elif self.moods:
                asked.mood = self.moods.popleft()
            self.asked.append(asked)
            return asked.mood

    def _handler(self):
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format, *args):  # pylint: disable=redefined-builtin
                """Nothing: the test has it all."""

            def do_GET(self):
                self._meet(None)

            def do_PATCH(self):
                self._meet(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            do_POST = do_PUT = do_PATCH

            def _meet(self, body):
                mood = server.take(Asked(time.monotonic(), self.command, self.path, self.headers["Authorization"]))
                with contextlib.suppress(OSError):
                    _MEETINGS[type(mood)](self, server, mood, body)

            def send(self, code, data, headers=()):
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

        return Handler


def _well(handler, server, _mood, body):
    code, value = server.answer(handler.command, handler.path, body)
    handler.send(code, json.dumps(value).encode())


def _refuse(handler, _server, mood, _body):
    value = {"kind": "Status", "status": "Failure", "code": mood.code, "message": mood.message}
    handler.send(mood.code, json.dumps(value).encode(),
                 [("Retry-After", str(mood.retry_after))] if mood.retry_after else [])


def _begin(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.close_connection = True


def _trickle(handler, server, _mood, _body):
    _begin(handler)
    while not server.ended.wait(1):
        handler.wfile.write(b" ")


def _hang(handler, _server, _mood, _body):
    _begin(handler)
    handler.wfile.write(b'{"kind":')


def _rubbish(handler, _server, mood, _body):
    handler.send(200, mood.text)


_MEETINGS = {type(None): _well, Status: _refuse, Trickle: _trickle, Hang: _hang, Garbage: _rubbish}

"""The HTTP server a node sees as http://archive.test/, and the many ways it can misbehave."""

import email.utils
import fnmatch
import http.server
import posixpath
import re
import threading
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 65536
_STALL_LIMIT = 600


@dataclass
class Fault:
    """One way to answer wrongly, for the requests whose path matches."""

    mode: str
    pattern: str
    remaining: int
    rate: int
    hits: int = 0


class Repository:
    """Serves folder *debian* below /debian/ and whatever is published; always on 127.0.0.1.

    A client that takes it for its proxy gets the same: of a URL only the path is looked at. The rest of a file is sent
    where it is asked for.

    Fault modes:
      down       the connection is closed without an answer
      error      status 500
      missing    status 404
      truncated  the right headers, half of the body, then the connection is closed
      corrupt    the right length, wrong bytes
      slow       *rate* bytes a second
      stall      half of the body, then silence until heal()
    """

    MODES = ("down", "error", "missing", "truncated", "corrupt", "slow", "stall")

    def __init__(self, debian):
        self._debian = Path(debian).resolve()
        self._published = {}
        self._faults = []
        self._lock = threading.Lock()
        self._healed = threading.Event()
        self.requests = []
        self.resumed = []  # (path, first byte)
        handler = type("Handler", (_Handler,), {"repository": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True,
                                        kwargs={"poll_interval": 0.1})
        self._thread.start()

    @property
    def port(self):
        return self._server.server_address[1]

    def publish(self, path, content):
        """Serve *content* (bytes, or a file's path) at *path*; return the URL for the guest."""
        path = "/" + path.lstrip("/")
        self._published[path] = content if isinstance(content, bytes) else Path(content).resolve()
        return f"http://archive.test{path}"

    def fail(self, mode, pattern="*", times=None, rate=4096):
        """Answer wrongly where the path matches *pattern*, *times* times or until heal()."""
        if mode not in self.MODES:
            raise ValueError(f"no such fault: {mode} (there are: {', '.join(self.MODES)})")
        fault = Fault(mode, pattern, times if times is not None else 1 << 60, rate)
        with self._lock:
            self._healed.clear()
            self._faults.append(fault)
        return fault

    def heal(self):
        """Forget every fault; what stalls is let go."""
        with self._lock:
            self._faults.clear()
            self._healed.set()

    def close(self):
        self.heal()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def find(self, path):
        """The bytes or the file behind *path*, or None. Never anything outside the archive."""
        if path in self._published:
            return self._published[path]
        if not path.startswith("/debian/"):
            return None
        target = (self._debian / path.removeprefix("/debian/")).resolve()
        if target.is_relative_to(self._debian) and target.is_file():
            return target
        return None

    def take_fault(self, path):
        """The fault to apply to a request for *path*, used up by one; the last one set wins."""
        with self._lock:
            self.requests.append(path)
            for fault in reversed(self._faults):
                if fault.remaining > 0 and fnmatch.fnmatchcase(path, fault.pattern):
                    fault.remaining -= 1
                    fault.hits += 1
                    return fault
        return None

    def wait_until_healed(self):
        self._healed.wait(_STALL_LIMIT)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address):
        """A guest that goes away in the middle is everyday business here."""


class _Handler(http.server.BaseHTTPRequestHandler):
    repository = None
    protocol_version = "HTTP/1.1"
    server_version = "archive"
    # Each small write would otherwise wait for the other side's delayed acknowledgement.
    disable_nagle_algorithm = True

    def log_message(self, format, *args):
        """The test reads Repository.requests instead."""

    def do_HEAD(self):
        self._answer(with_body=False)

    def do_GET(self):
        self._answer(with_body=True)

    def _answer(self, with_body):
        path = posixpath.normpath(urllib.parse.unquote(urllib.parse.urlsplit(self.path).path))
        fault = self.repository.take_fault(path)
        mode = fault.mode if fault else None
        found = self.repository.find(path)
        if mode == "down":
            self.close_connection = True
        elif mode == "error":
            self._refuse(500)
        elif mode == "missing" or found is None:
            self._refuse(404)
        else:
            self._send(found, fault, with_body)

    def _refuse(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, found, fault, with_body):
        body = found if isinstance(found, bytes) else found.read_bytes()
        modified = "" if isinstance(found, bytes) else email.utils.formatdate(int(found.stat().st_mtime), usegmt=True)
        if modified and fault is None and self.headers.get("If-Modified-Since") == modified:
            self.send_response(304)
            self.end_headers()
            return
        first = self._first_byte(modified, len(body))
        self.send_response(206 if first else 200)
        if first:
            self.repository.resumed.append((self.path, first))
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - first))
        self.send_header("Content-Type", "application/octet-stream")
        if modified:
            self.send_header("Last-Modified", modified)
        self.end_headers()
        if with_body:
            self._send_body(body[first:], fault)

    def _first_byte(self, modified, size):
        """Of the rest that is asked for, 0: all of it; another file than before is sent whole."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range", modified) == modified
        return int(asked[1]) if asked and same and int(asked[1]) < size else 0

    def _send_body(self, body, fault):
        mode = fault.mode if fault else None
        if mode == "corrupt":
            body = bytes(byte ^ 0x55 for byte in body[:_CHUNK]) + body[_CHUNK:]
        if mode in ("truncated", "stall"):
            self.wfile.write(body[:len(body) // 2])
            self.wfile.flush()
            self.close_connection = True
            if mode == "stall":
                self.repository.wait_until_healed()
        elif mode == "slow":
            step = max(1, fault.rate // 10)
            for start in range(0, len(body), step):
                self.wfile.write(body[start:start + step])
                time.sleep(0.1)
        else:
            self.wfile.write(body)

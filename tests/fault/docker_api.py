"""Docker's API for a machine in a folder, as much of it as berth asks for.

One server a test process, on a socket of its own; the simulated docker.socket makes a hard link to it
in the folder (lib/systemd.py), so that it is reachable exactly while that unit is active. A question
while dockerd is down and its socket is up starts it, as systemd would.
"""

import http.server
import json
import os
import re
import socketserver
import subprocess
import threading

from docker_images import Images


class Api:
    """Answers for the machine whose folder `root` is; the folder may come and go."""

    def __init__(self, root, socket_path):
        self.root = str(root)
        self.path = str(socket_path)
        self.images = Images()
        handler = type("Handler", (_Handler,), {"api": self})
        self._server = _Server(self.path, handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        os.unlink(self.path)

    # ---- what the machine's files tell ----

    def is_up(self):
        if os.path.exists(self.root + "/run/machine/active/docker.service"):
            return True
        if not os.path.exists(self.root + "/run/machine/active/docker.socket"):
            return False
        started = subprocess.run([self.root + "/usr/bin/systemctl", "start", "docker.service"], check=False,
                                 env={"HOST_ROOT": self.root, "PATH": "/usr/bin:/bin"}, capture_output=True)
        return started.returncode == 0

    def data(self):
        with open(self.root + "/proc/self/mountinfo", encoding="utf-8") as mounts:
            bound = any(line.split()[4] == "/var/lib/docker" for line in mounts)
        return self.root + ("/var/lib/berth/pool/docker" if bound else "/var/lib/docker")

    def running(self):
        try:
            with open(self.root + "/run/machine/containers", encoding="utf-8") as file:
                return file.read().split()
        except FileNotFoundError:
            return []

    def set_running(self, ids):
        with open(self.root + "/run/machine/containers", "w", encoding="utf-8") as file:
            file.write("".join(f"{one}\n" for one in ids))

    def info(self):
        with open(self.root + "/run/machine/daemon.json", encoding="utf-8") as file:
            settings = json.loads(file.read() or "{}")
        runtimes = {"runc": {"path": "runc"}} | settings.get("runtimes", {})
        return {"ContainersRunning": len(self.running()), "Runtimes": runtimes, "ServerVersion": "20.10.24",
                "DefaultRuntime": settings.get("default-runtime", "runc"), "Driver": "overlay2"}

    def containers(self):
        return [{"Id": one, "Names": [f"/{one[:6]}"], "Image": "debian", "State": "running", "Labels": {}}
                for one in self.running()]

    def start(self, one):
        if not os.path.isdir(f"{self.data()}/containers/{one}"):
            return 404
        if one in self.running():
            return 304
        self.set_running([*self.running(), one])
        return 204


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a client that was killed is what the tests are about


class _Handler(http.server.BaseHTTPRequestHandler):
    api = None

    def log_message(self, *_):
        pass

    def answer(self, status, value=None, text=None):
        body = text.encode() if text is not None else b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if text is None else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if not self.api.is_up():
            self.close_connection = True
        elif found := self.api.images.get(self.path):
            self.answer(*found)
        elif self.path == "/_ping":
            self.answer(200, text="OK")
        elif self.path == "/info":
            self.answer(200, self.api.info())
        elif self.path.startswith("/containers/json"):
            self.answer(200, self.api.containers())
        else:
            self.answer(404, {"message": f"page not found: {self.path}"})

    do_HEAD = do_GET

    def do_POST(self):
        started = re.fullmatch(r"/containers/([0-9a-f]+)/start", self.path)
        if not self.api.is_up():
            self.close_connection = True
        elif found := self.api.images.post(self.path):
            self.answer(*found)
        elif started:
            status = self.api.start(started[1])
            self.answer(status, {"message": "No such container"} if status == 404 else None)
        else:
            self.answer(404, {"message": f"page not found: {self.path}"})

    def do_DELETE(self):
        if not self.api.is_up():
            self.close_connection = True
        else:
            self.answer(*self.api.images.delete(self.path))

"""The harness's own throw-away keys: ssh for getting into nodes, OpenPGP for signing the archive.

They protect nothing: they only let the node run with the same checks switched on as a real one.
They are made once in a cache, because nodes already built trust them.
"""

import contextlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from environment import build_once, cache_dir, tool

_KEY_RECIPE = """\
%no-protection
Key-Type: EDDSA
Key-Curve: ed25519
Name-Real: Virtual node archive
Name-Email: archive@archive.test
Expire-Date: 0
%commit
"""


@dataclass(frozen=True)
class Keys:
    """Paths of the key files in the cache."""

    folder: Path

    @property
    def client(self):
        """Private ssh key that root of every node accepts."""
        return self.folder / "client"

    @property
    def client_public(self):
        return self.folder / "client.pub"

    @property
    def host(self):
        """Private ssh host key of every node."""
        return self.folder / "host"

    @property
    def host_public(self):
        return self.folder / "host.pub"

    @property
    def archive_public(self):
        """Binary OpenPGP key, as apt's signed-by wants it."""
        return self.folder / "archive.gpg"

    def identity(self):
        """What of the keys is inside an image, and so belongs in its name."""
        return [path.read_bytes().hex() for path in
                (self.client_public, self.host_public, self.archive_public)]


def keys():
    """The keys of this cache, made when absent."""
    return Keys(build_once(cache_dir() / "keys", _make))


@contextlib.contextmanager
def _gpg_home():
    """A GnuPG home for a moment: its path is short for its sockets, its agent ends with it."""
    home = Path(tempfile.mkdtemp(prefix="node-gpg-", dir="/tmp"))
    try:
        yield home
    finally:
        with contextlib.suppress(Exception):
            tool(["gpgconf", "--homedir", home, "--kill", "all"], timeout=20)
        shutil.rmtree(home, ignore_errors=True)


def _make(folder):
    for name in ("client", "host"):
        tool(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"node-{name}",
              "-f", folder / name])
    with _gpg_home() as home:
        gpg = ["gpg", "--homedir", home, "--batch", "--quiet"]
        tool([*gpg, "--gen-key", "-"], stdin=None, input=_KEY_RECIPE)
        tool([*gpg, "--output", folder / "archive.gpg", "--export"])
        tool([*gpg, "--output", folder / "archive.secret", "--export-secret-keys"])


def sign(release, inline, detached):
    """Sign file *release* both ways apt knows: InRelease and Release.gpg."""
    secret = keys().folder / "archive.secret"
    with _gpg_home() as home:
        gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--yes"]
        tool([*gpg, "--import", secret])
        tool([*gpg, "--armor", "--output", inline, "--clear-sign", release])
        tool([*gpg, "--armor", "--output", detached, "--detach-sign", release])

"""A signed Debian archive made of a handful of packages, as apt in the node expects to find it."""

import lzma
import shutil

from environment import HarnessError, tool
from keys import sign
from recipe import ARCHIVE_HOST, COMPONENT


def build_archive(folder, packages_from, suite):
    """Make *folder* an archive of every .deb file found in *packages_from* (which is emptied)."""
    pool = folder / "pool"
    index = folder / "dists" / suite / COMPONENT / "binary-amd64"
    pool.mkdir(parents=True)
    index.mkdir(parents=True)
    found = sorted(packages_from.glob("*.deb"))
    if not found:
        raise HarnessError(f"no packages were downloaded for the {suite} archive")
    for deb in found:
        # apt writes an epoch's colon as %3a; a plain name saves every reader from quoting it.
        shutil.move(deb, pool / deb.name.replace("%3a", "."))
    listing = tool(["apt-ftparchive", "packages", "pool"], cwd=folder)
    (index / "Packages").write_text(listing)
    (index / "Packages.xz").write_bytes(lzma.compress(listing.encode()))
    _write_release(folder, suite)


def _write_release(folder, suite):
    fields = {"Origin": ARCHIVE_HOST, "Label": ARCHIVE_HOST, "Suite": suite, "Codename": suite,
              "Architectures": "amd64", "Components": COMPONENT}
    options = [f"-oAPT::FTPArchive::Release::{name}={value}" for name, value in fields.items()]
    where = folder / "dists" / suite
    text = tool(["apt-ftparchive", *options, "release", where])
    (where / "Release").write_text(text)
    sign(where / "Release", inline=where / "InRelease", detached=where / "Release.gpg")

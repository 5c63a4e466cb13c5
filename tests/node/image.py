"""Builds the disk image of a clean node and the archive its apt reads, once per content.

An image is a folder of the cache: node.qcow2 (never written again), the kernel and initramfs to
boot it with, and archive/ for the HTTP server. Its name is a hash of the recipe and the keys.
"""

import shlex
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import recipe
from archive import build_archive
from environment import HarnessError, build_once, cache_dir, fingerprint, stage, tool
from keys import keys

_BUILD_TIMEOUT = 1800


@dataclass(frozen=True)
class Image:
    """A built image: where its parts are."""

    suite: str
    folder: Path

    @property
    def name(self):
        return self.folder.name

    @property
    def disk(self):
        return self.folder / "node.qcow2"

    @property
    def kernel(self):
        return self.folder / "vmlinuz"

    @property
    def initrd(self):
        return self.folder / "initrd"

    @property
    def archive(self):
        return self.folder / "archive"


def image(suite):
    """The image of *suite*, built first when the cache has none of this content."""
    if suite not in recipe.SUITES:
        raise HarnessError(f"no such suite: {suite} (there are: {', '.join(recipe.SUITES)})")
    folder = cache_dir() / "image" / f"{suite}-{content_hash(suite)}"

    def make(staging):
        with stage(f"building the {suite} image"):
            _build(suite, staging)

    return Image(suite, build_once(folder, make))


def build_all(suites=recipe.SUITES):
    """Build several images at once: one waits for the network while another computes."""
    keys()
    with ThreadPoolExecutor(max_workers=len(suites)) as pool:
        return list(pool.map(image, suites))


def content_hash(suite):
    """Changes with everything that decides what the image holds, except Debian's point releases."""
    return fingerprint(
        suite, recipe.REVISION, recipe.MIRROR, recipe.DISK_SIZE, recipe.archive_packages(suite),
        recipe.MASKED_UNITS, recipe.ENABLED_UNITS, recipe.KEPT_APPARMOR_PROFILES,
        recipe.node_files(suite), recipe.mmdebstrap_options(), keys().identity())


def _build(suite, staging):
    tree, debs = staging / "tree", staging / "debs"
    debs.mkdir()
    _bootstrap(suite, tree, debs)
    _configure(suite, tree)
    build_archive(staging / "archive", debs, suite)
    _extract_kernel(tree, staging)
    _make_disk(tree, staging)
    shutil.rmtree(tree)
    shutil.rmtree(debs)


def _bootstrap(suite, tree, debs):
    """Install the node's packages into *tree*, download what the archive offers into *debs*."""
    hooks = []
    # Before the kernel's own hook makes an initramfs, so that it is made once and the right way.
    for path, content in recipe.node_files(suite).items():
        if path in recipe.BEFORE_THE_KERNEL:
            source = debs / path.replace("/", "_")
            source.write_text(content)
            copy = f'install -D -m 644 {shlex.quote(str(source))} "$1"/{path}'
            hooks.append(f"--extract-hook={copy}")
    for row in recipe.archive_packages(suite):
        fetch = ["apt-get", "--yes", "--download-only", "--no-install-recommends", "install", *row]
        hooks.append('--customize-hook=chroot "$1" ' + shlex.join(fetch))
        # Also what every node has: a bundle is resolved for one of which nothing is known.
        hooks.append('--customize-hook=chroot "$1" ' + shlex.join([*fetch, "-oDir::State::Status=/dev/null"]))
    hooks.append(f"--customize-hook=copy-out /var/cache/apt/archives {shlex.quote(str(debs))}")
    tool(["mmdebstrap", *recipe.mmdebstrap_options(), *hooks, suite, tree,
          f"deb {recipe.MIRROR} {suite} {recipe.COMPONENT}"], timeout=_BUILD_TIMEOUT)
    for deb in (debs / "archives").glob("*.deb"):
        deb.rename(debs / deb.name)


def _configure(suite, tree):
    for path, content in recipe.node_files(suite).items():
        target = tree / path
        target.parent.mkdir(parents=True, exist_ok=True)
        # resolv.conf may be a link that leads out of the tree.
        target.unlink(missing_ok=True)
        target.write_text(content)
    _install_keys(tree)
    for unit in recipe.MASKED_UNITS:
        mask = tree / "etc/systemd/system" / unit
        mask.unlink(missing_ok=True)
        mask.symlink_to("/dev/null")
    _disable_profiles(tree / "etc/apparmor.d")
    tool(["chroot", tree, "systemctl", "--quiet", "enable", *recipe.ENABLED_UNITS])
    # Newer than /usr: systemd then skips its "the system was updated" work on the first boot.
    for stamp in ("etc/.updated", "var/.updated"):
        (tree / stamp).touch()


def _disable_profiles(folder):
    """Disable AppArmor profiles as aa-disable does: the package's own files stay as they are."""
    (folder / "disable").mkdir(exist_ok=True)
    for profile in folder.iterdir():
        if profile.is_file() and profile.name not in recipe.KEPT_APPARMOR_PROFILES:
            (folder / "disable" / profile.name).symlink_to(f"../{profile.name}")


def _install_keys(tree):
    pair = keys()
    ssh = tree / "etc/ssh"
    for old in ssh.glob("ssh_host_*"):
        old.unlink()
    shutil.copyfile(pair.host, ssh / "ssh_host_ed25519_key")
    (ssh / "ssh_host_ed25519_key").chmod(0o600)
    shutil.copyfile(pair.host_public, ssh / "ssh_host_ed25519_key.pub")
    home = tree / "root/.ssh"
    home.mkdir(mode=0o700, exist_ok=True)
    shutil.copyfile(pair.client_public, home / "authorized_keys")
    (home / "authorized_keys").chmod(0o600)
    shutil.copyfile(pair.archive_public, tree / f"etc/apt/keyrings/{recipe.ARCHIVE_HOST}.gpg")


def _extract_kernel(tree, staging):
    for pattern, name in (("vmlinuz-*", "vmlinuz"), ("initrd.img-*", "initrd")):
        found = list((tree / "boot").glob(pattern))
        if len(found) != 1:
            raise HarnessError(f"expected one {pattern} in the image, found {len(found)}")
        shutil.copyfile(found[0], staging / name)


def _make_disk(tree, staging):
    raw = staging / "node.raw"
    tool(["mke2fs", "-q", "-t", "ext4", "-L", "node", "-d", tree, "-E", "root_owner=0:0",
          raw, recipe.DISK_SIZE], timeout=600)
    tool(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, staging / "node.qcow2"],
         timeout=600)
    raw.unlink()


if __name__ == "__main__":
    for built in build_all(tuple(sys.argv[1:]) or recipe.SUITES):
        print(built.folder)

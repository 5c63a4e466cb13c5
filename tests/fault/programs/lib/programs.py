"""The programs of a machine in a folder by their names, and running one of them."""

import errno
import os
import sys

import apt
import containerd
import crio
import dnf
import dpkg
import folder
import kubelet
import systemd

MAINS = {
    "apt-cache": apt.main_cache,
    "apt-get": apt.main,
    "containerd": containerd.main,
    "crio": crio.main,
    "dnf": dnf.main,
    "dpkg": dpkg.main,
    "dpkg-deb": dpkg.main_deb,
    "kubelet": kubelet.main,
    "modprobe": systemd.load_module,
    "snap": kubelet.snap,
    "systemctl": systemd.main,
}


def run(root, name, arguments):
    """Its exit status, standard output and standard error."""
    folder.ROOT = root
    folder.said()
    try:
        MAINS[name](arguments)
    except folder.Failure as failure:
        return failure.status, folder.said(), f"{failure}\n"
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return 100, folder.said(), f"E: {name}: Write error - write (28: {error.strerror})\n"
    return 0, folder.said(), ""


if __name__ == "__main__":
    code, out, err = run(os.environ["HOST_ROOT"], sys.argv[1], sys.argv[2:])
    sys.stdout.write(out)
    sys.stderr.write(err)
    sys.exit(code)

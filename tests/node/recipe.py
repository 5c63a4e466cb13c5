"""What a node is made of. Pure data: its hash names the image, so any edit here makes a new one."""

SUITES = ("bookworm", "trixie")
MIRROR = "http://deb.debian.org/debian"
COMPONENT = "main"
DISK_SIZE = "12G"

# Raise when image.py or archive.py changes what comes out in a way the data below does not show.
REVISION = 2

# A clean cloud-like node: nothing of what berth is expected to bring. Python is in every cloud
# image (cloud-init needs it), and xfsprogs would spend 20 s of emulation on bringing it.
NODE_PACKAGES = (
    "apparmor", "apt", "ca-certificates", "dbus", "e2fsprogs", "initramfs-tools", "iproute2",
    "kmod", "less", "linux-image-cloud-amd64", "openssh-server", "procps", "python3", "systemd",
    "systemd-sysv", "udev",
)

# What the archive offers beside its dependencies. Each row is resolved by itself on the clean node,
# because fuse and fuse3 exclude each other. busybox-static is a whole container image in one file.
_ARCHIVE_PACKAGES = (
    ("docker.io", "xfsprogs", "fuse3", "rsync", "jq", "iptables", "lsb-release", "debconf", "kmod"),
    ("fuse",),
    ("busybox-static", "curl", "strace", "acl"),
)
# From trixie on the client is a package of its own that docker.io only recommends.
_ARCHIVE_PACKAGES_OF = {"trixie": (("docker.io", "docker-cli"),)}

ARCHIVE_HOST = "archive.test"
ARCHIVE_ADDRESS = "10.0.2.100"
GUEST_ADDRESS = "10.0.2.15"

# What only costs time in a node that lives for minutes. The apt timers would also take apt's lock.
MASKED_UNITS = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer",
    "e2scrub_reap.service", "fstrim.timer", "man-db.timer", "systemd-tmpfiles-clean.timer",
    "getty@tty1.service", "getty-static.service", "serial-getty@ttyS0.service",
    "systemd-hwdb-update.service", "systemd-journal-catalog-update.service",
    "systemd-pstore.service", "systemd-firstboot.service", "systemd-pcrphase.service",
    "systemd-pcrphase-sysinit.service", "systemd-pcrmachine.service", "systemd-tpm2-setup.service",
    "systemd-tpm2-setup-early.service", "systemd-battery-check.service", "ldconfig.service",
)

# The apparmor package of trixie brings a hundred profiles for desktop programs; loading them under
# emulation takes longer than the rest of the boot. What a container host may run stays enabled.
KEPT_APPARMOR_PROFILES = (
    "busybox", "crun", "fusermount3", "lsb_release", "nvidia_modprobe", "rootlesskit", "runc",
    "unprivileged_userns",
)

ENABLED_UNITS = ("systemd-networkd.service", "ssh.service")

KERNEL_ARGUMENTS = (
    "root=/dev/vda", "rw", "rootfstype=ext4", "console=ttyS0", "net.ifnames=0", "quiet",
    "loglevel=4", "panic=10", "systemd.show_status=false", "systemd.ssh_auto=no", "fsck.mode=skip",
    "mitigations=off", "random.trust_cpu=on",
    # Under emulation a loaded host looks like a stuck guest; these would fill the log for nothing.
    "nowatchdog", "nosoftlockup", "rcupdate.rcu_cpu_stall_suppress=1", "tsc=nowatchdog",
)

_SSHD = """\
# PAM would start a user manager for every connection, which is seconds under emulation.
UsePAM no
UseDNS no
PermitRootLogin prohibit-password
PasswordAuthentication no
MaxSessions 64
MaxStartups 64
PrintMotd no
"""

_NETWORK = f"""\
[Match]
Name=eth0

[Network]
Address={GUEST_ADDRESS}/24
Gateway=10.0.2.2
LinkLocalAddressing=no
IPv6AcceptRA=no
LLMNR=no
"""

_DPKG_EXCLUDES = "".join(
    f"path-exclude=/usr/share/{folder}/*\n" for folder in ("doc", "info", "locale", "man"))


def archive_packages(suite):
    """Rows of package names for the archive of *suite*."""
    return _ARCHIVE_PACKAGES + _ARCHIVE_PACKAGES_OF.get(suite, ())


def node_files(suite):
    """Path in the node -> content, for every file the recipe adds to what the packages bring."""
    return {
        "etc/hostname": "node\n",
        "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 node\n{ARCHIVE_ADDRESS} {ARCHIVE_HOST}\n",
        # No server on purpose: a look-up then fails at once instead of after a time-out.
        "etc/resolv.conf": "# this node has no name server\n",
        "etc/fstab": "/dev/vda / ext4 errors=remount-ro 0 0\n",
        "etc/machine-id": "6265727468206e6f6465000000000001\n",
        "etc/apt/sources.list":
            f"deb [signed-by=/etc/apt/keyrings/{ARCHIVE_HOST}.gpg] "
            f"http://{ARCHIVE_HOST}/debian {suite} {COMPONENT}\n",
        "etc/ssh/sshd_config.d/node.conf": _SSHD,
        "etc/systemd/network/10-eth0.network": _NETWORK,
        "etc/systemd/journald.conf.d/node.conf": "[Journal]\nStorage=volatile\nRuntimeMaxUse=32M\n",
        # The machine never changes: an initramfs of what it has is quick to rebuild.
        "etc/initramfs-tools/conf.d/node": "MODULES=list\nCOMPRESS=gzip\nCOMPRESSLEVEL=1\n",
        "etc/initramfs-tools/modules": "virtio_pci\nvirtio_blk\next4\n",
        # A node is booted from outside, never by an initramfs of its own: two minutes of emulation
        # saved at each installation. setups.real_initramfs() switches it on where that is the point.
        "etc/initramfs-tools/update-initramfs.conf": "update_initramfs=no\nbackup_initramfs=no\n",
    }


# These must be there before the kernel's own hook makes an initramfs.
BEFORE_THE_KERNEL = ("etc/initramfs-tools/conf.d/node", "etc/initramfs-tools/modules")


def mmdebstrap_options():
    """The options that decide what comes out; image.py adds where it goes."""
    options = ["--variant=minbase", "--mode=root", "--format=directory",
               f"--components={COMPONENT}", "--include=" + ",".join(NODE_PACKAGES)]
    return options + [f"--dpkgopt={line}" for line in _DPKG_EXCLUDES.splitlines()]

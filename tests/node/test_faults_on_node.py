"""What goes wrong on real nodes: mirrors, locks, packages, and a pool that is damaged."""

import berth_host


def refused(node, *needles, command=("berth", "install"), code=1):
    done = node.run(list(command), check=False, timeout=900)
    assert done.returncode == code, (done.stdout, done.stderr)
    line = done.stderr.strip()
    assert len(line.splitlines()) == 1, line
    for needle in needles:
        assert needle in line, line
    return line


def test_bad_sources_change_nothing(node_factory):
    node = node_factory("trixie")
    berth_host.put_berth(node, timeouts={"package_lock": "3s"})
    before = berth_host.snapshot(node)

    node.repo.fail("down")
    refused(node, "package")
    node.repo.heal()

    berth_host.configure(node, sysbox={"sha256": "0" * 64})
    refused(node, "SHA-256")
    berth_host.configure(node, timeouts={"package_lock": "3s"})

    node.run("cp /root/sysbox-ce.deb /root/whole.deb; truncate -s 100000 /root/sysbox-ce.deb")
    refused(node, "not a whole Debian package")
    node.run("mv /root/whole.deb /root/sysbox-ce.deb")

    holder = node.popen(["python3", "-c", "import fcntl, time; f = open('/var/lib/dpkg/lock-frontend', 'a'); "
                         "fcntl.lockf(f, fcntl.LOCK_EX); time.sleep(600)"])
    node.run("sleep 2")
    refused(node, "lock", "python3")
    holder.kill()
    node.run("pkill python3", check=False)
    assert berth_host.differences(before, berth_host.snapshot(node)) == []


def installed(node):
    berth_host.put_berth(node)
    berth_host.install(node)


def test_damaged_pool_is_never_made_anew(node_factory):
    node = node_factory.derive(berth_host.key_of("installed"), installed, suite="trixie")
    node.run("systemctl stop docker docker.socket sysbox var-lib-docker.mount var-lib-sysbox.mount "
             "var-lib-berth-pool.mount berth-pool.service", timeout=300)
    node.run("dd if=/dev/zero of=/var/lib/docker-xfs.img bs=1M count=1 conv=notrunc,fsync status=none")
    image = node.run("sha256sum < /var/lib/docker-xfs.img", timeout=600).stdout

    refused(node, "no file system is recognised")
    assert node.run("systemctl start docker", check=False, timeout=300).returncode != 0
    assert node.run("ls /var/lib/docker").stdout == "", "Docker wrote on the root disk"
    node.reboot()
    assert node.run("systemctl is-active docker sysbox-mgr", check=False).stdout.split() != ["active", "active"]
    assert node.run("ls /var/lib/docker").stdout == ""
    assert node.run("sha256sum < /var/lib/docker-xfs.img", timeout=600).stdout == image


def test_block_device_pool(node_factory):
    node = node_factory("trixie", disks=["4G"])
    device = "/dev/" + node.run("lsblk -dnro NAME,TYPE | awk '$2 == \"disk\" {print $1}' | tail -1").stdout.strip()
    berth_host.put_berth(node, pool={"device": device})
    node.run(f"apt-get update && apt-get install -y e2fsprogs && mkfs.ext4 -q {device}", timeout=600)
    refused(node, device, "ext4")
    node.run(f"wipefs -aq {device} && dd if=/dev/zero of={device} bs=1M count=2 status=none")
    berth_host.install(node)
    berth_host.verify(node)
    node.reboot()
    node.settle()
    berth_host.verify(node)
    node.run(["berth", "uninstall"], timeout=berth_host.INSTALL_TIMEOUT)
    assert node.run(["blkid", device], check=False).stdout.strip() == ""

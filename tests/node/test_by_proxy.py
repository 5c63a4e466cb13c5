"""Nothing but a proxy reaches the archive and the server of Sysbox's package, which breaks off once and fails once."""

import hashlib

import berth_host
import sysbox

SYSBOX_PATH = "/sysbox-ce.deb"


def test_all_of_it(node_factory):
    node = node_factory("trixie")
    berth_host.put_berth(node)
    node.run(["rm", berth_host.SYSBOX])
    node.run("sed -i 's/archive.test/proxy.test/' /etc/hosts && ! getent hosts archive.test")
    digest = hashlib.sha256(sysbox.package().read_bytes()).hexdigest()
    url = node.repo.publish(SYSBOX_PATH, sysbox.package())
    berth_host.configure(node, sysbox={"file": "", "url": url, "sha256": digest})

    alone = berth_host.install(node, check=False)
    assert alone.returncode == 1 and "archive.test" in alone.stderr, alone.stderr
    assert len(alone.stderr.strip().splitlines()) == 1

    node.repo.fail("error", SYSBOX_PATH, times=1)
    node.repo.fail("truncated", SYSBOX_PATH, times=1)  # the last one set is the first to happen
    proxy = {"http_proxy": "http://proxy.test:80"}  # curl goes to port 1080 by itself
    print(node.run(["berth", "install"], timeout=berth_host.INSTALL_TIMEOUT, env=proxy).stdout[-2000:])
    assert node.repo.requests.count(SYSBOX_PATH) == 3
    assert node.repo.resumed == [(url, sysbox.package().stat().st_size // 2)]
    berth_host.verify(node)

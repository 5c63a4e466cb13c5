"""A bundle made where there is a network installs where there is none; a damaged one touches nothing."""

import berth_host


def test_bundle(node_factory, tmp_path):
    maker = node_factory("bookworm")
    berth_host.put_berth(maker)
    made = maker.run(["berth", "bundle", "create", "--output", "/root/berth.bundle"], timeout=1200)
    assert "bookworm on amd64" in made.stdout
    bundle = tmp_path / "berth.bundle"
    maker.get("/root/berth.bundle", bundle)
    maker.close()

    node = node_factory("bookworm")
    berth_host.put_berth(node)
    node.run("rm /root/sysbox-ce.deb")
    berth_host.configure(node, sysbox={"file": ""})
    node.repo.fail("down")
    node.put(bundle, "/root/berth.bundle")
    node.run("cp /root/berth.bundle /root/short; truncate -s -4096 /root/short")
    node.run("cp /root/berth.bundle /root/changed; "
             "printf x | dd of=/root/changed bs=1 seek=1000000 conv=notrunc status=none")
    before = berth_host.snapshot(node)
    for bad in ("short", "changed"):
        refused = node.run(["berth", "install", "--bundle", f"/root/{bad}"], check=False, timeout=300)
        assert refused.returncode == 1, refused.stdout
        assert len(refused.stderr.strip().splitlines()) == 1
        assert berth_host.differences(before, berth_host.snapshot(node)) == []

    berth_host.install(node, "--bundle", "/root/berth.bundle")
    berth_host.verify(node)

"""The image: what tools/image makes of a program, and that the charts take it."""

import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from charts import HELM, ROOT, berth_program, values_of


def make_image(tmp_path, program, *arguments):
    output = tmp_path / "image.tar"
    argv = [sys.executable, ROOT / "tools/image", f"--output={output}", f"--program={program}", *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    return done, output


def test_the_image_is_one_program_and_nothing_else(tmp_path):
    program = berth_program()
    done, output = make_image(tmp_path, program, "--name=registry.example.com/berth:1")
    assert done.returncode == 0, done.stderr
    first = output.read_bytes()
    with tarfile.open(output) as archive:
        files = {m.name: archive.extractfile(m).read() for m in archive.getmembers() if m.isfile()}
    blobs = {"sha256:" + name.rpartition("/")[2]: data for name, data in files.items() if name.startswith("blobs/")}
    assert all("sha256:" + hashlib.sha256(data).hexdigest() == name for name, data in blobs.items())
    (manifest,) = json.loads(files["index.json"])["manifests"]
    assert f"digest {manifest['digest']}" in done.stdout and manifest["size"] == len(blobs[manifest["digest"]])
    manifest = json.loads(blobs[manifest["digest"]])
    config, (layer,) = json.loads(blobs[manifest["config"]["digest"]]), manifest["layers"]
    assert config["config"]["Entrypoint"] == ["/berth"] and config["rootfs"]["diff_ids"] == [layer["digest"]]
    with tarfile.open(fileobj=io.BytesIO(blobs[layer["digest"]])) as content:
        only, link = content.getmembers()
        assert (link.name, link.linkname, link.issym()) == ("nsenter", "berth", True)
        assert (only.name, only.mode, only.uid, only.gid, only.mtime) == ("berth", 0o755, 0, 0, 0)
        assert content.extractfile(only).read() == program.read_bytes()
    assert layer["size"] < 10_000_000
    # The same blobs, as docker load finds them.
    (entry,) = json.loads(files["manifest.json"])
    assert entry["RepoTags"] == ["registry.example.com/berth:1"]
    assert "sha256:" + entry["Config"].rpartition("/")[2] == manifest["config"]["digest"]
    assert ["sha256:" + path.rpartition("/")[2] for path in entry["Layers"]] == [layer["digest"]]
    make_image(tmp_path, program, "--name=registry.example.com/berth:1")
    assert output.read_bytes() == first


@pytest.mark.parametrize("content, said", [(b"#!/bin/sh\n" * 10, "is no 64-bit"), (b"\x7fELF\x02\x01", "is no 64-bit"),
                                           (None, "is not static")])
def test_the_image_takes_static_programs_only(tmp_path, content, said):
    program = tmp_path / "program"
    program.write_bytes(content if content else Path("/usr/bin/env").read_bytes())
    done, output = make_image(tmp_path, program)
    assert done.returncode == 1 and said in done.stderr and str(program) in done.stderr and not output.exists()


def test_the_charts_take_the_image_that_is_made():
    version = re.search(r"^ *version: '(.*)',", (ROOT / "meson.build").read_text(), re.M).group(1)
    assert yaml.safe_load((HELM / "berth/Chart.yaml").read_text())["appVersion"] == version
    assert values_of("daytona-dev")["runner"]["dockerInstaller"]["image"] == f"berth:{version}"

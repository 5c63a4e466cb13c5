"""Container images made here, as archives that `ctr images import` and `skopeo` read: nodes have no registry.

    archive(["docker.io/library/busybox:test"], tree, ["/bin/sh"])      bytes of a tar file
"""

import hashlib
import io
import json
import tarfile

_EPOCH = "1970-01-01T00:00:00Z"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"


def archive(names, tree, command):
    """An OCI image archive of one layer, known by each of *names*; the same bytes for the same content.

    tree     {path: bytes of a program or file, None for a folder, or the text of a symbolic link's target}
    command  what runs in it by default
    """
    layer = _layer(tree)
    config = _json({
        "created": _EPOCH, "architecture": "amd64", "os": "linux", "config": {"Env": [_PATH], "Cmd": command},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]}, "history": [{"created": _EPOCH}]})
    manifest = _json({"schemaVersion": 2, "mediaType": _MANIFEST, "config": _descriptor(_CONFIG, config),
                      "layers": [_descriptor(_LAYER, layer)]})
    index = _json({"schemaVersion": 2, "manifests": [_named(name, manifest) for name in names]})
    files = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": index,
             **{f"blobs/sha256/{_digest(blob)[7:]}": blob for blob in (layer, config, manifest)}}
    return _tar(files.items(), 0o644)


def _layer(tree):
    return _tar(sorted(tree.items()), 0o755)


def _named(name, manifest):
    # The first is containerd's, the second the standard's.
    names = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
    return {**_descriptor(_MANIFEST, manifest), "annotations": names,
            "platform": {"architecture": "amd64", "os": "linux"}}


def _tar(entries, mode):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, content in entries:
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.mode = mode
            if content is None:
                entry.type = tarfile.DIRTYPE
                entry.mode = 0o1777 if path.endswith("tmp") else 0o755
            elif isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
            else:
                entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content) if isinstance(content, bytes) else None)
    return target.getvalue()


def _descriptor(kind, blob):
    return {"mediaType": kind, "digest": _digest(blob), "size": len(blob)}


def _digest(blob):
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def _json(data):
    return json.dumps(data, sort_keys=True, separators=(",", ":")).encode()

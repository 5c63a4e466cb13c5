"""Throw-away keys and certificates for a Kubernetes API server, made by openssl.

They protect nothing: they only let clients check what they would check of a real one.
"""

import ipaddress

from environment import tool

_DAYS = "2"


def make_ca(folder):
    """The certificate and the key of an authority, as folder/ca.crt and folder/ca.key."""
    _openssl("req", "-x509", *_new_key(folder / "ca.key"), "-out", folder / "ca.crt", "-days", _DAYS,
             "-subj", "/CN=test-ca", "-addext", "keyUsage=critical,keyCertSign")


def make_server(folder, names):
    """A server's certificate for *names* (of hosts, or addresses), as folder/server.crt and server.key."""
    kinds = [f"{'IP' if _is_address(name) else 'DNS'}:{name}" for name in names]
    _issue(folder, "server", "/CN=kube-apiserver", ["extendedKeyUsage=serverAuth", "subjectAltName=" + ",".join(kinds)])


def make_client(folder, name, user, *groups):
    """A client's certificate for *user*, a member of *groups*, as folder/NAME.crt and NAME.key."""
    subject = "".join(f"/O={group}" for group in groups) + f"/CN={user}"
    _issue(folder, name, subject, ["extendedKeyUsage=clientAuth"])


def make_signing_key(folder):
    """What service accounts' tokens are signed with and checked by: folder/sa.key, folder/sa.pub."""
    _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", folder / "sa.key")
    _openssl("pkey", "-in", folder / "sa.key", "-pubout", "-out", folder / "sa.pub")


def _issue(folder, name, subject, extensions):
    request, config = folder / f"{name}.csr", folder / f"{name}.ext"
    config.write_text("\n".join(extensions) + "\n")
    _openssl("req", *_new_key(folder / f"{name}.key"), "-out", request, "-subj", subject)
    _openssl("x509", "-req", "-in", request, "-CA", folder / "ca.crt", "-CAkey", folder / "ca.key", "-CAcreateserial",
             "-days", _DAYS, "-extfile", config, "-out", folder / f"{name}.crt")
    request.unlink()
    config.unlink()


def _new_key(path):
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path]


def _is_address(name):
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _openssl(*arguments):
    tool(["openssl", *arguments])

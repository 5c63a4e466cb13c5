"""The archive's HTTP server by itself: each way of misbehaving is the one it is named after."""

import http.client
import threading
import time

import pytest

from repository import Repository

BODY = bytes(range(256)) * 1024


@pytest.fixture
def server(tmp_path):
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "file").write_bytes(BODY)
    (tmp_path / "secret").write_text("not for guests")
    repository = Repository(tmp_path / "archive")
    yield repository
    repository.close()


def fetch(server, path="/debian/file", timeout=10, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_serves_the_archive_and_nothing_outside(server):
    assert fetch(server) == (200, BODY)
    assert fetch(server, "/debian/none")[0] == 404
    assert fetch(server, "/debian/../../secret")[0] == 404
    assert fetch(server, "/debian/%2e%2e/secret")[0] == 404
    assert server.requests[0] == "/debian/file"


def test_publishes_more(server, tmp_path):
    assert server.publish("a/b.deb", b"bytes") == "http://archive.test/a/b.deb"
    server.publish("/c", tmp_path / "secret")
    assert fetch(server, "/a/b.deb") == (200, b"bytes")
    assert fetch(server, "/c") == (200, b"not for guests")


def test_as_a_proxy(server):
    assert fetch(server, "http://archive.test/debian/file") == (200, BODY)


def test_the_rest_of_a_file(server):
    assert fetch(server, headers={"Range": "bytes=1000-"}) == (206, BODY[1000:])
    assert fetch(server, headers={"Range": f"bytes={len(BODY)}-"}) == (200, BODY)
    assert fetch(server, headers={"Range": "bytes=1000-", "If-Range": "Thu, 01 Jan 1970 00:00:00 GMT"}) == (200, BODY)
    assert server.resumed == [("/debian/file", 1000)]


def test_errors(server):
    server.fail("error", "*/file")
    assert fetch(server)[0] == 500
    server.fail("missing")
    assert fetch(server)[0] == 404
    server.heal()
    assert fetch(server) == (200, BODY)


def test_down(server):
    server.fail("down")
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        fetch(server)


def test_truncated(server):
    server.fail("truncated")
    with pytest.raises(http.client.IncompleteRead) as caught:
        fetch(server)
    assert caught.value.partial == BODY[:len(BODY) // 2]


def test_corrupt_keeps_the_length(server):
    server.fail("corrupt")
    status, body = fetch(server)
    assert status == 200 and len(body) == len(BODY) and body != BODY


def test_a_fault_is_used_up_and_matches_only_its_pattern(server):
    fault = server.fail("error", "*/file", times=1)
    assert fetch(server, "/debian/none")[0] == 404 and fault.hits == 0
    assert fetch(server)[0] == 500 and fault.hits == 1
    assert fetch(server) == (200, BODY)


def test_slow(server):
    server.publish("/small", b"x" * 1000)
    server.fail("slow", "/small", rate=2000)
    begin = time.monotonic()
    assert fetch(server, "/small") == (200, b"x" * 1000)
    assert time.monotonic() - begin >= 0.4


def test_stall_lasts_until_healed(server):
    server.fail("stall")
    with pytest.raises(TimeoutError):
        fetch(server, timeout=1)
    threading.Timer(0.5, server.heal).start()
    with pytest.raises(http.client.IncompleteRead):
        fetch(server)


def test_an_unknown_fault_is_refused(server):
    with pytest.raises(ValueError):
        server.fail("confused")

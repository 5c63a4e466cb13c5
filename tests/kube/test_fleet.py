"""What agents ask of an API server: how often, how they take its refusals, and that slots are held by few at once."""

import json

import pytest

from fleet import PROGRAM, Fleet, account_folder
from moody_server import Garbage, Hang, MoodyServer, Status, Trickle

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="build/dev is not built: make dev")

NAMESPACE = "fleet"
SPEED = 20  # of the agents' clock
ANSWER_S = 15  # of the agent: how long it waits for an answer
RIGHTS = {
    "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "fleet"},
    "rules": [{"apiGroups": [""], "resources": ["nodes", "nodes/status"], "verbs": ["get", "patch"]},
              {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
              {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "get", "update"]}],
}


@pytest.fixture
def moody(tmp_path):
    with MoodyServer(tmp_path) as server:
        yield server


def account_of(server, tmp_path):
    return account_folder(tmp_path / "account", server.token, server.authority, NAMESPACE)


def account_under_another(tmp_path):
    """As account_of's, with the certificate authority of another server."""
    other = tmp_path / "other"
    other.mkdir()
    with MoodyServer(other) as theirs:
        return account_folder(tmp_path / "account", "first", theirs.authority, NAMESPACE)


def account_in(cluster, tmp_path):
    """The folder of a service account with an agent's rights."""
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "agent", "namespace": NAMESPACE}})
    cluster.apply(RIGHTS)
    cluster.kubectl("create", "clusterrolebinding", "fleet", "--clusterrole=fleet",
                    f"--serviceaccount={NAMESPACE}:agent")
    return account_folder(tmp_path / "account", cluster.token_for("agent", NAMESPACE), cluster.ca, NAMESPACE)


def make_nodes(cluster, count):
    nodes = [{"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"fleet-{i}"}} for i in range(count)]
    cluster.kubectl("create", "--filename=-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": nodes}))


def told(cluster):
    """How many nodes say that they are proven."""
    return sum(any(c["type"] == "SandboxHostReady" and c["status"] == "True" for c in n["status"].get("conditions", []))
               for n in cluster.get("nodes")["items"])


# Each comes once for each of the three things it first asks: to read the node, to set labels, to set the condition.
REFUSALS = {
    "forbidden": Status(403, message="nodes is forbidden"),
    "conflict": Status(409),
    "gone": Status(410),
    "too-many": Status(429, retry_after=2),
    "broken": Status(500),
    "overloaded": Status(503, retry_after=1),
    "cut-off": Hang(),
    "no-json": Garbage(b"<html>a proxy's page</html>"),
    "no-node": Garbage(b'{"kind":"Status"}'),
}


@pytest.mark.parametrize("mood", REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_is_taken_and_told_again(moody, tmp_path, mood):
    moody.moods.extend([mood, mood, None, mood, None, None, mood])
    with Fleet(moody.url, account_of(moody, tmp_path), seconds=90, speed=SPEED) as fleet:
        done = fleet.until(lambda second: moody.is_told())
    assert done, moody.asked
    refused = [i for i, asked in enumerate(moody.asked) if asked.mood is not None]
    assert len(refused) >= 3 and done.sent <= 20
    # It never asks again at once. A pause may be a tenth shorter.
    for i in refused:
        pause = (moody.asked[i + 1].at - moody.asked[i].at) * SPEED
        assert pause >= 0.9 * max(1, getattr(mood, "retry_after", 0)), (i, moody.asked)


def test_pauses_grow_to_five_minutes_and_no_further(moody, tmp_path):
    moody.moods.extend([Status(500)] * 14)
    with Fleet(moody.url, account_of(moody, tmp_path), seconds=120, speed=120) as fleet:
        assert fleet.until(lambda second: moody.is_told()), moody.asked
    times = [asked.at for asked in moody.asked[:15]]
    pauses = [(after - before) * 120 for before, after in zip(times, times[1:])]
    print("pauses, s:", [round(pause) for pause in pauses])
    # From below they are exact; what a busy machine adds, 120 times as long, is not the agent's.
    assert pauses[9] > 2 * pauses[2], pauses
    assert all(0.9 * 300 <= pause <= 1.1 * 300 + 3 * 120 for pause in pauses[-4:]), pauses


def test_an_answer_that_trickles_is_given_up(moody, tmp_path):
    moody.moods.append(Trickle())
    with Fleet(moody.url, account_of(moody, tmp_path), seconds=60) as fleet:
        assert fleet.until(lambda second: moody.is_told()), moody.asked
    waited = moody.asked[1].at - moody.asked[0].at
    assert ANSWER_S <= waited <= ANSWER_S + 10


def test_a_rotated_token_is_read(moody, tmp_path):
    account = account_of(moody, tmp_path)
    moody.token = "second"
    with Fleet(moody.url, account, seconds=60, speed=5) as fleet:
        assert fleet.until(lambda second: second.of(401) >= 1)
        (account / "token").write_text("second")
        assert fleet.until(lambda second: moody.is_told()), moody.asked
    assert [asked.token for asked in moody.asked][:1] == ["Bearer first"]


def test_a_token_that_ran_out_while_the_server_was_away(moody, tmp_path):
    account = account_of(moody, tmp_path)
    moody.moods.extend([Status(503)] * 12)
    with Fleet(moody.url, account, seconds=120, speed=120) as fleet:
        assert fleet.until(lambda second: not moody.moods)
        moody.token = "second"
        assert fleet.until(lambda second: second.of(401) >= 1)
        (account / "token").write_text("second")
        assert fleet.until(lambda second: moody.is_told()), moody.asked
    refused = next(i for i, asked in enumerate(moody.asked) if asked.mood and asked.mood.code == 401)
    before, after = ((moody.asked[i + 1].at - moody.asked[i].at) * 120 for i in (refused - 1, refused))
    assert before >= 0.9 * 300 and after <= 3 * 120, (before, after)


def test_a_server_with_an_ipv6_address(tmp_path):
    try:
        server = MoodyServer(tmp_path, address="::1")
    except OSError as why:
        pytest.skip(f"this machine has no IPv6: {why}")
    with server, Fleet(server.url, account_of(server, tmp_path), seconds=30, speed=5) as fleet:
        assert fleet.until(lambda second: server.is_told())


def test_a_server_that_another_authority_vouches_for_is_told_nothing(moody, tmp_path):
    with Fleet(moody.url, account_under_another(tmp_path), seconds=10, speed=5) as fleet:
        last = list(fleet)[-1]
    assert moody.asked == [] and last.of(0) >= 2


def test_a_rotated_authority_is_read(moody, tmp_path):
    with Fleet(moody.url, account_under_another(tmp_path), seconds=60, speed=30) as fleet:
        assert fleet.until(lambda second: second.of(0) >= 1) and moody.asked == []
        account_of(moody, tmp_path)
        assert fleet.until(lambda second: moody.is_told()), moody.asked


def pauses_between_readings(server, speed):
    times = [asked.at for asked in server.asked if asked.method == "GET"]
    return [(after - before) * speed for before, after in zip(times, times[1:])]


def test_a_host_that_stays_as_it_is_asks_nothing(moody, tmp_path):
    """It looks at its host every ten minutes, and at its node every half hour."""
    speed = 300
    with Fleet(moody.url, account_of(moody, tmp_path), seconds=40, speed=speed) as fleet:
        done = fleet.until(lambda second: second.rechecks >= 15)
    pauses = pauses_between_readings(moody, speed)
    print("pauses, s:", [round(pause) for pause in pauses])
    assert done and done.sent <= 3 + done.seconds * speed / (27 * 60), moody.asked
    # The first lot is what its start made it say.
    assert pauses and all(pause >= 0.9 * 30 * 60 for pause in pauses[1:]), pauses


def test_a_kubelet_that_never_tells_of_the_handler_is_asked_ever_less(moody, tmp_path):
    speed = 60
    with Fleet(moody.url, account_of(moody, tmp_path), seconds=50, speed=speed, word="pods") as fleet:
        fleet.until(lambda second: len(pauses_between_readings(moody, speed)) >= 7)
    pauses = pauses_between_readings(moody, speed)
    print("pauses, s:", [round(pause) for pause in pauses])
    assert len(pauses) >= 7 and not moody.is_told()
    assert pauses[0] < 60 and pauses[6] >= 0.9 * 320, pauses


def test_an_event_that_is_seen_again_is_told_when_it_may(moody, tmp_path):
    """A minute after it was told first, not with the next reading."""
    speed = 30
    with Fleet(moody.url, account_of(moody, tmp_path), seconds=30, speed=speed, word="event") as fleet:
        fleet.until(lambda second: sum("/events" in asked.path for asked in moody.asked) == 2)
    told_at = [asked.at for asked in moody.asked if "/events" in asked.path]
    assert len(told_at) == 2, moody.asked
    assert 0.9 * 60 <= (told_at[1] - told_at[0]) * speed <= 4 * 60


def test_a_fleet_costs_little_and_is_told_soon(own_cluster, tmp_path):
    """A hundred nodes for some hours, in a minute: less than one request a second from a thousand."""
    nodes, speed = 100, 360
    account = account_in(own_cluster, tmp_path)
    make_nodes(own_cluster, nodes)
    with Fleet(own_cluster.url, account, nodes=nodes, seconds=70, speed=speed) as fleet:
        begin = fleet.until(lambda second: second.seconds > 15)
        assert told(own_cluster) == nodes
        end = fleet.until(lambda second: second.seconds > 55)
    per_second = (end.sent - begin.sent) / (end.seconds - begin.seconds) / speed
    print(f"{end.sent - begin.sent} requests of {nodes} nodes in {(end.seconds - begin.seconds) * speed / 3600:.1f} h: "
          f"{per_second * 1000 / nodes:.2f} a second of a thousand nodes")
    # Each has looked at its host meanwhile, every ten minutes.
    assert end.rechecks - begin.rechecks >= nodes * (end.seconds - begin.seconds) * speed / 600 * 0.8
    assert 0 < per_second * 1000 / nodes < 1
    assert end.requests.keys() <= {"GET 200", "PATCH 200"}, end.requests


def test_one_slot_is_held_by_one_node_at_a_time(own_cluster, tmp_path):
    nodes = 12
    account = account_in(own_cluster, tmp_path)
    make_nodes(own_cluster, nodes)
    with Fleet(own_cluster.url, account, nodes=nodes, seconds=120, speed=30, slots=True) as fleet:
        done = fleet.until(lambda second: second.turns == nodes)
    assert done, "some node never had its turn"
    assert done.most == 1 and done.held == 0
    lease = own_cluster.get("lease", "berth-slot-0", f"--namespace={NAMESPACE}")
    print(f"{nodes} nodes had their turn in {done.seconds:.0f} s, one at a time; {done.sent} requests")
    assert lease["spec"].get("holderIdentity", "") == ""


def test_slots_wait_while_the_server_is_away(own_cluster, tmp_path):
    account = account_in(own_cluster, tmp_path)
    make_nodes(own_cluster, 2)
    own_cluster.stop()
    with Fleet(own_cluster.url, account, nodes=2, seconds=120, speed=20, slots=True) as fleet:
        away = fleet.until(lambda second: second.seconds > 8)
        assert away.turns == 0 and away.held == 0 and away.of(0) >= 4
        own_cluster.start()
        done = fleet.until(lambda second: second.turns == 2)
    assert done and done.most == 1

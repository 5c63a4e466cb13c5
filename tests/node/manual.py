"""The commands of docs/operations.md, and where each of them is run by a test.

A command is a line of a block of shell, or words in backticks that begin with the name of a program. test_manual.py runs
those of HOST on a node and those of CLUSTER against a real API server; ELSEWHERE names the test of the rest, or the reason
why there is none.
"""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs/operations.md"
PROGRAMS = set("""
apt-get apt-mark auditctl berth blkid cat chattr curl df dmesg dnf docker dpkg du env findmnt grep helm journalctl kill
kubectl losetup ls lsblk lsof make mount nsenter promtool ps sha256sum ss stat sysbox-runc sysctl systemctl tar umount uname
wipefs xfs_info xfs_quota xfs_repair
""".split())


ADVISED_AGAINST = "Commands from elsewhere"
# The node has no curl.
_CURL = "python3 -c 'import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read())' http://127.0.0.1:9477"


def commands():
    """Every command of the manual, once, in its order."""
    text = PAGE.read_text(encoding="utf-8")
    found = []
    for block in re.findall(r"```sh\n(.*?)```", text, re.S):
        lines = block.replace("\\\n", "").splitlines()
        found += [re.sub(r"\s+", " ", line.split("  #")[0].strip()) for line in lines]
    for section in re.sub(r"```.*?```", "", text, flags=re.S).split("\n## "):
        if section.startswith(ADVISED_AGAINST):  # its left column is what other manuals say
            section = re.sub(r"^\| `.*? \| ", "", section, flags=re.M)
        spans = re.findall(r"`([^`\n]+)`", section)
        found += [words for words in spans if words.split() and words.split()[0] in PROGRAMS]
    return list(dict.fromkeys(filter(None, found)))


# Run in this order on a node with an agent: the exit status that is expected (or those), or what to run instead where the
# words alone do not fit the node, with status 0. NAME is a sandbox.
HOST = {
    "berth config check": 0,
    "berth config show": 0,
    "berth plan": 0,
    "berth plan --step pool": 0,
    "berth plan --json": 0,
    "berth install": 0,
    "berth install --step pool": 0,
    "berth install --json": 0,
    "berth install --wait": 0,
    "berth install --wait=5m": 0,
    "berth install --enter-host": 0,
    "berth verify": 0,
    "berth verify --step pool": 0,
    "berth verify --json": 0,
    "berth status": 0,
    "berth status --journal": 0,
    "berth status --json": 0,
    "berth version": 0,
    "berth agent --install-unit": 0,
    "systemctl status berth-agent": 0,
    "systemctl reload berth-agent": 0,
    "systemctl restart berth-agent": 0,
    "journalctl -u berth-agent": 0,
    "journalctl -u berth-agent | grep 'left to people'": 1,
    "journalctl -u berth-agent --since -1h | grep audit=": (0, 1),
    "journalctl -u berth-agent --since -2h | grep 'could not be made'": 1,
    "curl -s http://127.0.0.1:9477/readyz": _CURL + "/readyz",
    "curl -s http://127.0.0.1:9477/healthz": _CURL + "/healthz",
    "ss -ltnp 'sport = :9477'": 0,
    "systemctl show -p MainPID --value berth-agent": 0,
    "grep VmRSS /proc/PID/status": "grep VmRSS /proc/$(systemctl show -p MainPID --value berth-agent)/status",
    "berth prune --dry-run": 0,
    "berth prune": 0,
    "systemctl list-timers berth-prune.timer": 0,
    "journalctl -u berth-prune": 0,
    "berth pool status": 0,
    "berth pool status --json": 0,
    "berth pool trim": 0,
    "berth pool grow +10G": "berth pool grow +1G",
    "journalctl -u berth-pool-auto": 0,
    "berth quota ls": 0,
    "berth quota get NAME": 0,
    "berth quota set NAME 20G": 0,
    "berth quota reconcile": 0,
    "berth uninstall --dry-run": 0,
    "ps -fp 812": (0, 1),
    "ps -fp 512": (0, 1),
    "systemctl status apt-daily-upgrade": 3,
    "env | grep -i proxy": (0, 1),
    "dpkg --audit": 0,
    "dpkg --configure -a": 0,
    "apt-get update": 0,
    "apt-get install --simulate docker.io fuse3": 0,
    "apt-get install --only-upgrade docker.io": 0,
    "apt-mark hold": "apt-mark hold docker.io && apt-mark unhold docker.io",
    "sha256sum FILE": 0,
    "systemctl cat docker": 0,
    "systemctl is-enabled docker containerd sysbox-mgr sysbox-fs": (0, 1),
    "systemctl show -p NRestarts,Result docker": 0,
    "systemctl show -p ActiveEnterTimestamp sysbox-mgr": 0,
    "systemctl status berth-pool var-lib-berth-pool.mount": 0,
    "systemctl status var-lib-docker.mount var-lib-berth-pool.mount berth-pool": 0,
    "systemctl start var-lib-berth-pool.mount": 0,
    "systemctl unmask docker": 0,
    "journalctl -b -u berth-pool": 0,
    "journalctl -u docker -n 100": 0,
    "journalctl -u docker -u sysbox-mgr -u sysbox-fs -n 50": 0,
    "journalctl -u containerd -n 100": 0,
    "journalctl -u sysbox-mgr -u sysbox-fs -n 100": 0,
    "journalctl -u docker -u containerd -u sysbox-mgr -u sysbox-fs --since -1h": 0,
    "journalctl -k --since -1h | grep -iE 'out of memory|killed process|segfault'": (0, 1),
    "journalctl --since -10min": 0,
    "docker info": 0,
    "docker ps": 0,
    "docker ps -a": 0,
    "docker system df": 0,
    "uname -r": 0,
    "lsblk -f": 0,
    "wipefs --no-act /dev/sdX": 0,
    "df -h /var/lib": 0,
    "df -h /var/lib/berth/pool": 0,
    "df -h /var/lib/docker-xfs.img": 0,
    "du -xh --max-depth=2 /var | sort -h": 0,
    "blkid -p /var/lib/docker-xfs.img": 0,
    "dmesg | grep -i xfs": 0,
    "findmnt /var/lib/berth/pool": 0,
    "findmnt -no OPTIONS /var/lib/berth/pool": 0,
    "grep docker /etc/fstab": 1,
    "xfs_quota -x -c 'report -p -h' /var/lib/berth/pool": 0,
    "cat /run/berth/lock": "berth verify >/dev/null & until [ -s /run/berth/lock ]; do sleep 0.1; done; "
                           "cat /run/berth/lock; wait",
    "ls -l /etc/systemd/system /run/systemd/system | grep /dev/null": (0, 1),
    "sysbox-runc --version": 0,
    "docker restart": "docker restart NAME",
    "docker exec": "docker exec NAME true",
    "docker commit": "docker commit NAME kept",
    "docker commit --change 'LABEL berth.dev/keep=true'": "docker commit --change 'LABEL berth.dev/keep=true' NAME kept",
    "docker save": "docker save kept | wc -c",
    "kill -USR1 $(systemctl show -p MainPID --value docker)": 0,
    "systemctl stop berth-agent": 0,
    "systemctl start berth-agent": "systemctl reset-failed berth-agent; systemctl start berth-agent",
    "systemctl disable --now berth-agent": 0,
    "berth prune --older-than 0": "berth prune --older-than 0 --wait",
}

# Run with kubectl and helm where the chart is installed. NODE is a node.
CLUSTER = {
    "kubectl get nodes -L sandbox-runtime,sysbox-runtime,berth.dev/state": 0,
    "kubectl get pods -n berth-system -o wide -l app.kubernetes.io/name=berth": 0,
    "kubectl get pods -n berth-system -o wide": 0,
    "kubectl get daemonset,pods -n berth-system -o wide": 0,
    "kubectl describe node NODE": 0,
    "kubectl get events -n default --field-selector involvedObject.kind=Node,involvedObject.name=NODE": 0,
    "kubectl get leases -n berth-system": 0,
    "kubectl get --raw /readyz": 0,
    "kubectl auth can-i patch nodes --subresource=status --as=system:serviceaccount:berth-system:berth": 0,
    "kubectl label node NODE sandbox-runtime=sysbox": 0,
    "kubectl label node NODE sandbox-runtime-": 0,
    "kubectl label node NODE sysbox-runtime- berth.dev/state-": 0,
    "kubectl cordon NODE": 0,
    "kubectl uncordon NODE": 0,
    "helm upgrade berth helm/berth --namespace berth-system --reuse-values --set listen.address=nodeIP "
    "--set monitoring.podMonitor.create=true --set monitoring.prometheusRule.create=true":
        "helm upgrade berth helm/berth --namespace berth-system --reuse-values --set listen.address=nodeIP",
    "helm upgrade berth helm/berth --namespace berth-system --reuse-values --set image.tag=VERSION": 0,
    "helm history berth --namespace berth-system": 0,
    "helm rollback berth REVISION --namespace berth-system": 0,
    "promtool check rules deploy/monitoring/berth.rules.yaml": 0,
    "helm uninstall berth --namespace berth-system": 0,
}

_NAME = "the name of a program or a command, with nothing to run"
_POD = "of a pod that a kubelet runs: test_agent_pod.py and test_containerd_chart.py have one, and look at it otherwise"
_RPM = "of an RPM system, which no test has"
ELSEWHERE = {
    **dict.fromkeys(("kubectl", "helm", "promtool", "berth", "berth agent", "helm upgrade", "helm rollback", "helm uninstall",
                     "docker run", "sha256sum", "systemctl mask", "systemctl edit docker", "berth pool grow", "tar"), _NAME),
    **dict.fromkeys((
        "kubectl logs -n berth-system POD -c berth",
        "kubectl exec -n berth-system POD -c berth -- /berth plan --enter-host --config=/etc/berth/config.yaml",
        "kubectl exec -n berth-system POD -c berth -- /berth verify --enter-host --config=/etc/berth/config.yaml",
        "kubectl rollout status daemonset/berth -n berth-system",
        "kubectl rollout status daemonset/berth -n berth-system --timeout=5s",
        "kubectl delete pod -n berth-system POD", "kubectl describe pod -n berth-system POD",
        "kubectl logs -n berth-system POD -c berth | grep 'left to people'",
        "kubectl logs -n berth-system POD -c berth --previous", "kubectl drain"), _POD),
    **dict.fromkeys((
        "dnf makecache", "dnf --assumeno install docker-ce fuse3", "dnf versionlock add", "dnf list docker-ce",
        "dnf cannot resolve the packages: Unable to find a match: docker-ce", "dnf upgrade docker-ce",
        "dnf config-manager --add-repo https://download.docker.com/linux/rhel/docker-ce.repo"), _RPM),
    **dict.fromkeys(("berth bundle create --output node.bundle", "berth bundle verify node.bundle",
                     "berth plan --bundle node.bundle", "berth install --bundle node.bundle"), "test_offline.py"),
    **dict.fromkeys(("berth uninstall", "berth uninstall --delete-data"), "test_lifecycle.py, test_existing_docker.py, tests/fault/test_data.py"),
    "berth pool grow 80G": "test_pool.py",
    "make image": "tests/kube/test_image.py",
    "nsenter -t 1 -m -u -n -i": "test_agent.py",
    "berth plan --json | jq '.checks[] | select(.verdict == \"warn\")'": "without jq: berth plan --json",
    "docker run --rm --runtime=runc IMAGE true": "test_budgets.py starts a container of that runtime",
    "docker image prune -a": "somebody else's decision: it removes what berth prune would keep",
    "docker image prune --filter until=168h": "told as the worse way",
    "xfs_repair -n /mnt/copy.img": "a pool that is broken: test_agent_faults.py breaks one, and nobody repairs it",
    "xfs_repair /mnt/copy.img": "as above",
    "kubectl delete lease -n berth-system berth-slot-0": "test_agent_kube.py",
    "auditctl -w /usr/bin/dockerd -k docker": "needs auditd",
    "docker run --storage-opt size=3G": "test_budgets.py",
}

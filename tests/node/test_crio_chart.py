"""From a bare worker with containerd to sandboxes by CRI-O: the chart's pod installs it, moves the kubelet under itself,
and comes back on the new engine."""

import crio_package
import kubelet_host
from agent_host import until
from budget_host import M
from chart_host import FLAGS, IMAGE, ROOT, agent_log, helm, prepare, settings, show, told
from pod_host import HANDLER, budget, fill, sandbox
from test_crio import is_cordoned, kubelet_files, runtime

NAME = "worker-crio-chart"


def test_from_a_bare_worker_and_back(node_factory, control_plane, tmp_path):
    worker = kubelet_host.start(node_factory, control_plane, name=NAME, flags=FLAGS)
    node, cluster = worker.node, worker.cluster
    before = kubelet_files(node)
    archive = prepare(worker, tmp_path)
    # The agent's pod comes back by CRI-O, which pulls its images: here they are in its storage already.
    crio_package.put(node)
    crio_package.load_images(node, ([f"{IMAGE}:test"], archive.read_bytes()))
    helm(cluster, "install", "sysbox-deploy", ROOT / "helm/berth",
         *settings(tmp_path, "--set=engine=crio", crio={"file": crio_package.PATH}))
    worker.apply(sandbox("early"))
    until(lambda: told(worker) == ("running", "True", []), 1800,
          lambda: f"{told(worker)}\n{agent_log(worker)}\n{worker.log('crio', 20)}")
    assert runtime(worker) == "cri-o" and not is_cordoned(worker)
    assert worker.runtime_handlers()[HANDLER]["userNamespaces"] is True
    worker.wait_running("early")
    assert budget(node, "default/early")["limit_bytes"] == 300 * M
    worker.run_pod(sandbox("box", disk="150M"))
    assert "No space left" in fill(worker, "box", "/var/lib/docker/big")
    # Nothing of berth's is left of the pod that the kubelet was moved from.
    assert node.run("systemctl list-units 'berth-kubelet-switch-*' --no-legend", check=False).stdout == ""
    show(cluster, ((("get", "daemonset", "-n", "kube-system", "sysbox-deploy"), "sysbox-deploy"),
                   (("logs", "-n", "kube-system", "-l", "name=sysbox-deploy"), "level="),
                   (("get", "nodes", "-l", "sysbox-install=yes", "-o", "wide"), "cri-o://"),
                   (("get", "runtimeclass", "sysbox-runc", "-o", "yaml"), f"handler: {HANDLER}")))
    print(node.run("systemctl status crio --no-pager --lines=3").stdout)

    helm(cluster, "uninstall", "sysbox-deploy")
    for name in ("box", "early"):
        worker.delete_pod(name)
    node.run(["/usr/local/lib/berth/berth", "uninstall"], timeout=1800)
    worker.wait_ready()
    assert runtime(worker) == "containerd" and not is_cordoned(worker)
    assert HANDLER not in worker.runtime_handlers()
    assert kubelet_files(node) == before

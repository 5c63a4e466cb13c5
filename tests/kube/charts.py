"""What tests of the charts share.

Renderer, Refused                        helm, and what a chart refuses
of_kind, pod_of, agent_of, runner_of     what is in the rendered objects
values_of, schema_of, EVERYTHING         a chart's own values, and values that set all of it
berth_program                            the program under test
make_account, make_namespace, condition  what an API server or a node has where no controller and no kubelet run
"""

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
HELM = ROOT / "helm"
CHARTS = ("berth", "daytona-dev")


class Renderer:
    """Renders charts. What a chart refuses raises Refused with what helm said."""

    def __init__(self, helm, folder):
        self.helm = helm
        self.folder = folder
        self.env = {"PATH": os.environ["PATH"], "HOME": str(folder)}

    def run(self, *arguments, check=True, **variables):
        done = subprocess.run([str(word) for word in (self.helm, *arguments)], cwd=ROOT, capture_output=True, text=True,
                              env={**self.env, **variables}, timeout=120, check=False)
        if check and done.returncode != 0:
            raise Refused(done.stderr + done.stdout)
        return done

    def values_file(self, values):
        text = json.dumps(values)
        path = self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
        path.write_text(text)
        return path

    def template(self, chart, values=None, namespace="spaces", release="rel"):
        """The objects, as {"Kind/name": object}."""
        text = self.text(chart, values, namespace, release)
        objects = [document for document in yaml.safe_load_all(text) if document]
        named = {f"{o['kind']}/{o['metadata']['name']}": o for o in objects}
        assert len(named) == len(objects), "two objects of one kind and name"
        return named

    def text(self, chart, values=None, namespace="spaces", release="rel"):
        return self.run("template", release, HELM / chart, f"--namespace={namespace}",
                        f"--values={self.values_file(values or {})}").stdout


class Refused(Exception):
    pass


def of_kind(objects, kind):
    return [o for o in objects.values() if o["kind"] == kind]


def pod_of(objects):
    """The pod's spec of the one DaemonSet."""
    (daemonset,) = of_kind(objects, "DaemonSet")
    return daemonset["spec"]["template"]["spec"]


def agent_of(objects):
    """The container that runs the agent."""
    pod = pod_of(objects)
    (agent,) = [c for c in pod.get("initContainers", []) + pod["containers"] if c.get("command") == ["/berth"]]
    return agent


def runner_of(objects):
    (runner,) = [c for c in pod_of(objects)["containers"] if c["name"] == "runner"]
    return runner


def values_of(chart):
    return yaml.safe_load((HELM / chart / "values.yaml").read_text())


def schema_of(chart):
    return json.loads((HELM / chart / "values.schema.json").read_text())


EVERYTHING = {
    "berth": {
        "image": {"digest": "sha256:" + "a" * 64}, "imagePullSecrets": [{"name": "registry"}],
        "engine": "docker+containerd", "admission": {"maxDisk": "20G"},
        "runtimeClass": {"name": "strong", "nodeSelector": {"pool": "a"}, "overhead": {"cpu": "10m"}},
        "config": {"pool": {"size": "80G", "grow_at": 70}, "budget": {"default": "3G", "first_project": 1073741824},
                   "kubernetes": {"slots": 3}, "sysbox": {"version": "0.7.1"}},
        "listen": {"address": "nodeIP"}, "logFormat": "json", "updateStrategy": {"maxUnavailable": "10%"},
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}], "podLabels": {"team": "a"},
        "podAnnotations": {"note": "b"}, "serviceAccount": {"annotations": {"note": "c"}},
        "networkPolicy": {"metricsFrom": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}]},
        "monitoring": {"podMonitor": {"create": True}, "serviceMonitor": {"create": True},
                       "prometheusRule": {"create": True}, "dashboard": {"create": True}, "labels": {"release": "p"},
                       "runbookBase": "https://git.example.com/berth/blob/main/"},
    },
    "daytona-dev": {
        "imagePullSecrets": [{"name": "registry"}],
        "runner": {
            "image": {"digest": "sha256:" + "b" * 64},
            "dockerInstaller": {"xfsStorageSize": "100G", "config": {"budget": {"default": "3G"}},
                                "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}]},
            "config": {"apiUrl": "https://daytona.example.com/api", "domain": "runner.example.com",
                       "env": {"AWS_REGION": "eu-1", "RESOURCE_LIMITS_DISABLED": False}},
            "token": {"value": "t"}, "priorityClassName": "system-node-critical", "podLabels": {"team": "a"},
            "podAnnotations": {"note": "b"}, "extraVolumes": [{"name": "keys", "emptyDir": {}}],
            "extraVolumeMounts": [{"name": "keys", "mountPath": "/keys"}],
            "extraEnv": [{"name": "AWS_SECRET_ACCESS_KEY",
                          "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        },
    },
}


def berth_program():
    found = Path(os.environ.get("BERTH") or ROOT / "build/release/berth")
    if not found.exists():
        pytest.fail(f"{found} is not there: run make release, or name a program in BERTH")
    return found


def make_account(cluster, namespace):
    """The account that pods need and no controller makes here."""
    cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount",
                   "metadata": {"name": "default", "namespace": namespace}})


def make_namespace(cluster, name, **labels):
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    make_account(cluster, name)


def condition(kind="SandboxHostReady", status="True"):
    return {"type": kind, "status": status, "reason": "Verified", "message": "m",
            "lastHeartbeatTime": "2026-01-02T00:00:00Z", "lastTransitionTime": "2026-01-02T00:00:00Z"}

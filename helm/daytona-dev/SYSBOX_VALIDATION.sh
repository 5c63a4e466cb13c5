#!/bin/sh
# Is every node that runs Daytona's runner a proven Docker and Sysbox host? Asks the cluster and, through the
# installer's container, each node. Changes nothing that stays: berth verify makes a small project and a sandbox, and
# removes both.
#
# Usage: [NAMESPACE=daytona-dev] SYSBOX_VALIDATION.sh [--help]
#
# Needs kubectl and nothing else. A line for each check, PASS, WARN, FAIL or SKIP, then the node or pod, the check and
# what was found; a line with -> says what to do. Ends with 0 when nothing failed, with 1 when something did, with 64
# when it was called wrongly.
#
# Environment:
#   NAMESPACE   namespace of the release (daytona-dev)
#   SELECTOR    labels of the pods (app=daytona-runner)
#   CONTAINER   the container with berth in it (docker-installer); for the chart berth:
#               SELECTOR=app.kubernetes.io/name=berth CONTAINER=berth
#   TIMEOUT     how long one request to the API server may take (30s)
#   WAIT        how long berth verify waits for another berth on the node (5m)

set -u
export LC_ALL=C

NAMESPACE=${NAMESPACE:-daytona-dev}
SELECTOR=${SELECTOR:-app=daytona-runner}
CONTAINER=${CONTAINER:-docker-installer}
TIMEOUT=${TIMEOUT:-30s}
WAIT=${WAIT:-5m}
START_UP_TAINT=sysbox-runtime=not-running

show_help() {
	sed -n '2,/^$/ { /^#/!d; s/^# \{0,1\}//; p; }' "$0"
}

case ${1:-} in
'') ;;
-h | --help)
	show_help
	exit 0
	;;
*)
	echo "SYSBOX_VALIDATION.sh: unknown argument '$1'; see --help" >&2
	exit 64
	;;
esac

# Verdicts are kept in a file: the checks of a node's report run at the end of a pipe.
counts=$(mktemp) || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$counts" "$work"' EXIT
trap 'exit 1' HUP INT TERM

# VERDICT WHERE CHECK TEXT [WHAT-TO-DO]
tell() {
	printf '%-4s  %-20s  %-24s %s\n' "$1" "$2" "$3" "$4"
	if [ -n "${5:-}" ]; then
		printf '      -> %s\n' "$5"
	fi
	echo "$1" >>"$counts"
}

number_of() {
	grep -c "^$1\$" "$counts"
}

close() {
	failed=$(number_of FAIL)
	passed=$(number_of PASS)
	printf '%s passed, %s failed, %s warnings, %s skipped\n' "$passed" "$failed" "$(number_of WARN)" "$(number_of SKIP)"
	if [ "$failed" -ne 0 ] || [ "$passed" -eq 0 ]; then
		echo 'Validation FAILED'
		exit 1
	fi
	echo 'Validation completed'
	exit 0
}

ask() {
	kubectl --request-timeout="$TIMEOUT" "$@" </dev/null
}

first_line() {
	sed -n '/./ { s/^[[:space:]]*//; p; q; }' "$1"
}

# ---- the cluster ----

check_cluster() {
	if ! command -v kubectl >/dev/null 2>&1; then
		tell FAIL cluster kubectl 'kubectl is not installed, or not in PATH'
		close
	fi
	if ! ask get namespace "$NAMESPACE" -o name >/dev/null 2>"$work/error"; then
		tell FAIL cluster namespace "$(first_line "$work/error")" 'set NAMESPACE; look at kubectl config current-context'
		close
	fi
	tell PASS cluster namespace "$NAMESPACE is there"
}

# NAME NODE PHASE of each pod, a line each.
list_pods() {
	if ! ask get pods -n "$NAMESPACE" -l "$SELECTOR" \
		-o 'jsonpath={range .items[*]}{.metadata.name}{" "}{.spec.nodeName}{" "}{.status.phase}{"\n"}{end}' \
		>"$work/pods" 2>"$work/error"; then
		tell FAIL cluster pods "$(first_line "$work/error")"
		close
	fi
	if ! grep -q . "$work/pods"; then
		tell FAIL cluster pods "no pod in $NAMESPACE has the label $SELECTOR" \
			"do nodes have the chart's nodeSelector? kubectl get nodes -L sandbox-runtime"
		close
	fi
}

# ---- one pod ----

# of POD, JSONPATH
pod_has() {
	ask get pod "$1" -n "$NAMESPACE" -o "jsonpath=$2" 2>"$work/error"
}

check_running() {
	if [ "$3" != Running ] && [ "$3" != Pending ]; then
		tell FAIL "$1" pod.phase "${3:-unknown}" "kubectl describe pod -n $NAMESPACE $1"
		return 1
	fi
	ready=$(pod_has "$1" '{.status.conditions[?(@.type=="Ready")].status}')
	if [ "$3" = Running ] && [ "$ready" = True ]; then
		tell PASS "$1" pod.ready "running and ready on $2"
		return 0
	fi
	each='{.name}: {.state.waiting.reason}{" "}{end}'
	waiting=$(pod_has "$1" "{range .status.initContainerStatuses[*]}$each{range .status.containerStatuses[*]}$each")
	tell FAIL "$1" pod.ready "$3, not ready: ${waiting:-no container was started}" \
		"kubectl logs -n $NAMESPACE $1 -c $CONTAINER --tail=50"
	return 0
}

# The runner copies its variable into each container: "docker" there is a runtime that Docker does not have.
check_runner() {
	pod_has "$1" '{.spec.containers[*].name}' >"$work/names" || return 0
	if ! grep -qw runner "$work/names"; then
		return 0
	fi
	runtime=$(pod_has "$1" '{.spec.containers[?(@.name=="runner")].env[?(@.name=="CONTAINER_RUNTIME")].value}')
	mounts=$(pod_has "$1" '{.spec.containers[?(@.name=="runner")].volumeMounts[*].mountPath}')
	case $runtime in
	docker)
		tell FAIL "$1" runner.runtime 'CONTAINER_RUNTIME is docker: no sandbox starts ("Unknown runtime specified docker")' \
			'use this chart, which leaves it empty with Docker'
		;;
	containerd) tell PASS "$1" runner.runtime 'the runner uses containerd' ;;
	*)
		case " $mounts " in
		*' /var/run '* | *' /var/run/docker.sock '*) tell PASS "$1" runner.runtime "Docker, with Docker's default runtime" ;;
		*) tell FAIL "$1" runner.runtime "the runner has no Docker socket: it mounts ${mounts:-nothing}" ;;
		esac
		;;
	esac
}

has_installer() {
	pod_has "$1" '{.spec.initContainers[*].name} {.spec.containers[*].name}' | grep -qw -- "$CONTAINER"
}

# ---- one node ----

node_has() {
	ask get node "$1" -o "jsonpath=$2" 2>"$work/error"
}

check_node_object() {
	if ! ready=$(node_has "$1" '{.status.conditions[?(@.type=="Ready")].status}'); then
		tell FAIL "$1" node "$(first_line "$work/error")"
		return 1
	fi
	if [ "$ready" = True ]; then
		tell PASS "$1" node.ready 'Kubernetes runs on it as before'
	else
		tell FAIL "$1" node.ready "the node's condition Ready is ${ready:-not there}" "kubectl describe node $1"
	fi
	check_kernel "$1"
	return 0
}

check_kernel() {
	kernel=$(node_has "$1" '{.status.nodeInfo.kernelVersion}')
	system=$(node_has "$1" '{.status.nodeInfo.osImage}')
	case $system in
	*'Container-Optimized OS'* | *Bottlerocket* | *Flatcar* | *Talos*)
		tell FAIL "$1" node.system "$system has no package manager and cannot be a host" 'use a node pool with Ubuntu'
		;;
	*) tell PASS "$1" node.system "${system:-unknown}" ;;
	esac
	major=${kernel%%.*}
	minor=${kernel#*.}
	minor=${minor%%[!0-9]*}
	case $major$minor in
	'' | *[!0-9]*)
		tell WARN "$1" node.kernel "the version '$kernel' is not understood"
		return
		;;
	esac
	# A version is no function: whether sandboxes run on it, berth verify tries.
	if [ $((major * 1000 + minor)) -lt 5019 ]; then
		tell WARN "$1" node.kernel "Linux $kernel: before 5.19 each sandbox's root file system is copied, as a rule"
	else
		tell PASS "$1" node.kernel "Linux $kernel"
	fi
}

# What the agent says of its node.
check_node_state() {
	label=$(node_has "$1" '{.metadata.labels.sysbox-runtime}')
	if [ "$label" = running ]; then
		tell PASS "$1" node.label 'sysbox-runtime=running'
	else
		tell FAIL "$1" node.label "the label sysbox-runtime is '$label', not running"
	fi
	state=$(node_has "$1" '{.status.conditions[?(@.type=="SandboxHostReady")].status}')
	said=$(node_has "$1" '{.status.conditions[?(@.type=="SandboxHostReady")].message}')
	if [ "$state" = True ]; then
		tell PASS "$1" node.condition "SandboxHostReady is True${said:+: $said}"
	else
		tell FAIL "$1" node.condition "SandboxHostReady is ${state:-not there}${said:+: $said}"
	fi
	taints=$(node_has "$1" '{range .spec.taints[*]}{.key}={.value}{" "}{end}')
	case " $taints" in
	*" $START_UP_TAINT "*) tell FAIL "$1" node.taint "the start-up taint $START_UP_TAINT is still there" ;;
	*) tell PASS "$1" node.taint 'no start-up taint' ;;
	esac
}

# berth's report, JSON however it is laid out, as lines "VERDICT<tab>ID<tab>TEXT<tab>REMEDY".
report_lines() {
	awk '
	# The string that begins behind place at; at is left on its closing quote.
	function string(c, found) {
		found = ""
		for (at++; at <= length(all); at++) {
			c = substr(all, at, 1)
			if (c == "\"")
				return found
			if (c == "\\") {
				c = substr(all, ++at, 1)
				if (c == "n" || c == "t" || c == "r")
					c = " "
			}
			found = found c
		}
		return found
	}
	{ all = all $0 " " }
	END {
		for (at = 1; at <= length(all); at++) {
			c = substr(all, at, 1)
			if (c == "\"") {
				word = string()
				if (substr(all, at + 1) ~ /^ *:/)
					key = word
				else
					value[key] = word
			} else if (c == "}" && value["id"] != "") {
				printf "%s\t%s\t%s\t%s\n", toupper(value["verdict"]), value["id"], value["text"], value["remedy"]
				split("", value)
			}
		}
	}' "$1"
}

# of POD: the settings that its agent goes by, as berth's option; nothing when it has none of its own
settings_of() {
	for list in initContainers containers; do
		pod_has "$1" "{.spec.${list}[?(@.name==\"$CONTAINER\")].args[*]}" | tr ' ' '\n'
		echo
	done | sed -n '/^--config=./ { p; q; }'
}

# POD, then what its berth is to do on the node
berth() {
	in=$1
	verb=$2
	shift 2
	kubectl exec -n "$NAMESPACE" "$in" -c "$CONTAINER" -- /berth "$verb" --enter-host ${settings:+"$settings"} "$@" \
		2>"$work/error" </dev/null
}

# POD NODE
check_host() {
	berth "$1" verify --json "--wait=$WAIT" >"$work/report"
	status=$?
	report_lines "$work/report" >"$work/lines"
	if ! grep -q . "$work/lines"; then
		tell FAIL "$2" host "berth verify did not report: $(first_line "$work/error")" \
			"kubectl exec -n $NAMESPACE $1 -c $CONTAINER -- /berth verify --enter-host $settings"
		return
	fi
	tab=$(printf '\t')
	while IFS="$tab" read -r verdict id text remedy; do
		tell "$verdict" "$2" "$id" "$text" "$remedy"
	done <"$work/lines"
	if [ "$status" -ne 0 ] && ! grep -q '^FAIL' "$work/lines"; then
		tell FAIL "$2" host "berth verify ended with $status: $(first_line "$work/error")"
	fi
}

# POD NODE
check_journal() {
	if ! berth "$1" status --json >"$work/status"; then
		tell FAIL "$2" journal "berth status failed: $(first_line "$work/error")"
		return
	fi
	unfinished=$(tr -d '\n' <"$work/status" | sed -n 's/.*"unfinished": *\([0-9]*\).*/\1/p')
	case $unfinished in
	'') tell FAIL "$2" journal 'berth status says nothing of its journal' ;;
	0) tell PASS "$2" journal 'no change was cut off' ;;
	*) tell FAIL "$2" journal "$unfinished changes were cut off" 'the next run of the installer finishes them' ;;
	esac
}

check_cluster
list_pods
while read -r pod node phase; do
	case $node in
	Pending | Running | '')
		tell FAIL "$pod" pod.node 'no node takes it' "kubectl describe pod -n $NAMESPACE $pod"
		continue
		;;
	esac
	check_running "$pod" "$node" "$phase" || continue
	check_runner "$pod"
	if ! check_node_object "$node"; then
		continue
	fi
	if has_installer "$pod"; then
		check_node_state "$node"
		settings=$(settings_of "$pod")
		check_host "$pod" "$node"
		check_journal "$pod" "$node"
	else
		tell SKIP "$node" host "the pod has no container $CONTAINER: the node is not berth's to check"
	fi
done <"$work/pods"
close

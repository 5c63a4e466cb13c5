/* Where things are on a host, for all steps. */
#ifndef STEP_LAYOUT_H
#define STEP_LAYOUT_H

#define BERTH_PROGRAM	"/usr/local/lib/berth/berth"
#define BERTH_RUNC	"/usr/local/lib/berth/berth-runc"
#define RUNC_CONF	"/etc/berth/runc.conf"
#define SPEC_KEPT	"/var/lib/berth/config.yaml" /* settings that came by --config */
#define DAEMON_JSON	"/etc/docker/daemon.json"
#define DOCKER_DATA	"/var/lib/docker"
#define CONTAINERD_DATA	"/var/lib/containerd"
#define KUBELET_DATA	"/var/lib/kubelet"
#define SYSBOX_DATA	"/var/lib/sysbox"
#define SYSBOX_RUNC	"/usr/bin/sysbox-runc"
#define SYSBOX_PACKAGE	"sysbox-ce"
#define RUNTIME_NAME	"sysbox-runc"

#define UNIT_DIR	"/etc/systemd/system"
#define POOL_SERVICE	"berth-pool.service"
#define STASH_SERVICE	"berth-stash.service"
#define SYSBOX_SERVICE	"sysbox.service" /* both daemons stop with it */
#define RECONCILE_SERVICE "berth-reconcile.service"
#define RECONCILE_TIMER	"berth-reconcile.timer"
#define POOL_MOUNT	"var-lib-berth-pool.mount"
#define POOL_AUTO	"berth-pool-auto" /* .service, .timer: growth by policy, and the watch */
#define POOL_TRIM	"berth-pool-trim" /* .service, .timer */
#define DOCKER_MOUNT	"var-lib-docker.mount"
#define SYSBOX_MOUNT	"var-lib-sysbox.mount"
#define AGENT_SERVICE	"berth-agent.service"
#define PRUNE_SERVICE	"berth-prune.service"
#define PRUNE_TIMER	"berth-prune.timer"
#define DROPIN		"50-berth.conf"
#define POOL_LINK	"/run/berth/pool-device" /* to the device the pool is on, made at boot */

#endif

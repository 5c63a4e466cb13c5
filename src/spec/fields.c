/* The table of settings: the one place that names them. */
#include <arpa/inet.h>

#include "base/digest.h"
#include "base/units.h"
#include "spec/listen.h"
#include "spec/spec.h"

static int check_cidr(const char *value, char why[static 128])
{
	char address[INET_ADDRSTRLEN];
	const char *slash = strchr(value, '/');
	struct in_addr in;
	uint64_t prefix;

	if (!slash || (size_t)(slash - value) >= sizeof(address))
		goto bad;
	memcpy(address, value, (size_t)(slash - value));
	address[slash - value] = '\0';
	if (inet_pton(AF_INET, address, &in) != 1 || u64_parse(slash + 1, &prefix) < 0 ||
	    prefix < 8 || prefix > 30)
		goto bad;
	return 0;
bad:
	(void)snprintf(why, 128, "write an IPv4 address and a prefix length, as 172.24.0.1/16");
	return -EINVAL;
}

static int check_sha256(const char *value, char why[static 128])
{
	if (!*value || digest_valid(value))
		return 0;
	(void)snprintf(why, 128, "a SHA-256 is 64 hexadecimal digits");
	return -EINVAL;
}

static int check_url(const char *value, char why[static 128])
{
	if (!*value || strncmp(value, "https://", 8) == 0 || strncmp(value, "http://", 7) == 0 ||
	    strncmp(value, "file:///", 8) == 0)
		return 0;
	(void)snprintf(why, 128, "write an http://, https:// or file:/// URL");
	return -EINVAL;
}

static int check_version(const char *value, char why[static 128])
{
	if (*value && strspn(value, "0123456789.") == strlen(value))
		return 0;
	(void)snprintf(why, 128, "write a version as 0.7.1");
	return -EINVAL;
}

static int check_word(const char *value, char why[static 128])
{
	static const char OK[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-_";

	if (*value && *value != '-' && strspn(value, OK) == strlen(value))
		return 0;
	(void)snprintf(why, 128, "only letters, digits and . + - _ are allowed");
	return -EINVAL;
}

static int check_word_or_none(const char *value, char why[static 128])
{
	return *value ? check_word(value, why) : 0;
}

static int check_listen(const char *value, char why[static 128])
{
	char address[LISTEN_ADDRESS_MAX];
	unsigned short port;

	if (listen_parse(value, address, &port) == 0 &&
	    strspn(value, "0123456789abcdefABCDEF.:[]") == strlen(value))
		return 0;
	(void)snprintf(why, 128, "write an address and a port, as 127.0.0.1:9477 or [::1]:9477");
	return -EINVAL;
}

/* "KEY=VALUE:EFFECT" */
static int check_taint(const char *value, char why[static 128])
{
	static const char *const EFFECTS[] = { "NoSchedule", "PreferNoSchedule", "NoExecute" };
	const char *equals = strchr(value, '='), *colon = strrchr(value, ':');

	for (size_t i = 0; i < ARRAY_SIZE(EFFECTS) && equals && colon && equals > value && colon > equals; i++) {
		if (strcmp(colon + 1, EFFECTS[i]) == 0)
			return 0;
	}
	if (!*value)
		return 0;
	(void)snprintf(why, 128, "write KEY=VALUE:EFFECT, as sysbox-runtime=not-running:NoSchedule");
	return -EINVAL;
}

static const char *const ENGINES[] = { "docker", "containerd", "docker+containerd", "crio", "docker+crio", NULL };
static const char *const CRIO_KUBELET[] = { "fresh", "drain", "never", NULL };
static const char *const STRANDED_PODS[] = { "keep", "evict", NULL };
static const char *const LOG_FORMATS[] = { "logfmt", "json", NULL };
static const char *const RESTART_SYSBOX[] = { "stashed", "never", NULL };
static const char *const REPLACE_SYSBOX[] = { "never", "idle", "drain", NULL };
const char *const pool_allocate_words[] = { "auto", "full", "sparse", NULL };
static const char *const INTERRUPT[] = { "allow", "refuse", NULL };
static const char *const OTHER_VERSION[] = { "keep", "upgrade", "exact", NULL };

#define AT(member) offsetof(struct spec, member)
#define MINUTES(n) ((uint64_t)(n) * 60 * 1000)
#define DAYS(n)	   (MINUTES(n) * 60 * 24)

const struct spec_field spec_fields[] = {
	{ "engine", SPEC_CHOICE, AT(engine), "docker", .choices = ENGINES,
	  .help = "Who runs the sandboxes: Docker; the engine of this node's kubelet, which is its own containerd (2.0.5 "
		  "or newer, kept as it is but for a runtime handler) or CRI-O (installed where it is not there, and the "
		  "kubelet moved to it); or Docker and that engine each its own." },
	{ "pool.size", SPEC_SIZE, AT(pool.size), "50G", .min = 1ULL << 30, .max = 1ULL << 50,
	  .environment = "XFS_STORAGE_SIZE",
	  .help = "Size of the pool's image when it is made. One that exists is made larger by berth pool "
		  "grow, and is never shrunk." },
	{ "pool.image", SPEC_PATH, AT(pool.image), "/var/lib/docker-xfs.img",
	  .help = "The image file that holds the pool's XFS file system." },
	{ "pool.device", SPEC_PATH, AT(pool.device), "",
	  .help = "A block device to use instead of an image. It must be blank, or a pool already." },
	{ "pool.allocate", SPEC_CHOICE, AT(pool.allocate), "auto", .choices = pool_allocate_words,
	  .help = "Give the image its blocks at once (full), as they are written (sparse), or fully "
		  "where that leaves the reserve free (auto)." },
	{ "pool.reserve", SPEC_SIZE, AT(pool.reserve), "2G", .max = 1ULL << 50,
	  .help = "Space that must stay free on the image's own file system, when the image is made and "
		  "when it grows; while a sparse one needs it, berth pool auto alerts below it." },
	{ "pool.grow_at", SPEC_NUMBER, AT(pool.grow_at), "80", .max = 99,
	  .help = "Percent used at which the pool's image grows by itself, looked at every minute; 0: "
		  "never. A pool on a device grows when its device has, in any case." },
	{ "pool.grow_by", SPEC_SIZE, AT(pool.grow_by), "10G", .min = 64ULL << 20, .max = 1ULL << 50,
	  .help = "By how much it grows then, or by what the disk below has left beside the reserve." },
	{ "pool.max_size", SPEC_SIZE, AT(pool.max_size), "0", .max = 1ULL << 50,
	  .help = "The size past which the image does not grow by itself; 0: as far as the disk below "
		  "and the reserve allow." },
	{ "pool.trim", SPEC_BOOL, AT(pool.trim), "true",
	  .help = "Give the pool's free space back to the disk below every week. An image that is "
		  "allocated in full keeps its blocks unless pool.allocate is sparse." },
	{ "pool.pods", SPEC_BOOL, AT(pool.pods), "false",
	  .help = "With an engine of the kubelet: keep that engine's storage and kubelet's folder on the pool, so that a "
		  "pod's root file system and its emptyDirs are in its budget. They are moved only while no "
		  "container runs: before the node joins its cluster." },
	{ "docker.package", SPEC_STRING, AT(docker.package), "auto", .check = check_word,
	  .help = "Package to install where there is no Docker; auto: docker.io on Debian and Ubuntu, "
		  "docker on Amazon Linux, moby-engine on Fedora, docker-ce elsewhere and where its "
		  "repository is configured." },
	{ "docker.bridge_ip", SPEC_STRING, AT(docker.bridge_ip), "172.24.0.1/16",
	  .check = check_cidr,
	  .help = "Docker's bip, set where daemon.json has none: Sysbox's package would set its own "
		  "and restart Docker." },
	{ "docker.address_pool", SPEC_STRING, AT(docker.pool_base), "172.25.0.0/16",
	  .check = check_cidr,
	  .help = "Base of Docker's default-address-pools, set where daemon.json has none." },
	{ "docker.address_pool_prefix", SPEC_NUMBER, AT(docker.pool_size), "24", .min = 16, .max = 28,
	  .help = "Prefix length of each network taken from docker.address_pool." },
	{ "docker.live_restore", SPEC_BOOL, AT(docker.live_restore), "true",
	  .help = "Sandboxes keep running while dockerd restarts." },
	{ "docker.default_runtime", SPEC_BOOL, AT(docker.default_runtime), "true",
	  .help = "Make sysbox-runc the default runtime." },
	{ "docker.log_max_size", SPEC_STRING, AT(docker.log_max_size), "10m", .check = check_word,
	  .help = "max-size of json-file logs." },
	{ "docker.log_max_file", SPEC_NUMBER, AT(docker.log_max_file), "3", .min = 1, .max = 1000,
	  .help = "max-file of json-file logs." },
	{ "docker.interrupt", SPEC_CHOICE, AT(docker.interrupt), "allow", .choices = INTERRUPT,
	  .help = "Whether running containers may be stopped (and are started again) where a change "
		  "needs it, or the run is refused." },
	{ "crio.package", SPEC_STRING, AT(crio.package), "cri-o", .check = check_word,
	  .help = "CRI-O's package in a repository that the host has; it must be of the kubelet's minor version." },
	{ "crio.url", SPEC_STRING, AT(crio.url), "", .check = check_url,
	  .help = "Where to get CRI-O's Debian package instead. Needs crio.sha256." },
	{ "crio.sha256", SPEC_STRING, AT(crio.sha256), "", .check = check_sha256,
	  .help = "SHA-256 of that package, or of crio.file." },
	{ "crio.file", SPEC_PATH, AT(crio.file), "",
	  .help = "CRI-O's Debian package on this machine, used instead of a download." },
	{ "crio.kubelet", SPEC_CHOICE, AT(crio.kubelet), "fresh", .choices = CRIO_KUBELET,
	  .help = "Consent to move a kubelet that uses another engine: of a node that is new (it has "
		  "kubernetes.startup_taint, and no pods but those of DaemonSets and static ones), of any, which is cordoned "
		  "and drained before, or never." },
	{ "crio.drain_timeout", SPEC_DURATION, AT(crio.drain_timeout), "10m", .min = 1000, .max = DAYS(7),
	  .help = "How long the drain may take; a node that is not empty then is uncordoned and stays as it was." },
	{ "sysbox.version", SPEC_STRING, AT(sysbox.version), "0.7.1", .check = check_version,
	  .help = "Sysbox CE release to install." },
	{ "sysbox.url", SPEC_STRING, AT(sysbox.url), "", .check = check_url,
	  .help = "Where to get the package; empty: the official release. Needs sysbox.sha256." },
	{ "sysbox.sha256", SPEC_STRING, AT(sysbox.sha256), "", .check = check_sha256,
	  .help = "SHA-256 of the package; empty: the pin berth has for that version and architecture." },
	{ "sysbox.file", SPEC_PATH, AT(sysbox.file), "",
	  .help = "A Sysbox package on this machine, used instead of a download." },
	{ "sysbox.other_version", SPEC_CHOICE, AT(sysbox.other_version), "keep",
	  .choices = OTHER_VERSION,
	  .help = "What to do with another version already installed: keep it, upgrade an older one, "
		  "or insist on exactly sysbox.version." },
	{ "sysbox.inner_image_preload", SPEC_BOOL, AT(sysbox.inner_image_preload), "false",
	  .help = "Let Sysbox copy a sandbox's inner images into its layer when it stops, as it does by "
		  "itself: for docker commit with inner images. Slow, and doubles the space; that inner "
		  "data outlives a restart of Sysbox needs no copy, berth stashes it." },
	{ "sysbox.log_level", SPEC_STRING, AT(sysbox.log_level), "info", .check = check_word,
	  .help = "Log level of sysbox-mgr and sysbox-fs." },
	{ "budget.default", SPEC_SIZE, AT(budget.fallback), "10G", .min = 1ULL << 20, .max = 1ULL << 50,
	  .help = "Disk budget of a sandbox that nobody gave another one: over its layer, its inner "
		  "Docker and its volumes without a name together." },
	{ "budget.allow_unlimited", SPEC_BOOL, AT(budget.allow_unlimited), "false",
	  .help = "Whether a sandbox may ask for 'unlimited'." },
	{ "budget.bytes_per_inode", SPEC_NUMBER, AT(budget.bytes_per_inode), "8192", .min = 512,
	  .max = 1ULL << 30,
	  .help = "A budget has one inode (a file, a directory) for each so many bytes." },
	{ "budget.first_project", SPEC_NUMBER, AT(budget.first_project), "1073741824", .min = 1,
	  .max = UINT32_MAX - 1,
	  .help = "First project id that berth gives to sandboxes whose engine gives none." },
	{ "budget.last_project", SPEC_NUMBER, AT(budget.last_project), "1074790399", .min = 1,
	  .max = UINT32_MAX - 1,
	  .help = "Last of these project ids." },
	{ "budget.floor", SPEC_SIZE, AT(budget.floor), "256M", .max = 1ULL << 50,
	  .help = "With less than this free on the disk beneath a pool whose image is not fully allocated, "
		  "no sandbox starts: what it writes could be lost." },
	{ "budget.stash_keep", SPEC_DURATION, AT(budget.stash_keep), "7d", .max = MINUTES(24 * 60 * 3650),
	  .help = "How long inner data in the stash is kept once its sandbox is gone." },
	{ "verify.sandbox", SPEC_BOOL, AT(verify.sandbox), "true",
	  .help = "Start a real sandbox as part of the verification." },
	{ "prune.enabled", SPEC_BOOL, AT(prune.enabled), "true",
	  .help = "Remove unused images and build cache every day, by berth-prune.timer. Set to false "
		  "later, the timer stays and does nothing." },
	{ "prune.older_than", SPEC_DURATION, AT(prune.older_than), "7d", .min = MINUTES(60),
	  .max = DAYS(3650),
	  .help = "For how long they must not have been used, at least. A day and more, where images are "
		  "fetched before their sandboxes are made." },
	{ "prune.images", SPEC_BOOL, AT(prune.images), "true",
	  .help = "Remove images that no container has, neither a running nor a stopped one." },
	{ "prune.build_cache", SPEC_BOOL, AT(prune.build_cache), "true",
	  .help = "Remove build cache." },
	{ "agent.listen", SPEC_STRING, AT(agent.listen), "127.0.0.1:9477", .check = check_listen,
	  .help = "Where the agent answers /metrics, /healthz and /readyz: ADDRESS:PORT." },
	{ "agent.log_format", SPEC_CHOICE, AT(agent.log_format), "logfmt", .choices = LOG_FORMATS,
	  .help = "How the agent writes its log." },
	{ "agent.repair", SPEC_BOOL, AT(agent.repair), "true",
	  .help = "Put right what drifted; false: look and tell, change nothing." },
	{ "agent.restart_sysbox", SPEC_CHOICE, AT(agent.restart_sysbox), "stashed",
	  .choices = RESTART_SYSBOX,
	  .help = "Whether Sysbox is started again when it died: where sandboxes' inner data is stashed "
		  "before sysbox-mgr would remove it, or never." },
	{ "agent.replace_sysbox", SPEC_CHOICE, AT(agent.replace_sysbox), "never",
	  .choices = REPLACE_SYSBOX,
	  .help = "When the agent does what sysbox.other_version says under a node at work, as one of kubernetes.slots: "
		  "never, once no sandbox is left on the node and no container of Docker's ('idle'), or with sandboxes that "
		  "are pods evicted before ('drain'), as disruption budgets allow." },
	{ "agent.recheck", SPEC_DURATION, AT(agent.recheck), "10m", .min = 10000, .max = DAYS(7),
	  .help = "How often the agent looks at everything, also at what nobody tells it of." },
	{ "agent.give_up", SPEC_NUMBER, AT(agent.give_up), "5", .min = 1, .max = 1000,
	  .help = "Failed repairs in a row after which the agent leaves a fault to people, and says so." },
	{ "kubernetes.slots", SPEC_NUMBER, AT(kubernetes.slots), "1", .min = 1, .max = 1000,
	  .help = "How many nodes of the pool may be disrupted at once." },
	{ "kubernetes.namespace", SPEC_STRING, AT(kubernetes.namespace), "", .check = check_word_or_none,
	  .help = "Namespace of the Leases that are these slots; empty: the pod's own." },
	{ "kubernetes.server", SPEC_STRING, AT(kubernetes.server), "", .check = check_url,
	  .help = "The API server's https:// URL; empty: as a pod's environment says." },
	{ "kubernetes.credentials", SPEC_PATH, AT(kubernetes.credentials),
	  "/var/run/secrets/kubernetes.io/serviceaccount",
	  .help = "Folder with token, ca.crt and namespace of a service account; in a pod its own one." },
	{ "kubernetes.startup_taint", SPEC_STRING, AT(kubernetes.startup_taint),
	  "sysbox-runtime=not-running:NoSchedule", .check = check_taint,
	  .help = "Taint that is removed from the node once it is proven; empty: none." },
	{ "kubernetes.stranded_pods", SPEC_CHOICE, AT(kubernetes.stranded_pods), "keep", .choices = STRANDED_PODS,
	  .help = "What the agent does with pods whose Sysbox was restarted under them, into which nobody can exec any more: "
		  "told and left ('keep'), or evicted ('evict'), as disruption budgets allow, so that their controllers start "
		  "new ones." },
	{ "kubernetes.drain_timeout", SPEC_DURATION, AT(kubernetes.drain_timeout), "10m", .min = 1000, .max = DAYS(7),
	  .help = "How long the sandboxes of agent.replace_sysbox: drain may take to end; then all stays as it was, until the "
		  "next look." },
	{ "timeouts.package_lock", SPEC_DURATION, AT(timeouts.package_lock), "10m",
	  .max = MINUTES(24 * 60), .help = "How long to wait for another package manager's lock." },
	{ "timeouts.packages", SPEC_DURATION, AT(timeouts.packages), "30m", .min = 1000,
	  .max = MINUTES(24 * 60), .help = "Deadline of one package transaction." },
	{ "timeouts.download", SPEC_DURATION, AT(timeouts.download), "15m", .min = 1000,
	  .max = MINUTES(24 * 60), .help = "Deadline of a download, retries included." },
	{ "timeouts.services", SPEC_DURATION, AT(timeouts.services), "3m", .min = 1000,
	  .max = MINUTES(60), .help = "How long a service may take until it answers." },
};

const size_t spec_field_count = ARRAY_SIZE(spec_fields);
_Static_assert(ARRAY_SIZE(spec_fields) <= SPEC_FIELDS_MAX, "raise SPEC_FIELDS_MAX");

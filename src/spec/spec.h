/*
 * What a node shall be: /etc/berth/config.yaml, every key optional.
 *
 * One table (spec_fields) has for each key its type, default, bounds and one sentence of help; the
 * loader, `berth config show` and the manual page are made of it. A value's origin is remembered:
 * the default, a line of the file, or an environment variable.
 */
#ifndef SPEC_SPEC_H
#define SPEC_SPEC_H

#include "base/json.h"
#include "base/strbuf.h"
#include "base/strv.h"

#define SPEC_PATH_DEFAULT "/etc/berth/config.yaml"
#define SPEC_FIELDS_MAX	  80

/* Who runs the sandboxes: Docker, or the engine of a kubelet, or each its own. */
enum engine {
	ENGINE_DOCKER,
	ENGINE_CONTAINERD,
	ENGINE_DOCKER_AND_CONTAINERD,
	ENGINE_CRIO,
	ENGINE_DOCKER_AND_CRIO,
};

/* Which kubelet that uses another engine is moved to CRI-O. */
enum crio_consent {
	CRIO_KUBELET_FRESH, /* of a node that has its start-up taint and no pods but DaemonSets' and static ones */
	CRIO_KUBELET_DRAIN, /* of any: it is cordoned and drained before */
	CRIO_KUBELET_NEVER,
};

enum sysbox_other_version {
	SYSBOX_KEEP,	/* what is installed stays, whatever its version */
	SYSBOX_UPGRADE, /* an older one is replaced, a newer one stays */
	SYSBOX_EXACT,	/* it must be the version the spec names */
};

enum pool_allocate {
	POOL_ALLOCATE_AUTO,   /* full where it fits beside the reserve, else sparse */
	POOL_ALLOCATE_FULL,   /* every block now: a full backing disk cannot hurt the pool */
	POOL_ALLOCATE_SPARSE, /* as it is written */
};

/* By enum pool_allocate: as the settings have it, and pool_space_choose() takes it. */
extern const char *const pool_allocate_words[];

enum interrupt_policy {
	INTERRUPT_ALLOW,  /* running containers may be stopped for the change, and are started again */
	INTERRUPT_REFUSE, /* say what would stop, change nothing */
};

enum restart_sysbox {
	RESTART_SYSBOX_STASHED, /* started again where every sandbox's inner data is stashed before */
	RESTART_SYSBOX_NEVER,
};

/* When an agent puts another release of Sysbox in place of the installed one, where sysbox.other_version wants that. */
enum replace_sysbox {
	REPLACE_SYSBOX_NEVER,
	REPLACE_SYSBOX_IDLE,  /* once no sandbox is left, nor a container of Docker's */
	REPLACE_SYSBOX_DRAIN, /* sandboxes that are pods are evicted first */
};

/* What becomes of pods whose Sysbox was restarted under them. */
enum stranded_pods {
	STRANDED_KEEP, /* told, and left to people */
	STRANDED_EVICT,
};

enum log_format {
	LOG_FORMAT_LOGFMT,
	LOG_FORMAT_JSON,
};

struct spec {
	int engine; /* enum engine */
	struct {
		char *image;
		char *device; /* "" : an image */
		uint64_t size;
		uint64_t reserve;
		int allocate; /* enum pool_allocate */
		uint64_t grow_at; /* percent used, 0: never by itself */
		uint64_t grow_by;
		uint64_t max_size; /* 0: as far as the disk below goes */
		bool trim;	   /* weekly */
		bool pods;	   /* the storage of the kubelet's engine and kubelet's folder, too */
	} pool;
	struct {
		char *package; /* "auto" or a name */
		char *bridge_ip;
		char *pool_base;
		uint64_t pool_size; /* prefix length */
		bool live_restore;
		bool default_runtime;
		char *log_max_size;
		uint64_t log_max_file;
		int interrupt; /* enum interrupt_policy */
	} docker;
	struct {
		char *package; /* of a repository of the host's */
		char *url, *sha256; /* "" : from the repository */
		char *file;
		int kubelet; /* enum crio_consent */
		uint64_t drain_timeout; /* ms */
	} crio;
	struct {
		char *version;
		char *url;    /* "" : the official place */
		char *sha256; /* "" : berth's own table */
		char *file;   /* "" : download */
		int other_version; /* enum sysbox_other_version */
		bool inner_image_preload;
		char *log_level;
	} sysbox;
	struct {
		uint64_t fallback; /* bytes; of a sandbox that nobody gave another */
		bool allow_unlimited;
		uint64_t bytes_per_inode;
		uint64_t first_project, last_project;
		uint64_t stash_keep; /* ms */
		uint64_t floor;	     /* bytes */
	} budget;
	struct {
		bool sandbox;
	} verify;
	struct {
		bool enabled; /* by the timer */
		uint64_t older_than; /* ms */
		bool images, build_cache;
	} prune;
	struct {
		char *listen; /* ADDRESS:PORT */
		int log_format; /* enum log_format */
		bool repair;
		int restart_sysbox; /* enum restart_sysbox */
		int replace_sysbox; /* enum replace_sysbox */
		uint64_t recheck; /* ms */
		uint64_t give_up; /* tries */
	} agent;
	struct {
		uint64_t slots;
		char *namespace; /* "": the pod's own */
		char *server;	 /* "": the pod's environment */
		char *credentials;
		char *startup_taint; /* "KEY=VALUE:EFFECT" or "" */
		int stranded_pods;   /* enum stranded_pods */
		uint64_t drain_timeout; /* ms */
	} kubernetes;
	struct {
		uint64_t package_lock, packages, download, services; /* ms */
	} timeouts;
	char *origin[SPEC_FIELDS_MAX]; /* by field: "default", "FILE:LINE", "XFS_STORAGE_SIZE" */
};

#define SPEC_INIT ((struct spec){ 0 })
void spec_release(struct spec *spec);

bool spec_has_docker(const struct spec *spec);
bool spec_has_containerd(const struct spec *spec);
bool spec_has_crio(const struct spec *spec);
bool spec_has_pods(const struct spec *spec); /* a kubelet's engine runs sandboxes */

enum spec_type {
	SPEC_STRING,
	SPEC_PATH, /* absolute, or empty where allowed */
	SPEC_SIZE,
	SPEC_DURATION,
	SPEC_NUMBER,
	SPEC_BOOL,
	SPEC_CHOICE,
};

struct spec_field {
	const char *key; /* "pool.size", or "engine" of no section */
	enum spec_type type;
	size_t offset;		    /* of the member in struct spec */
	const char *fallback;	    /* the default, as it would be written in the file */
	const char *const *choices; /* SPEC_CHOICE: NULL-terminated, in the enum's order */
	uint64_t min, max;	    /* of sizes, durations (ms) and numbers; 0, 0: none */
	const char *environment;    /* a variable that overrides file and default, or NULL */
	int (*check)(const char *value, char why[static 128]); /* more than the type says, or NULL */
	const char *help;
};

extern const struct spec_field spec_fields[];
extern const size_t spec_field_count;

/* The key less its section, and how long that one is; 0: none. */
const char *spec_field_name(const struct spec_field *field, size_t *ret_section);

/* All defaults, then the environment. */
int spec_default(struct spec *ret, struct error *err);

/*
 * Text of a settings file over the defaults, the environment over both. Errors read
 * "/etc/berth/config.yaml:3: unknown key 'pool.sise' (did you mean 'pool.size'?)": -EINVAL.
 */
int spec_parse(const char *text, size_t len, const char *path, struct spec *ret, struct error *err);

/* The effective value of a field as it would be written in the file. free() it. */
char *spec_value(const struct spec *spec, const struct spec_field *field);

/* {"pool": {"size": {"value": ..., "origin": ...}}}: nested, for `config show --json`. */
json_t *spec_json(const struct spec *spec);

#endif

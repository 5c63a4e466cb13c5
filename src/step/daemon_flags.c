#include "step/daemon_flags.h"

/* Where flag and member differ in name: repeatable flags are plural in the file. */
static const struct {
	const char *flag, *member;
} NAMES[] = {
	{ "add-runtime", "runtimes" },	 { "default-address-pool", "default-address-pools" },
	{ "log-opt", "log-opts" },	 { "storage-opt", "storage-opts" },
	{ "s", "storage-driver" },	 { "g", "data-root" },
	{ "graph", "data-root" },	 { "feature", "features" },
	{ "label", "labels" },		 { "H", "hosts" },
	{ "host", "hosts" },		 { "D", "debug" },
	{ "b", "bridge" },		 { "c", "config" }, /* containerd's */
	{ "a", "address" },		 /* containerd's */
};

/* Short flags that take a value in the next word. */
static bool takes_word(const char *flag)
{
	static const char *const WITH[] = { "s", "g", "H", "G", "l", "p", "b", "c", "a" };

	for (size_t i = 0; i < ARRAY_SIZE(WITH); i++) {
		if (strcmp(flag, WITH[i]) == 0)
			return true;
	}
	return false;
}

static const char *member_of(const char *flag)
{
	for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++) {
		if (strcmp(NAMES[i].flag, flag) == 0)
			return NAMES[i].member;
	}
	return flag;
}

void daemon_flags_release(struct daemon_flags *flags)
{
	strv_release(&flags->names);
	strv_release(&flags->values);
}

static int add(struct daemon_flags *flags, const char *flag, const char *value)
{
	int r = strv_add(&flags->names, member_of(flag));

	return r < 0 ? r : strv_add(&flags->values, value);
}

static int take_words(const struct strv *words, struct daemon_flags *flags)
{
	int r = 0;

	for (size_t i = 1; r == 0 && i < words->len; i++) {
		char *word = words->items[i];
		const char *next = i + 1 < words->len ? words->items[i + 1] : NULL;
		bool is_long = strncmp(word, "--", 2) == 0;
		char *equals = strchr(word, '=');
		const char *value = "true";
		const char letter[] = { (char)(word[0] ? word[1] : '\0'), '\0' };

		if (word[0] != '-' || !word[1])
			continue;
		word += is_long ? (size_t)2 : 1;
		if (!is_long && word[1] && word[1] != '=' && takes_word(letter)) {
			r = add(flags, letter, word + 1); /* "-Hfd://" */
			continue;
		}
		if (equals) {
			*equals = '\0';
			value = equals + 1;
		} else if (next && next[0] != '-' && (is_long || takes_word(word))) {
			value = next;
			i++;
		}
		r = add(flags, word, value);
	}
	return r;
}

int daemon_flags_parse(const char *exec_start, struct daemon_flags *ret, struct error *err)
{
	const char *argv = strstr(exec_start, "argv[]=");
	const char *end;
	_cleanup_free_ char *line = NULL;
	_cleanup_(strv_release) struct strv words = STRV_INIT;
	int r;

	argv = argv ? argv + strlen("argv[]=") : exec_start;
	end = strstr(argv, " ; ");
	line = end ? strndup(argv, (size_t)(end - argv)) : strdup(argv);
	r = line ? strv_split(&words, line, " \t") : -ENOMEM;
	if (r == 0)
		r = take_words(&words, ret);
	return r < 0 ? error_errno(err, r, "read dockerd's command line") : 0;
}

const char *daemon_flags_find(const struct daemon_flags *flags, const char *member)
{
	for (size_t i = 0; i < flags->names.len; i++) {
		if (strcmp(flags->names.items[i], member) == 0)
			return flags->values.items[i];
	}
	return NULL;
}

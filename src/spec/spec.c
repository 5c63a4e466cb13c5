#include "spec/spec.h"

#include <ctype.h>
#include <inttypes.h>

#include "base/units.h"
#include "base/yaml.h"

static void *member(const struct spec *spec, const struct spec_field *field)
{
	return (void *)((uintptr_t)spec + field->offset);
}

static bool is_text(const struct spec_field *field)
{
	return field->type == SPEC_STRING || field->type == SPEC_PATH;
}

void spec_release(struct spec *spec)
{
	for (size_t i = 0; i < spec_field_count; i++) {
		if (is_text(&spec_fields[i]))
			free(*(char **)member(spec, &spec_fields[i]));
		free(spec->origin[i]);
	}
	*spec = SPEC_INIT;
}

bool spec_has_docker(const struct spec *spec)
{
	return spec->engine != ENGINE_CONTAINERD && spec->engine != ENGINE_CRIO;
}

bool spec_has_containerd(const struct spec *spec)
{
	return spec->engine == ENGINE_CONTAINERD || spec->engine == ENGINE_DOCKER_AND_CONTAINERD;
}

bool spec_has_crio(const struct spec *spec)
{
	return spec->engine == ENGINE_CRIO || spec->engine == ENGINE_DOCKER_AND_CRIO;
}

bool spec_has_pods(const struct spec *spec)
{
	return spec->engine != ENGINE_DOCKER;
}

static int bad(const struct spec_field *field, const char *where, const char *value,
	       struct error *err, const char *why)
{
	return error_set(err, EINVAL, "%s: %s: '%.100s' is not valid: %s", where, field->key, value,
			 why);
}

static int out_of_bounds(const struct spec_field *field, const char *where, const char *value,
			 struct error *err)
{
	char low[UNITS_MAX], high[UNITS_MAX], why[128];

	if (field->type == SPEC_SIZE) {
		size_format(field->min, low);
		size_format(field->max, high);
	} else if (field->type == SPEC_DURATION) {
		duration_format(field->min, low);
		duration_format(field->max, high);
	} else {
		(void)snprintf(low, sizeof(low), "%" PRIu64, field->min);
		(void)snprintf(high, sizeof(high), "%" PRIu64, field->max);
	}
	(void)snprintf(why, sizeof(why), "it must be from %s to %s", low, high);
	return bad(field, where, value, err, why);
}

static int set_number(const struct spec_field *field, const char *value, const char *where,
		      uint64_t *ret, struct error *err)
{
	static const char *const HOW[] = {
		[SPEC_SIZE] = "write a size as 50G or 512M",
		[SPEC_DURATION] = "write a duration as 30s or 10m",
		[SPEC_NUMBER] = "write a whole number",
	};
	uint64_t number = 0;
	int r;

	if (field->type == SPEC_SIZE)
		r = size_parse(value, &number);
	else if (field->type == SPEC_DURATION)
		r = duration_parse(value, &number);
	else
		r = u64_parse(value, &number);
	if (r == -ERANGE || (r == 0 && field->max && (number < field->min || number > field->max)))
		return out_of_bounds(field, where, value, err);
	if (r < 0)
		return bad(field, where, value, err, HOW[field->type]);
	*ret = number;
	return 0;
}

static int set_choice(const struct spec_field *field, const char *value, const char *where,
		      int *ret, struct error *err)
{
	struct strbuf names = STRBUF_INIT;
	int r;

	for (int i = 0; field->choices[i]; i++) {
		if (strcmp(field->choices[i], value) == 0) {
			strbuf_release(&names);
			*ret = i;
			return 0;
		}
		strbuf_printf(&names, "%s%s", i ? ", " : "write one of ", field->choices[i]);
	}
	r = bad(field, where, value, err, strbuf_str(&names));
	strbuf_release(&names);
	return r;
}

/* Is one of its components ".."? */
static bool goes_up(const char *path)
{
	for (const char *p = strstr(path, "/.."); p; p = strstr(p + 1, "/..")) {
		if (p[3] == '/' || !p[3])
			return true;
	}
	return false;
}

static int set_text(const struct spec_field *field, const char *value, const char *where, char **ret,
		    struct error *err)
{
	char *copy;

	if (field->type == SPEC_PATH && *value) {
		if (*value != '/' || goes_up(value) || strpbrk(value, " \t\n\"'\\%"))
			return bad(field, where, value, err,
				   "write an absolute path without '..', blanks, quotes or '%'");
	}
	for (const char *p = value; *p; p++) {
		if (iscntrl((unsigned char)*p))
			return bad(field, where, value, err, "control characters are not allowed");
	}
	copy = strdup(value);
	if (!copy)
		return error_errno(err, ENOMEM, "read %s", field->key);
	free(*ret);
	*ret = copy;
	return 0;
}

static int set_bool(const struct spec_field *field, const char *value, const char *where, bool *ret,
		    struct error *err)
{
	if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
		return bad(field, where, value, err, "write true or false");
	*ret = *value == 't';
	return 0;
}

static int set_field(struct spec *spec, const struct spec_field *field, const char *value,
		     const char *where, struct error *err)
{
	size_t index = (size_t)(field - spec_fields);
	void *at = member(spec, field);
	char why[128];
	char *origin;
	int r;

	if (field->check && field->check(value, why) < 0)
		return bad(field, where, value, err, why);
	if (is_text(field))
		r = set_text(field, value, where, at, err);
	else if (field->type == SPEC_BOOL)
		r = set_bool(field, value, where, at, err);
	else if (field->type == SPEC_CHOICE)
		r = set_choice(field, value, where, at, err);
	else
		r = set_number(field, value, where, at, err);
	if (r < 0)
		return r;
	origin = strdup(where);
	if (!origin)
		return error_errno(err, ENOMEM, "read %s", field->key);
	free(spec->origin[index]);
	spec->origin[index] = origin;
	return 0;
}

static int apply_environment(struct spec *spec, struct error *err)
{
	for (size_t i = 0; i < spec_field_count; i++) {
		const char *name = spec_fields[i].environment;
		const char *value = name ? getenv(name) : NULL;
		int r;

		if (!value || !*value)
			continue;
		r = set_field(spec, &spec_fields[i], value, name, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int defaults(struct spec *spec, struct error *err)
{
	for (size_t i = 0; i < spec_field_count; i++) {
		int r = set_field(spec, &spec_fields[i], spec_fields[i].fallback, "default", err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Levenshtein's distance, capped by the short keys we have. */
static size_t distance(const char *a, const char *b)
{
	size_t row[64];
	size_t lb = strlen(b);

	if (strlen(a) >= ARRAY_SIZE(row) || lb >= ARRAY_SIZE(row))
		return SIZE_MAX;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t up = row[j];

			row[j] = MIN_OF(MIN_OF(up, row[j - 1]) + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = up;
		}
	}
	return row[lb];
}

static int unknown_key(const char *path, unsigned line, const char *key, struct error *err)
{
	const char *nearest = NULL;
	size_t best = 4;

	for (size_t i = 0; i < spec_field_count; i++) {
		size_t d = distance(key, spec_fields[i].key);

		if (d < best) {
			best = d;
			nearest = spec_fields[i].key;
		}
	}
	if (nearest)
		return error_set(err, EINVAL, "%s:%u: unknown key '%.100s' (did you mean '%s'?)",
				 path, line, key, nearest);
	return error_set(err, EINVAL,
			 "%s:%u: unknown key '%.100s' (berth-config(5) lists the known ones)", path,
			 line, key);
}

const char *spec_field_name(const struct spec_field *field, size_t *ret_section)
{
	const char *dot = strchr(field->key, '.');

	*ret_section = dot ? (size_t)(dot - field->key) : 0;
	return dot ? dot + 1 : field->key;
}

static bool is_section(const char *key)
{
	size_t n = strlen(key);

	for (size_t i = 0; i < spec_field_count; i++) {
		if (strncmp(spec_fields[i].key, key, n) == 0 && spec_fields[i].key[n] == '.')
			return true;
	}
	return false;
}

static const struct spec_field *find_field(const char *key)
{
	for (size_t i = 0; i < spec_field_count; i++) {
		if (strcmp(spec_fields[i].key, key) == 0)
			return &spec_fields[i];
	}
	return NULL;
}

static int take_value(struct spec *spec, const struct yaml_node *node, const char *key,
		      const char *path, struct error *err)
{
	const struct spec_field *field = find_field(key);
	_cleanup_free_ char *where = xasprintf("%s:%u", path, node->line);

	if (!field)
		return unknown_key(path, node->line, key, err);
	if (!where)
		return error_errno(err, ENOMEM, "read '%s'", path);
	if (node->kind == YAML_NULL)
		return 0; /* "key:" with nothing behind it: the default */
	if (node->kind != YAML_SCALAR)
		return error_set(err, EINVAL, "%s: %s takes one value, not a list or a mapping",
				 where, key);
	return set_field(spec, field, node->scalar, where, err);
}

static int take_section(struct spec *spec, const struct yaml_node *section, const char *path,
			struct error *err)
{
	if (!strchr(section->key, '.') && find_field(section->key))
		return take_value(spec, section, section->key, path, err);
	if (!is_section(section->key))
		return unknown_key(path, section->line, section->key, err);
	if (section->kind == YAML_NULL)
		return 0;
	if (section->kind != YAML_MAPPING)
		return error_set(err, EINVAL, "%s:%u: '%s' is a section: write its keys below it",
				 path, section->line, section->key);
	for (const struct yaml_node *n = section->child; n; n = n->next) {
		_cleanup_free_ char *key = xasprintf("%s.%s", section->key, n->key);
		int r = key ? take_value(spec, n, key, path, err) :
			      error_errno(err, ENOMEM, "read '%s'", path);

		if (r < 0)
			return r;
	}
	return 0;
}

static int check_together(const struct spec *spec, const char *path, struct error *err)
{
	if (*spec->sysbox.url && !*spec->sysbox.sha256)
		return error_set(err, EINVAL,
				 "%s: sysbox.url needs sysbox.sha256: a package from elsewhere has no "
				 "pin of ours",
				 path);
	if (!*spec->pool.image && !*spec->pool.device)
		return error_set(err, EINVAL, "%s: pool.image and pool.device are both empty", path);
	return 0;
}

int spec_parse(const char *text, size_t len, const char *path, struct spec *ret, struct error *err)
{
	_cleanup_(spec_release) struct spec spec = SPEC_INIT;
	_cleanup_(yaml_freep) struct yaml_node *root = NULL;
	int r = yaml_parse(text, len, path, &root, err);

	if (r == 0)
		r = defaults(&spec, err);
	if (r < 0)
		return r;
	if (root && root->kind != YAML_MAPPING && root->kind != YAML_NULL)
		return error_set(err, EINVAL, "%s:%u: the file must be a mapping of sections", path,
				 root->line);
	for (const struct yaml_node *n = root ? root->child : NULL; n; n = n->next) {
		r = take_section(&spec, n, path, err);
		if (r < 0)
			return r;
	}
	r = apply_environment(&spec, err);
	if (r == 0)
		r = check_together(&spec, path, err);
	if (r < 0)
		return r;
	*ret = spec;
	spec = SPEC_INIT;
	return 0;
}

int spec_default(struct spec *ret, struct error *err)
{
	return spec_parse("", 0, "default", ret, err);
}

/* In the largest unit that leaves no fraction. */
static char *duration_value(uint64_t ms)
{
	static const struct {
		uint64_t ms;
		const char *name;
	} UNITS[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" }, { 1, "ms" } };

	for (size_t i = 0; ms && i < ARRAY_SIZE(UNITS); i++) {
		if (ms % UNITS[i].ms == 0)
			return xasprintf("%" PRIu64 "%s", ms / UNITS[i].ms, UNITS[i].name);
	}
	return strdup("0");
}

char *spec_value(const struct spec *spec, const struct spec_field *field)
{
	const void *at = member(spec, field);
	uint64_t n;

	switch (field->type) {
	case SPEC_STRING:
	case SPEC_PATH:
		return strdup(*(char *const *)at);
	case SPEC_BOOL:
		return strdup(*(const bool *)at ? "true" : "false");
	case SPEC_CHOICE:
		return strdup(field->choices[*(const int *)at]);
	case SPEC_SIZE:
		n = *(const uint64_t *)at;
		for (int unit = 4; unit > 0; unit--) {
			if (n && n % (1ULL << (10 * unit)) == 0)
				return xasprintf("%" PRIu64 "%c", n >> (10 * unit), "BKMGT"[unit]);
		}
		return xasprintf("%" PRIu64, n);
	case SPEC_DURATION:
		return duration_value(*(const uint64_t *)at);
	case SPEC_NUMBER:
		return xasprintf("%" PRIu64, *(const uint64_t *)at);
	}
	return NULL;
}

json_t *spec_json(const struct spec *spec)
{
	json_t *root = json_object();

	for (size_t i = 0; root && i < spec_field_count; i++) {
		size_t n;
		const char *name = spec_field_name(&spec_fields[i], &n);
		_cleanup_free_ char *section = strndup(spec_fields[i].key, n);
		_cleanup_free_ char *value = spec_value(spec, &spec_fields[i]);
		json_t *in = n ? json_object_get(root, section) : root;

		if (!in) {
			in = json_object();
			(void)json_object_set_new(root, section, in);
		}
		(void)json_object_set_new(in, name,
					  json_pack("{s:s, s:s}", "value", value, "origin",
						    spec->origin[i]));
	}
	return root;
}

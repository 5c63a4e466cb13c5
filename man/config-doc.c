/*
 * berth-config(5) and the example settings, made from the table of settings itself.
 *
 *	config-doc TEMPLATE    the template, its line "@SETTINGS@" replaced by every key
 *	config-doc --example   a settings file with every key, commented out, at its default
 */
#include <inttypes.h>

#include "base/units.h"
#include "spec/spec.h"

#define MARK "@SETTINGS@\n"
#define WRAP 76

static const char *type_name(const struct spec_field *field)
{
	static const char *const NAMES[] = {
		[SPEC_STRING] = "string", [SPEC_PATH] = "path",		[SPEC_SIZE] = "size",
		[SPEC_NUMBER] = "number", [SPEC_DURATION] = "duration", [SPEC_BOOL] = "boolean",
		[SPEC_CHOICE] = "choice",
	};

	return NAMES[field->type];
}

static bool is_text(const struct spec_field *field)
{
	return field->type == SPEC_STRING || field->type == SPEC_PATH;
}

/* A bound as it would be written in the file: no unit is left with a fraction. */
static const char *bound(const struct spec_field *field, uint64_t value, char buf[static UNITS_MAX])
{
	static const struct {
		uint64_t factor;
		const char *unit;
	} TIMES[] = { { 3600000, "h" }, { 60000, "m" }, { 1000, "s" }, { 1, "ms" } };
	size_t i = 0;

	if (field->type == SPEC_SIZE && value)
		return size_format(value, buf);
	if (field->type == SPEC_DURATION && value) {
		while (value % TIMES[i].factor)
			i++;
		(void)snprintf(buf, UNITS_MAX, "%" PRIu64 "%s", value / TIMES[i].factor,
			       TIMES[i].unit);
	} else {
		(void)snprintf(buf, UNITS_MAX, "%" PRIu64, value);
	}
	return buf;
}

/* "from 1G to 1P", "keep, upgrade or exact"; "" where the type says it all. */
static void domain(const struct spec_field *field, struct strbuf *out)
{
	char low[UNITS_MAX], high[UNITS_MAX];

	if (field->type == SPEC_CHOICE) {
		for (size_t i = 0; field->choices[i]; i++)
			strbuf_printf(out, "%s%s",
				      !i		      ? ""
				      : field->choices[i + 1] ? ", "
							      : " or ",
				      field->choices[i]);
	} else if (field->max) {
		strbuf_printf(out, "from %s to %s", bound(field, field->min, low),
			      bound(field, field->max, high));
	}
}

/* The section of a key ("pool"), when it is not that of the one before. */
static bool new_section(size_t i, char section[static 32])
{
	const char *key = spec_fields[i].key;
	size_t len = strcspn(key, ".");

	if (len >= 32)
		len = 31;
	memcpy(section, key, len);
	section[len] = '\0';
	return i == 0 || strncmp(spec_fields[i - 1].key, key, len + 1) != 0;
}

/* Text into mdoc: a sentence a line, backslashes and leading dots made harmless. */
static void mdoc_text(const char *text)
{
	for (const char *p = text; *p; p++) {
		if (p == text && (*p == '.' || *p == '\''))
			fputs("\\&", stdout);
		if (*p == '\\')
			fputs("\\e", stdout);
		else if (p > text && p[-1] == '.' && *p == ' ')
			putchar('\n');
		else
			putchar(*p);
	}
	putchar('\n');
}

static void mdoc_field(const struct spec_field *field)
{
	struct strbuf values = STRBUF_INIT;

	domain(field, &values);
	printf(".It Sy %s\n", field->key);
	printf("%s%s%s%s, default", type_name(field), values.len ? " (" : "", strbuf_str(&values),
	       values.len ? ")" : "");
	if (*field->fallback)
		printf("\n.Ql %s .\n", field->fallback);
	else
		printf(" empty.\n");
	mdoc_text(field->help);
	if (field->environment)
		printf("Overridden by the environment variable\n.Ev %s .\n", field->environment);
	strbuf_release(&values);
}

static void mdoc_settings(void)
{
	char section[32];

	for (size_t i = 0; i < spec_field_count; i++) {
		if (new_section(i, section))
			printf("%s.Ss %s\n.Bl -tag -width Ds\n", i ? ".El\n" : "", section);
		mdoc_field(&spec_fields[i]);
	}
	puts(".El");
}

static int page(const char *template)
{
	FILE *in = fopen(template, "re");
	_cleanup_free_ char *line = NULL;
	bool marked = false;
	size_t size = 0;

	if (!in) {
		perror(template);
		return 1;
	}
	while (getline(&line, &size, in) > 0) {
		if (strcmp(line, MARK) == 0) {
			mdoc_settings();
			marked = true;
		} else {
			fputs(line, stdout);
		}
	}
	(void)fclose(in);
	if (!marked)
		fprintf(stderr, "%s: there is no line %s", template, MARK);
	return marked && fflush(stdout) == 0 ? 0 : 1;
}

/* Text behind "#   # ", broken between words. */
static void comment(const char *text)
{
	size_t column = 0;

	for (const char *p = text; *p;) {
		size_t n = strcspn(p, " ");

		if (column && column + 1 + n > WRAP) {
			putchar('\n');
			column = 0;
		}
		printf("%s%.*s", column ? " " : "#   # ", (int)n, p);
		column += n + (column ? 1 : 6);
		p += n + (p[n] == ' ');
	}
	putchar('\n');
}

static int example(void)
{
	char section[32];

	fputs("# Settings of berth: copy to " SPEC_PATH_DEFAULT
	      ". Every key is optional and shown at its\n"
	      "# default; take away the first '#' of a key and of its section to set it.\n"
	      "# See berth-config(5).\n",
	      stdout);
	for (size_t i = 0; i < spec_field_count; i++) {
		const struct spec_field *field = &spec_fields[i];
		struct strbuf values = STRBUF_INIT;
		size_t n;
		const char *name = spec_field_name(field, &n);

		domain(field, &values);
		if (!n)
			putchar('\n');
		else if (new_section(i, section))
			printf("\n#%s:\n", section);
		comment(field->help);
		if (values.len)
			comment(strbuf_str(&values));
		printf(is_text(field) ? "#%s%s: \"%s\"\n" : "#%s%s: %s\n", n ? "  " : "", name, field->fallback);
		strbuf_release(&values);
	}
	return fflush(stdout) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: config-doc TEMPLATE | --example\n", stderr);
		return 64;
	}
	return strcmp(argv[1], "--example") == 0 ? example() : page(argv[1]);
}

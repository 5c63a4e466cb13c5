#include "overlay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MOUNTINFO_LIMIT (8u << 20)

struct mount_line {
	char *mount_point;
	char *type;
	char *options;
};

/* mountinfo writes blanks and backslashes as three octal digits. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] && from[3]) {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* id parent major:minor root MOUNT_POINT options [optional...] - TYPE source OPTIONS */
static bool split_line(char *line, struct mount_line *ret)
{
	char *tail = strstr(line, " - ");

	if (!tail)
		return false;
	*tail = '\0';
	tail += 3;
	for (int field = 0; field < 5; field++)
		ret->mount_point = strsep(&line, " ");
	ret->type = strsep(&tail, " ");
	strsep(&tail, " ");
	ret->options = tail;
	if (!ret->mount_point || !ret->type || !ret->options)
		return false;
	unescape(ret->mount_point);
	return true;
}

static void replace(char **where, char *value)
{
	free(*where);
	*where = value;
}

static bool kept(const char *option)
{
	return strcmp(option, "userxattr") == 0 || strncmp(option, "metacopy=", 9) == 0 ||
	       strncmp(option, "redirect_dir=", 13) == 0;
}

static const char *value_of(const char *option, const char *name)
{
	size_t length = strlen(name);

	return strncmp(option, name, length) == 0 ? option + length : NULL;
}

static void parse_options(char *options, struct overlay *ret)
{
	char *option;

	replace(&ret->rest, format_string("%s", ""));
	while ((option = strsep(&options, ","))) {
		const char *value;

		unescape(option);
		if ((value = value_of(option, "lowerdir=")))
			replace(&ret->lower, format_string("%s", value));
		else if ((value = value_of(option, "lowerdir+=")))
			replace(&ret->lower, format_string("%s%s%s", ret->lower ? ret->lower : "",
							   ret->lower ? ":" : "", value));
		else if ((value = value_of(option, "upperdir=")))
			replace(&ret->upper, format_string("%s", value));
		else if ((value = value_of(option, "workdir=")))
			replace(&ret->work, format_string("%s", value));
		else if (kept(option))
			replace(&ret->rest, format_string("%s,%s", ret->rest, option));
	}
}

void overlay_release(struct overlay *overlay)
{
	replace(&overlay->lower, NULL);
	replace(&overlay->upper, NULL);
	replace(&overlay->work, NULL);
	replace(&overlay->rest, NULL);
}

int overlay_find(const char *path, struct overlay *ret, struct failure *f)
{
	_cleanup_(freep) char *text = NULL;
	_cleanup_(freep) char *real = realpath(path, NULL);
	char *at, *line;

	if (!real)
		return fail_errno(f, "find '%s'", path);
	if (read_whole("/proc/self/mountinfo", MOUNTINFO_LIMIT, &text, f) < 0)
		return -1;
	*ret = (struct overlay){ 0 };
	for (at = text; (line = strsep(&at, "\n"));) {
		struct mount_line mount;

		if (!split_line(line, &mount) || strcmp(mount.mount_point, real) != 0)
			continue;
		/* Later lines are mounted over earlier ones. */
		overlay_release(ret);
		if (strcmp(mount.type, "overlay") == 0)
			parse_options(mount.options, ret);
	}
	if (ret->lower && ret->upper && ret->work)
		return 1;
	overlay_release(ret);
	return 0;
}

int mounts_below(const char *path, int (*each)(const char *mount_point, struct failure *f),
		 struct failure *f)
{
	_cleanup_(freep) char *text = NULL;
	size_t length = strlen(path);
	int r = 0;

	if (read_whole("/proc/self/mountinfo", MOUNTINFO_LIMIT, &text, f) < 0)
		return -1;
	for (char *end = text + strlen(text); r == 0 && end > text;) {
		struct mount_line mount;
		char *newline;

		*end = '\0';
		newline = strrchr(text, '\n');
		if (split_line(newline ? newline + 1 : text, &mount) &&
		    strncmp(mount.mount_point, path, length) == 0 &&
		    mount.mount_point[length] == '/')
			r = each(mount.mount_point, f);
		end = newline ? newline : text;
	}
	return r;
}

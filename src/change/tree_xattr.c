#include "change/tree_xattr.h"

#include <limits.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/strbuf.h"

/* The kernel's own limit, XATTR_LIST_MAX and XATTR_SIZE_MAX. */
#define XATTR_MAX 65536

static char *path_of(int dir, const char *name)
{
	return xasprintf("/proc/self/fd/%d/%s", dir, name);
}

static bool counts(const char *xattr)
{
	return strncmp(xattr, "trusted.SGI_", 12) != 0 && strcmp(xattr, "security.evm") != 0;
}

static int list(const char *path, struct strv *ret)
{
	_cleanup_free_ char *names = NULL;
	ssize_t n = llistxattr(path, NULL, 0);

	if (n == 0 || (n < 0 && errno == ENOTSUP))
		return 0;
	if (n < 0)
		return -errno;
	names = malloc(XATTR_MAX);
	if (!names)
		return -ENOMEM;
	n = llistxattr(path, names, XATTR_MAX);
	if (n < 0)
		return -errno;
	for (char *p = names; p < names + n; p += strlen(p) + 1) {
		if (counts(p) && strv_add(ret, p) < 0)
			return -ENOMEM;
	}
	strv_sort(ret);
	return 0;
}

static int get(const char *path, const char *xattr, struct strbuf *ret)
{
	_cleanup_free_ char *value = malloc(XATTR_MAX);
	ssize_t n = value ? lgetxattr(path, xattr, value, XATTR_MAX) : -1;

	if (!value)
		return -ENOMEM;
	if (n < 0)
		return -errno;
	strbuf_reset(ret);
	strbuf_add(ret, value, (size_t)n);
	return strbuf_failed(ret) ? -ENOMEM : 0;
}

static int name_it(const char *xattr, char **ret)
{
	*ret = strdup(xattr);
	return *ret ? 1 : -ENOMEM;
}

static int compare_values(const char *a_path, const char *b_path, const char *xattr)
{
	_cleanup_(strbuf_release) struct strbuf a = STRBUF_INIT;
	_cleanup_(strbuf_release) struct strbuf b = STRBUF_INIT;
	int r = get(a_path, xattr, &a);

	if (r == 0)
		r = get(b_path, xattr, &b);
	if (r < 0)
		return r;
	return a.len != b.len || memcmp(strbuf_str(&a), strbuf_str(&b), a.len) != 0;
}

static int compare_lists(const char *a_path, const char *b_path, const struct strv *a,
			 const struct strv *b, char **ret_name)
{
	for (size_t i = 0; i < MAX_OF(a->len, b->len); i++) {
		const char *x = i < a->len ? a->items[i] : NULL;
		const char *y = i < b->len ? b->items[i] : NULL;
		int r;

		if (!x || !y || strcmp(x, y) != 0) /* the one that sorts first is missing there */
			return name_it(!y || (x && strcmp(x, y) < 0) ? x : y, ret_name);
		r = compare_values(a_path, b_path, x);
		if (r < 0)
			return r;
		if (r > 0)
			return name_it(x, ret_name);
	}
	return 0;
}

int tree_xattr_compare(int a_dir, int b_dir, const char *name, char **ret_name)
{
	_cleanup_(strv_release) struct strv a = STRV_INIT;
	_cleanup_(strv_release) struct strv b = STRV_INIT;
	_cleanup_free_ char *a_path = path_of(a_dir, name);
	_cleanup_free_ char *b_path = path_of(b_dir, name);
	int r;

	if (!a_path || !b_path)
		return -ENOMEM;
	r = list(a_path, &a);
	if (r == 0)
		r = list(b_path, &b);
	return r < 0 ? r : compare_lists(a_path, b_path, &a, &b, ret_name);
}

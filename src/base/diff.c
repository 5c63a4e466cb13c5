#include "base/diff.h"

#define CELLS_MAX ((size_t)4 << 20)

struct line {
	const char *text;
	size_t len; /* with its newline, if it has one */
};

struct lines {
	struct line *items;
	size_t len;
};

static void lines_release(struct lines *l)
{
	free(l->items);
}

static int lines_split(struct lines *l, const char *text, size_t len)
{
	const char *end = text + len;
	size_t n = 1;

	for (size_t i = 0; i < len; i++)
		n += text[i] == '\n';
	l->items = calloc(n, sizeof(*l->items));
	if (!l->items)
		return -ENOMEM;
	for (const char *p = text; p < end;) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		const char *next = newline ? newline + 1 : end;

		l->items[l->len++] = (struct line) { p, (size_t)(next - p) };
		p = next;
	}
	return 0;
}

static bool line_equal(const struct line *a, const struct line *b)
{
	return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

static bool is_binary(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == 0x7f || (c < 0x20 && !strchr("\t\n\r", c)) || c == 0)
			return true;
	}
	return false;
}

static void add_line(struct strbuf *out, char sign, const struct line *l)
{
	bool ended = l->len && l->text[l->len - 1] == '\n';

	strbuf_putc(out, sign);
	for (size_t i = 0; i < l->len - ended; i++) {
		if (l->text[i] == '\r')
			strbuf_puts(out, "^M");
		else
			strbuf_putc(out, l->text[i]);
	}
	strbuf_putc(out, '\n');
	if (!ended)
		strbuf_puts(out, "\\ No newline at end of file\n");
}

/*
 * Which lines stay: keep_a and keep_b are marked, by the longest common subsequence of the parts
 * between the common head and tail. table[i][j] is its length from line i of a and j of b on.
 */
struct match {
	struct lines a, b;
	bool *keep_a, *keep_b;
};

static void match_release(struct match *m)
{
	lines_release(&m->a);
	lines_release(&m->b);
	free(m->keep_a);
	free(m->keep_b);
}

static void follow(struct match *m, const uint32_t *table, size_t head, size_t n, size_t k)
{
	size_t i = 0, j = 0;

	while (i < n && j < k) {
		if (line_equal(&m->a.items[head + i], &m->b.items[head + j])) {
			m->keep_a[head + i++] = true;
			m->keep_b[head + j++] = true;
		} else if (table[(i + 1) * (k + 1) + j] >= table[i * (k + 1) + j + 1]) {
			i++;
		} else {
			j++;
		}
	}
}

/* n lines of a and k lines of b from `head` on. Too large or no memory: all of them are replaced.
 */
static void match_middle(struct match *m, size_t head, size_t n, size_t k)
{
	_cleanup_free_ uint32_t *table = NULL;

	if (!n || !k || (n + 1) > CELLS_MAX / (k + 1))
		return;
	table = calloc((n + 1) * (k + 1), sizeof(*table));
	if (!table)
		return;
	for (size_t i = n; i-- > 0;) {
		for (size_t j = k; j-- > 0;) {
			uint32_t *cell = &table[i * (k + 1) + j];

			if (line_equal(&m->a.items[head + i], &m->b.items[head + j]))
				*cell = cell[k + 2] + 1;
			else
				*cell = MAX_OF(cell[k + 1], cell[1]);
		}
	}
	follow(m, table, head, n, k);
}

static int match_lines(struct match *m)
{
	size_t head = 0, tail = 0, n = m->a.len, k = m->b.len;

	m->keep_a = calloc(n + 1, sizeof(*m->keep_a));
	m->keep_b = calloc(k + 1, sizeof(*m->keep_b));
	if (!m->keep_a || !m->keep_b)
		return -ENOMEM;
	while (head < n && head < k && line_equal(&m->a.items[head], &m->b.items[head])) {
		m->keep_a[head] = m->keep_b[head] = true;
		head++;
	}
	while (tail < n - head && tail < k - head &&
	       line_equal(&m->a.items[n - tail - 1], &m->b.items[k - tail - 1])) {
		tail++;
		m->keep_a[n - tail] = m->keep_b[k - tail] = true;
	}
	match_middle(m, head, n - head - tail, k - head - tail);
	return 0;
}

/* Unchanged lines from `at` of a, up to the next change or the end. */
static size_t run_length(const struct match *m, size_t at, size_t j)
{
	size_t n = 0;

	while (at + n < m->a.len && j + n < m->b.len && m->keep_a[at + n] && m->keep_b[j + n])
		n++;
	return n;
}

static void print(const struct match *m, size_t context, struct strbuf *out)
{
	size_t i = 0, j = 0;

	while (i < m->a.len || j < m->b.len) {
		size_t run = run_length(m, i, j);
		bool first = i == 0 && j == 0;
		bool last = i + run == m->a.len && j + run == m->b.len;
		size_t after = first ? 0 : context; /* shown behind the change before */
		size_t before = last ? 0 : context; /* and in front of the next */

		for (size_t n = 0; n < run; n++) {
			if (n < after || run - n <= before)
				add_line(out, ' ', &m->a.items[i + n]);
			else if (n == after && !first && !last)
				strbuf_puts(out, "@@\n");
		}
		i += run;
		j += run;
		while (i < m->a.len && !m->keep_a[i])
			add_line(out, '-', &m->a.items[i++]);
		while (j < m->b.len && !m->keep_b[j])
			add_line(out, '+', &m->b.items[j++]);
	}
}

void diff_lines(const char *old_text, size_t old_len, const char *new_text, size_t new_len,
		unsigned context, struct strbuf *out)
{
	_cleanup_(match_release) struct match m = { 0 };

	if (old_len == new_len && (old_len == 0 || memcmp(old_text, new_text, old_len) == 0))
		return;
	if (is_binary(old_text, old_len) || is_binary(new_text, new_len)) {
		strbuf_printf(out, "(binary, %zu bytes -> %zu bytes)\n", old_len, new_len);
		return;
	}
	if (lines_split(&m.a, old_len ? old_text : "", old_len) < 0 ||
	    lines_split(&m.b, new_len ? new_text : "", new_len) < 0 || match_lines(&m) < 0) {
		out->failed = true;
		return;
	}
	print(&m, context, out);
}

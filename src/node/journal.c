#include "node/journal.h"

#include <fcntl.h>

#include "base/digest.h"
#include "base/fault.h"

#define JOURNAL_CAP  ((size_t)64 << 20)
#define SUM_LEN	     16

static void entry_clear(struct journal_entry *e)
{
	free(e->step);
	free(e->kind);
	free(e->target);
	free(e->outcome);
	free(e->why);
	json_decref(e->want);
	json_decref(e->before);
	json_decref(e->after);
	json_decref(e->earlier);
	json_decref(e->found);
}

void journal_close(struct journal *journal)
{
	for (size_t i = 0; i < journal->len; i++)
		entry_clear(&journal->entries[i]);
	free(journal->entries);
	free(journal->version);
	fd_closep(&journal->fd);
	*journal = JOURNAL_INIT;
}

bool journal_in_force(const struct journal_entry *entry)
{
	/* What was left because somebody had changed it is tried again while anything else is to be undone. */
	return !entry->superseded && (!entry->outcome || strcmp(entry->outcome, "left") == 0);
}

static struct journal_entry *find(const struct journal *journal, uint64_t number)
{
	for (size_t i = 0; i < journal->len; i++) {
		if (journal->entries[i].number == number)
			return &journal->entries[i];
	}
	return NULL;
}

static int copy(char **to, const json_t *record, const char *key)
{
	const char *s = json_get_string(record, key);

	*to = s ? strdup(s) : NULL;
	return *to ? 0 : -EBADMSG;
}

static int take_begin(struct journal *journal, const json_t *record)
{
	struct journal_entry *entries =
		reallocarray(journal->entries, journal->len + 1, sizeof(*entries));
	struct journal_entry *resumed, entry = { 0 };

	if (!entries)
		return -ENOMEM;
	journal->entries = entries;
	entry.number = (uint64_t)json_get_int(record, "n", 0);
	entry.want = json_incref(json_object_get(record, "want"));
	entry.before = json_incref(json_object_get(record, "before"));
	if (copy(&entry.step, record, "step") < 0 || copy(&entry.kind, record, "kind") < 0 ||
	    copy(&entry.target, record, "target") < 0 || !entry.want || !entry.before) {
		entry_clear(&entry);
		return -EBADMSG;
	}
	resumed = find(journal, (uint64_t)json_get_int(record, "resumes", 0));
	if (resumed)
		resumed->superseded = true;
	for (size_t i = 0; i < journal->len; i++)
		journal->entries[i].undone_now = false;
	journal->entries[journal->len++] = entry;
	journal->verified = journal->uninstalled = false;
	return 0;
}

/* What was done before is done once more: still one change, at its place in the order. */
static int take_again(struct journal *journal, const json_t *record)
{
	struct journal_entry *entry = find(journal, (uint64_t)json_get_int(record, "of", 0));
	json_t *want = json_object_get(record, "want");

	if (!entry || !want)
		return -EBADMSG;
	json_decref(entry->want);
	entry->want = json_incref(want);
	if (entry->after) {
		json_decref(entry->earlier);
		entry->earlier = entry->after;
		entry->after = NULL;
	}
	if (!entry->found)
		entry->found = json_incref(json_object_get(record, "found"));
	for (size_t i = 0; i < journal->len; i++)
		journal->entries[i].undone_now = false;
	journal->verified = journal->uninstalled = false;
	return 0;
}

static int take_end(struct journal *journal, const json_t *record, bool undone)
{
	struct journal_entry *entry = find(journal, (uint64_t)json_get_int(record, "of", 0));
	const char *why = json_get_string(record, "why");

	if (!entry)
		return -EBADMSG;
	if (!undone) {
		json_decref(entry->after);
		entry->after = json_incref(json_object_get(record, "after"));
		json_decref(entry->earlier);
		json_decref(entry->found);
		entry->earlier = entry->found = NULL;
		return entry->after ? 0 : -EBADMSG;
	}
	free(entry->outcome);
	free(entry->why);
	entry->why = why ? strdup(why) : NULL;
	journal->verified = false;
	entry->undone_now = true;
	return copy(&entry->outcome, record, "outcome");
}

static int take_record(struct journal *journal, const json_t *record, struct error *err)
{
	const char *type = json_get_string(record, "type");
	const char *text = json_get_string(record, "text");
	json_int_t version = json_get_int(record, "journal", 0);

	journal->next = (uint64_t)json_get_int(record, "n", 0) + 1;
	if (version > JOURNAL_VERSION)
		return error_set(err, EPROTONOSUPPORT,
				 "the journal was written by a newer berth (%s, format %d; this is %s, "
				 "format %d): use that one",
				 json_get_string(record, "berth"), (int)version, BERTH_VERSION,
				 JOURNAL_VERSION);
	if (version) {
		free(journal->version);
		return copy(&journal->version, record, "berth");
	}
	if (!type || !journal->version)
		return -EBADMSG;
	if (strcmp(type, "begin") == 0)
		return take_begin(journal, record);
	if (strcmp(type, "again") == 0)
		return take_again(journal, record);
	if (strcmp(type, "done") == 0)
		return take_end(journal, record, false);
	if (strcmp(type, "undone") == 0)
		return take_end(journal, record, true);
	if (strcmp(type, "verified") == 0)
		journal->verified = journal->ever_verified = true;
	/* Cut off before it had undone anything, it may have noted containers it was about to stop. */
	if (strcmp(type, "run") == 0 && text && strcmp(text, "uninstall") == 0) {
		journal->verified = false;
		journal->uninstalled = true;
	}
	return 0; /* marks */
}

/* A line's JSON when its sum is right, else NULL. */
static json_t *check_line(const char *line, size_t len)
{
	char sum[DIGEST_HEX_MAX];
	json_t *record = NULL;

	if (len < SUM_LEN + 3 || line[SUM_LEN] != ' ')
		return NULL;
	digest_hex(line + SUM_LEN + 1, len - SUM_LEN - 1, sum);
	if (memcmp(sum, line, SUM_LEN) != 0)
		return NULL;
	if (json_parse(line + SUM_LEN + 1, len - SUM_LEN - 1, "record", &record, NULL) < 0 ||
	    !json_is_object(record)) {
		json_decref(record);
		return NULL;
	}
	return record;
}

int journal_parse(const char *text, size_t len, struct journal *ret, struct error *err)
{
	_cleanup_(journal_close) struct journal journal = JOURNAL_INIT;
	unsigned line_number = 0;

	for (size_t at = 0; at < len;) {
		const char *newline = memchr(text + at, '\n', len - at);
		size_t n = newline ? (size_t)(newline - text) - at : len - at;
		_cleanup_json_ json_t *record = newline ? check_line(text + at, n) : NULL;
		int r;

		line_number++;
		if (!record && at + n + 1 >= len) {
			journal.dropped_tail = true; /* cut off while it was written */
			break;
		}
		error_clear(err);
		r = record ? take_record(&journal, record, err) : -EBADMSG;
		if (r == -EBADMSG)
			return error_set(err, EBADMSG,
					 "the journal '%s' is damaged at line %u: what berth did before "
					 "cannot be told from it; restore it from a backup, or move it away "
					 "to start a new one (then uninstall cannot undo the old changes)",
					 JOURNAL_FILE, line_number);
		if (r < 0)
			return err && err->code ? r : error_errno(err, r, "read the journal");
		at += n + 1;
		journal.end = (off_t)at;
	}
	*ret = journal;
	journal = JOURNAL_INIT;
	return 0;
}

int journal_read(const struct host *host, struct journal *ret, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r = host_read(host, JOURNAL_FILE, JOURNAL_CAP, &text, &len);

	if (r < 0 && r != -ENOENT)
		return error_errno(err, r, "read the journal '%s'", JOURNAL_FILE);
	r = journal_parse(text ? text : "", len, ret, err);
	if (r == 0)
		ret->host = host;
	return r;
}

/* Open for writing at the first record of a run: reading commands leave no trace. */
static int make_writable(struct journal *journal, struct error *err)
{
	_cleanup_fd_ int dir = -EBADF;
	int r;

	if (journal->fd >= 0)
		return 0;
	r = host_mkdirs(journal->host, JOURNAL_DIR, 0700, NULL, err);
	if (r < 0)
		return r;
	dir = host_open(journal->host, JOURNAL_DIR, O_RDONLY | O_DIRECTORY, 0);
	journal->fd = host_open(journal->host, JOURNAL_FILE, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
	if (dir < 0 || journal->fd < 0)
		return error_errno(err, dir < 0 ? dir : journal->fd, "open the journal '%s'",
				   JOURNAL_FILE);
	/* Off with a tail that was cut: the next record begins on a line of its own. */
	if (ftruncate(journal->fd, journal->end) < 0 ||
	    lseek(journal->fd, journal->end, SEEK_SET) < 0 || fsync(dir) < 0)
		return error_errno(err, errno, "prepare the journal '%s'", JOURNAL_FILE);
	return 0;
}

static int append(struct journal *journal, json_t *record, struct error *err)
{
	_cleanup_free_ char *json = NULL;
	_cleanup_free_ char *line = NULL;
	char sum[DIGEST_HEX_MAX];
	int r;

	(void)json_object_set_new(record, "n", json_integer((json_int_t)journal->next));
	json = json_line(record);
	if (!json)
		return error_errno(err, ENOMEM, "write the journal");
	digest_hex(json, strlen(json), sum);
	line = xasprintf("%.*s %s\n", SUM_LEN, sum, json);
	if (!line)
		return error_errno(err, ENOMEM, "write the journal");
	fault_point("journal:before");
	r = file_write_all(journal->fd, line, strlen(line));
	if (r == 0 && fdatasync(journal->fd) < 0)
		r = -errno;
	fault_point("journal:synced");
	if (r < 0) {
		/* A partial line must not stay in front of the next one. */
		(void)!ftruncate(journal->fd, journal->end);
		(void)lseek(journal->fd, journal->end, SEEK_SET);
		return error_errno(err, r, "write the journal '%s'", JOURNAL_FILE);
	}
	journal->end += (off_t)strlen(line);
	journal->next++;
	return 0;
}

static int write_record(struct journal *journal, json_t *record, struct error *err)
{
	_cleanup_json_ json_t *mine = record;
	_cleanup_json_ json_t *head = NULL;
	int r = record ? make_writable(journal, err) : error_errno(err, ENOMEM, "write the journal");

	if (r == 0 && journal->end == 0) {
		head = json_pack("{s:i, s:s}", "journal", JOURNAL_VERSION, "berth", BERTH_VERSION);
		r = head ? append(journal, head, err) : error_errno(err, ENOMEM, "write the journal");
		if (r == 0)
			r = take_record(journal, head, err);
	}
	if (r == 0)
		r = append(journal, mine, err);
	if (r == 0)
		r = take_record(journal, mine, err);
	return r;
}

int journal_begin(struct journal *journal, const struct change *change, const json_t *before,
		  uint64_t resumed, uint64_t *ret_number, struct error *err)
{
	json_t *record = json_pack("{s:s, s:s, s:s, s:s, s:O, s:O}", "type", "begin", "step",
				   change->step, "kind", change->kind->name, "target",
				   change->target, "want", change->want, "before", before);
	int r;

	if (record && resumed)
		(void)json_object_set_new(record, "resumes", json_integer((json_int_t)resumed));
	r = write_record(journal, record, err);
	*ret_number = journal->next - 1;
	return r;
}

int journal_again(struct journal *journal, uint64_t number, const json_t *want, const json_t *found,
		  struct error *err)
{
	return write_record(journal, json_pack("{s:s, s:I, s:O, s:O}", "type", "again", "of", (json_int_t)number, "want", want,
					       "found", found), err);
}

const struct journal_entry *journal_find(const struct journal *journal, uint64_t number)
{
	return find(journal, number);
}

int journal_done(struct journal *journal, uint64_t number, const json_t *after, struct error *err)
{
	return write_record(journal,
			    json_pack("{s:s, s:I, s:O}", "type", "done", "of", (json_int_t)number,
				      "after", after),
			    err);
}

int journal_undone(struct journal *journal, uint64_t number, const char *outcome, const char *why,
		   struct error *err)
{
	return write_record(journal,
			    json_pack("{s:s, s:I, s:s, s:s?}", "type", "undone", "of",
				      (json_int_t)number, "outcome", outcome, "why", why),
			    err);
}

int journal_mark(struct journal *journal, const char *type, const char *text, struct error *err)
{
	return write_record(journal, json_pack("{s:s, s:s}", "type", type, "text", text), err);
}

static const struct journal_entry *latest(const struct journal *journal, const char *kind,
					  const char *target, bool done)
{
	for (size_t i = journal->len; i > 0; i--) {
		const struct journal_entry *e = &journal->entries[i - 1];

		if (journal_in_force(e) && !(done && e->outcome) && (e->after != NULL) == done &&
		    strcmp(e->kind, kind) == 0 && strcmp(e->target, target) == 0)
			return e;
	}
	return NULL;
}

const struct journal_entry *journal_unfinished(const struct journal *journal, const char *kind,
					       const char *target)
{
	return latest(journal, kind, target, false);
}

const struct journal_entry *journal_finished(const struct journal *journal, const char *kind,
					     const char *target)
{
	return latest(journal, kind, target, true);
}

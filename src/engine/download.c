#include "engine/download.h"

#include <fcntl.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

#include "base/clock.h"
#include "base/units.h"
#include "engine/download_part.h"
#include "engine/http.h"
#include "engine/stream.h"

#define TRIES		  5 /* in a row that bring nothing */
#define PAUSE_FIRST_MS	  500
#define PAUSE_LONGEST_MS  30000
#define RETRY_AFTER_CAP_S 60
#define SLOW_S		  30

struct download {
	const struct host *host;
	const char *url;
	const char *dest;
	const char *sha256;
	const struct progress *progress;
	char *plain; /* the URL for messages */
	struct download_part part;
	uint64_t begin, until; /* ms */
	uint64_t total;	       /* 0: not known */
	bool resumed;	       /* some of the part is of an earlier answer */
	bool restarted;	       /* once, because such a part turned out wrong */
	bool answered;	       /* this answer's first byte has been seen to */
	bool again;	       /* this failure may pass */
	uint64_t pause_ms;     /* the server's wish, 0: none */
	struct error sink_error;
};

static void download_release(struct download *d)
{
	free(d->plain);
	download_part_release(&d->part);
}

static void sleep_ms(uint64_t ms)
{
	struct timespec ts = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

/* "bytes 100-199/200": first byte and size of the whole (0: not told); false for anything else. */
static bool parse_content_range(const char *value, uint64_t *ret_first, uint64_t *ret_total)
{
	static const char UNIT[] = "bytes ";
	char number[32];
	const char *p, *slash;

	if (!value || strncasecmp(value, UNIT, sizeof(UNIT) - 1) != 0)
		return false;
	p = value + sizeof(UNIT) - 1;
	(void)snprintf(number, sizeof(number), "%.*s", (int)strcspn(p, "-"), p);
	slash = strchr(p, '/');
	if (!slash || u64_parse(number, ret_first) < 0)
		return false;
	if (u64_parse(slash + 1, ret_total) < 0)
		*ret_total = 0;
	return true;
}

/* What If-Range may have: a strong ETag, else the date. */
static const char *validator_of(const struct http_response *response)
{
	const char *etag = http_header(response, "ETag");

	if (etag && etag[0] == '"' && strlen(etag) < 1024)
		return etag;
	return http_header(response, "Last-Modified");
}

/* Does a 206 go on where the part ends, with the same file? */
static bool continues(struct download *d, const struct http_response *response)
{
	const char *validator = validator_of(response);
	uint64_t first;

	if (!parse_content_range(http_header(response, "Content-Range"), &first, &d->total))
		return false;
	if (first && validator && d->part.validator && strcmp(validator, d->part.validator) != 0)
		return false;
	return first == d->part.have;
}

/* An answer begins: the rest of the part, or all from the start. */
static int answer_begins(struct download *d, const struct http_response *response)
{
	const char *length = http_header(response, "Content-Length");

	d->answered = true;
	d->total = 0;
	if (response->status == 206) {
		if (!continues(d, response)) {
			(void)download_part_restart(&d->part, NULL, NULL);
			d->again = true;
			return error_set(&d->sink_error, EPROTO,
					 "GET %s: the server sent another part than asked for",
					 d->plain);
		}
		d->resumed = d->part.have > 0;
	} else {
		int r = download_part_restart(&d->part, validator_of(response), &d->sink_error);

		if (r < 0)
			return r;
		d->resumed = false;
		if (length && u64_parse(length, &d->total) < 0)
			d->total = 0;
	}
	if (d->total > DOWNLOAD_CAP)
		return error_set(&d->sink_error, EFBIG, "%s is larger than the 1 GiB taken at most",
				 d->plain);
	return 0;
}

static int on_piece(void *userdata, const struct http_response *so_far, const void *data,
		    size_t len)
{
	struct download *d = userdata;
	int r = d->answered ? 0 : answer_begins(d, so_far);

	if (r < 0)
		return r;
	if (d->part.have + len > DOWNLOAD_CAP)
		return error_set(&d->sink_error, EFBIG, "%s is larger than the 1 GiB taken at most",
				 d->plain);
	r = download_part_add(&d->part, data, len, &d->sink_error);
	if (r == 0)
		progress_bytes(d->progress, d->part.have, d->total);
	return r;
}

static int refused(const struct download *d, long status, struct error *err)
{
	int code = EPROTO;

	if (status == 404 || status == 410)
		code = ENOENT;
	else if (status == 401 || status == 403 || status == 407)
		code = EACCES;
	else if (http_status_passing(status))
		code = EIO;
	return error_set(err, code, "GET %s: the server answered with status %ld", d->plain,
			 status);
}

/* Nothing to send from there on: the part is complete, or not of this file. */
static int range_refused(struct download *d, struct error *err)
{
	char got[DIGEST_HEX_MAX];

	if (d->part.have == 0)
		return refused(d, 416, err);
	if (download_part_digest(&d->part, got, NULL) == 0 && strcasecmp(got, d->sha256) == 0)
		return 0;
	d->again = true;
	(void)download_part_restart(&d->part, NULL, NULL);
	return refused(d, 416, err);
}

static int judge(struct download *d, const struct http_response *response, int r, struct error *err)
{
	if (d->sink_error.code) {
		*err = d->sink_error;
		return -err->code;
	}
	if (r < 0) {
		d->again = http_error_passing(r);
		return r;
	}
	if (response->status == 200 || response->status == 206) {
		if (!d->answered && answer_begins(d, response) < 0) {
			*err = d->sink_error;
			return -err->code;
		}
		if (d->total == 0 || d->part.have >= d->total)
			return 0;
		d->again = true;
		return error_set(err, ECONNRESET, "GET %s: only a part of it came", d->plain);
	}
	if (response->status == 416)
		return range_refused(d, err);
	d->again = http_status_passing(response->status);
	d->pause_ms = MIN_OF(response->retry_after_s, (uint64_t)RETRY_AFTER_CAP_S) * 1000;
	return refused(d, response->status, err);
}

/* One request for what is missing. On an error `again` says whether it may pass. */
static int try_once(struct download *d, struct error *err)
{
	_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;
	_cleanup_free_ char *range = NULL;
	_cleanup_free_ char *if_range = NULL;
	const char *headers[3] = { NULL };
	struct http_request request = {
		.url = d->url,
		.headers = headers,
		.body_cap = 1024,
		.sink = on_piece,
		.sink_data = d,
		.host = d->host,
		.slow_s = SLOW_S,
	};
	uint64_t now = monotonic_ms();
	int r;

	if (d->part.have) {
		range = xasprintf("Range: bytes=%" PRIu64 "-", d->part.have);
		if (d->part.validator)
			if_range = xasprintf("If-Range: %s", d->part.validator);
		if (!range || (d->part.validator && !if_range))
			return error_errno(err, ENOMEM, "download %s", d->plain);
		headers[0] = range;
		headers[1] = if_range;
	}
	request.timeout_ms = d->until > now ? d->until - now : 1;
	d->answered = d->again = false;
	d->pause_ms = 0;
	error_clear(&d->sink_error);
	r = http_request(&request, &response, err);
	return judge(d, &response, r, err);
}

/* Half of it certain, half by chance: many nodes must not come back at one moment. */
static uint64_t pause_before(unsigned tries)
{
	uint64_t ms = (uint64_t)PAUSE_FIRST_MS << MIN_OF(tries - 1, 10U);
	uint32_t chance = 0;

	ms = MIN_OF(ms, (uint64_t)PAUSE_LONGEST_MS);
	(void)!getrandom(&chance, sizeof(chance), GRND_NONBLOCK);
	return ms / 2 + chance % (ms / 2 + 1);
}

/* Until all of it is there, or there is no use in trying. `why` is filled on failure. */
static int fetch_all(struct download *d, struct error *why)
{
	for (unsigned tries = 1;; tries++) {
		uint64_t before = d->part.have, pause;
		int r = try_once(d, why);

		if (r == 0 || !d->again)
			return r;
		if (d->part.have > before)
			tries = 1;
		if (tries >= TRIES)
			return error_context(why, "given up after %d tries", TRIES);
		pause = d->pause_ms ? d->pause_ms : pause_before(tries);
		if (monotonic_ms() + pause >= d->until)
			return error_context(why, "not downloaded in %" PRIu64 " s",
					     (d->until - d->begin + 999) / 1000);
		progress_activityf(d->progress, "trying again in %" PRIu64 " s: %s",
				   (pause + 999) / 1000, why->message);
		sleep_ms(pause);
		progress_activityf(d->progress, "downloading %s", d->plain);
	}
}

static int fetch(struct download *d, struct error *err)
{
	struct error why = ERROR_INIT;
	int r = fetch_all(d, &why);

	if (r < 0 && err)
		*err = why;
	return r;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The path of file:///path or file://localhost/path, with %XX resolved; NULL: not of that form. */
static char *file_url_path(const char *url)
{
	static const char SCHEME[] = "file://", HERE[] = "localhost/";
	const char *p = url + sizeof(SCHEME) - 1;
	char *path, *to;

	if (strncasecmp(p, HERE, sizeof(HERE) - 1) == 0)
		p += sizeof(HERE) - 2;
	if (p[0] != '/')
		return NULL;
	path = to = strdup(p);
	for (; path && *p; p++) {
		if (*p == '%') {
			int high = hex_value(p[1]);
			int low = high < 0 ? -1 : hex_value(p[2]);

			if (low < 0 || high * 16 + low == 0) {
				free(path);
				return NULL;
			}
			*to++ = (char)(high * 16 + low);
			p += 2;
		} else {
			*to++ = *p;
		}
	}
	if (path)
		*to = '\0';
	return path;
}

static int copy_file(struct download *d, struct error *err)
{
	_cleanup_free_ char *path = file_url_path(d->url);
	_cleanup_fd_ int in = -EBADF;
	char hex[DIGEST_HEX_MAX];
	struct stream stream;
	struct stat st;
	int r;

	if (!path)
		return error_set(err, EINVAL, "'%s' is not a URL of a file", d->plain);
	in = host_open(d->host, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (in < 0)
		return error_errno(err, in, "open '%s'", path);
	if (fstat(in, &st) < 0)
		return error_errno(err, errno, "look at '%s'", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "'%s' is not a regular file", path);
	if ((uint64_t)st.st_size > DOWNLOAD_CAP)
		return error_set(err, EFBIG, "'%s' is larger than the 1 GiB taken at most", path);
	r = download_part_restart(&d->part, NULL, err);
	if (r < 0 || lseek(d->part.fd, 0, SEEK_SET) < 0)
		return r < 0 ? r : error_errno(err, errno, "write '%s'", d->part.path);
	stream = (struct stream){
		.in = in,
		.in_name = path,
		.out = d->part.fd,
		.out_name = d->part.path,
		.progress = d->progress,
		.total = (uint64_t)st.st_size,
	};
	r = stream_copy(&stream, (uint64_t)st.st_size, hex, err);
	d->part.have = stream.done;
	return r;
}

static int get(struct download *d, struct error *err)
{
	if (strncasecmp(d->url, "file://", 7) == 0)
		return copy_file(d, err);
	if (strncasecmp(d->url, "http://", 7) == 0 || strncasecmp(d->url, "https://", 8) == 0)
		return fetch(d, err);
	return error_set(err, EPROTONOSUPPORT, "'%s' is not a URL of http, https or file",
			 d->plain);
}

/* 1: what is in the part is right. 0: worth another try from the start. */
static int check(struct download *d, struct error *err)
{
	char got[DIGEST_HEX_MAX];
	int r = download_part_digest(&d->part, got, err);

	if (r < 0)
		return r;
	if (strcasecmp(got, d->sha256) == 0)
		return 1;
	if (d->resumed && !d->restarted) {
		d->restarted = true;
		r = download_part_restart(&d->part, NULL, err);
		return r < 0 ? r : 0;
	}
	download_part_remove(&d->part);
	return error_set(err, EBADMSG, "%s is not what it should be: expected SHA-256 %s, got %s",
			 d->plain, d->sha256, got);
}

static bool has_digest(const struct host *host, const char *path, const char *sha256)
{
	_cleanup_fd_ int fd = host_open(host, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0);
	char got[DIGEST_HEX_MAX];
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       digest_fd(fd, got, NULL) == 0 && strcasecmp(got, sha256) == 0;
}

static int run(struct download *d, struct error *err)
{
	int r = download_part_open(d->host, d->dest, d->url, &d->part, err);

	if (r < 0)
		return r;
	progress_activityf(d->progress, "downloading %s", d->plain);
	do {
		r = get(d, err);
		if (r == 0)
			r = check(d, err);
	} while (r == 0);
	if (r == -ENOSPC || r == -EDQUOT || r == -EFBIG)
		download_part_remove(&d->part);
	return r < 0 ? r : download_part_finish(&d->part, d->dest, err);
}

/* What an earlier process that was cut off right behind its rename left beside it. */
static int drop_part(const struct host *host, const char *dest_path, struct error *err)
{
	_cleanup_free_ char *from = xasprintf("%s.part.from", dest_path);

	if (!from)
		return error_errno(err, ENOMEM, "download to '%s'", dest_path);
	return host_exists(host, from) ? host_remove(host, from, err) : 0;
}

int download_file(const struct host *host, const char *url, const char *sha256,
		  const char *dest_path, uint64_t timeout_ms, const struct progress *progress,
		  struct error *err)
{
	_cleanup_(download_release) struct download d = {
		.host = host,
		.url = url,
		.dest = dest_path,
		.sha256 = sha256,
		.progress = progress,
		.part = DOWNLOAD_PART_INIT,
		.begin = monotonic_ms(),
	};

	if (!digest_valid(sha256))
		return error_set(err, EINVAL, "'%s' is not a SHA-256", sha256);
	if (has_digest(host, dest_path, sha256))
		return drop_part(host, dest_path, err);
	d.plain = http_url_plain(url);
	if (!d.plain)
		return error_errno(err, ENOMEM, "download to '%s'", dest_path);
	d.until = d.begin + (timeout_ms ? timeout_ms : DOWNLOAD_TIMEOUT_MS);
	return run(&d, err);
}

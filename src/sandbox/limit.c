#include "sandbox/limit.h"

#include "base/units.h"
#include "sandbox/bundle.h"
#include "sandbox/docker_files.h"
#include "sandbox/record.h"

static int parse_wish(const struct settings *settings, const char *what, const char *text,
		      uint64_t *ret, struct error *err)
{
	if (strcmp(text, "unlimited") == 0) {
		*ret = 0;
		return settings->allow_unlimited ?
			       0 :
			       error_set(err, EINVAL, "the %s " ANNOTATION_DISK " asks for no limit, which "
					 "this host does not allow (budget.allow_unlimited)", what);
	}
	if (size_parse(text, ret) < 0)
		return error_set(err, EINVAL, "the %s " ANNOTATION_DISK " is '%.40s': write a size as 10G "
				 "or 512M", what, text);
	if (*ret < LIMIT_MIN)
		return error_set(err, EINVAL, "the %s " ANNOTATION_DISK " is '%.40s': less than 1M is no "
				 "budget to start with", what, text);
	if (*ret > LIMIT_MAX)
		return error_set(err, EINVAL, "the %s " ANNOTATION_DISK " is '%.40s': more than 1024T is no "
				 "limit", what, text);
	return 0;
}

/* Docker has made its layer by it already; a size of 0 is none for it, and nothing that was said. */
static int by_engine(const struct settings *settings, const char *text, struct limit *ret, struct error *err)
{
	uint64_t bytes;

	if (docker_size_parse(text, &bytes) < 0)
		return error_set(err, EINVAL, "Docker's size '%.40s' of the container is not understood", text);
	if (bytes && bytes < LIMIT_MIN)
		return error_set(err, EINVAL, "Docker's size '%.40s' of the container is less than 1M, no budget to start with", text);
	if (bytes > LIMIT_MAX)
		return error_set(err, EINVAL, "Docker's size '%.40s' of the container is more than 1024T, which is no limit", text);
	*ret = bytes ? (struct limit){ .bytes = bytes, .source = "engine" } :
		       (struct limit){ .bytes = settings->budget, .source = "default" };
	return 0;
}

int limit_decide(const struct settings *settings, const struct limit_sources *sources,
		 struct limit *ret, struct error *err)
{
	const char *wish = sources->annotation ? sources->annotation : sources->label;
	struct limit limit = { .bytes = settings->budget, .source = "default" };
	int r = 0;

	if (sources->set) {
		limit.bytes = sources->set == RECORD_UNLIMITED ? 0 : sources->set;
		limit.source = "set";
	} else if (wish) {
		limit.source = sources->annotation ? "annotation" : "label";
		r = parse_wish(settings, limit.source, wish, &limit.bytes, err);
	} else if (sources->engine) {
		r = by_engine(settings, sources->engine, &limit, err);
	}
	if (r == 0)
		*ret = limit;
	return r;
}

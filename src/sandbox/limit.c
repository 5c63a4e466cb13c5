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
		limit.source = "engine";
		/* Docker has made its layer by it already. */
		if (docker_size_parse(sources->engine, &limit.bytes) < 0)
			r = error_set(err, EINVAL, "Docker's size '%.40s' of the container is not understood",
				      sources->engine);
	}
	if (r == 0)
		*ret = limit;
	return r;
}

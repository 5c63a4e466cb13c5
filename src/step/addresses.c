#include "step/addresses.h"

#include <arpa/inet.h>

#include "base/units.h"
#include "step/layout.h"

bool address_parse(const char *cidr, uint32_t *ret_address, uint32_t *ret_mask)
{
	const char *slash = strchr(cidr, '/');
	_cleanup_free_ char *address = slash ? strndup(cidr, (size_t)(slash - cidr)) : NULL;
	struct in_addr in;
	uint64_t prefix;

	if (!address || inet_pton(AF_INET, address, &in) != 1 || u64_parse(slash + 1, &prefix) < 0 ||
	    prefix < 1 || prefix > 32)
		return false;
	*ret_address = ntohl(in.s_addr);
	*ret_mask = prefix == 32 ? UINT32_MAX : ~(UINT32_MAX >> prefix);
	return true;
}

/* Eight hexadecimal digits in the kernel's (here: the wire's) byte order. */
static bool hex32(const char *s, uint32_t *ret)
{
	char *end = NULL;
	unsigned long value;

	errno = 0;
	value = strtoul(s, &end, 16);
	if (errno || end != s + 8 || value > UINT32_MAX)
		return false;
	*ret = ntohl((uint32_t)value);
	return true;
}

/* The interface whose route overlaps the range, NULL when none does. Docker's own do not count. */
static char *overlap_in(char *routes, uint32_t address, uint32_t mask)
{
	char *save = routes;

	for (unsigned n = 0; save; n++) {
		char *line = strsep(&save, "\n");
		_cleanup_(strv_release) struct strv f = STRV_INIT;
		uint32_t destination, route_mask, common;

		if (n == 0 || strv_split(&f, line, " \t") < 0 || f.len < 8)
			continue;
		if (!hex32(f.items[1], &destination) || !hex32(f.items[7], &route_mask) || !route_mask)
			continue;
		if (strncmp(f.items[0], "docker", 6) == 0 || strncmp(f.items[0], "br-", 3) == 0)
			continue;
		common = mask & route_mask;
		if ((destination & common) == (address & common))
			return strdup(f.items[0]);
	}
	return NULL;
}

static void check_one(struct step_context *ctx, struct report *report, const char *key,
		      const char *cidr)
{
	_cleanup_free_ char *routes = NULL;
	_cleanup_free_ char *remedy = xasprintf("set %s to a range that is free here", key);
	_cleanup_free_ char *interface = NULL;
	uint32_t address, mask;

	if (!address_parse(cidr, &address, &mask) ||
	    host_read(ctx->host, "/proc/net/route", 1 << 20, &routes, NULL) < 0)
		return;
	interface = overlap_in(routes, address, mask);
	if (interface)
		report_add(report, "network.addresses", CHECK_FAIL, remedy,
			   "%s (%s) overlaps a network this machine reaches by %s", cidr, key,
			   interface);
	else
		report_add(report, "network.addresses", CHECK_PASS, NULL, "%s (%s) is free", cidr, key);
}

static bool has_member(struct step_context *ctx, const char *member)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json_t *now = NULL;
	size_t len;

	return host_read(ctx->host, DAEMON_JSON, FILE_CAP_DEFAULT, &text, &len) == 0 &&
	       json_parse(text, len, DAEMON_JSON, &now, NULL) == 0 &&
	       json_object_get(now, member);
}

/* Only what berth would set: ranges the user chose are the user's. */
void check_addresses(struct step_context *ctx, struct report *report)
{
	if (!spec_has_docker(ctx->spec))
		return;
	if (!has_member(ctx, "bip"))
		check_one(ctx, report, "docker.bridge_ip", ctx->spec->docker.bridge_ip);
	if (!has_member(ctx, "default-address-pools"))
		check_one(ctx, report, "docker.address_pool", ctx->spec->docker.pool_base);
}

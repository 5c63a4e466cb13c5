#include "step/pins.h"

#include "base/macros.h"
#include "base/strbuf.h"

/*
 * 0.7.0: the project's own documents. The others: pins that third parties publish for the same files;
 * a wrong one makes an installation fail with both digests in the message, and nothing else.
 */
static const struct {
	const char *version, *arch, *sha256;
} PINS[] = {
	{ "0.6.7", "amd64", "b7ac389e5a19592cadf16e0ca30e40919516128f6e1b7f99e1cb4ff64554172e" },
	{ "0.7.0", "amd64", "eeff273671467b8fa351ab3d40709759462dc03d9f7b50a1b207b37982ce40a9" },
	{ "0.7.1", "amd64", "9d6d5484f980d0a17f86c492c1262015c2afb66280bdb97215b79fde6a0261c5" },
	{ "0.7.1", "arm64", "04ca894ae0b53f0fa54eaacc173ce40363c9a95ea5450f773716a84ef650a69b" },
};

const char *sysbox_pin(const char *version, const char *arch)
{
	for (size_t i = 0; i < ARRAY_SIZE(PINS); i++) {
		if (strcmp(PINS[i].version, version) == 0 && strcmp(PINS[i].arch, arch) == 0)
			return PINS[i].sha256;
	}
	return NULL;
}

const char *sysbox_pinned_versions(void)
{
	return "0.6.7, 0.7.0, 0.7.1";
}

char *sysbox_official_url(const char *version, const char *arch)
{
	return xasprintf("https://downloads.nestybox.com/sysbox/releases/v%s/"
			 "sysbox-ce_%s-0.linux_%s.deb",
			 version, version, arch);
}

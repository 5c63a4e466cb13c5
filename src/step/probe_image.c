#include "step/probe_image.h"

/* BERTH_PROBE is the path of the built program (src/meson.build). */
__asm__(".section .rodata.berth_probe, \"a\"\n"
	".balign 16\n"
	".global berth_probe_start\n"
	"berth_probe_start:\n"
	".incbin \"" BERTH_PROBE "\"\n"
	".global berth_probe_end\n"
	"berth_probe_end:\n"
	".previous\n");

extern const char berth_probe_start[], berth_probe_end[];

const void *probe_image(size_t *ret_len)
{
	*ret_len = (size_t)(berth_probe_end - berth_probe_start);
	return berth_probe_start;
}

#include "step/pool_takes.h"

#include <fcntl.h>

#include "change/pool_now.h"
#include "change/pool_space.h"

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* Its log, its trees and what it keeps back for these: 2 % were never reached, and small ones have the log. */
static uint64_t beside_metadata(uint64_t size)
{
	return less(size, size / 50 + ((uint64_t)64 << 20));
}

static uint64_t takes_mounted(const struct step_context *ctx)
{
	_cleanup_(pool_now_release) struct pool_now now = POOL_NOW_INIT;
	const struct pool_figures *f = &now.figures;
	uint64_t room;

	if (pool_now_read(ctx->host, ctx->spec->pool.device, &now, NULL) < 0)
		return UINT64_MAX;
	room = less(f->total, f->used);
	if (f->device)
		return room;
	/* What the image has from the disk and the pool does not use, and what the disk can give it yet. */
	return MIN_OF(room, less(f->allocated, f->used) + less(f->disk_free, ctx->spec->pool.reserve));
}

static uint64_t takes_device(const struct step_context *ctx)
{
	_cleanup_fd_ int fd = host_open(ctx->host, ctx->spec->pool.device, O_RDONLY | O_NONBLOCK, 0);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

	return size > 0 ? beside_metadata((uint64_t)size) : UINT64_MAX;
}

static uint64_t takes_image(const struct step_context *ctx)
{
	const char *image = ctx->spec->pool.image;
	uint64_t size = beside_metadata(ctx->spec->pool.size), reserve = ctx->spec->pool.reserve;
	struct fsinfo disk;
	struct stat st;
	int full;

	if (pool_space(ctx->host, image, &disk, NULL) < 0)
		return UINT64_MAX;
	if (host_stat(ctx->host, image, &st, true) == 0)
		return MIN_OF(beside_metadata((uint64_t)st.st_size),
			      (uint64_t)st.st_blocks * 512 + less(disk.available, reserve));
	full = pool_space_choose(image, pool_allocate_words[ctx->spec->pool.allocate], ctx->spec->pool.size, reserve, &disk,
				 NULL);
	if (full < 0)
		return UINT64_MAX;
	return full ? size : MIN_OF(size, less(disk.available, reserve));
}

uint64_t pool_takes(const struct step_context *ctx)
{
	if (ctx->facts.pool_mounted)
		return takes_mounted(ctx);
	return *ctx->spec->pool.device ? takes_device(ctx) : takes_image(ctx);
}

#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>

#include "base/digest.h"
#include "base/json.h"
#include "engine/image.h"
#include "engine/tar.h"

#include <cmocka.h>

#define REF "berth.local/probe:1"

struct program {
	Elf64_Ehdr elf;
	Elf64_Phdr segments[2];
	char code[1000];
};

static struct program make_program(uint16_t machine)
{
	struct program p = {
		.elf = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB },
			.e_machine = machine,
			.e_phoff = offsetof(struct program, segments),
			.e_phnum = 2,
		},
		.segments = { { .p_type = PT_LOAD }, { .p_type = PT_LOAD } },
	};

	memset(p.code, 'c', sizeof(p.code));
	return p;
}

struct member {
	struct tar_entry entry;
	const char *data;
};

/* The members of an archive in memory, which must end as one does. */
static size_t members(const char *tar, size_t len, struct member ret[static 16])
{
	size_t n = 0, at = 0;

	while (at + TAR_BLOCK <= len && tar[at]) {
		assert_true(n < 16);
		assert_int_equal(tar_parse_header((const unsigned char *)tar + at, &ret[n].entry),
				 0);
		at += TAR_BLOCK;
		ret[n].data = tar + at;
		at += ret[n].entry.size + tar_padding(ret[n].entry.size);
		n++;
	}
	assert_int_equal(at + TAR_END, len);
	for (; at < len; at++)
		assert_int_equal(tar[at], 0);
	return n;
}

static const struct member *find(const struct member *m, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(m[i].entry.name, name) == 0)
			return &m[i];
	}
	print_error("no member '%s'\n", name);
	abort();
}

static json_t *parse(const struct member *m)
{
	json_t *value = NULL;

	assert_int_equal(json_parse(m->data, m->entry.size, m->entry.name, &value, NULL), 0);
	return value;
}

static void check_layer(const struct member *layer, const struct program *p)
{
	struct member m[16];

	assert_int_equal(members(layer->data, layer->entry.size, m), 3);
	assert_string_equal(m[0].entry.name, "usr/");
	assert_int_equal(m[0].entry.type, TAR_DIR);
	assert_string_equal(m[1].entry.name, "usr/bin/");
	assert_string_equal(m[2].entry.name, "usr/bin/probe");
	assert_int_equal(m[2].entry.mode, 0755);
	assert_int_equal(m[2].entry.size, sizeof(*p));
	assert_memory_equal(m[2].data, p, sizeof(*p));
}

static void check_config(const json_t *config, const struct member *layer, const char *architecture)
{
	const json_t *rootfs = json_object_get(config, "rootfs");
	const json_t *run = json_object_get(config, "config");
	const json_t *ids = json_object_get(rootfs, "diff_ids");
	char hex[DIGEST_HEX_MAX], want[DIGEST_HEX_MAX + 8];

	digest_hex(layer->data, layer->entry.size, hex);
	(void)snprintf(want, sizeof(want), "sha256:%s", hex);
	assert_int_equal(json_array_size(ids), 1);
	assert_string_equal(json_string_value(json_array_get(ids, 0)), want);
	assert_string_equal(json_get_string(rootfs, "type"), "layers");
	assert_string_equal(json_get_string(config, "os"), "linux");
	assert_string_equal(json_get_string(config, "architecture"), architecture);
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(run, "Entrypoint"), 0)),
		"/usr/bin/probe");
	assert_int_equal(json_array_size(json_object_get(config, "history")), 1);
}

static void check_image(uint16_t machine, const char *architecture)
{
	struct program p = make_program(machine);
	_cleanup_(strbuf_release) struct strbuf tar = STRBUF_INIT;
	_cleanup_json_ json_t *manifest = NULL;
	_cleanup_json_ json_t *config = NULL;
	const struct member *config_member, *layer;
	char hex[DIGEST_HEX_MAX];
	const json_t *image;
	struct member m[16];
	size_t n;

	assert_int_equal(image_build(REF, &p, sizeof(p), "/usr/bin/probe", &tar, NULL), 0);
	n = members(tar.data, tar.len, m);
	assert_int_equal(n, 3);
	manifest = parse(find(m, n, "manifest.json"));
	assert_int_equal(json_array_size(manifest), 1);
	image = json_array_get(manifest, 0);
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(image, "RepoTags"), 0)), REF);
	assert_int_equal(json_array_size(json_object_get(image, "Layers")), 1);
	layer = find(m, n, json_string_value(json_array_get(json_object_get(image, "Layers"), 0)));
	config_member = find(m, n, json_get_string(image, "Config"));
	digest_hex(config_member->data, config_member->entry.size, hex);
	assert_int_equal(strncmp(config_member->entry.name, hex, 64), 0);
	config = parse(config_member);
	check_config(config, layer, architecture);
	check_layer(layer, &p);
}

static void test_image(void **state)
{
	check_image(EM_X86_64, "amd64");
	check_image(EM_AARCH64, "arm64");
}

static void test_same_bytes(void **state)
{
	struct program p = make_program(EM_X86_64);
	_cleanup_(strbuf_release) struct strbuf a = STRBUF_INIT;
	_cleanup_(strbuf_release) struct strbuf b = STRBUF_INIT;

	assert_int_equal(image_build(REF, &p, sizeof(p), "/p", &a, NULL), 0);
	assert_int_equal(image_build(REF, &p, sizeof(p), "/p", &b, NULL), 0);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
}

static int build(const void *p, size_t len, const char *ref, const char *path)
{
	_cleanup_(strbuf_release) struct strbuf tar = STRBUF_INIT;
	struct error err = ERROR_INIT;
	int r = image_build(ref, p, len, path, &tar, &err);

	assert_int_equal(r, -err.code);
	assert_true(r == 0 || tar.len == 0);
	return r;
}

static void test_no_program(void **state)
{
	struct program p = make_program(EM_X86_64);

	assert_int_equal(build("#!/bin/sh\n", 10, REF, "/p"), -ENOEXEC);
	assert_int_equal(build("", 0, REF, "/p"), -ENOEXEC);
	assert_int_equal(build(&p, sizeof(p.elf) - 1, REF, "/p"), -ENOEXEC);
	p.segments[1].p_type = PT_INTERP;
	assert_int_equal(build(&p, sizeof(p), REF, "/p"), -ENOEXEC);
	/* A table that leads out of the file is not followed. */
	p.elf.e_phoff = UINT64_MAX - 8;
	assert_int_equal(build(&p, sizeof(p), REF, "/p"), 0);
	p.elf.e_phoff = sizeof(p) - 1;
	assert_int_equal(build(&p, sizeof(p), REF, "/p"), 0);
	p = make_program(EM_RISCV);
	assert_int_equal(build(&p, sizeof(p), REF, "/p"), -ENOEXEC);
	p = make_program(EM_X86_64);
	p.elf.e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(build(&p, sizeof(p), REF, "/p"), -ENOEXEC);
}

static void test_names(void **state)
{
	static const char *const BAD_REFS[] = { "",	 "probe", ":1",	   "probe:",
						"h:5/p", "P:1",	  "a b:1", "a\"b:1" };
	static const char *const BAD_PATHS[] = { "",	 "/",	  "p",	     "/a/",  "/a//b",
						 "/./p", "/../p", "/a/../b", "/a/.", "/.." };
	struct program p = make_program(EM_X86_64);

	for (size_t i = 0; i < ARRAY_SIZE(BAD_REFS); i++)
		assert_int_equal(build(&p, sizeof(p), BAD_REFS[i], "/p"), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(BAD_PATHS); i++)
		assert_int_equal(build(&p, sizeof(p), REF, BAD_PATHS[i]), -EINVAL);
	assert_int_equal(build(&p, sizeof(p), "h:5/p:1", "/..p/.q"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_image),
		cmocka_unit_test(test_same_bytes),
		cmocka_unit_test(test_no_program),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

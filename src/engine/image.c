#include "engine/image.h"

#include <elf.h>

#include "base/digest.h"
#include "base/json.h"
#include "engine/tar.h"

#define EPOCH "1970-01-01T00:00:00Z"

/* A dynamically linked program would fail in its empty image with a puzzling "no such file". */
static bool wants_interpreter(const unsigned char *binary, size_t len, const Elf64_Ehdr *elf)
{
	for (size_t i = 0; i < elf->e_phnum; i++) {
		size_t at = elf->e_phoff + i * sizeof(Elf64_Phdr);
		Elf64_Phdr segment;

		if (elf->e_phoff > len || at > len || len - at < sizeof(segment))
			return false;
		memcpy(&segment, binary + at, sizeof(segment));
		if (segment.p_type == PT_INTERP)
			return true;
	}
	return false;
}

/* Go's name of the architecture the program is for. */
static int read_architecture(const void *binary, size_t len, const char **ret, struct error *err)
{
	Elf64_Ehdr elf;

	if (len < sizeof(elf) || memcmp(binary, ELFMAG, SELFMAG) != 0)
		return error_set(err, ENOEXEC, "what shall go into the image is not a program");
	memcpy(&elf, binary, sizeof(elf));
	if (elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_ident[EI_DATA] != ELFDATA2LSB ||
	    (elf.e_machine != EM_X86_64 && elf.e_machine != EM_AARCH64))
		return error_set(err, ENOEXEC,
				 "the program for the image is neither for x86-64 nor for AArch64");
	if (wants_interpreter(binary, len, &elf))
		return error_set(err, ENOEXEC,
				 "the program for the image is not statically linked");
	*ret = elf.e_machine == EM_X86_64 ? "amd64" : "arm64";
	return 0;
}

static bool ref_valid(const char *ref)
{
	const char *slash = strrchr(ref, '/');
	const char *tag = strchr(slash ? slash : ref, ':');

	return strspn(ref, "abcdefghijklmnopqrstuvwxyz0123456789._/:-") == strlen(ref) && tag &&
	       tag != ref && tag[1] && strlen(ref) < 256;
}

static bool path_valid(const char *path)
{
	return path[0] == '/' && path[1] && path[strlen(path) - 1] != '/' && !strstr(path, "//") &&
	       !strstr(path, "/./") && !strstr(path, "/../") &&
	       strcmp(strrchr(path, '/'), "/.") != 0 && strcmp(strrchr(path, '/'), "/..") != 0;
}

#define LAYER "layer.tar"

/* The layer as a member of the archive: built where it stays, as programs are large. */
static int add_layer(const void *binary, size_t len, const char *path, struct strbuf *tar,
		     char digest[static DIGEST_HEX_MAX])
{
	unsigned char header[TAR_BLOCK] = { 0 };
	size_t at = tar->len, begin;
	int r = 0;

	strbuf_add(tar, header, sizeof(header)); /* its size is known at the end */
	begin = tar->len;
	for (const char *p = strchr(path + 1, '/'); r == 0 && p; p = strchr(p + 1, '/')) {
		_cleanup_free_ char *dir = strndup(path + 1, (size_t)(p - path) - 1);

		r = dir ? tar_add_dir(tar, dir, 0755) : -ENOMEM;
	}
	if (r == 0)
		r = tar_add_file(tar, path + 1, binary, len, 0755);
	if (r == 0)
		r = tar_add_end(tar);
	if (r == 0)
		r = tar_header(LAYER, TAR_FILE, 0644, tar->len - begin, header);
	if (r < 0)
		return r;
	memcpy(tar->data + at, header, sizeof(header));
	digest_hex(tar->data + begin, tar->len - begin, digest);
	return 0;
}

/* The image's configuration as text; NULL without memory. */
static char *build_config(const char *architecture, const char *path, const char *layer_digest)
{
	_cleanup_json_ json_t *config =
		json_pack("{s:s, s:s, s:s, s:{s:[s], s:s}, s:{s:s, s:[s+]}, s:[{s:s, s:s}]}", /* */
			  "architecture", architecture, "os", "linux", "created", EPOCH,      /* */
			  "config", "Entrypoint", path, "WorkingDir", "/",		      /* */
			  "rootfs", "type", "layers", "diff_ids", "sha256:", layer_digest,    /* */
			  "history", "created", EPOCH, "created_by", "berth " BERTH_VERSION);

	return config ? json_line(config) : NULL;
}

static int add_names(const char *ref, const char *config, struct strbuf *tar)
{
	char digest[DIGEST_HEX_MAX];
	_cleanup_free_ char *config_name = NULL, *manifest = NULL;
	_cleanup_json_ json_t *list = NULL;
	int r;

	digest_hex(config, strlen(config), digest);
	config_name = xasprintf("%s.json", digest);
	if (!config_name)
		return -ENOMEM;
	list = json_pack("[{s:s, s:[s], s:[s]}]", "Config", config_name, "RepoTags", ref, "Layers", LAYER);
	manifest = list ? json_line(list) : NULL;
	if (!manifest)
		return -ENOMEM;
	r = tar_add_file(tar, config_name, config, strlen(config), 0644);
	if (r == 0)
		r = tar_add_file(tar, "manifest.json", manifest, strlen(manifest), 0644);
	return r == 0 ? tar_add_end(tar) : r;
}

int image_build(const char *ref, const void *binary, size_t len, const char *path_in_image,
		struct strbuf *ret_tar, struct error *err)
{
	const size_t before = ret_tar->len;
	_cleanup_free_ char *config = NULL;
	char layer_digest[DIGEST_HEX_MAX];
	const char *architecture = NULL;
	int r;

	if (!ref_valid(ref))
		return error_set(err, EINVAL, "'%s' is not a name with a tag for an image", ref);
	if (!path_valid(path_in_image))
		return error_set(err, EINVAL, "'%s' is not a path for an image", path_in_image);
	r = read_architecture(binary, len, &architecture, err);
	if (r < 0)
		return r;
	r = add_layer(binary, len, path_in_image, ret_tar, layer_digest);
	if (r == 0) {
		config = build_config(architecture, path_in_image, layer_digest);
		r = config ? add_names(ref, config, ret_tar) : -ENOMEM;
	}
	if (r == 0)
		return 0;
	strbuf_cut(ret_tar, before);
	return error_errno(err, r, "build the image '%s'", ref);
}

#include "base/json.h"

int json_parse(const char *text, size_t len, const char *what, json_t **ret, struct error *err)
{
	json_error_t why;
	json_t *value;

	/* jansson skips a NUL byte behind a number. */
	if (memchr(text, '\0', len))
		return error_set(err, EINVAL, "%s is not valid JSON: it has a NUL byte", what);
	value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);

	if (!value)
		return error_set(err, EINVAL, "%s is not valid JSON: line %d, column %d: %s", what,
				 why.line, why.column, why.text);
	*ret = value;
	return 0;
}

const char *json_get_string(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

json_int_t json_get_int(const json_t *object, const char *key, json_int_t otherwise)
{
	const json_t *v = json_object_get(object, key);

	return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

bool json_get_bool(const json_t *object, const char *key, bool otherwise)
{
	const json_t *v = json_object_get(object, key);

	return json_is_boolean(v) ? json_is_true(v) : otherwise;
}

char *json_line(const json_t *value)
{
	return json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
}

bool json_has_string(const json_t *array, const char *text)
{
	json_t *value;
	size_t i;

	json_array_foreach(array, i, value) {
		const char *item = json_string_value(value);

		if (item && strcmp(item, text) == 0)
			return true;
	}
	return false;
}

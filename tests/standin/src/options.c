#include "options.h"

#include <string.h>

struct option_hit option_read(const struct option_row *rows, char *const argv[], int at)
{
	const char *word = argv[at];
	const char *equals;
	size_t length;

	if (word[0] != '-' || word[1] == '\0')
		return (struct option_hit){ .row = -2, .words = 1 };
	word += word[1] == '-' ? 2 : 1;
	equals = strchr(word, '=');
	length = equals ? (size_t)(equals - word) : strlen(word);
	for (int i = 0; rows[i].name; i++) {
		if (strlen(rows[i].name) != length || strncmp(rows[i].name, word, length) != 0)
			continue;
		if (equals || !rows[i].takes_value)
			return (struct option_hit){ i, equals ? equals + 1 : NULL, 1 };
		return (struct option_hit){ i, argv[at + 1], argv[at + 1] ? 2 : 1 };
	}
	return (struct option_hit){ .row = -1, .words = 1 };
}

bool option_true(struct option_hit hit)
{
	return !hit.value || (strcmp(hit.value, "false") != 0 && strcmp(hit.value, "0") != 0);
}

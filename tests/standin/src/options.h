/* Command lines the way Go's option packages read them: -name, --name, --name=value, --name value.
 */
#ifndef STANDIN_OPTIONS_H
#define STANDIN_OPTIONS_H

#include "common.h"

struct option_row {
	const char *name;
	bool takes_value;
};

struct option_hit {
	/* Which row; -1 an unknown one; -2 not an option at all. */
	int row;
	const char *value;
	/* How many words it takes. */
	int words;
};

/* What argv[at] is. A NULL ends the rows. */
struct option_hit option_read(const struct option_row *rows, char *const argv[], int at);

/* Of a boolean: --name is true, --name=false is not. */
bool option_true(struct option_hit hit);

#endif

/* Exit codes, as berth(8) documents them: what one berth is told of another that it has run. */
#ifndef NODE_EXIT_CODE_H
#define NODE_EXIT_CODE_H

enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_PENDING = 2, /* plan: changes are pending; verify: checks failed */
	EXIT_USAGE = 64,
	EXIT_BUSY = 75,
};

#endif

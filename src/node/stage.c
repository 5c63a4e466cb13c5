#include "node/stage.h"

#include "base/clock.h"
void stage_begin(struct stage *stage, const struct node *node, const char *phase, const char *name,
		 const char *summary)
{
	const struct observer *o = &node->observer;

	*stage = (struct stage){ o, name, phase, summary, monotonic_ms() };
	if (o->stage_begin)
		o->stage_begin(o->userdata, phase, name);
}

void stage_end(struct stage *stage, bool ok)
{
	const struct observer *o = stage->observer;

	if (stage->name && o->stage_end)
		o->stage_end(o->userdata, stage->phase, stage->name, stage->summary, ok,
			     monotonic_ms() - stage->start);
	*stage = (struct stage){ 0 };
}

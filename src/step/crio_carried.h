/* What the node's containerd says, which serves the kubelet until it is moved: CRI-O goes on with the same. */
#ifndef STEP_CRIO_CARRIED_H
#define STEP_CRIO_CARRIED_H

#include "base/strv.h"
#include "step/step.h"

/* NULL: it says nothing of that, or what CRI-O has by itself. */
struct crio_carried {
	char *pause;	   /* the image that every pod has */
	char *registries;  /* folder of mirrors */
	char *network_dir; /* of CNI's configurations; containerd's own default is CRI-O's too */
	char *plugin_dirs; /* of CNI's plugins, an array of TOML */
	struct strv left;  /* registries of which its own config has more, in the old way: that is not carried */
};

#define CRIO_CARRIED_INIT ((struct crio_carried){ 0 })
void crio_carried_release(struct crio_carried *carried);

/* Of one that does not tell, nothing. */
void crio_carried_read(struct step_context *ctx, struct crio_carried *ret);

#endif

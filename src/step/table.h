/* The steps there are; steps.c puts them in order. */
#ifndef STEP_TABLE_H
#define STEP_TABLE_H

#include "step/step.h"

extern const struct step step_preflight;
extern const struct step step_kernel;
extern const struct step step_program;
extern const struct step step_daemon_json;
extern const struct step step_docker;
extern const struct step step_sysbox;
extern const struct step step_pool;
extern const struct step step_services;
extern const struct step step_containerd;
extern const struct step step_crio;
extern const struct step step_budgets;
extern const struct step step_prune;
extern const struct step step_agent;

#endif

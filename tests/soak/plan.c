// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "tests/soak/soak.h"

#define AIM_US	4000

void soak_seed(struct soak_random *random, uint64_t seed, uint64_t stream)
{
	random->state = seed * 0x9e3779b97f4a7c15ULL + stream * 0xd1b54a32d192ed03ULL;
	soak_draw(random);
}

/* splitmix64 */
uint64_t soak_draw(struct soak_random *random)
{
	uint64_t x = random->state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

uint32_t soak_below(struct soak_random *random, uint32_t below)
{
	return (soak_draw(random) >> 32) % below;
}

bool soak_percent(struct soak_random *random, unsigned int percent)
{
	return soak_below(random, 100) < percent;
}

static enum soak_kind plan_kill(struct soak_random *random)
{
	static const struct {
		enum soak_kind kind;
		unsigned int percent;
	} kills[] = {
		{ SOAK_KILL_SOLE, 25 }, { SOAK_KILL_OLD, 35 }, { SOAK_KILL_NEW, 35 },
		{ SOAK_KILL_BOTH, 5 },
	};
	unsigned int i = 0, at = soak_below(random, 100);

	while (at >= kills[i].percent)
		at -= kills[i++].percent;
	return kills[i].kind;
}

static void plan_aim(struct soak_plan *plan, struct soak_action *action)
{
	bool aims = soak_percent(&plan->aims, plan->aimed);
	bool drain = soak_percent(&plan->aims, 75), at_once = soak_percent(&plan->aims, 50);
	unsigned int after_us = soak_below(&plan->aims, AIM_US);

	action->aim = SOAK_AIM_NOTHING;
	if (!aims || action->kind <= SOAK_KILL_SOLE)
		return;
	action->aim = drain ? SOAK_AIM_DRAIN : SOAK_AIM_JOIN;
	action->aim_us = at_once ? 0 : after_us;
	action->stop = SOAK_STOP_NOBODY;
}

/* Each action takes the same number of draws: a change of one changes no later action. */
bool soak_plan_next(struct soak_plan *plan, struct soak_action *action)
{
	static const unsigned int channels[] = { 1, 1, 2, 2, 4 };
	struct soak_random *random = &plan->random;
	enum soak_kind kill = plan_kill(random);
	bool stop = soak_percent(random, 20), old = soak_percent(random, 50);

	if (!plan->handovers && !plan->kills)
		return false;
	if (soak_below(random, plan->handovers + plan->kills) < plan->handovers) {
		plan->handovers--;
		action->kind = SOAK_HANDOVER;
	} else {
		plan->kills--;
		action->kind = kill;
	}
	action->first = soak_percent(random, 30);
	action->direct = soak_percent(random, 50);
	action->channels = channels[soak_below(random, sizeof(channels) / sizeof(channels[0]))];
	action->ctl = soak_percent(random, 15);
	action->stop = !stop ? SOAK_STOP_NOBODY : old ? SOAK_STOP_OLD : SOAK_STOP_NEW;
	action->stop_at = soak_below(random, 1000);
	action->stop_for = soak_below(random, 1000);
	action->kill_at = soak_below(random, 600);
	action->pause_ms = soak_percent(random, 80) ? 0 : soak_below(random, 200);
	if (action->kind == SOAK_KILL_SOLE)
		action->stop = SOAK_STOP_NOBODY;
	plan_aim(plan, action);
	return true;
}

void soak_action_print(const struct soak_action *action, char *text, size_t len)
{
	static const char *const kinds[SOAK_KINDS] = {
		[SOAK_HANDOVER] = "handover", [SOAK_KILL_SOLE] = "kill-sole",
		[SOAK_KILL_OLD] = "kill-old", [SOAK_KILL_NEW] = "kill-new",
		[SOAK_KILL_BOTH] = "kill-both",
	};
	static const char *const stops[] = {
		[SOAK_STOP_OLD] = "old", [SOAK_STOP_NEW] = "new",
	};
	static const char *const aims[] = {
		[SOAK_AIM_JOIN] = "join", [SOAK_AIM_DRAIN] = "drain",
	};
	size_t used;

	snprintf(text, len, "%s %s %s*%u %s pause=%u", kinds[action->kind],
		 action->first ? "first" : "second", action->direct ? "direct" : "buffered",
		 action->channels, action->ctl ? "dmuserctl" : "alone", action->pause_ms);
	for (used = 0; text[used]; used++)
		;
	if (action->stop != SOAK_STOP_NOBODY)
		used += snprintf(text + used, len - used, " stop-%s=%u+%u", stops[action->stop],
				 action->stop_at, action->stop_for);
	if (action->kind > SOAK_KILL_SOLE && action->aim != SOAK_AIM_NOTHING)
		snprintf(text + used, len - used, " kill=%s+%uus", aims[action->aim],
			 action->aim_us);
	else if (action->kind > SOAK_KILL_SOLE)
		snprintf(text + used, len - used, " kill=%u", action->kill_at);
}

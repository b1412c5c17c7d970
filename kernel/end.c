// SPDX-License-Identifier: GPL-2.0
/*
 * Bios end in a softirq, in whatever context the caller is: see dmu.h. A tasklet does it, because
 * 6.1 has no other softirq for a module. It runs on this processor when bottom halves are enabled
 * again, so before dmu_end_request() returns, or in ksoftirqd under load.
 */
#include <linux/interrupt.h>
#include <linux/percpu.h>

#include "dmu.h"

struct dmu_end {
	struct llist_head requests;
	struct tasklet_struct tasklet;
};

static struct dmu_end __percpu *dmu_ends;

static void dmu_end_all(struct tasklet_struct *tasklet)
{
	struct dmu_end *end = container_of(tasklet, struct dmu_end, tasklet);
	struct llist_node *list = llist_reverse_order(llist_del_all(&end->requests));
	struct dmu_request *req, *next;

	llist_for_each_entry_safe(req, next, list, ended)
		bio_endio(req->bio);
}

/* End the bio of @req, which is on no list. Process context, without a spinlock held. */
void dmu_end_request(struct dmu_request *req, blk_status_t status)
{
	struct dmu_end *end;

	req->bio->bi_status = status;
	local_bh_disable();
	end = this_cpu_ptr(dmu_ends);
	if (llist_add(&req->ended, &end->requests))
		tasklet_schedule(&end->tasklet);
	local_bh_enable();
}

/* 0 or -ENOMEM. */
int dmu_end_init(void)
{
	struct dmu_end *end;
	int cpu;

	dmu_ends = alloc_percpu(struct dmu_end);
	if (!dmu_ends)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		end = per_cpu_ptr(dmu_ends, cpu);
		init_llist_head(&end->requests);
		tasklet_setup(&end->tasklet, dmu_end_all);
	}
	return 0;
}

/* All bios have ended, but the tasklet may still return from the last bio_endio(). May sleep. */
void dmu_end_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		tasklet_kill(&per_cpu_ptr(dmu_ends, cpu)->tasklet);
	free_percpu(dmu_ends);
}

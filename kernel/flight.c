// SPDX-License-Identifier: GPL-2.0
/*
 * Flights: how to wait for bios that may have been mapped by an extent that is gone.
 *
 * A bio boards the current flight before it looks at the map, and leaves it when it ends. A change
 * of the map is seen by every bio that boards the next flight. So a sync begins a next flight, and
 * waits until the one before is empty.
 *
 * A flight has a count for each processor, since a bio may leave on another one than it boarded on:
 * the bios on board are the sum. To board and to leave are sections of RCU, without a barrier or a
 * common cache line. After a grace period no bio boards the flight before any more, and every bio
 * that leaves it sees that it lands. From then on the counts only go down, so a sum of zero is
 * final although the counts are read one after the other.
 */
#include "dmu.h"

/* 0 or -ENOMEM. */
int dmu_flights_init(struct dmu_flights *flights)
{
	struct dmu_flight *flight;
	unsigned int i;

	mutex_init(&flights->lock);
	for (i = 0; i < ARRAY_SIZE(flights->flights); i++) {
		flight = &flights->flights[i];
		init_waitqueue_head(&flight->left);
		flight->aboard = alloc_percpu(long);
		if (!flight->aboard)
			goto err_exit;
	}
	return 0;

err_exit:
	dmu_flights_exit(flights);
	return -ENOMEM;
}

/* No bio is on board. The struct was zero before dmu_flights_init(). */
void dmu_flights_exit(struct dmu_flights *flights)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flights->flights); i++)
		free_percpu(flights->flights[i].aboard);
}

static bool dmu_flight_empty(const struct dmu_flight *flight)
{
	long aboard = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		aboard += READ_ONCE(*per_cpu_ptr(flight->aboard, cpu));
	return !aboard;
}

/* Wait until the other flight is empty, and let it be used again. 0 or -ERESTARTSYS. */
static int dmu_flights_wait(struct dmu_flights *flights)
{
	struct dmu_flight *other = &flights->flights[!flights->current_flight];
	int ret;

	lockdep_assert_held(&flights->lock);
	if (!other->landing)
		return 0;
	ret = wait_event_killable(other->left, dmu_flight_empty(other));
	if (ret)
		return ret;
	/* Pairs with dmu_flight_leave(). */
	smp_mb();
	WRITE_ONCE(other->landing, false);
	return 0;
}

/*
 * Wait for all bios that boarded before this call, and so were perhaps mapped by extents that are
 * gone. If the caller is killed meanwhile, any later caller waits for them, too. 0, -EINTR or
 * -ERESTARTSYS.
 */
int dmu_flights_sync(struct dmu_flights *flights)
{
	int ret;

	ret = mutex_lock_killable(&flights->lock);
	if (ret)
		return ret;
	ret = dmu_flights_wait(flights);
	if (!ret) {
		WRITE_ONCE(flights->flights[flights->current_flight].landing, true);
		/* Pairs with dmu_flight_board(): the changes before this call come first. */
		smp_store_release(&flights->current_flight, !flights->current_flight);
		synchronize_rcu();
		ret = dmu_flights_wait(flights);
	}
	mutex_unlock(&flights->lock);
	return ret;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Flights: how to wait for bios that may have been mapped by an extent that is gone.
 *
 * A bio boards the current flight before it looks at the map, and leaves it when it ends. A change
 * of the map is seen by every bio that boards the next flight. So a sync begins a next flight, and
 * waits until the one before is empty.
 */
#include "dmu.h"

static void dmu_flight_landed(struct percpu_ref *ref)
{
	complete(&container_of(ref, struct dmu_flight, ref)->landed);
}

/* 0 or -ENOMEM. */
int dmu_flights_init(struct dmu_flights *flights)
{
	unsigned int i;

	mutex_init(&flights->lock);
	for (i = 0; i < ARRAY_SIZE(flights->flights); i++) {
		init_completion(&flights->flights[i].landed);
		if (percpu_ref_init(&flights->flights[i].ref, dmu_flight_landed,
				    PERCPU_REF_ALLOW_REINIT, GFP_KERNEL))
			goto err_exit;
	}
	return 0;

err_exit:
	while (i--)
		percpu_ref_exit(&flights->flights[i].ref);
	return -ENOMEM;
}

/* No bio boards any more. May sleep. */
void dmu_flights_exit(struct dmu_flights *flights)
{
	unsigned int i;

	if (flights->landing)
		wait_for_completion(&flights->flights[!flights->current_flight].landed);
	for (i = 0; i < ARRAY_SIZE(flights->flights); i++)
		percpu_ref_exit(&flights->flights[i].ref);
}

/* @req boards the current flight. */
void dmu_flight_board(struct dmu_flights *flights, struct dmu_request *req)
{
	struct dmu_flight *flight;

	/* No sync can end a flight, and let it begin again, between the load and the get. */
	rcu_read_lock();
	do {
		/* Pairs with dmu_flights_sync(): a bio of the next flight sees the change. */
		flight = &flights->flights[smp_load_acquire(&flights->current_flight)];
	} while (!percpu_ref_tryget_live(&flight->ref));
	rcu_read_unlock();
	req->flight = flight;
}

void dmu_flight_leave(struct dmu_request *req)
{
	if (req->flight)
		percpu_ref_put(&req->flight->ref);
	req->flight = NULL;
}

/* Wait until the other flight is empty, and let it be used again. 0 or -ERESTARTSYS. */
static int dmu_flights_wait(struct dmu_flights *flights)
{
	struct dmu_flight *other = &flights->flights[!flights->current_flight];
	int ret;

	lockdep_assert_held(&flights->lock);
	if (!flights->landing)
		return 0;
	ret = wait_for_completion_killable(&other->landed);
	if (ret)
		return ret;
	percpu_ref_reinit(&other->ref);
	flights->landing = false;
	return 0;
}

/*
 * Wait for all bios that boarded before this call, and so were perhaps mapped by extents that are
 * gone. If the caller is killed meanwhile, any later caller waits for them, too. 0, -EINTR or
 * -ERESTARTSYS.
 */
int dmu_flights_sync(struct dmu_flights *flights)
{
	struct dmu_flight *flight;
	int ret;

	ret = mutex_lock_killable(&flights->lock);
	if (ret)
		return ret;
	ret = dmu_flights_wait(flights);
	if (!ret) {
		flight = &flights->flights[flights->current_flight];
		reinit_completion(&flight->landed);
		flights->landing = true;
		/* Pairs with dmu_flight_board(): the changes before this call come first. */
		smp_store_release(&flights->current_flight, !flights->current_flight);
		percpu_ref_kill(&flight->ref);
		ret = dmu_flights_wait(flights);
	}
	mutex_unlock(&flights->lock);
	return ret;
}

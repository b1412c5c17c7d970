// SPDX-License-Identifier: GPL-2.0
/*
 * The device file of a control node. It has a device number of its own and is no misc device: misc
 * devices are opened under one lock, whose holder may wait for memory, and so for the I/O of a
 * device whose daemon wants to open its node. An open here waits for no lock holder.
 */
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/xarray.h>

#include "compat.h"
#include "dmu.h"

#define DMU_DEVICES	(MINORMASK + 1)

static DEFINE_XARRAY_ALLOC(dmu_devices);	/* nodes by minor number, until they are dead */
static struct class *dmu_device_class;
static int dmu_device_major;

int dmu_device_init(void)
{
	int major;

	dmu_device_class = dmu_class_create("dm-user");
	if (IS_ERR(dmu_device_class))
		return PTR_ERR(dmu_device_class);
	major = __register_chrdev(0, 0, DMU_DEVICES, "dm-user", &dmu_channel_fops);
	if (major < 0) {
		class_destroy(dmu_device_class);
		return major;
	}
	dmu_device_major = major;
	return 0;
}

void dmu_device_exit(void)
{
	__unregister_chrdev(dmu_device_major, 0, DMU_DEVICES, "dm-user");
	class_destroy(dmu_device_class);
	xa_destroy(&dmu_devices);
}

/*
 * Make @node's device file. @node must be ready, as a process may open it before this function
 * returns. 0; -ENOMEM; -EBUSY: no number is left. May sleep; the caller keeps allocations from I/O.
 */
int dmu_device_add(struct dmu_node *node)
{
	struct device *device;
	u32 minor;
	int ret;

	/*
	 * The lowest free number: if a file stays in /dev for lack of memory to remove it, the next
	 * node of that name most likely gets its number.
	 */
	ret = xa_alloc(&dmu_devices, &minor, node, XA_LIMIT(0, MINORMASK), GFP_KERNEL);
	if (ret)
		return ret;
	node->devt = MKDEV(dmu_device_major, minor);
	device = device_create(dmu_device_class, NULL, node->devt, NULL, "%s", node->name);
	if (IS_ERR(device)) {
		xa_erase(&dmu_devices, minor);
		return PTR_ERR(device);
	}
	return 0;
}

/* No lookup finds @node any more, but an open() that has found it may still be in progress. */
void dmu_device_remove(struct dmu_node *node)
{
	xa_erase(&dmu_devices, MINOR(node->devt));
	device_destroy(dmu_device_class, node->devt);
}

/* The node with number @devt, with a reference for the caller, or NULL. */
struct dmu_node *dmu_device_find(dev_t devt)
{
	struct dmu_node *node;

	xa_lock(&dmu_devices);
	node = xa_load(&dmu_devices, MINOR(devt));
	if (node)
		kref_get(&node->ref);
	xa_unlock(&dmu_devices);
	return node;
}

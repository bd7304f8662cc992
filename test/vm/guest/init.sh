#!/bin/sh
# The first process of the guest: mounts, loads, starts udev, hands over to the questions, and switches off.
# Kernel messages go to the first serial line, the report to the second.
export PATH=/usr/bin:/bin
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
exec </dev/null >/dev/ttyS1 2>&1
stty raw -echo </dev/ttyS1
hostname guest
ip link set lo up
for module in /modules/*.ko; do
  insmod "$module" || echo "# $module cannot be loaded"
done
mount -t configfs config /sys/kernel/config
/usr/lib/systemd/systemd-udevd --daemon
echo "# init $(cut -d ' ' -f 1 /proc/uptime) s"
cd /claviger
export NODE_COMPILE_CACHE=/claviger/node_modules/.cache/claviger TAP_TIMEOUT=0 HOME=/root TMPDIR=/tmp CI="$CI"
node test/vm/guest/main.js
echo "# status $?"
dmesg | grep -E "segfault|general protection|traps:|BUG:|Out of memory" | sed "s/^/# kernel: /"
echo "# end $(cut -d ' ' -f 1 /proc/uptime) s"
poweroff -f

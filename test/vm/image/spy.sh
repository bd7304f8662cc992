#!/bin/sh
# A shell for the test, beside the device and outside of everything that it mounts: on a root of its own, with the programs
# of the first root. It answers on a port that only the virtual machine has.
for each in cut df du find head kill ls od ps readlink rm sort stty tail touch tr wc; do busybox ln -s busybox /bin/$each; done
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
port() { for each in /dev/vport*p"$1"; do [ -c "$each" ] && echo "$each" && return; done; return 1; }
until port 1 >/dev/null; do sleep 0.2; done
while :; do
  sh <>"$(port 1)" >&0 2>&1
  sleep 0.2
done

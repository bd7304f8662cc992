#!/bin/sh
# The first program of the device: finds the card, checks the root as it is read, mounts, and hands over to systemd.
# docs/formats/image.md, "The first root".
PATH=/bin
export PATH

say() { echo "claviger: $*" >/dev/kmsg; }

# A device that cannot go on starts again; a card that is worn may be read the next time.
fail() {
  say "$*"
  sleep 10
  reboot -f
}

# The watchdog runs from the first opening on and is fed by each step; systemd takes it over.
feed() { [ ! -c /dev/watchdog ] || echo >/dev/watchdog; }

mount -t devtmpfs -o nosuid,noexec dev /dev
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sys /sys
mount -t tmpfs -o nosuid,nodev,noexec,mode=755 run /run

# Everything that the device ever loads. An archive that a test puts behind this one brings modules of its own.
for list in /modules/order /modules/more; do
  [ -r "$list" ] || continue
  while read -r module; do
    insmod "/modules/$module.ko" 2>/dev/null || say "the module $module does not load"
  done <"$list"
done
feed

. /etc/claviger/slot

# The card is the disk whose master boot record has our number; nothing else that is plugged in is looked at.
find_card() {
  for path in /sys/block/*; do
    name=${path##*/}
    case $name in mmcblk*boot* | mmcblk*rpmb | loop* | ram* | dm-*) continue ;; esac
    [ "$(dd if="/dev/$name" bs=4 skip=110 count=1 2>/dev/null | hexdump -e '1/4 "%08x"')" = "$DISK_ID" ] || continue
    card=$name
    return 0
  done
  return 1
}
tries=0
until find_card; do
  tries=$((tries + 1))
  [ "$tries" -lt 150 ] || fail "there is no card with the number $DISK_ID"
  sleep 0.1
done
feed

# partition N, as /dev knows it
partition() {
  for path in "/sys/block/$card"/*/partition; do
    read -r number <"$path"
    [ "$number" = "$1" ] || continue
    path=${path%/partition}
    echo "/dev/${path##*/}"
    return 0
  done
  return 1
}
boot=$(partition 1) && root=$(partition "$ROOT") && data=$(partition 4) || fail "a partition is missing on $card"

# A block of the root that is not what the image had ends in a panic.
# devtmpfs makes the node
dmsetup create root --readonly --noudevsync --noudevrules --table "$(echo "$TABLE" | sed "s|@|$root|g")" ||
  fail "the root cannot be set up"
mount -t squashfs -o ro,nosuid,nodev /dev/dm-0 /sysroot || fail "the root cannot be mounted"
feed

mkdir -m 755 /run/claviger
fault() {
  say "$*"
  echo "$*" >>/run/claviger/fault
}

# The state sector says whether the data partition was ever made. Only then is a damaged one told from a new one.
state() { dd if="/dev/$card" bs=512 skip="$STATE_SECTOR" count=1 2>/dev/null | sed -n 's/^data=\([a-z]*\)$/\1/p'; }
case $(state) in
new)
  say "making the data partition"
  # few inodes and a small journal: a slow card has to be done before the watchdog bites
  mke2fs -q -F -t ext4 -m 0 -N 8192 -J size=8 -L data -O ^metadata_csum_seed,^orphan_file -E nodiscard,lazy_itable_init=0 "$data" ||
    fail "the data partition cannot be made"
  sync
  printf 'claviger-state 1\ndata=made\n' |
    dd of="/dev/$card" bs=512 seek="$STATE_SECTOR" conv=sync,fsync 2>/dev/null || fail "the state cannot be written"
  ;;
made) ;;
*) fault "the state sector cannot be read: the data partition is left as it is" ;;
esac
feed
if [ ! -e /run/claviger/fault ]; then
  e2fsck -p "$data" >/run/claviger/e2fsck 2>&1
  [ $? -lt 4 ] || fault "the data partition is damaged and is left as it is"
fi
feed
[ -e /run/claviger/fault ] || mount -t ext4 -o nosuid,nodev,noexec,noatime "$data" /sysroot/data ||
  fault "the data partition cannot be mounted"

# What belongs to whom. Numbers as in /etc/passwd of the root.
own() {
  mkdir -p -m "$1" "$3"
  chown "$2" "$3"
  chmod "$1" "$3"
}
own 2750 "$KEEPER:$GATE" /run/claviger/keeper
own 2750 "$HEALTH:$GATE" /run/claviger/health
own 750 "0:$CARD" /run/claviger/card
if [ ! -e /run/claviger/fault ]; then
  own 700 "$KEEPER:$KEEPER" /sysroot/data/keeper
  own 700 "$GATE:$GATE" /sysroot/data/gate
  own 700 0:0 /sysroot/data/secret
  secret=/sysroot/data/secret/device-secret
  if [ ! -s "$secret" ]; then
    (umask 277 && dd if=/dev/urandom of="$secret.new" bs=32 count=1 conv=fsync 2>/dev/null) && mv "$secret.new" "$secret"
    sync
  fi
fi

# Nothing of the card is trusted as configuration but this file; one that is blank is none.
mount -t vfat -o ro,nosuid,nodev,noexec "$boot" /boot &&
  grep -q '[^[:space:]]' /boot/provision.json 2>/dev/null &&
  cp /boot/provision.json /run/claviger/card/provision.json &&
  chmod 440 /run/claviger/card/provision.json && chown "0:$CARD" /run/claviger/card/provision.json
umount /boot 2>/dev/null
for module in vfat fat nls_cp437 nls_ascii; do rmmod "$module" 2>/dev/null; done

# The light and the button are the keeper's. Blinking is its work: files of a trigger would belong to root again.
for led in /sys/class/leds/ACT /sys/class/leds/*; do
  [ -e "$led/brightness" ] || continue
  echo none >"$led/trigger" 2>/dev/null
  own 755 0:0 /run/claviger/led
  mount -o bind "$led" /run/claviger/led && chown "$KEEPER" "$led/brightness" && panel="--led /run/claviger/led"
  break
done
for input in /sys/class/input/event*; do
  [ "$(cat "$input/device/name" 2>/dev/null)" = gpio-keys ] || continue
  mv "/dev/input/${input##*/}" /dev/claviger-button && chmod 400 /dev/claviger-button &&
    chown "$KEEPER" /dev/claviger-button && panel="$panel --button /dev/claviger-button"
  break
done
echo "PANEL=$panel" >/run/claviger/panel

# There is no clock that runs without power: it starts at what is known to have been.
newest=$EPOCH
for file in /sysroot/data/keeper/audit/*/*; do
  [ -f "$file" ] || continue
  time=$(stat -c %Y "$file")
  [ "$time" -le "$newest" ] || newest=$time
done
[ "$(date +%s)" -ge "$newest" ] || date -s "@$newest" >/dev/null

mount -t configfs -o nosuid,nodev,noexec configfs /sys/kernel/config 2>/dev/null
mount -t tmpfs -o nosuid,nodev,noexec,mode=1777,size=16m tmp /sysroot/tmp

while read -r key value; do
  echo "$value" >"/proc/sys/$key" 2>/dev/null || say "$key cannot be set"
done </etc/claviger/sysctl
say "handing over"

# From here on the kernel is what it is until the next start.
echo 1 >/proc/sys/kernel/modules_disabled || fail "modules can still be loaded"
for place in dev proc sys run; do mount -o move "/$place" "/sysroot/$place"; done
exec switch_root /sysroot /usr/lib/systemd/systemd

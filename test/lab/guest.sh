#!/bin/bash
# Runs as the virtual machine's first program after init: starts each test program, writes whether all passed into
# OUTPUT/status and turns the machine off.
#   guest.sh OUTPUT ROOT
output=$1
root=$2
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
busybox() { "$root/bin/busybox" "$@"; }

end() {
  echo "$1" > "$output/status"
  sync
  busybox poweroff -f
}

exec > /dev/ttyS1 2>&1 < /dev/null
busybox stty -F /dev/ttyS1 raw
mount -t cgroup2 cgroup /sys/fs/cgroup
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
ip link set lo up
while read -r module; do
  /run/lab/modprobe "$module" || { echo "lab: cannot load the module $module"; end 1; }
done < "$output/modules"
echo "lab: up after $(cut -d ' ' -f 1 /proc/uptime) s"
status=0
ran=0
while read -r -a program; do
  ran=$((ran + 1))
  "${program[@]}" || status=1
done < "$output/programs"
[ "$ran" -gt 0 ] || status=1
end "$status"

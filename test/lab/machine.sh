#!/usr/bin/env bash
# Boots a virtual machine with a real SR-IOV card and runs test programs in it: QEMU's igb, an Intel 82576 with seven
# virtual functions, behind an IOMMU. The machine's kernel is Debian's; its root is this machine's own, read-only, with
# a layer in memory over it, so that the very programs that were built here run there. Nothing is installed: QEMU, the
# kernel and busybox are unpacked in the cache folder.
#
#   machine.sh prepare            fetch and unpack what is needed; prints the folder
#   machine.sh run [--filter REGEX] PROGRAM...
#                                 boot, run the tests of each GoogleTest program (those whose names match), exit with
#                                 0 if all passed. What it leaves is in $XPU_LAB_OUTPUT, else in a new folder under
#                                 /tmp that goes if all is well.
#   machine.sh boot OUTPUT DISK COMMAND...
#                                 boot without the card, with a disk that an NBD server on the unix socket DISK gives
#                                 it, and run one command there, whose output is this one's. QEMU is this process then.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
cache=${XPU_CACHE:-${HOME:-/root}/.cache/xpu}/lab
# How long the machine may run before it is taken for hung, in seconds. Without KVM it is some twenty times slower than
# the machine it runs on.
limit=${XPU_LAB_TIMEOUT:-900}
# What the tests use, beside what starts the machine.
modules=(igb igbvf vfio-pci openvswitch vxlan cls_flower sch_ingress act_mirred act_vlan act_pedit act_csum act_police
  act_tunnel_key bridge vrf 8021q veth virtio_console)
boot_modules=(virtio_pci 9pnet_virtio 9p overlay)

say() { echo "lab: $*" >&2; }
fail() {
  say "$*"
  exit 1
}

# Debian 12's own QEMU (7.2) has no igb, its backports have. Their source is read beside the machine's own, from the
# same mirror, by an apt with lists and archives of its own: the machine's configuration stays as it is.
apt_options() {
  local codename mirror
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  mirror=$(apt-get indextargets --format '$(REPO_URI)' "Created-By: Packages" "Codename: $codename" | sort -u | head -n 1)
  if [ -z "$mirror" ]; then
    # The machine has never read its lists.
    apt-get update > /dev/null || fail "apt-get update failed"
    mirror=$(apt-get indextargets --format '$(REPO_URI)' "Created-By: Packages" "Codename: $codename" | sort -u | head -n 1)
  fi
  [ -n "$mirror" ] || fail "apt has no source of Debian '$codename' whose backports could be read; see /etc/apt/sources.list.d"
  mkdir -p "$work/sources" "$work/lists/partial" "$work/archives/partial"
  find /etc/apt/sources.list.d -name '*.sources' -o -name '*.list' | xargs -r cp -t "$work/sources"
  cat > "$work/sources/xpu-backports.sources" <<TEXT
Types: deb
URIs: $mirror
Suites: $codename-backports
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
TEXT
  apt=(-o "Dir::Etc::sourceparts=$work/sources" -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work"
       -o "Dir::Cache::archives=$work/archives" -o APT::Sandbox::User=root -o Debug::NoLocking=1)
  suite=$codename-backports
}

# What QEMU needs to run from the cache.
qemu_environment=("LD_LIBRARY_PATH=$cache/root/usr/lib/x86_64-linux-gnu:$cache/root/lib/x86_64-linux-gnu"
  "QEMU_MODULE_DIR=$cache/root/usr/lib/x86_64-linux-gnu/qemu")

usable() {
  [ -e "$cache/complete" ] || return 1
  # The libraries that this machine had already are not in the cache, and may have gone since.
  ! env "${qemu_environment[@]}" ldd "$cache/root/usr/bin/qemu-system-x86_64" | grep -q 'not found'
}

prepare() {
  mkdir -p "$cache"
  exec 9> "$cache/lock"
  flock 9
  if ! usable; then
    say "fetching QEMU and a kernel into $cache"
    rm -rf "$cache/complete" "$cache/root" "$cache"/work.*
    work=$(mktemp -d "$cache/work.XXXXXX")
    local log=$work/log suite apt kernel
    {
      apt_options
      apt-get "${apt[@]}" update
      apt-get "${apt[@]}" -t "$suite" install -y --no-install-recommends --download-only qemu-system-x86
      kernel=$(apt-cache "${apt[@]}" --no-all-versions show linux-image-amd64 | sed -n 's/^Depends: \(linux-image-[^ ]*\).*/\1/p')
      cd "$work/archives"
      apt-get "${apt[@]}" download busybox-static "$kernel"
      for package in *.deb; do dpkg-deb -x "$package" "$work/root"; done
      "$work/root/bin/busybox" depmod -b "$work/root" "${kernel#linux-image-}"
      cd "$here"
    } > "$log" 2>&1 || { tail -n 20 "$log" >&2; fail "that failed; the lines above are the end of $log"; }
    mv "$work/root" "$cache/root"
    rm -rf "$work"
    touch "$cache/complete"
    usable || fail "QEMU lacks libraries that apt takes for installed: $(env "${qemu_environment[@]}" ldd "$cache/root/usr/bin/qemu-system-x86_64" | grep 'not found')"
  fi
  exec 9>&-
}

# initramfs FILE: busybox, the modules that reach the root file system, and init.
initramfs() {
  local root tree module file
  root=$cache/root
  tree=$output/initramfs
  mkdir -p "$tree"/{bin,proc,sys,dev,mnt,lib/modules/"$version"}
  cp "$root/bin/busybox" "$tree/bin/busybox"
  cp "$here/init" "$tree/init"
  cp "$root/lib/modules/$version"/modules.{dep,alias,symbols,builtin,order} "$tree/lib/modules/$version/"
  for module in "${boot_modules[@]}"; do
    # A line of modules.dep: the module, a colon, and all that it needs.
    for file in $(grep -E "/${module//[-_]/[-_]}\.ko[^:]*:" "$root/lib/modules/$version/modules.dep" | tr -d :); do
      install -D "$root/lib/modules/$version/$file" "$tree/lib/modules/$version/$file"
    done
  done
  (cd "$tree" && find . | "$root/bin/busybox" cpio -o -H newc 2> /dev/null | gzip -1) > "$1"
  rm -rf "$tree"
}

# summary XML...: one line of numbers.
summary() {
  cat /dev/null "$@" 2> /dev/null | sed -n 's/.*<testsuites tests="\([0-9]*\)" failures="\([0-9]*\)" disabled="[0-9]*" errors="\([0-9]*\)".*/\1 \2 \3/p' |
    awk '{ all += $1; bad += $2 + $3 } END { printf "%d passed, %d failed\n", all - bad, bad }'
}

# Sets `machine`: QEMU with what every machine has. Needs $output and $version.
describe_machine() {
  local accelerator=tcg,thread=multi cpu=Nehalem
  # A /dev/kvm that opens is not enough: where it is not the processor's own virtualisation it needs other guests.
  if [ -w /dev/kvm ] && { [ -e /sys/module/kvm_intel ] || [ -e /sys/module/kvm_amd ]; }; then
    accelerator=kvm,kernel-irqchip=split
    cpu=host
  fi
  machine=("$cache/root/usr/bin/qemu-system-x86_64"
    -L "$cache/root/usr/share/qemu" -L "$cache/root/usr/share/seabios" -L "$cache/root/usr/lib/ipxe/qemu"
    -machine q35 -accel "$accelerator" -cpu "$cpu" -nodefaults -no-user-config -no-reboot -display none
    -kernel "$cache/root/boot/vmlinuz-$version" -initrd "$output/initramfs.gz"
    -append "console=ttyS0 quiet loglevel=5 panic=-1 sysctl.kernel.panic_on_rcu_stall=1 intel_iommu=on lab.output=$output lab.root=$cache/root"
    -serial "file:$output/console.log" -serial stdio
    -virtfs "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap"
    -virtfs "local,path=$output,mount_tag=output,security_model=none")
  say "booting Linux $version (${accelerator%%,*}); its console is $output/console.log"
}

boot() {
  local version output=$1 disk=$2 machine
  shift 2
  prepare
  output=$(readlink -f "$output")
  version=$(basename "$cache"/root/lib/modules/*)
  printf '%s\n' virtio_blk ext4 > "$output/modules"
  echo "$*" > "$output/programs"
  cp "$here/guest.sh" "$output/guest.sh"
  initramfs "$output/initramfs.gz"
  describe_machine
  # Flushes reach the disk (cache.no-flush=off), and nothing is kept here that has not reached it (cache.direct).
  exec env "${qemu_environment[@]}" "${machine[@]}" -smp 2 -m 1024 \
    -blockdev "driver=nbd,node-name=disk,server.type=unix,server.path=$disk,cache.direct=on,cache.no-flush=off" \
    -device virtio-blk-pci,drive=disk,write-cache=on < /dev/null
}

run() {
  local version output keep=1 status attempt program tests machine filter=
  if [ "${1:-}" = --filter ]; then
    filter=${2:?--filter needs a regular expression}
    shift 2
  fi
  prepare
  output=${XPU_LAB_OUTPUT:-}
  if [ -z "$output" ]; then
    output=$(mktemp -d /tmp/xpu-lab.XXXXXX)
    keep=0
  fi
  mkdir -p "$output"
  output=$(readlink -f "$output")
  rm -f "$output"/{status,console.log,qmp,programs,*.xml}
  version=$(basename "$cache"/root/lib/modules/*)
  for program in "$@"; do
    # "Suite.", then "  Test" and perhaps a comment, to "Suite.Test".
    tests=$("$program" --gtest_list_tests |
      awk '/^[^ ]+\.( |$)/ { suite = $1 } /^  / { print suite $1 }' | grep -E -- "$filter" | paste -sd :) || continue
    echo "$(readlink -f "$program") --gtest_filter=$tests --gtest_color=no --gtest_output=xml:$output/$(basename "$program").xml" >> "$output/programs"
  done
  [ -e "$output/programs" ] || fail "no test matches '$filter'"
  printf '%s\n' "${modules[@]}" > "$output/modules"
  cp "$here/guest.sh" "$output/guest.sh"
  initramfs "$output/initramfs.gz"
  describe_machine
  # The monitor's socket has two ends here: the monitor, and a serial port of the machine, so that a test in it can
  # pull a card out or its cable.
  for attempt in 1 2 3; do
    status=0
    env "${qemu_environment[@]}" timeout --foreground "$limit" "${machine[@]}" -smp 2 -m 3072 \
      -device intel-iommu,intremap=off \
      -netdev user,id=wire0,restrict=on \
      -device pcie-root-port,id=slot0,chassis=1,slot=1 -device igb,id=card0,bus=slot0,netdev=wire0,mac=52:54:00:1a:b0:00 \
      -device virtio-serial-pci -chardev "socket,id=monitor,path=$output/qmp,server=on,wait=off" -mon chardev=monitor,mode=control \
      -chardev "socket,id=port,path=$output/qmp" -device virtserialport,chardev=port,name=qmp \
      < /dev/null || status=$?
    # An emulated processor now and then sleeps on although its timer is due, and all that waits for it with it. Its
    # kernel says so and panics; what was tested has no part in it.
    [ ! -e "$output/status" ] && grep -q "timer wakeup didn't happen" "$output/console.log" || break
    say "the emulator has lost a timer in attempt $attempt of 3, as $output/console.log tells"
    rm -f "$output"/{qmp,*.xml}
  done
  if [ ! -e "$output/status" ]; then
    tail -n 30 "$output/console.log" >&2
    [ "$status" = 124 ] && fail "the machine had not come to its end after $limit s; $output/console.log"
    fail "the machine ended ($status) without a result; $output/console.log"
  fi
  status=$(cat "$output/status")
  summary "$output"/*.xml
  if [ "$status" = 0 ] && [ $keep = 0 ]; then
    rm -rf "$output"
  elif [ "$status" != 0 ]; then
    say "the console's log and the results are in $output"
  fi
  return "$status"
}

command=${1:-}
[ $# -gt 0 ] && shift
case "$command" in
  prepare) prepare && echo "$cache" ;;
  run) run "$@" ;;
  boot) boot "$@" ;;
  *) fail "usage: machine.sh prepare | run [--filter REGEX] PROGRAM... | boot OUTPUT DISK COMMAND..." ;;
esac

#!/usr/bin/env bash
# Unpacks Debian's build of ovs-vswitchd with DPDK, and the DPDK libraries that it needs, into the cache, and prints
# the folder; a second call finds it there. Nothing is installed: the packages would start an Open vSwitch on this
# machine and take the place of its ovs-vswitchd.
#
#   DIR/ovs-vswitchd-dpdk   the daemon
#   DIR/lib                 its libraries, for LD_LIBRARY_PATH
#
# usage: unpack-openvswitch-dpdk.sh [CACHE_DIR]     default: ${XPU_CACHE:-${XDG_CACHE_HOME:-~/.cache}/xpu}
set -euo pipefail

cache=${1:-${XPU_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/xpu}}
# Of another version of this script another one.
dir=$cache/openvswitch-dpdk-$(sha256sum < "$0" | cut -c1-16)
# Beside what the daemon is linked to: memory pools, devices that are no hardware, and ports on an interface of the
# kernel.
packages=(openvswitch-switch-dpdk librte-mempool-ring23 librte-bus-vdev23 librte-net-af-packet23)

usable() {
  [ -e "$dir/complete" ] || return 1
  # Libraries that this machine had already are not in the cache, and may have gone since.
  ! LD_LIBRARY_PATH=$dir/lib ldd "$dir/ovs-vswitchd-dpdk" | grep -q 'not found'
}

if ! usable; then
  mkdir -p "$cache"
  exec 9> "$cache/openvswitch-dpdk.lock"
  flock 9  # two at once: the second waits and finds the work done
fi
if ! usable; then
  echo "unpacking Open vSwitch with DPDK into $dir (once)" >&2
  work=$(mktemp -d "$cache/openvswitch-dpdk.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work/archives/partial"
  fetch() {
    apt-get -o Acquire::http::Timeout=20 -o "Dir::Cache=$work" -o "Dir::Cache::archives=$work/archives" \
      -o APT::Sandbox::User=root -o Debug::NoLocking=1 install -y --no-install-recommends --reinstall --download-only "${packages[@]}"
  }
  {
    # Lists that were never read, or are too old for the archive.
    fetch || { apt-get -o Acquire::http::Timeout=20 update && fetch; }
    for package in "$work"/archives/*.deb; do dpkg-deb -x "$package" "$work/root"; done
    mv "$work"/root/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk "$work/"
    mv "$work"/root/usr/lib/*-linux-gnu "$work/lib"
  } > "$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    echo "unpack-openvswitch-dpdk: that failed; the lines above are the end of what apt said" >&2
    exit 1
  }
  rm -rf "$work/root" "$work/archives" "$dir"
  touch "$work/complete"
  mv "$work" "$dir"
  trap - EXIT
  usable || {
    LD_LIBRARY_PATH=$dir/lib ldd "$dir/ovs-vswitchd-dpdk" | grep 'not found' >&2
    echo "unpack-openvswitch-dpdk: apt takes these libraries for installed, but they are not there" >&2
    exit 1
  }
fi
echo "$dir"

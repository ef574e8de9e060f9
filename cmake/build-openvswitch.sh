#!/usr/bin/env bash
# Builds Open vSwitch once from Debian's openvswitch-source and prints the folder that holds it.
#
# The folder is keyed by the content of the tarball, the configure flags and this script, so that a new
# package version makes a new folder and an old one is never half overwritten. It holds include/ and lib/
# (libopenvswitch with its internal headers, which Debian ships in no -dev package) and bin/ (the daemons
# and tools the sandbox runs, so that the machine's own Open vSwitch is not needed and not touched).
#
# usage: build-openvswitch.sh [CACHE_DIR]     default: ${XPU_CACHE:-${XDG_CACHE_HOME:-~/.cache}/xpu}
set -euo pipefail

cache=${1:-${XPU_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/xpu}}
tarball=/usr/src/openvswitch/openvswitch.tar.gz
if [ ! -r "$tarball" ]; then
  echo "build-openvswitch: $tarball is not there; install Debian's openvswitch-source ('./dev deps' does)" >&2
  exit 1
fi
flags=(--disable-afxdp --disable-libcapng --disable-ssl --disable-shared --enable-static --with-dpdk=no --disable-Werror)
# Nor what configure would find by chance: who links libopenvswitch would need it too.
flags+=(ac_cv_lib_unbound_ub_ctx_create=no ac_cv_lib_unwind_unw_backtrace=no)
cflags="-O2 -g0 -fPIC"

key=$({ sha256sum < "$tarball"; echo "${flags[*]} $cflags $(gcc -dumpfullversion -dumpmachine)"; sha256sum < "$0"; } |
  sha256sum | cut -c1-16)
dir=$cache/openvswitch-$key
if [ -e "$dir/complete" ]; then
  echo "$dir"
  exit 0
fi

mkdir -p "$cache"
exec 9> "$cache/openvswitch.lock"
flock 9  # two builds at once: the second waits and finds the work done
if [ -e "$dir/complete" ]; then
  echo "$dir"
  exit 0
fi

log=$cache/openvswitch-$key.log
echo "building Open vSwitch into $dir (once, about 3 minutes; log: $log)" >&2
rm -rf "$dir" "$dir.src"
mkdir -p "$dir.src"
tar -xzf "$tarball" -C "$dir.src" --strip-components=1
(
  cd "$dir.src"
  [ -x configure ] || ./boot.sh
  ./configure CFLAGS="$cflags" --prefix="$dir" --localstatedir=/var --sysconfdir=/etc "${flags[@]}"
  # The default target, not the library alone: generated headers hang on it.
  make -j"$(nproc)"
) > "$log" 2>&1 || { tail -n 30 "$log" >&2; echo "build-openvswitch: failed; see $log" >&2; exit 1; }

# libopenvswitch's OVSDB and OpenFlow clients need headers that 'make install' leaves out.
mkdir -p "$dir/include/lib" "$dir/lib" "$dir/bin" "$dir/share"
cp -r "$dir.src/include/." "$dir/include/"
find "$dir.src/lib" -maxdepth 1 -name '*.h' -exec cp {} "$dir/include/lib/" \;
cp "$dir.src/config.h" "$dir/include/"
cp "$dir.src/lib/.libs/libopenvswitch.a" "$dir/lib/"
cp "$dir.src/vswitchd/ovs-vswitchd" "$dir.src/ovsdb/ovsdb-server" "$dir.src/ovsdb/ovsdb-tool" \
  "$dir.src/ovsdb/ovsdb-client" "$dir.src/utilities/ovs-ofctl" "$dir.src/utilities/ovs-vsctl" \
  "$dir.src/utilities/ovs-appctl" "$dir/bin/"
strip "$dir"/bin/*
cp "$dir.src/vswitchd/vswitch.ovsschema" "$dir/share/"
touch "$dir/complete"
rm -rf "$dir.src"
echo "$dir"

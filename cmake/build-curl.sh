#!/usr/bin/env bash
# Builds a small static libcurl once, from Debian's source package, and prints the folder that holds it.
#
# Debian's own libcurl brings LDAP, Kerberos, SSH, RTMP and GnuTLS with it, some 5 MiB of every process that
# speaks HTTP and 20 libraries that a DPU's distribution may not have. This one speaks HTTP/1.1 and HTTP/2 over
# TCP, TLS (OpenSSL) and unix sockets, and nothing else.
#
# The source is that of the version of libcurl4-openssl-dev that is installed, checked by apt against the
# distribution's signatures. The folder is keyed by that version, the flags and this script. Exit status 3:
# the source cannot be had here.
#
# usage: build-curl.sh [CACHE_DIR]     default: ${XPU_CACHE:-${XDG_CACHE_HOME:-~/.cache}/xpu}
set -euo pipefail

cache=${1:-${XPU_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/xpu}}
version=$(dpkg-query -W -f '${Version}' libcurl4-openssl-dev)
flags=(--disable-shared --enable-static --with-openssl --with-nghttp2 --enable-unix-sockets --disable-manual
  --disable-libcurl-option --disable-dict --disable-file --disable-ftp --disable-gopher --disable-imap --disable-ldap
  --disable-ldaps --disable-mqtt --disable-pop3 --disable-rtsp --disable-smb --disable-smtp --disable-telnet
  --disable-tftp --disable-alt-svc --disable-hsts --disable-cookies --disable-netrc --disable-ntlm
  --disable-tls-srp --disable-doh --disable-dateparse --disable-get-easy-options --disable-versioned-symbols
  --without-zlib --without-brotli --without-zstd --without-libidn2 --without-libpsl --without-librtmp --without-libssh2
  --without-gssapi --without-libgsasl)
cflags="-O2 -g0 -fPIC -ffunction-sections -fdata-sections"

key=$({ echo "$version ${flags[*]} $cflags $(gcc -dumpfullversion -dumpmachine)"; sha256sum < "$0"; } |
  sha256sum | cut -c1-16)
dir=$cache/curl-$key
if [ -e "$dir/complete" ]; then
  echo "$dir"
  exit 0
fi

mkdir -p "$cache"
exec 9> "$cache/curl.lock"
flock 9  # two builds at once: the second waits and finds the work done
if [ -e "$dir/complete" ]; then
  echo "$dir"
  exit 0
fi

log=$cache/curl-$key.log
echo "building libcurl $version into $dir (once, about a minute; log: $log)" >&2
rm -rf "$dir" "$dir.src"
mkdir -p "$dir.src/apt/lists/partial" "$dir.src/apt/cache"

# The machine's own sources with deb-src beside deb, in a folder of this script's: the machine's are not touched.
# Only Debian's own archive is asked.
for file in /etc/apt/sources.list.d/*.sources; do
  [ -e "$file" ] || continue
  if grep -q '^URIs:.*debian' "$file" && ! grep -q '^Types:.*deb-src' "$file"; then
    sed 's/^Types:.*/Types: deb-src/' "$file"
    echo
  fi
done > "$dir.src/apt/debian.sources"
{ grep -hE '^deb(-src)? .*(deb|security|archive|snapshot)\.debian\.org' /etc/apt/sources.list || true; } 2> /dev/null |
  sed -E 's/^deb(-src)? /deb-src /' > "$dir.src/apt/debian.list"
apt=(-o "Dir::Etc::sourceparts=$dir.src/apt" -o Dir::Etc::sourcelist=/dev/null
  -o "Dir::State::lists=$dir.src/apt/lists" -o "Dir::Cache=$dir.src/apt/cache" -o APT::Sandbox::User=root)
if ! (
  cd "$dir.src" &&
  apt-get "${apt[@]}" update &&
  apt-get "${apt[@]}" source --download-only "curl=$version"
) > "$log" 2>&1; then
  rm -rf "$dir.src"
  echo "build-curl: the source of curl $version cannot be had; see $log" >&2
  exit 3
fi
(
  cd "$dir.src"
  mkdir tree
  tar -xf curl_*.orig.tar.?z -C tree --strip-components=1
  tar -xf curl_*.debian.tar.?z -C tree
  cd tree
  while read -r patch; do
    case $patch in
      '' | '#'*) continue ;;
      # Of Debian's other two flavours.
      90_gnutls.patch | 99_nss.patch) continue ;;
    esac
    patch -p1 < "debian/patches/$patch"
  done < debian/patches/series
  # Patches of what these are made from do not matter here, and autoconf need not be there.
  find . -name Makefile.am -exec touch -d '1 hour ago' {} +
  touch -d '1 hour ago' configure.ac acinclude.m4 m4/*.m4
  touch aclocal.m4
  find . -name Makefile.in -exec touch {} +
  touch lib/curl_config.h.in configure
  ./configure CFLAGS="$cflags" --prefix="$dir" "${flags[@]}"
  make -j"$(nproc)" -C lib
  make -C lib install
  make -C include install
) >> "$log" 2>&1 &
# Not in a condition, within which bash would go on after an error.
wait $! || { tail -n 30 "$log" >&2; echo "build-curl: failed; see $log" >&2; exit 1; }
touch "$dir/complete"
rm -rf "$dir.src"
echo "$dir"

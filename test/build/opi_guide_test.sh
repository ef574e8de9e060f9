#!/usr/bin/env bash
# Runs the commands of the guide to OPI, in their order, against an agent on a switch in memory.
# usage: opi_guide_test.sh GUIDE XPUCTL XPU_AGENT_ON_FAKES
set -euo pipefail
guide=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"; [ -z "${agent_PID-}" ] || { kill "$agent_PID"; wait "$agent_PID" || true; }' EXIT
ln -s "$2" "$folder/xpuctl"

# It says where it serves; beside that there are words of its log.
coproc agent { exec "$3"; }
while read -r line <&"${agent[0]}"; do
  case $line in unix:*) export XPU_AGENT=$line && break ;; esac
done

awk '/^```sh/{inside=1; next} /^```/{inside=0} inside' "$guide" > "$folder/commands"
[ "$(grep -c '^xpuctl' "$folder/commands")" -ge 15 ] || { echo "$guide: where are its commands?"; exit 1; }
output=$(PATH=$folder:$PATH bash -eu "$folder/commands")

# What the text says of them.
says() { grep -qE -- "$1" <<< "$output" || { echo "$guide: no \"$1\" in"; echo "$output"; exit 1; }; }
says '^bridgePorts/host0-3 +02:00:00:00:00:03 +access +logicalBridges/blue +up '
says '^logicalBridges/red +11 +5000 .* up '
says '"name": "//network.opiproject.org/svis/blue"'
says '"logicalBridge": "//network.opiproject.org/bridges/blue"'
for kind in vrfs bridges ports svis; do
  left=$("$folder/xpuctl" opi get "$kind" -o json)
  [ "$left" = '{"items":[]}' ] || { echo "$guide: its last commands leave $left"; exit 1; }
done

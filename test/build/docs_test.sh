#!/usr/bin/env bash
# Holds the documents against the tree: the commands they name exist, the files they link to are there.
# usage: docs_test.sh SOURCE_DIR XPUCTL
set -euo pipefail
cd "$1"
xpuctl=$2
wrong=0
complain() {
  echo "$*"
  wrong=1
}

mapfile -t documents < <(find . -name '*.md' -not -path './build/*')
[ "${#documents[@]}" -ge 5 ] || complain "only ${#documents[@]} documents found: is this the source folder?"

usage=$(./dev)
for document in "${documents[@]}"; do
  while read -r command; do
    grep -q "^  ./dev $command\b" <<< "$usage" || complain "$document: './dev' has no command '$command'"
  done < <(grep -oE '\./dev [a-z]+' "$document" | cut -d' ' -f2 | sort -u)

  while read -r verb; do
    "$xpuctl" "$verb" --help > /dev/null 2>&1 || complain "$document: xpuctl has no verb '$verb'"
  done < <(grep -oE '`xpuctl [a-z]+' "$document" | cut -d' ' -f2 | sort -u)

  while read -r link; do
    [ -e "$(dirname "$document")/$link" ] || complain "$document: links to $link, which is not there"
  done < <(grep -oE '\]\([^)#]+\)' "$document" | sed 's/^](//; s/)$//' | grep -v '^https\?:' || true)
done

# The two commands that the README promises are all that a new user needs, and no third has crept in.
block=$(awk '/^```sh/{inside=1; next} /^```/{inside=0} inside' README.md)
[ "$block" = "./dev demo
./dev test" ] || complain "README.md: the set-up is no longer './dev demo' and './dev test' but: $block"
exit "$wrong"

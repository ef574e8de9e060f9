#!/usr/bin/env bash
# A real kube-apiserver for xpu-conformance: built once from Debian's source package of Kubernetes (1.20 in Debian 12),
# started with Debian's etcd and xpu-webhook in a folder of its own, and gone when the suite is over.
#
# Debian packages only kubectl of that source, but all of it is there, dependencies included. One of these, reflect2, is
# from before Go 1.18 and crashes with it; Debian's own package of it takes its place.
#
# usage: debian_kubernetes.sh BIN_DIR [FLAGS OF xpu-conformance...]
# Needs Go, rsync, jq, etcd and openssl (golang-go rsync jq etcd-server openssl); the first time some ten minutes.
set -euo pipefail

bin=$(cd "$1" && pwd)
shift
manifests=$(cd "$(dirname "$0")/../../packaging/k8s" && pwd)
cache=${XPU_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/xpu}/kubernetes
for tool in go rsync jq etcd openssl; do
  command -v $tool > /dev/null || { echo "$tool is missing; see the head of $0" >&2; exit 3; }
done
mkdir -p "$cache"

build() {
  local dir=$cache/build
  rm -rf "$dir"
  mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache"
  cd "$dir"
  # The machine's own sources with deb-src in place of deb, in a folder of this script's.
  for file in /etc/apt/sources.list.d/*.sources; do
    if grep -q '^URIs:.*debian' "$file"; then
      sed 's/^Types:.*/Types: deb-src/' "$file"
      echo
    fi
  done > apt/debian.sources
  local apt=(-o "Dir::Etc::sourceparts=$dir/apt" -o Dir::Etc::sourcelist=/dev/null
    -o "Dir::State::lists=$dir/apt/lists" -o "Dir::Cache=$dir/apt/cache" -o APT::Sandbox::User=root)
  apt-get "${apt[@]}" update
  apt-get "${apt[@]}" source --download-only kubernetes
  apt-get -o APT::Sandbox::User=root download golang-github-modern-go-reflect2-dev
  mkdir src reflect2
  tar -xzf kubernetes_*.orig.tar.gz -C src --strip-components=1
  dpkg -x golang-github-modern-go-reflect2-dev_*.deb reflect2
  local vendored=src/vendor/github.com/modern-go/reflect2
  rm -rf "$vendored"
  mkdir "$vendored"
  find reflect2/usr/share/gocode/src/github.com/modern-go/reflect2 -maxdepth 1 -type f -not -name '*_test.go' \
    -exec cp {} "$vendored/" \;
  mkdir -p src/.go/src/k8s.io src/home
  ln -s ../../.. src/.go/src/k8s.io/kubernetes
  # As debian/rules does it.
  env HOME="$dir/src/home" GOPATH="$dir/src/.go" GOCACHE="$dir/go" GOPROXY=off CGO_ENABLED=0 \
    make -C src WHAT=cmd/kube-apiserver
  cp src/_output/bin/kube-apiserver "$cache/kube-apiserver"
  cd /
  chmod -R u+w "$dir"
  rm -rf "$dir"
}
if [ ! -x "$cache/kube-apiserver" ]; then
  echo "building kube-apiserver in $cache (once; log: $cache/log)" >&2
  (build) > "$cache/log" 2>&1 &
  # Not in a condition, within which bash would go on after an error.
  wait $! || { tail -n 20 "$cache/log" >&2; exit 1; }
fi

run=$(mktemp -d /tmp/xpu-kubernetes-XXXXXX)
started=()
clean() {
  for pid in "${started[@]}"; do kill "$pid" 2> /dev/null || true; done
  for pid in "${started[@]}"; do wait "$pid" 2> /dev/null || true; done
  rm -rf "$run"
}
trap clean EXIT
cd "$run"
openssl genrsa -out accounts.key 2048 2> /dev/null
certificate() {
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" -addext subjectAltName=IP:127.0.0.1 \
    -keyout "$1.key" -out "$1.crt" 2> /dev/null
}
certificate apiserver
certificate webhook
token=$(openssl rand -hex 16)
(umask 077 && echo "$token,admin,1,system:masters" > tokens.csv)
etcd=http://127.0.0.1:12379
etcd --data-dir etcd --listen-client-urls $etcd --advertise-client-urls $etcd \
  --listen-peer-urls http://127.0.0.1:12380 --initial-advertise-peer-urls http://127.0.0.1:12380 \
  --initial-cluster default=http://127.0.0.1:12380 > etcd.log 2>&1 &
started+=($!)
"$cache/kube-apiserver" --etcd-servers=$etcd --secure-port=16443 --bind-address=127.0.0.1 \
  --tls-cert-file=apiserver.crt --tls-private-key-file=apiserver.key --cert-dir=certificates \
  --service-cluster-ip-range=10.96.0.0/16 --token-auth-file=tokens.csv --authorization-mode=RBAC \
  --service-account-issuer=https://localhost --service-account-signing-key-file=accounts.key \
  --service-account-key-file=accounts.key > apiserver.log 2>&1 &
started+=($!)
"$bin/xpu-webhook" --listen 127.0.0.1:19443 --tls-cert webhook.crt --tls-key webhook.key > webhook.log 2>&1 &
started+=($!)

ask() {
  curl --silent --show-error --fail --cacert apiserver.crt -H "Authorization: Bearer $token" "$@"
}
server=https://127.0.0.1:16443
# curl's own tries, each a second after the one before: the server has nothing that tells when it serves.
ask --retry 60 --retry-delay 1 --retry-all-errors "$server/readyz" > /dev/null 2>&1 ||
  { tail -n 5 apiserver.log etcd.log >&2; exit 1; }
cat > kubeconfig << T
apiVersion: v1
kind: Config
current-context: here
clusters: [{name: here, cluster: {server: "$server", certificate-authority: $run/apiserver.crt}}]
users: [{name: admin, user: {token: $token}}]
contexts: [{name: here, context: {cluster: here, user: admin}}]
T
# That of packaging/k8s asks a Service, for which there are no pods here.
rules=$(sed -n '/^    rules:/,$p' "$manifests/webhook/webhook.yaml")
ask -X POST -H "Content-Type: application/yaml" --data-binary @- \
  "$server/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations" > /dev/null << T
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: xpu-webhook}
webhooks:
  - name: validate.xpu.opiproject.org
    admissionReviewVersions: [v1]
    sideEffects: None
    failurePolicy: Fail
    clientConfig: {url: "https://127.0.0.1:19443/validate", caBundle: $(base64 -w0 webhook.crt)}
$rules
T
echo "kube-apiserver $(ask "$server/version" | jq -r .gitVersion), with xpu-webhook" >&2
"$bin/xpu-conformance" --kubeconfig "$run/kubeconfig" "$@"

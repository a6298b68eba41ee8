# shellcheck shell=bash
# tools: the pinned commands, built from Go modules, since no release download can be relied upon.
#
# Every tool is built to a temporary file and renamed, then stamped with what it was made of. A tool
# whose stamp agrees is not touched, so a second call costs nothing.

TOOLS_BIN=$CACHE/tools/bin
TOOLS_API="etcd kube-apiserver kubectl"
TOOLS_REST="kind kubeadm kubelet kube-controller-manager kube-scheduler kube-proxy coredns helm"

# tool_source NAME: "folder|package" for a pinned module folder, or "|package@version".
tool_source() {
  case $1 in
  etcd) echo "etcd|go.etcd.io/etcd/server/v3" ;;
  kube-state-metrics) echo "kube-state-metrics|k8s.io/kube-state-metrics/v2" ;;
  kube*) echo "kubernetes|k8s.io/kubernetes/cmd/$1" ;;
  kind) echo "|sigs.k8s.io/kind@v$KIND_VERSION" ;;
  coredns) echo "coredns|." ;;
  helm) echo "|helm.sh/helm/v$HELM_MAJOR/cmd/helm@v$HELM_VERSION" ;;
  *) die "internal: unknown tool $1" ;;
  esac
}

# The three version strings are what Kubernetes' own build scripts set; without them the API server
# calls itself v0.0.0 and kubeadm refuses to work with it.
kubernetes_ldflags() {
  local v=k8s.io/component-base/version major minor
  IFS=. read -r major minor _ <<<"$KUBERNETES_VERSION"
  echo "-X $v.gitVersion=v$KUBERNETES_VERSION -X $v.gitMajor=$major -X $v.gitMinor=$minor -X $v.gitTreeState=clean"
}

# tool_stamp NAME: what the binary is made of.
tool_stamp() {
  local source folder
  source=$(tool_source "$1")
  folder=${source%%|*}
  if [ -n "$folder" ]; then
    recipe_hash "$source" "$HERE/modules/$folder/go.mod" "$HERE/modules/$folder/go.sum" "$KUBERNETES_VERSION" "$ETCD_VERSION" \
      $([ "$folder" != coredns ] || echo "$HERE/modules/coredns/main.go")
  else
    recipe_hash "$source"
  fi
}

tool_is_there() {
  [ -x "$TOOLS_BIN/$1" ] && [ "$(cat "$CACHE/stamps/tool-$1" 2>/dev/null)" = "$(tool_stamp "$1")" ]
}

# A pin that was changed in versions.env alone would silently build the old version.
check_pins() {
  if grep -q "k8s.io/kubernetes v$KUBERNETES_VERSION\$" "$HERE/modules/kubernetes/go.mod" &&
    grep -q "go.etcd.io/etcd/server/v3 v$ETCD_VERSION\$" "$HERE/modules/etcd/go.mod" &&
    grep -q "github.com/coredns/coredns v$COREDNS_VERSION\$" "$HERE/modules/coredns/go.mod" &&
    grep -q "k8s.io/kube-state-metrics/v2 v$KUBE_STATE_METRICS_VERSION\$" "$HERE/modules/kube-state-metrics/go.mod"; then return; fi
  die "versions.env and modules/*/go.mod disagree" "run: tests/cluster/provider pin"
}

build_tool() {
  local name=$1 source folder package ldflags="-s -w" out
  source=$(tool_source "$name")
  folder=${source%%|*}
  package=${source#*|}
  out=$(mktemp -d "$CACHE/tools/tmp-XXXXXX")
  # shellcheck disable=SC2064
  trap "rm -rf '$out'" EXIT
  [ "$folder" != kubernetes ] || ldflags="$ldflags $(kubernetes_ldflags)"
  # Two compilations at a time and niced: others work on the same machine.
  export CGO_ENABLED=0
  if [ -n "$folder" ]; then
    nice -n 5 env -C "$HERE/modules/$folder" go build -mod=readonly -v -p 2 -buildvcs=false -trimpath -ldflags "$ldflags" -o "$out/$name" "$package"
  else
    # Outside any module, so that no go.mod around us has a say.
    nice -n 5 env -C "$out" GOBIN="$out" go install -v -p 2 -buildvcs=false -trimpath -ldflags "$ldflags" "$package"
  fi
  mv -f "$out/$name" "$TOOLS_BIN/$name"
  tool_stamp "$name" >"$CACHE/stamps/tool-$name"
}

# ensure_tools NAME...
ensure_tools() {
  local name missing=()
  for name in "$@"; do tool_is_there "$name" || missing+=("$name"); done
  [ "${#missing[@]}" -gt 0 ] || return 0
  need_go
  check_pins
  lock tools
  local i=0
  for name in "${missing[@]}"; do
    i=$((i + 1))
    tool_is_there "$name" ||
      heartbeat "building $name ($i of ${#missing[@]}; cold 1 to 7 minutes for the first three, about 1 for the others)" build_tool "$name"
  done
  unlock tools
}

verb_tools() {
  local names="$TOOLS_API $TOOLS_REST"
  case ${1:-} in
  '') ;;
  --api-only) names=$TOOLS_API ;;
  *) die "tools: unknown argument $1" "usage: provider tools [--api-only]" ;;
  esac
  # shellcheck disable=SC2086
  ensure_tools $names
  printf '%s\n' "$TOOLS_BIN"
}

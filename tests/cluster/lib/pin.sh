# shellcheck shell=bash
# pin: renews modules/*/go.mod and go.sum from versions.env (a maintainer's verb).
#
# k8s.io/kubernetes cannot be had with `go install`: it replaces its staging modules by folders of
# its own tree. The same replacements, made to the published staging modules, build the very same
# commands. The resulting go.mod and go.sum are committed, so a build resolves nothing anew and
# every byte is checked against go.sum.

# The list must name every staging module in k8s.io/kubernetes' own go.mod; one too many is harmless.
PIN_STAGING_MODULES="api apiextensions-apiserver apimachinery apiserver cli-runtime client-go
cloud-provider cluster-bootstrap code-generator component-base component-helpers controller-manager
cri-api cri-client csi-translation-lib dynamic-resource-allocation endpointslice externaljwt kms
kube-aggregator kube-controller-manager kube-proxy kube-scheduler kubectl kubelet metrics mount-utils
pod-security-admission sample-apiserver"

KUBERNETES_COMMANDS="kube-apiserver kubectl kubeadm kubelet kube-controller-manager kube-scheduler kube-proxy"

verb_pin() {
  need_go
  local dir module command
  dir=$HERE/modules/kubernetes
  mkdir -p "$dir"
  {
    printf 'module meantime.dev/tests/cluster/kubernetes\n\ngo %s\n\n' "$GO_MINIMUM"
    printf 'require k8s.io/kubernetes v%s\n\n' "$KUBERNETES_VERSION"
    for module in $PIN_STAGING_MODULES; do
      printf 'replace k8s.io/%s => k8s.io/%s v%s\n' "$module" "$module" "$KUBERNETES_STAGING_VERSION"
    done
  } >"$dir/go.mod"
  {
    printf '//go:build tools\n\n// Package tools names the commands that are built, so that go.mod lists what they need.\npackage tools\n\nimport (\n'
    for command in $KUBERNETES_COMMANDS; do printf '\t_ "k8s.io/kubernetes/cmd/%s"\n' "$command"; done
    printf ')\n'
  } >"$dir/tools.go"
  heartbeat "go mod tidy for Kubernetes $KUBERNETES_VERSION (cold about 2 minutes)" \
    env -C "$dir" GOFLAGS=-mod=mod go mod tidy

  dir=$HERE/modules/etcd
  mkdir -p "$dir"
  printf 'module meantime.dev/tests/cluster/etcd\n\ngo %s\n\nrequire go.etcd.io/etcd/server/v3 v%s\n' \
    "$GO_MINIMUM" "$ETCD_VERSION" >"$dir/go.mod"
  printf '//go:build tools\n\n// Package tools names the command that is built, so that go.mod lists what it needs.\npackage tools\n\nimport _ "go.etcd.io/etcd/server/v3"\n' >"$dir/tools.go"
  heartbeat "go mod tidy for etcd $ETCD_VERSION" env -C "$dir" GOFLAGS=-mod=mod go mod tidy

  # Its main.go is ours: see there.
  dir=$HERE/modules/coredns
  printf 'module meantime.dev/tests/cluster/coredns\n\ngo %s\n\nrequire github.com/coredns/coredns v%s\n\n' \
    "$GO_MINIMUM" "$COREDNS_VERSION" >"$dir/go.mod"
  # Kubernetes' own versions, so that what both use is compiled once.
  for module in api apimachinery client-go; do
    printf 'replace k8s.io/%s => k8s.io/%s v%s\n' "$module" "$module" "$KUBERNETES_STAGING_VERSION" >>"$dir/go.mod"
  done
  heartbeat "go mod tidy for CoreDNS $COREDNS_VERSION" env -C "$dir" GOFLAGS=-mod=mod go mod tidy

  # It refuses `go install` (its own go.mod is fine as a requirement).
  dir=$HERE/modules/kube-state-metrics
  mkdir -p "$dir"
  printf 'module meantime.dev/tests/cluster/kube-state-metrics\n\ngo %s\n\nrequire k8s.io/kube-state-metrics/v2 v%s\n' \
    "$GO_MINIMUM" "$KUBE_STATE_METRICS_VERSION" >"$dir/go.mod"
  printf '//go:build tools\n\n// Package tools names the command that is built, so that go.mod lists what it needs.\npackage tools\n\nimport _ "k8s.io/kube-state-metrics/v2"\n' >"$dir/tools.go"
  heartbeat "go mod tidy for kube-state-metrics $KUBE_STATE_METRICS_VERSION" env -C "$dir" GOFLAGS=-mod=mod go mod tidy
  say "pinned: commit tests/cluster/modules together with versions.env"
}

# shellcheck shell=bash
# cluster: kind clusters, up and down.
#
# A cluster's record, $CACHE/clusters/NAME, says what it was made of. `down --all` deletes only
# recorded clusters: a developer's other kind clusters are not ours.

AUDIT_LOG=/var/log/kubernetes/meantime-audit.log

kind_() { KIND_EXPERIMENTAL_PROVIDER=docker "$TOOLS_BIN/kind" "$@"; }
kubectl_() { "$TOOLS_BIN/kubectl" --kubeconfig "$KUBECONFIG_FILE" "$@"; }
cluster_nodes() { docker ps -a --filter "label=io.x-k8s.kind.cluster=$1" --format '{{.Names}}' | sort; }

# kind_config WORKERS ZONES AUDIT: kind's configuration file.
kind_config() {
  local workers=$1 audit=$3 i zone_list
  IFS=, read -ra zone_list <<<"$2"
  echo 'kind: Cluster'
  echo 'apiVersion: kind.x-k8s.io/v1alpha4'
  if ! registry_reachable; then echo 'networking: {disableDefaultCNI: true}'; fi
  cat <<'Y'
kubeadmConfigPatches:
- |
  kind: KubeProxyConfiguration
  conntrack: {maxPerCore: 0, min: 0}
- |
  kind: ClusterConfiguration
  etcd:
    local:
      # A test cluster's state need not outlive a power cut; fsync would set the pace of every write.
      extraArgs: {unsafe-no-fsync: "true"}
Y
  if [ "$audit" = yes ]; then
    cat <<Y
- |
  kind: ClusterConfiguration
  apiServer:
    extraArgs:
      audit-policy-file: /etc/meantime-audit/policy.yaml
      audit-log-path: $AUDIT_LOG
      audit-log-maxsize: "200"
      audit-log-maxbackup: "1"
    extraVolumes:
    - {name: meantime-audit-policy, hostPath: /etc/meantime-audit, mountPath: /etc/meantime-audit, readOnly: true, pathType: Directory}
    - {name: meantime-audit-log, hostPath: $(dirname "$AUDIT_LOG"), mountPath: $(dirname "$AUDIT_LOG"), pathType: DirectoryOrCreate}
Y
  fi
  echo 'nodes:'
  echo '- role: control-plane'
  if [ "$audit" = yes ]; then
    printf '  extraMounts: [{hostPath: "%s", containerPath: /etc/meantime-audit, readOnly: true}]\n' "$HERE/audit"
  fi
  for ((i = 0; i < workers; i++)); do
    echo '- role: worker'
    if [ "${#zone_list[@]}" -gt 0 ]; then echo "  labels: {topology.kubernetes.io/zone: \"${zone_list[i % ${#zone_list[@]}]}\"}"; fi
  done
}

# The table that the nodes' pod-network service reads, and the CNI configuration of each node.
configure_pod_network() {
  local name=$1 table node cidr
  # kube-controller-manager gives a node its range shortly after it registered.
  for _ in $(seq 60); do
    table=$(kubectl_ get nodes -o jsonpath='{range .items[*]}{.metadata.name} {.spec.podCIDR}{"\n"}{end}')
    [ "$(awk 'NF == 2' <<<"$table" | wc -l)" -eq "$(cluster_nodes "$name" | wc -l)" ] && break
    sleep 1
  done
  while read -r node cidr; do
    [ -n "$cidr" ] || die "node $node has no pod range" "look at kube-controller-manager's log; the cluster is kept"
    docker exec -i "$node" sh -c 'mkdir -p /etc/meantime && cat >/etc/meantime/pod-network' <<<"$table"
    # Leases of addresses live on a tmpfs: pods do not outlive a node's restart, nor must they.
    docker exec -i "$node" sh -c 'cat >/etc/cni/net.d/.new && mv /etc/cni/net.d/.new /etc/cni/net.d/10-pods.conflist' <<J
{"cniVersion": "0.3.1", "name": "pods", "plugins": [
  {"type": "ptp", "ipMasq": false, "ipam": {"type": "host-local", "dataDir": "/run/cni-ipam-state",
    "ranges": [[{"subnet": "$cidr"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
J
    docker exec "$node" systemctl restart pod-network.service </dev/null
  done <<<"$table"
}

# wait_until_healthy NAME SECONDS: all nodes Ready, CoreDNS serving, and every node reaches CoreDNS
# by its Service's address. The last proves kube-proxy's rules and the pod routes, which no status tells.
wait_until_healthy() {
  local node service
  kubectl_ wait --for=condition=Ready nodes --all --timeout="${2}s" &&
    kubectl_ -n kube-system rollout status deployment/coredns --timeout="${2}s" &&
    kubectl_ -n kube-system rollout status daemonset/kube-proxy --timeout="${2}s" || return 1
  service=$(kubectl_ -n kube-system get service kube-dns -o jsonpath='{.spec.clusterIP}') || return 1
  for node in $(cluster_nodes "$1"); do
    if ! docker exec "$node" curl -sf -o /dev/null --retry "$2" --retry-delay 1 --retry-all-errors \
      --retry-max-time "$2" --connect-timeout 3 "http://$service:9153/metrics" </dev/null; then
      echo "node $node does not reach CoreDNS by its Service address $service: see kube-proxy's log"
      return 1
    fi
  done
}

create_cluster() {
  local name=$1 config=$2 image=$3
  kind_ create cluster --name "$name" --image "$image" --config "$config" --kubeconfig "$KUBECONFIG_FILE" --wait 0s
  if ! registry_reachable; then configure_pod_network "$name"; fi
  wait_until_healthy "$name" 240
}

# Every kubelet, kube-proxy and containerd watches files. With the kernel's 128 instances per user the second cluster's
# kube-proxies end with "too many open files" (seen; kind's own list of known issues has it). Raised while there are
# clusters of ours, put back by the last `down`.
INOTIFY=/proc/sys/fs/inotify/max_user_instances
INOTIFY_ENOUGH=512
raise_inotify() {
  local has
  has=$(cat "$INOTIFY")
  [ "$has" -lt "$INOTIFY_ENOUGH" ] || return 0
  if (echo "$INOTIFY_ENOUGH" >"$INOTIFY") 2>/dev/null; then
    [ -f "$CACHE/clusters/.inotify-was" ] || echo "$has" >"$CACHE/clusters/.inotify-was"
    say "fs.inotify.max_user_instances raised from $has to $INOTIFY_ENOUGH while clusters are up ('down' puts it back)"
  else
    say "fs.inotify.max_user_instances is $has and can't be raised here: a second cluster's kube-proxy may fail"
  fi
}
restore_inotify() {
  local was=$CACHE/clusters/.inotify-was record
  [ -f "$was" ] || return 0
  for record in "$CACHE"/clusters/*; do [ ! -f "$record" ] || return 0; done
  # Somebody who has set another value since keeps it.
  if [ "$(cat "$INOTIFY")" = "$INOTIFY_ENOUGH" ]; then cat "$was" >"$INOTIFY" || true; fi
  rm -f "$was"
}

# Stopped nodes (after a restart of the machine or the engine) are started again.
revive_cluster() {
  local node
  for node in $(cluster_nodes "$1"); do docker start "$node" >/dev/null; done
  kind_ export kubeconfig --name "$1" --kubeconfig "$KUBECONFIG_FILE"
  for _ in $(seq 60); do
    kubectl_ get --raw /readyz >/dev/null 2>&1 && break
    sleep 1
  done
  wait_until_healthy "$1" 60
}

verb_up() {
  local name='' workers=0 zones='' audit=no as_asked=no config record want
  KUBECONFIG_FILE=''
  while [ $# -gt 0 ]; do
    case $1 in
    --workers) workers=${2:?--workers needs a number}; as_asked=yes; shift ;;
    --zones) zones=${2:?--zones needs a list}; as_asked=yes; shift ;;
    --kubeconfig) KUBECONFIG_FILE=${2:?--kubeconfig needs a file}; shift ;;
    --audit) audit=yes; as_asked=yes ;;
    -*) die "up: unknown argument $1" ;;
    *) [ -z "$name" ] || die "up: one name only"; name=$1 ;;
    esac
    shift
  done
  [[ $name =~ ^[a-z0-9][a-z0-9-]{0,40}$ ]] || die "up: a cluster needs a name of a-z, 0-9 and -"
  [[ $workers =~ ^[0-9]{1,2}$ ]] || die "up: --workers needs a number"
  [[ $zones =~ ^[a-z0-9,-]*$ ]] || die "up: --zones needs names parted by commas"
  KUBECONFIG_FILE=${KUBECONFIG_FILE:-$CACHE/kubeconfig-$name}

  ensure_engine
  ensure_tools kind kubectl
  raise_inotify
  lock "cluster-$name"
  record=$CACHE/clusters/$name
  want="workers=$workers zones=$zones audit=$audit"
  if [ -n "$(cluster_nodes "$name")" ]; then
    [ -f "$record" ] || die "a kind cluster '$name' exists which we did not make (or not to its end)" \
      "take another name, or delete it: provider down $name"
    # Without any setting an existing cluster is taken as it is.
    [ "$as_asked" = yes ] || want=$(cat "$record")
    [ "$(cat "$record")" = "$want" ] || die "cluster '$name' exists with other settings: $(cat "$record")" \
      "wanted: $want" "it was left as it is; to make it anew: provider down $name"
    say "cluster '$name' exists: looking whether it is healthy (seconds; up to 3 minutes if its nodes must be started)"
    # In a subshell with errexit off: an unhealthy cluster is an answer, not an accident.
    if (revive_cluster "$name") >&2; then
      say "cluster '$name' is there and healthy ($want)"
      unlock "cluster-$name"
      printf '%s\n' "$KUBECONFIG_FILE"
      return
    fi
    say "cluster '$name' is there, but not healthy, and a restart did not help: making it anew"
    kind_ delete cluster --name "$name" --kubeconfig "$KUBECONFIG_FILE" >&2
  fi
  ensure_node_image
  config=$CACHE/clusters/.$name.kind.yaml
  kind_config "$workers" "$zones" "$audit" >"$config"
  rm -f "$KUBECONFIG_FILE"
  printf '%s\n' "$want" >"$record"
  HINT_ON_FAILURE="its nodes were left for a look (docker logs, docker exec); delete them: provider down $name" \
    heartbeat "creating cluster '$name' with $workers workers (30 to 90 s)" create_cluster "$name" "$config" "$NODE_IMAGE"
  unlock "cluster-$name"
  kubectl_ get nodes -L topology.kubernetes.io/zone >&2
  [ "$audit" = no ] || say "audit log: docker exec $name-control-plane cat $AUDIT_LOG"
  printf '%s\n' "$KUBECONFIG_FILE"
}

down_one() {
  lock "cluster-$1"
  if [ -n "$(cluster_nodes "$1")" ]; then
    kind_ delete cluster --name "$1" --kubeconfig "$CACHE/kubeconfig-$1" >&2
  fi
  rm -f "$CACHE/clusters/$1" "$CACHE/clusters/.$1.kind.yaml" "$CACHE/kubeconfig-$1"
  unlock "cluster-$1"
}

verb_down() {
  local record containers
  # Deleting takes no guesses: exactly one argument, and a known one.
  [ $# -eq 1 ] || die "down: which cluster?" "usage: provider down NAME | --all"
  [ "$1" = --all ] || [[ $1 =~ ^[a-z0-9][a-z0-9-]*$ ]] || die "down: unknown argument $1" "usage: provider down NAME | --all"
  if ! engine_works; then
    say "no docker engine answers, so nothing runs; records of clusters are kept"
    return
  fi
  ensure_tools kind
  if [ "$1" != --all ]; then
    down_one "$1"
    restore_inotify
    return
  fi
  for record in "$CACHE"/clusters/*; do
    [ ! -f "$record" ] || down_one "${record##*/}"
  done
  restore_inotify
  containers=$(docker ps -aq --filter label=meantime.dev/owner; docker ps -aq --filter name=^meantime-node-builder-)
  # shellcheck disable=SC2086
  [ -z "$containers" ] || docker rm -f -v $containers >&2
}

verb_status() {
  local record
  echo "cache: $CACHE ($(du -sh --one-file-system "$CACHE" 2>/dev/null | cut -f1))"
  echo "tools: $(cd "$TOOLS_BIN" && echo *)"
  if engine_works; then
    echo "engine: docker $(docker info --format '{{.ServerVersion}}'), $(our_engine_pid >/dev/null && echo "ours, pid $(our_engine_pid)" || echo "not ours")"
    docker images --format 'image: {{.Repository}}:{{.Tag}} {{.Size}}' | grep ' meantime' || true
    for record in "$CACHE"/clusters/*; do
      [ -f "$record" ] || continue
      echo "cluster: ${record##*/} ($(cat "$record")), nodes up: $(docker ps -q --filter "label=io.x-k8s.kind.cluster=${record##*/}" | wc -l)"
    done
    docker ps -a --filter label=meantime.dev/owner --format 'container: {{.Names}} {{.Status}}'
  else
    echo "engine: none answers"
  fi
  for record in "$CACHE"/stamps/root-*; do
    [ ! -f "$record" ] || echo "root: ${record##*/root-}"
  done
}

//! Every name that users, dashboards or two of our programs share: API group, condition types, annotations,
//! field managers, label keys. Written once.

/// API group of all kinds.
pub const GROUP: &str = "meantime.dev";
/// API version of all kinds.
pub const VERSION: &str = "v1alpha1";
/// Category: `kubectl get meantime`.
pub const CATEGORY: &str = "meantime";

/// Prefix of our condition types on the core Node.
pub const CONDITION_DOMAIN: &str = "meantime.dev/";

/// Field manager of the operator's writes to NodeTime specs.
pub const MANAGER_OPERATOR_SPEC: &str = "meantime-operator-spec";
/// Field manager of the operator's writes to TimeSource and TimeSyncPolicy status.
pub const MANAGER_OPERATOR_STATUS: &str = "meantime-operator-status";
/// Field manager of the operator's Node conditions.
pub const MANAGER_OPERATOR_CONDITIONS: &str = "meantime-operator-conditions";
/// Field manager of the operator's TimeIncidents but their status; never of their spec.
pub const MANAGER_OPERATOR_INCIDENTS: &str = "meantime-operator-incidents";
/// Field manager of an agent's NodeTime status.
pub const MANAGER_AGENT_STATUS: &str = "meantime-agent-status";

/// A request by a person to one node: `<verb>/<id>`, on the NodeTime.
pub const ANNOTATION_REQUEST: &str = "meantime.dev/request";
/// Well-known zone label of Nodes.
pub const LABEL_ZONE: &str = "topology.kubernetes.io/zone";
/// On a TimeIncident: its word.
pub const LABEL_FINDING: &str = "meantime.dev/finding";
/// On a TimeIncident: how loud, P1 to P5.
pub const LABEL_SEVERITY: &str = "meantime.dev/severity";
/// Label of Nodes that share one way out of the network (one NAT, one uplink); without it a Node's zone counts.
pub const LABEL_EGRESS: &str = "meantime.dev/egress";
/// Name of the leader-election Lease, in the operator's namespace.
pub const LEASE: &str = "meantime-operator";
/// Name of the ConfigMap, in the operator's namespace, whose presence tells every operator to stop planning.
pub const STOP_MARK: &str = "meantime-retired";
/// Name of the Secret, in the operator's namespace, that holds the keys under which agents ask each other.
pub const PEER_KEYS: &str = "meantime-peer-keys";
/// The one entry of that Secret, and so the file's name in an agent's mount: one file, so that it changes as a whole.
pub const PEER_KEYS_ENTRY: &str = "keys.json";
/// Most associations that one plan may hold; a pool counts as its maxSources.
pub const MAX_ASSOCIATIONS: u32 = 12;

/// Reason of a NodeTime's `Ready`: chronyd can't be run at all.
pub const REASON_NO_DAEMON: &str = "NoDaemon";

/// On the NodeTime of a Managed node: True = nothing is seen that sets this host's clock once at boot (law 1). Not one of
/// the Node's conditions.
pub const CONDITION_BOOT_TIME: &str = "BootTimeUnprotected";

//! Law 12: `helm uninstall` leaves no trace. Runs last: the cluster is of no use to Meantime's tests afterwards.

use meantime_tests::kind::{NAMESPACE, RELEASE, nodes, on_node, sh};

/// Everything that may still be of ours, a line each.
fn left_overs() -> Vec<String> {
    let mut left = Vec::new();
    let mut note = |what: &str, found: Result<String, String>| match found {
        Ok(text) if text.is_empty() => {}
        Ok(text) => left.push(format!("{what}: {}", text.replace('\n', " | "))),
        Err(error) => left.push(format!("{what}: could not be asked: {error}")),
    };
    note(
        "Node conditions",
        sh(
            r#"kubectl get nodes -o json | jq -r '.items[] | .metadata.name as $n | .status.conditions[] | select(.type | startswith("meantime.dev/")) | "\($n) \(.type)"'"#,
        ),
    );
    note("NodeTimes", sh("kubectl get nodetimes -o name"));
    for kind in [
        "leases.coordination.k8s.io",
        "configmaps",
        "serviceaccounts",
        "roles.rbac.authorization.k8s.io",
        "rolebindings.rbac.authorization.k8s.io",
        "resourcequotas",
        "deployments.apps",
        "daemonsets.apps",
        "jobs.batch",
        "poddisruptionbudgets.policy",
        "pods",
    ] {
        // The cluster's own name begins with meantime-, and so do its nodes' leases and static pods.
        note(
            kind,
            sh(&format!(
                "kubectl get {kind} -A -o name | grep -i meantime | grep -vE 'meantime-(demo|test|dev)-' || true"
            )),
        );
    }
    for kind in [
        "clusterroles.rbac.authorization.k8s.io",
        "clusterrolebindings.rbac.authorization.k8s.io",
        "validatingadmissionpolicies.admissionregistration.k8s.io",
        "validatingadmissionpolicybindings.admissionregistration.k8s.io",
    ] {
        note(kind, sh(&format!("kubectl get {kind} -o name | grep -i meantime || true")));
    }
    for node in nodes().unwrap() {
        // The kernel cuts a command name at 15 characters.
        note(
            &format!("processes on {node}"),
            on_node(&node, "ps -eo comm | grep -E '^(chronyd|meantime)' || true"),
        );
        note(
            &format!("files on {node}"),
            on_node(&node, "find /var/lib/meantime /run/meantime -mindepth 1 2>/dev/null || true"),
        );
    }
    left
}

#[test]
fn uninstall_leaves_nothing_but_the_crds_by_choice() {
    assert!(!left_overs().is_empty(), "the list sees nothing while installed: it can't prove anything");
    let said = sh(&format!("helm uninstall {RELEASE} -n {NAMESPACE} --wait --timeout 300s 2>&1")).unwrap();
    println!("{said}");
    let mut left = left_overs();
    for _ in 0..20 {
        if left.is_empty() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_secs(2));
        left = left_overs();
    }
    assert!(left.is_empty(), "left behind:\n{}", left.join("\n"));
    let crds = sh("kubectl get crds -o name | grep -c meantime.dev").unwrap();
    assert_eq!(crds, "4", "crds.keep=true keeps the four CRDs");
    assert_eq!(sh("kubectl get timesources -o name | wc -l").unwrap(), "5", "and the user's TimeSources");

    // And back: a mark of the uninstalled release must not stop the next one.
    println!("installing again");
    sh(&format!(
        "cd {}/.. && helm upgrade --install {RELEASE} charts/meantime -n {NAMESPACE} --wait --timeout 120s",
        env!("CARGO_MANIFEST_DIR")
    ))
    .unwrap();
    sh("for i in $(seq 60); do [ $(kubectl get nodetimes -o name | wc -l) = 4 ] && exit 0; sleep 1; done; exit 1")
        .expect("NodeTimes come back after a new install");
}

//! The agent with a real API server: first words, outage, deletion, what it writes and what it does not.

use super::harness::{Node, POLL, applied, condition, conditions};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use meantime_core::units::Nanos;
use meantime_crds::nodetime::{AppliedState, Desired, NodeTime, NodeTimeSpec, NodeTimeStatus};
use meantime_tests::apiserver::{ApiServer, Options};
use meantime_tests::lab::clock;
use serde_json::json;
use std::time::Duration;

/// One API server with our kinds, and one node.
struct World {
    server: ApiServer,
    api: Api<NodeTime>,
    node: Node,
}

impl World {
    async fn new() -> Self {
        let server = ApiServer::start(Options::default()).await.unwrap();
        server.install_crds().await.unwrap();
        let api = Api::all(server.admin().await.unwrap());
        let mut node = Node::new(4);
        node.kubeconfig = Some(server.kubeconfig());
        node.render();
        Self { server, api, node }
    }

    /// The operator's part: the object, with or without a plan.
    async fn create(&self, with_plan: bool) {
        let plan = self.node.object.spec.plan.clone().filter(|_| with_plan);
        let spec = NodeTimeSpec { desired: Desired::Active, plan, request: None, peers: None };
        let metadata = ObjectMeta { name: Some("n1".into()), ..ObjectMeta::default() };
        let object = NodeTime { metadata, spec, status: None };
        self.api.create(&PostParams::default(), &object).await.unwrap();
    }

    async fn give_plan(&self) {
        let patch = json!({"spec": {"plan": self.node.object.spec.plan}});
        self.api.patch("n1", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }

    async fn status(&self) -> Option<NodeTimeStatus> {
        self.api.get_opt("n1").await.ok()??.status
    }

    async fn wait(&self, what: &str, wanted: impl Fn(&NodeTimeStatus) -> bool) -> NodeTimeStatus {
        let begin = clock::now().boot;
        loop {
            if let Some(status) = self.status().await.filter(&wanted) {
                return status;
            }
            let spent = clock::now().boot - begin;
            // The watch's back-off, which grows to 30 s and more with its jitter, is within it.
            assert!(spent < Nanos::from_secs(120), "{what}: not within two minutes\n{}", self.node.story());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn wait_applied(&self, what: &str) -> NodeTimeStatus {
        self.wait(what, |status| {
            applied(status) == Some(AppliedState::Applied) && condition(status, "TimeSynchronized") == "True"
        })
        .await
    }
}

#[tokio::test]
async fn it_says_what_it_can_before_it_has_a_plan_and_writes_nothing_but_its_status() {
    let mut world = World::new().await;
    world.node.start();
    world.create(false).await;
    let status = world.wait("the first words", |status| status.chrony.is_some()).await;
    let ready = status.conditions.iter().find(|c| c.type_ == "Ready").unwrap();
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", "NoPlan"));
    assert_eq!(world.node.chronyds(), [0_u32; 0], "nothing runs on a node that nobody asked for");
    world.give_plan().await;
    let status = world.wait_applied("the plan").await;
    assert_eq!(status.observed_generation, Some(2));
    let object = world.api.get("n1").await.unwrap();
    assert_eq!(object.metadata.generation, Some(2), "the agent wrote no spec");
    let fields = object.metadata.managed_fields.unwrap();
    let ours: Vec<_> =
        fields.iter().filter(|f| f.manager.as_deref() == Some("meantime-agent-status")).collect();
    assert!(ours.iter().all(|f| f.subresource.as_deref() == Some("status")) && ours.len() == 1, "{ours:?}");
    let bytes = serde_json::to_string(&world.api.get("n1").await.unwrap()).unwrap().len();
    println!("NodeTime with 4 associations: {bytes} bytes with managedFields");
}

#[tokio::test]
async fn an_outage_of_the_api_server_changes_nothing_on_the_node() {
    let mut world = World::new().await;
    world.create(true).await;
    world.node.start();
    let before = world.wait_applied("first synchronisation").await;
    let (pid, starts) = (world.node.chronyd(), world.node.starts());
    world.server.stop_server().await;
    // The five minutes of the issue, shortened: three times the first retries of watch and write.
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(world.node.agent_runs());
    world.server.start_server().await.unwrap();
    let sequence = before.sequence;
    // News, so that a write is due: another poll range in the plan would do, but also a mere new generation.
    let patch = json!({"spec": {"request": {"verb": "acknowledge", "id": "after"}}});
    world.api.patch("n1", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    let after = world.wait("a write after the outage", |status| status.request.is_some()).await;
    assert!(after.sequence > sequence);
    let timeless = |status: &NodeTimeStatus| {
        let times = status.conditions.iter().map(|c| format!("{:?}", c.last_transition_time));
        (conditions(status), times.collect::<Vec<_>>())
    };
    assert_eq!(timeless(&after), timeless(&before), "no condition moved\n{}", world.node.story());
    assert_eq!((world.node.chronyd(), world.node.starts()), (pid, starts), "no restart");
}

#[tokio::test]
async fn a_deleted_object_is_no_order_and_a_new_one_is_taken_up() {
    let mut world = World::new().await;
    world.create(true).await;
    world.node.start();
    world.wait_applied("first synchronisation").await;
    let pid = world.node.chronyd();
    world.api.delete("n1", &DeleteParams::default()).await.unwrap();
    tokio::time::sleep(Duration::from_nanos(u64::try_from(POLL.times(12).0).unwrap())).await;
    assert_eq!((world.node.chronyd(), world.node.lines()), (pid, vec![0, 1, 2, 3]), "it carries on");
    let added = world.node.add_lab();
    world.node.plan_source(added);
    world.node.render();
    world.create(true).await;
    let status = world.wait_applied("the new object's plan").await;
    let uid = world.api.get("n1").await.unwrap().metadata.uid;
    let wanted = world.node.plan.hash.clone();
    let status = if status.applied.as_ref().is_some_and(|a| a.hash.as_ref() == Some(&wanted)) {
        status
    } else {
        world.wait("its hash", |s| s.applied.as_ref().is_some_and(|a| a.hash.as_ref() == Some(&wanted))).await
    };
    assert_eq!(status.applied.unwrap().object_uid, uid);
    assert_eq!((world.node.chronyd(), world.node.lines()), (pid, vec![0, 1, 2, 3, 4]), "live, no restart");
}

#[tokio::test]
async fn a_restarted_agent_keeps_transition_times() {
    let mut world = World::new().await;
    world.create(true).await;
    world.node.start();
    let before = world.wait_applied("first synchronisation").await;
    world.node.end_agent(rustix::process::Signal::TERM);
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.node.start();
    let after = world.wait("its first write", |status| status.sequence > before.sequence).await;
    let time = |status: &NodeTimeStatus| {
        let found = status.conditions.iter().find(|c| c.type_ == "TimeSynchronized").unwrap();
        (found.status.clone(), format!("{:?}", found.last_transition_time))
    };
    assert_eq!(time(&after), time(&before), "{}", world.node.story());
}

/// Helm does not update CRDs by itself: agents may be newer than the schema for long. Server-side apply refuses a whole
/// object for one field that is not in it.
#[tokio::test]
async fn an_older_crd_does_not_silence_a_newer_agent() {
    let mut world = World::new().await;
    let crds: Api<CustomResourceDefinition> = Api::all(world.server.admin().await.unwrap());
    let mut crd = crds.get("nodetimes.meantime.dev").await.unwrap();
    let schema = crd.spec.versions[0].schema.as_mut().unwrap().open_api_v3_schema.as_mut().unwrap();
    let status = schema.properties.as_mut().unwrap().get_mut("status").unwrap();
    let known = status.properties.as_mut().unwrap();
    for field in ["clock", "disagreementNanoseconds"] {
        assert!(known.remove(field).is_some());
    }
    crds.replace("nodetimes.meantime.dev", &PostParams::default(), &crd).await.unwrap();
    // The server serves the older schema a moment later.
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.create(true).await;
    world.node.start();
    let status = world.wait_applied("the plan").await;
    assert_eq!(status.clock, None, "left out by the API server");
    assert!(world.node.log().contains("the NodeTime CRD is older than this agent"));
    // And what is not known any more goes: chronyd is stopped, so there are no associations.
    assert_eq!(status.associations.len(), 4);
    world.node.signal_chronyd(rustix::process::Signal::STOP);
    let down = |status: &NodeTimeStatus| condition(status, "TimeDaemonDown") == "True";
    let status = world.wait("TimeDaemonDown", down).await;
    assert_eq!(status.associations.len(), 0);
    world.node.signal_chronyd(rustix::process::Signal::CONT);
}

//! What an agent remembers on its host, and the fence that keeps old plans out.
//!
//! **In:** the text of `ledger.json`; a plan's (uid, generation). **Out:** a [`Ledger`]; an [`Admission`].
//! Pure: the agent's own `ledger.rs` reads and writes the file.
//!
//! The ledger is what lets time outlive Kubernetes: with the API server gone, the agent starts from it alone.

use crate::observation::ClockProfile;
use crate::peers::Planned;
use crate::snapshot::NodePlan;
use crate::units::Nanos;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version that this build writes.
pub const VERSION: u32 = 1;

/// Identifies one version of one NodeTime: generations only rise within one uid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fence {
    /// The NodeTime's uid.
    pub uid: String,
    /// The NodeTime's generation.
    pub generation: i64,
}

/// A plan with the object that it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldPlan {
    /// Which object, which generation.
    pub fence: Fence,
    /// What it said.
    pub plan: NodePlan,
}

/// How chronyd's last run ended, for law 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastRun {
    /// Whose clock its dumps were measured against.
    pub profile: ClockProfile,
    /// What it had yet to correct.
    pub residual: Nanos,
    /// w: root delay/2 + root dispersion.
    pub width: Nanos,
}

/// A plan that was taken back, and why: not tried again until another one comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// Which object, which generation.
    pub fence: Fence,
    /// The plan's hash.
    pub hash: String,
    /// One line.
    pub why: String,
}

/// The answer to a person's request, so that none is carried out twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answered {
    /// What was asked.
    pub verb: String,
    /// Which request it was.
    pub id: String,
    /// Whether it was done.
    pub done: bool,
    /// One line.
    pub message: String,
}

/// What one agent remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// The boot in which our chronyd was last started.
    pub boot_id: Option<String>,
    /// Starts of our chronyd on this host, ever.
    pub daemon_starts: u64,
    /// Status writes from this host, ever.
    pub sequence: u64,
    /// The newest NodeTime version that was taken up, whatever became of it.
    pub fence: Option<Fence>,
    /// The hash of the plan in it.
    pub fence_hash: Option<String>,
    /// The last good plan: the one that chronyd runs.
    pub plan: Option<HeldPlan>,
    /// The last plan that was taken back.
    pub refused: Option<Refused>,
    /// Retirement was asked for and done: run nothing until another wish comes.
    pub retired: bool,
    /// The last request that was answered.
    pub answered: Option<Answered>,
    /// How chronyd's last run ended.
    pub last_run: Option<LastRun>,
    /// The judge's state as it wrote it (its own type; a judge that can't read it starts anew).
    pub judge: Option<Value>,
    /// What failover remembers, as it wrote it; one that can't be read begins with the plan.
    #[serde(default)]
    pub failover: Option<Value>,
    /// Whom the agent asks for the time besides; none = it takes no part, or nobody has said so yet.
    #[serde(default)]
    pub peers: Option<Vec<Planned>>,
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
    #[serde(flatten)]
    ledger: Ledger,
}

#[derive(Serialize)]
struct VersionedRef<'a> {
    version: u32,
    #[serde(flatten)]
    ledger: &'a Ledger,
}

/// What a ledger's text turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// This build's own version.
    Current(Ledger),
    /// Another version, newer or older: only what means the same in every version was kept. The agent sets the
    /// old file aside and waits for its plan.
    Salvaged {
        /// What could be kept.
        ledger: Ledger,
        /// The version found; none if the file names none.
        version: Option<u64>,
    },
    /// No JSON object at all. Nothing is known: in particular not whether this boot is new.
    Unreadable {
        /// The parser's words.
        why: String,
    },
}

impl Ledger {
    /// The file's text.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(&VersionedRef { version: VERSION, ledger: self })
    }

    /// From the file's text. Never fails: what can't be read is said, and the agent goes on.
    pub fn read(text: &str) -> Read {
        let value: Value = match serde_json::from_str(text) {
            Ok(value @ Value::Object(_)) => value,
            Ok(_) => return Read::Unreadable { why: "not a JSON object".to_owned() },
            Err(error) => return Read::Unreadable { why: error.to_string() },
        };
        if let Ok(found) = serde_json::from_value::<Versioned>(value.clone())
            && found.version == VERSION
        {
            return Read::Current(found.ledger);
        }
        // These keys are promised to keep name and meaning in every version: without them a change of version
        // could look like a boot (and chronyd step), like a fresh daemon, or like a status from the past.
        let ledger = Ledger {
            boot_id: value.get("bootId").and_then(Value::as_str).map(str::to_owned),
            daemon_starts: value.get("daemonStarts").and_then(Value::as_u64).unwrap_or(0),
            sequence: value.get("sequence").and_then(Value::as_u64).unwrap_or(0),
            ..Ledger::default()
        };
        Read::Salvaged { ledger, version: value.get("version").and_then(Value::as_u64) }
    }
}

/// Where an offered plan was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A watch or its cache: may be old.
    Watch,
    /// A quorum GET: what etcd holds now.
    QuorumGet,
}

/// What becomes of an offered plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Newer: take it up.
    Accept,
    /// The one that is held.
    Known,
    /// Older, or another object: only a quorum GET can say whether the cluster was restored from an older copy.
    AskQuorum,
}

/// The fence (law 8): an older generation or another uid is never taken from a watch, and is taken from a quorum GET,
/// so that a restored etcd bricks nobody. `same_content` says whether the offered plan has the held one's hash.
pub fn admit(held: Option<&Fence>, offered: &Fence, same_content: bool, origin: Origin) -> Admission {
    let Some(held) = held else { return Admission::Accept };
    let same_object = held.uid == offered.uid;
    if same_object && offered.generation > held.generation {
        return Admission::Accept;
    }
    if same_object && offered.generation == held.generation && same_content {
        return Admission::Known;
    }
    match origin {
        Origin::Watch => Admission::AskQuorum,
        Origin::QuorumGet => Admission::Accept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn fence(uid: &str, generation: i64) -> Fence {
        Fence { uid: uid.to_owned(), generation }
    }

    #[rstest]
    #[case::first(None, ("a", 3), false, Admission::Accept, Admission::Accept)]
    #[case::newer(Some(("a", 2)), ("a", 3), false, Admission::Accept, Admission::Accept)]
    #[case::known(Some(("a", 3)), ("a", 3), true, Admission::Known, Admission::Known)]
    #[case::older(Some(("a", 3)), ("a", 2), false, Admission::AskQuorum, Admission::Accept)]
    #[case::older_but_equal(Some(("a", 3)), ("a", 2), true, Admission::AskQuorum, Admission::Accept)]
    #[case::changed_under_one_generation(Some(("a", 3)), ("a", 3), false, Admission::AskQuorum, Admission::Accept)]
    #[case::another_object(Some(("a", 3)), ("b", 9), false, Admission::AskQuorum, Admission::Accept)]
    fn the_fence(
        #[case] held: Option<(&str, i64)>,
        #[case] offered: (&str, i64),
        #[case] same: bool,
        #[case] from_watch: Admission,
        #[case] from_quorum: Admission,
    ) {
        let held = held.map(|(uid, generation)| fence(uid, generation));
        let offered = fence(offered.0, offered.1);
        assert_eq!(admit(held.as_ref(), &offered, same, Origin::Watch), from_watch);
        assert_eq!(admit(held.as_ref(), &offered, same, Origin::QuorumGet), from_quorum);
    }

    #[test]
    fn what_is_written_is_read() {
        let ledger = Ledger {
            boot_id: Some("b".into()),
            daemon_starts: 4,
            fence: Some(fence("u", 2)),
            judge: Some(serde_json::json!({"x": 1})),
            ..Ledger::default()
        };
        assert_eq!(Ledger::read(&ledger.to_json().unwrap()), Read::Current(ledger));
    }

    #[test]
    fn another_version_keeps_the_boot_so_that_nobody_steps() {
        let text =
            r#"{"version": 0, "bootId": "b", "daemonStarts": 4, "sequence": 9, "plan": "of another shape"}"#;
        let kept = Ledger { boot_id: Some("b".into()), daemon_starts: 4, sequence: 9, ..Ledger::default() };
        assert_eq!(Ledger::read(text), Read::Salvaged { ledger: kept, version: Some(0) });
    }

    #[test]
    fn a_current_version_of_another_shape_is_salvaged_too() {
        let text = r#"{"version": 1, "bootId": "b", "plan": 7}"#;
        assert!(matches!(Ledger::read(text), Read::Salvaged { version: Some(1), .. }));
    }

    #[rstest]
    #[case("")]
    #[case("[1]")]
    #[case("{\"version\": 1, \"bootId\"")]
    fn garbage_is_said_to_be_garbage(#[case] text: &str) {
        assert!(matches!(Ledger::read(text), Read::Unreadable { .. }));
    }
}

//! What the operator of the simulated fleet planned for each node, and what it declares of the sources.

use super::world::{Machine, World};
use meantime_core::diagnose::fleet::Declared;
use meantime_core::fsm::failover::Figures;
use meantime_core::observation::ClockProfile;
use meantime_core::policy::Mode;
use meantime_core::snapshot::{NodePlan, ObjectRef, PlannedAssociation, Role};
use meantime_core::source::{Endpoint, PollRange, Scope};
use meantime_core::tolerances::Preset;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The address of a source.
pub fn address(server: usize) -> IpAddr {
    IpAddr::from([10, 0, 0, u8::try_from(server + 1).unwrap_or(u8::MAX)])
}

/// The plan of one node: preset `kubernetes`, tier 1 drives, tier 2 votes and drives second.
pub fn plan(world: &World, machine: &Machine) -> NodePlan {
    let wanted = |name: &String| machine.plan.as_ref().is_none_or(|names| names.contains(name));
    let servers = world.servers.iter().enumerate().filter(|(_, server)| wanted(&server.name));
    let associations = servers.map(|(index, server)| PlannedAssociation {
        source: server.name.clone(),
        tier: server.tier,
        role: server.role,
        endpoint: Endpoint::Server {
            address: if server.named {
                format!("{}.example", server.name)
            } else {
                address(index).to_string()
            },
            port: 123,
        },
        polls: match server.scope {
            Scope::Public => PollRange { min: 6, max: 6 },
            Scope::Local | Scope::Site if world.slow => PollRange { min: 6, max: 6 },
            Scope::Local | Scope::Site => PollRange { min: 4, max: 4 },
        },
        iburst: true,
        scope: server.scope,
        independence: server.independence.clone(),
        timescale: server.timescale.clone(),
        drive_order: (server.role != Role::Witness).then_some(server.tier),
        weight: 100,
        power_failing: false,
    });
    NodePlan {
        policy: ObjectRef { name: "all".into(), uid: "u-1".into(), generation: 1 },
        mode: match machine.profile {
            ClockProfile::Real => Mode::Managed,
            ClockProfile::Virtual => Mode::Observe,
        },
        associations: associations.collect(),
        tolerances: Preset::Kubernetes.tolerances(),
        failover: Figures::default(),
        main: String::new(),
        sources: String::new(),
        hash: "plan-1".into(),
    }
}

/// What is declared.
pub fn declared(world: &World) -> BTreeMap<String, Declared> {
    let one = |server: &super::world::Server| {
        let declared = Declared { scope: server.scope, zone: server.zone.clone() };
        (server.name.clone(), declared)
    };
    world.servers.iter().map(one).collect()
}

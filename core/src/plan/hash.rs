//! One word for a whole plan.

use crate::fsm::failover::score::Limits;
use crate::fsm::failover::{Failback, Figures};
use crate::policy::Mode;
use crate::snapshot::{NodePlan, ObjectRef, PlannedAssociation, Role};
use crate::source::{Endpoint, PollRange, Scope, Timescale};
use crate::tolerances::Tolerances;
use sha2::{Digest, Sha256};

/// SHA-256 over the plan as length-prefixed texts (so that no two plans give one text), first 16 hex digits. The
/// policy's generation is left out: an edit without effect on a node is no change of its plan. Every struct is
/// taken apart by name, so that a new field can not be forgotten.
pub(super) fn of(plan: &NodePlan) -> String {
    let NodePlan { policy, mode, associations, tolerances, failover, main, sources, hash: _ } = plan;
    let ObjectRef { name, uid, generation: _ } = policy;
    let mut sink = Sink(Sha256::new());
    sink.text(name);
    sink.text(uid);
    sink.text(match mode {
        Mode::Observe => "Observe",
        Mode::Managed => "Managed",
    });
    sink.tolerances(tolerances);
    sink.failover(failover);
    sink.number(associations.len());
    for association in associations {
        sink.association(association);
    }
    sink.text(main);
    sink.text(sources);
    let mut hash = hex::encode(sink.0.finalize());
    hash.truncate(16);
    hash
}

struct Sink(Sha256);

impl Sink {
    fn text(&mut self, text: &str) {
        self.0.update(text.len().to_string());
        self.0.update(":");
        self.0.update(text);
    }
    fn number(&mut self, number: impl std::fmt::Display) {
        self.text(&number.to_string());
    }
    fn option(&mut self, number: Option<impl std::fmt::Display>) {
        self.text(&number.map_or(String::new(), |number| number.to_string()));
    }

    fn tolerances(&mut self, tolerances: &Tolerances) {
        let Tolerances {
            preset,
            max_offset,
            warn_offset,
            max_error_bound,
            warn_error_bound,
            min_sources,
            max_frequency_error,
            max_update_intervals,
            breach_hold,
            clear_hold,
            guaranteed_rate,
            step_at_boot,
        } = tolerances;
        self.text(preset.name());
        for span in [max_offset, warn_offset, max_error_bound, warn_error_bound, breach_hold, clear_hold] {
            self.number(span.0);
        }
        self.number(min_sources);
        self.option(max_frequency_error.map(|rate| rate.0));
        self.option(*max_update_intervals);
        self.number(guaranteed_rate.0);
        self.number(step_at_boot);
    }

    fn failover(&mut self, figures: &Figures) {
        let Figures {
            suspect_after,
            fail_after,
            probes,
            jitter,
            max_reference_age,
            flap_window,
            verify_checks,
            verify_spacing,
            verify_later,
            watch,
            failback: Failback { every, tries, score, checks, spacing },
            limits: Limits { response, offset, jitter: most_jitter, stratum },
        } = figures;
        for count in [suspect_after, fail_after, probes, verify_checks, tries, checks] {
            self.number(count);
        }
        for span in
            [jitter, max_reference_age, flap_window, verify_spacing, verify_later, watch, every, spacing]
        {
            self.number(span.0);
        }
        for span in [response, offset, most_jitter] {
            self.number(span.0);
        }
        self.number(score);
        self.number(stratum);
    }

    fn association(&mut self, association: &PlannedAssociation) {
        let PlannedAssociation {
            source,
            tier,
            role,
            endpoint,
            polls: PollRange { min, max },
            iburst,
            scope,
            independence,
            timescale,
            drive_order,
            weight,
            power_failing,
        } = association;
        self.text(source);
        self.number(tier);
        self.text(match role {
            Role::Driver => "Driver",
            Role::Voter => "Voter",
            Role::Witness => "Witness",
        });
        match endpoint {
            Endpoint::Server { address, port } => {
                self.text("server");
                self.text(address);
                self.number(port);
            }
            Endpoint::Pool { name, port, max_sources } => {
                self.text("pool");
                self.text(name);
                self.number(port);
                self.number(max_sources);
            }
        }
        self.number(min);
        self.number(max);
        self.number(iburst);
        self.text(match scope {
            Scope::Local => "Local",
            Scope::Site => "Site",
            Scope::Public => "Public",
        });
        self.text(independence);
        self.option(*drive_order);
        self.number(weight);
        self.number(power_failing);
        match timescale {
            Timescale::Utc => self.text("utc"),
            Timescale::Smear(name) => {
                self.text("smear");
                self.text(name);
            }
        }
    }
}

//! The CEL rules of the schemas, one function per rule set, each with its message and how it says it.
//!
//! Every rule has an accepting and a rejecting example under `tests/cases/`, run against a real API server.
//! A rule must never repeat a plain bound, and must stand on its own: CEL evaluates all of them, so each guards
//! its own input (`matches` before `duration()`), lest the user reads "type conversion error".

use meantime_core::duration::PATTERN;
use serde_json::{Value, json};

/// Labels of a DNS name; the final dot is allowed. What a regular expression can't say is in [`ADDRESS_RULES`].
const DNS: &str =
    r"^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\\.?$";
/// A last label that `inet_aton` would read as a number: such a text would be an address to some readers.
const NUMERIC_LAST_LABEL: &str = r"(^|\\.)([0-9]+|0[xX][0-9A-Fa-f]*)\\.?$";

fn rule(rule: &str, message: &str) -> Value {
    json!({"rule": rule, "message": message})
}

/// One regular expression as a CEL string literal.
fn literal(pattern: &str) -> String {
    format!("'{}'", pattern.replace('\\', r"\\"))
}

/// `self` is a duration within `low..=high` (CEL durations).
fn duration_between(low: &str, low_operator: &str, high: &str, message: &str) -> Value {
    let guard = literal(PATTERN);
    json!([rule(
        &format!(
            "self.matches({guard}) && duration(self) {low_operator} duration('{low}') && duration(self) <= duration('{high}')"
        ),
        message,
    )])
}

/// A tolerance: above zero, at most one hour.
pub(crate) fn tolerance() -> Value {
    duration_between(
        "0s",
        ">",
        "1h",
        "must be a duration above 0s, at most 1h; units ns us ms s m h, for example 50ms",
    )
}

/// A hold time: zero to one hour.
pub(crate) fn hold() -> Value {
    duration_between(
        "0s",
        ">=",
        "1h",
        "must be a duration of 0s to 1h; units ns us ms s m h, for example 30s",
    )
}

/// A wait: above zero, at most a week.
pub(crate) fn wait() -> Value {
    duration_between(
        "0s",
        ">",
        "168h",
        "must be a duration above 0s, at most 168h; units ns us ms s m h, for example 5m",
    )
}

/// Nobody fails before being suspect; the numbers are the defaults of `meantime_core::fsm::failover`.
pub(crate) fn failover() -> Value {
    json!([rule(
        "(has(self.suspectAfter) ? self.suspectAfter : 2) <= (has(self.failAfter) ? self.failAfter : 3)",
        "suspectAfter (2 unless told) must not be above failAfter (3 unless told): a source is suspect before it fails",
    )])
}

fn ordered(warn: &str, max: &str) -> Value {
    let guard = literal(PATTERN);
    json!({
        "rule": format!(
            "!has(self.{warn}) || !has(self.{max}) || !self.{warn}.matches({guard}) || !self.{max}.matches({guard}) \
             || duration(self.{warn}) <= duration(self.{max})"
        ),
        "messageExpression": format!("'{warn} (' + self.{warn} + ') must not be above {max} (' + self.{max} + ')'"),
        "message": format!("{warn} must not be above {max}"),
    })
}

/// No warn level above its limit (against the preset's limit it is checked by the operator: Stalled).
pub(crate) fn tolerances() -> Value {
    json!([ordered("warnOffset", "maxOffset"), ordered("warnErrorBound", "maxErrorBound")])
}

/// An IP address that a server can have, or a DNS name.
pub(crate) fn server_address() -> Value {
    json!([
        rule(
            &format!("isIP(self) || (self.matches('{DNS}') && !self.matches('{NUMERIC_LAST_LABEL}'))"),
            "must be an IPv4 or IPv6 address without zone or port, or a DNS name whose last label is not a number",
        ),
        rule(
            "!isIP(self) || ip(self).isGlobalUnicast() || ip(self).isLoopback() || \
             (ip(self).family() == 4 && ip(self).isLinkLocalUnicast())",
            "no single server can have this address (unspecified, multicast, broadcast, or link-local IPv6)",
        ),
        rule(
            "!self.startsWith('127.127.')",
            "127.127.x.y is how ntpd names clock hardware; chrony has no such driver",
        ),
    ])
}

/// A DNS name, not an IP address.
pub(crate) fn pool_name() -> Value {
    json!([rule(
        &format!("self.matches('{DNS}') && !self.matches('{NUMERIC_LAST_LABEL}')"),
        "must be a DNS name whose last label is not a number; use server for one address",
    )])
}

/// minPoll ≤ maxPoll. The message can't hold the numbers: `string(int)` has no bound that the cost estimate knows,
/// and the API server refuses the whole schema.
pub(crate) fn polls() -> Value {
    json!([rule(
        "!has(self.minPoll) || !has(self.maxPoll) || self.minPoll <= self.maxPoll",
        "minPoll must not be above maxPoll; the first is the fastest poll, 2^minPoll seconds",
    )])
}

/// Exactly one endpoint, and good manners towards public servers (declared or by default).
pub(crate) fn source() -> Value {
    // The fastest poll in force; keep in step with convert::timesource::polls.
    let fastest = |at: &str| {
        format!(
            "(has(self.{at}.minPoll) ? self.{at}.minPoll : has(self.{at}.maxPoll) && self.{at}.maxPoll < 6 ? self.{at}.maxPoll : 6)"
        )
    };
    // The default scope is Local for these; keep in step with convert::timesource::default_scope.
    let near = "(isIP(self.server.address) && (ip(self.server.address).isLoopback() || ip(self.server.address).isLinkLocalUnicast() \
                || cidr('10.0.0.0/8').containsIP(self.server.address) || cidr('172.16.0.0/12').containsIP(self.server.address) \
                || cidr('192.168.0.0/16').containsIP(self.server.address) || cidr('fc00::/7').containsIP(self.server.address)))";
    let manners = "a Public source takes minPoll 6 (64 s) or more; set scope Site or Local if the server is your own (a name is Public unless told)";
    json!([
        rule("has(self.server) != has(self.pool)", "set exactly one of server and pool"),
        rule(
            &format!(
                "!has(self.server) || (has(self.scope) ? self.scope != 'Public' : {near}) || {} >= 6",
                fastest("server")
            ),
            manners,
        ),
        rule(
            &format!(
                "!has(self.pool) || (has(self.scope) && self.scope != 'Public') || {} >= 6",
                fastest("pool")
            ),
            manners,
        ),
    ])
}

/// A smear may not be called utc.
pub(crate) fn timescale() -> Value {
    json!([rule(
        "self == 'UTC' || self.lowerAscii() != 'utc'",
        "write UTC in capitals, or the name of a leap smear",
    )])
}

/// In and NotIn need values, Exists and DoesNotExist must not have any.
pub(crate) fn requirement() -> Value {
    json!([rule(
        "self.operator in ['In', 'NotIn'] ? has(self.values) && self.values.size() > 0 : !has(self.values) || self.values.size() == 0",
        "In and NotIn need values; Exists and DoesNotExist must not have any",
    )])
}

/// Names that other objects repeat are short, so that a NodeTime stays small.
pub(crate) fn short_name() -> Value {
    json!([rule("self.metadata.name.size() <= 63", "the name must not be longer than 63 characters")])
}

//! The operator against a real API server (etcd + kube-apiserver, no controllers, no nodes): everything that it does to
//! a cluster, with Nodes and agents' reports made by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests, helpers included")]

mod bad_input;
mod flow;
mod harness;
mod incidents;
mod keys;
mod leaders;
mod remediation;
mod undo;

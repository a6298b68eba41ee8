//! # Meantime's tests: harness, time lab, scenes
//!
//! **Role.** Everything that tests need and the product must not contain. **Never** linked into a product binary.

pub mod agent;
pub mod apiserver;
pub mod bench;
pub mod chronyd;
pub mod demo;
pub mod figures;
pub mod fleet;
pub mod kind;
pub mod lab;
pub mod size;
pub mod vm;

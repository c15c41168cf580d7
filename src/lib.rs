//! Beaconfire: a realtime database that you host yourself.
//!
//! The rooms, from left to right; each may use what stands left of it, never the reverse (`tests/tidy.rs` keeps it so):
//!
//! `base < model < rules, auth, store, transport < engine < protocols < server < cli`
//!
//! ARCHITECTURE.md is the map.

pub mod auth;
pub mod base;
pub mod cli;
pub mod engine;
pub mod model;
pub mod protocols;
pub mod rules;
pub mod server;
pub mod store;
pub mod transport;

//! Everything undetermined or bounded enters here: clock, randomness, limits.
//!
//! Knows nothing of the other rooms. Values are passed in, so that tests move time and chance by hand.
//!
//! - `clock`: milliseconds since the epoch, never backwards
//! - `random`: unguessable ids
//! - `limits`: every bound in one table

pub mod clock;
pub mod limits;
pub mod random;

pub use clock::{Clock, Millis};

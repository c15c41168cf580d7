//! JSON text into nodes and back.
//!
//! Source: Firebase REST reference 3.3, 4; realtime protocol 11.2, 11.6, 11.7.

/// How data is written as JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// No priorities; maps whose keys look like an array's are arrays.
    #[default]
    Plain,
    /// Priorities as `.priority` and `.value`; no arrays.
    Export,
}

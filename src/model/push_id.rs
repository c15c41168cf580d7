//! Push ids: 20 characters that sort by creation time.
//!
//! Source: Firebase realtime protocol 17.

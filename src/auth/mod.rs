//! Who somebody is: a credential in, an identity out.
//!
//! Pure: keys and the time are handed in. Knows nothing of sockets, protocols or rules, and fetches nothing; `server`
//! makes the keyring, and replaces it whole when secrets, keys or an issuer's key set change.
//! Source: Firebase rules reference 9; REST reference 7, 8; realtime protocol 15.
//!
//! - `keyring`: all that is trusted; the one way from a credential to an identity, and what a keyring still grants
//! - `credential`, `identified`, `error`: what comes in, and what comes out
//! - `token`: a JWT taken apart; nothing in it is believed there
//! - `admin_key`: administrators' keys: made, kept as a fingerprint, revoked
//! - `oidc`: tokens that issuers have signed; `key_set`: the public keys of one
//! - `issuer`: OIDC issuers as configured, Firebase's own as a preset; what their claims mean
//! - `legacy`: database secrets, and the tokens signed with them
//! - `emulator`: what an emulator believes without proof; nothing else may
//! - `fingerprint`: secrets of high entropy, as they are kept and compared
//!
//! What holds a secret does not print it.

mod admin_key;
mod credential;
mod emulator;
mod error;
mod fingerprint;
mod identified;
mod issuer;
mod key_set;
mod keyring;
mod legacy;
mod oidc;
#[cfg(test)]
mod oidc_test;
#[cfg(test)]
mod testing;
mod token;

pub use admin_key::{AdminKey, KeyText};
pub use credential::{Credential, act_as};
pub use error::AuthError;
pub use fingerprint::Fingerprint;
pub use identified::{Grantor, Identified};
pub use issuer::{Algorithm, ClaimIs, Issuer, ProviderClaim};
pub use key_set::{KEY_SET_BYTES_MAX, KeySet, KeySetError};
pub use keyring::{Keyring, KeyringError, Leeway, Trust};
pub use legacy::Secret;

//! The public keys of an issuer, as it publishes them: a JWKS, or Google's map of X.509 certificates.
//!
//! Source: RFC 7517, RFC 7518; Firebase rules reference 9.4.

use std::fmt;

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Map, Value};

use super::Algorithm;

/// Public keys, each for one algorithm, by their ids.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

#[derive(Clone, Debug)]
struct PublicKey {
    id: String,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Why a document is no set of keys. Who must act: the operator, or the issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySetError {
    TooLarge,
    TooManyKeys,
    /// Neither a JWKS nor a map of certificates.
    NotKeys,
    /// None of its keys can be used here.
    NoUsableKey,
}

/// Bytes of a document. Those of the large issuers have less than 20 KB.
pub const KEY_SET_BYTES_MAX: usize = 256 * 1024;
/// Keys in it.
const KEYS_MAX: usize = 100;

impl KeySet {
    /// Reads either form of at most 256 KB with at most 100 keys.
    ///
    /// Keys of other kinds, for other purposes or without an id are left out, as RFC 7517 wants it; symmetric ones are
    /// of another kind.
    pub fn parse(document: &[u8]) -> Result<Self, KeySetError> {
        if document.len() > KEY_SET_BYTES_MAX {
            return Err(KeySetError::TooLarge);
        }
        let mut members: Map<String, Value> = serde_json::from_slice(document).map_err(|_| KeySetError::NotKeys)?;
        let keys: Vec<PublicKey> = match members.remove("keys") {
            Some(Value::Array(keys)) => {
                bounded(keys.len())?;
                keys.into_iter().filter_map(PublicKey::of_jwk).collect()
            }
            Some(_) => return Err(KeySetError::NotKeys),
            None => {
                bounded(members.len())?;
                members.into_iter().filter_map(|(id, pem)| PublicKey::of_certificate(id, pem.as_str()?)).collect()
            }
        };
        if keys.is_empty() { Err(KeySetError::NoUsableKey) } else { Ok(Self { keys }) }
    }

    pub fn has(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id == id)
    }

    /// The key of this id for this algorithm. (Some issuers use an id once per algorithm.)
    pub(super) fn get(&self, id: &str, algorithm: Algorithm) -> Option<&DecodingKey> {
        self.keys.iter().find(|key| key.id == id && key.algorithm == algorithm).map(|key| &key.key)
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

fn bounded(keys: usize) -> Result<(), KeySetError> {
    if keys > KEYS_MAX { Err(KeySetError::TooManyKeys) } else { Ok(()) }
}

impl PublicKey {
    fn of_jwk(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
            _ => return None,
        };
        let common = &jwk.common;
        let signs = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
        let fits = common.key_algorithm.is_none_or(|named| named == KeyAlgorithm::from(algorithm.for_verifying()));
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        (signs && fits).then_some(Self { id: jwk.common.key_id?, algorithm, key })
    }

    /// The RSA key in a certificate. Nothing else of it counts: it came from the issuer by TLS.
    fn of_certificate(id: String, pem: &str) -> Option<Self> {
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
        let public_key = webpki::EndEntityCert::try_from(&certificate).ok()?.subject_public_key_info();
        aws_lc_rs::rsa::PublicKey::from_der(&public_key).ok()?; // it is one of RSA
        Some(Self { id, algorithm: Algorithm::RS256, key: DecodingKey::from_rsa_der(&public_key) })
    }
}

impl fmt::Display for KeySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(f, "the issuer's keys have more than {KEY_SET_BYTES_MAX} bytes"),
            Self::TooManyKeys => write!(f, "the issuer has more than {KEYS_MAX} keys"),
            Self::NotKeys => f.write_str("the issuer's keys are neither a JWKS nor a map of certificates"),
            Self::NoUsableKey => f.write_str("none of the issuer's keys has an id and is for RS256, ES256 or EdDSA"),
        }
    }
}

impl std::error::Error for KeySetError {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::testing::{CERTIFICATE, Signer};

    fn parse(document: &Value) -> Result<KeySet, KeySetError> {
        KeySet::parse(document.to_string().as_bytes())
    }

    /// A key with some of its members replaced (or, with null, removed).
    fn changed(signer: &Signer, members: &Value) -> Value {
        let mut key = signer.jwk("k");
        key.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        key.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        key
    }

    #[test]
    fn jwks_gives_each_kind_of_key() {
        let keys = json!({ "keys": [Signer::rsa().jwk("r"), Signer::ec().jwk("e"), Signer::ed().jwk("d")] });
        let keys = parse(&keys).unwrap();
        assert_eq!(keys.len(), 3);
        assert!(keys.get("r", Algorithm::RS256).is_some() && keys.get("e", Algorithm::ES256).is_some());
        assert!(keys.get("d", Algorithm::EdDSA).is_some() && keys.get("d", Algorithm::RS256).is_none());
        assert!(keys.has("r") && !keys.has("x"));
    }

    #[test]
    fn keys_that_cannot_be_used_are_left_out() {
        let good = Signer::rsa().jwk("good");
        for bad in [
            changed(&Signer::rsa(), &json!({ "kid": null })),
            changed(&Signer::rsa(), &json!({ "use": "enc" })),
            changed(&Signer::rsa(), &json!({ "alg": "RS512" })),
            changed(&Signer::rsa(), &json!({ "alg": "HS256" })),
            changed(&Signer::rsa(), &json!({ "n": "!" })),
            changed(&Signer::rsa(), &json!({ "n": null })),
            changed(&Signer::ec(), &json!({ "crv": "P-384" })),
            changed(&Signer::ec(), &json!({ "crv": "secp256k1" })),
            changed(&Signer::ed(), &json!({ "crv": "X25519" })),
            json!({ "kty": "oct", "kid": "k", "k": "c2VjcmV0", "alg": "HS256" }),
            json!({}),
            json!(null),
            json!("key"),
        ] {
            let keys = parse(&json!({ "keys": [&bad, &good] })).unwrap();
            assert_eq!((keys.len(), keys.has("good")), (1, true), "{bad}");
            assert_eq!(parse(&json!({ "keys": [bad] })).unwrap_err(), KeySetError::NoUsableKey);
        }
    }

    #[test]
    fn map_of_certificates_gives_their_keys() {
        let keys = parse(&json!({ "cert-1": CERTIFICATE, "x": "-----BEGIN CERTIFICATE-----", "n": 1 })).unwrap();
        assert!(keys.len() == 1 && keys.get("cert-1", Algorithm::RS256).is_some());
        // Only the first of two places for a key in PEM counts, and a key without a certificate is none.
        assert_eq!(parse(&json!({ "a": "x" })).unwrap_err(), KeySetError::NoUsableKey);
        let deep = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----", "MIAw".repeat(40_000));
        assert_eq!(parse(&json!({ "a": deep })).unwrap_err(), KeySetError::NoUsableKey);
    }

    #[test]
    fn document_that_is_too_much_or_something_else_is_refused() {
        let key = Signer::ed().jwk("k");
        assert_eq!(parse(&json!({ "keys": vec![&key; 100] })).unwrap().len(), 100);
        assert_eq!(parse(&json!({ "keys": vec![&key; 101] })).unwrap_err(), KeySetError::TooManyKeys);
        let large = " ".repeat(KEY_SET_BYTES_MAX + 1);
        assert_eq!(KeySet::parse(large.as_bytes()).unwrap_err(), KeySetError::TooLarge);
        for bad in ["", "[]", "{", "null", "{\"keys\":{}}", &"[".repeat(10_000), "\u{0}"] {
            assert_eq!(KeySet::parse(bad.as_bytes()).unwrap_err(), KeySetError::NotKeys, "{bad}");
        }
        assert_eq!(KeySet::parse(b"{}").unwrap_err(), KeySetError::NoUsableKey);
        assert_eq!(KeySet::parse(&[0xff; 10]).unwrap_err(), KeySetError::NotKeys);
    }
}

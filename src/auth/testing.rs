//! Tokens and signers for tests. Signs with the cryptographic library itself, not with the one that is tested.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// As base64url without padding.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token of tests, as Firebase's SDKs make them up.
pub fn unsigned(claims: &Value) -> String {
    format!("{}.{}.", encode(r#"{"alg":"none","type":"JWT"}"#), encode(claims.to_string()))
}

/// One with lists in a list, this many.
pub fn deep_token(depth: usize) -> String {
    let claims = format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(claims))
}

/// The time of tests: 2027-01-15.
pub const NOW_S: i64 = 1_800_000_000;
pub const NOW_MS: i64 = NOW_S * 1_000;
/// A database secret.
pub const SECRET: &str = "aSecretOfFortyCharactersLikeTheHostedOnes";

/// Claims of a token with this header, signed with an HMAC.
pub fn hs256(secret: &str, claims: &Value) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    signed(r#"{"typ":"JWT","alg":"HS256"}"#, claims, |message| hmac::sign(&key, message).as_ref().to_vec())
}

/// A token with this header and these claims, signed by `sign`.
pub fn signed(header: &str, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", encode(header), encode(claims.to_string()));
    let signature = encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

/// A certificate as Firebase publishes its keys, and a token that its key has signed for the project `demo`, valid from
/// [`NOW_S`] for an hour.
pub const CERTIFICATE: &str = include_str!("testing/certificate.pem");
pub const CERTIFICATE_TOKEN: &str = include_str!("testing/certificate.jwt");

/// A pair of keys, made once for all tests.
#[derive(Clone, Copy)]
pub enum Signer {
    Rsa(&'static RsaKeyPair),
    Ec(&'static EcdsaKeyPair),
    Ed(&'static Ed25519KeyPair),
}

impl Signer {
    pub fn rsa() -> Self {
        static KEY: OnceLock<RsaKeyPair> = OnceLock::new();
        Self::Rsa(KEY.get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
    }

    /// Another one than [`Signer::rsa`].
    pub fn other_rsa() -> Self {
        static KEY: OnceLock<RsaKeyPair> = OnceLock::new();
        Self::Rsa(KEY.get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
    }

    pub fn ec() -> Self {
        static KEY: OnceLock<EcdsaKeyPair> = OnceLock::new();
        Self::Ec(KEY.get_or_init(|| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()))
    }

    pub fn ed() -> Self {
        static KEY: OnceLock<Ed25519KeyPair> = OnceLock::new();
        Self::Ed(KEY.get_or_init(|| Ed25519KeyPair::generate().unwrap()))
    }

    pub fn algorithm(self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::Ec(_) => "ES256",
            Self::Ed(_) => "EdDSA",
        }
    }

    /// Its public key as a JWKS has it.
    pub fn jwk(self, id: &str) -> Value {
        match self {
            Self::Rsa(key) => {
                let (n, e) = (key.public_key().modulus(), key.public_key().exponent());
                let (n, e) = (encode(n.big_endian_without_leading_zero()), encode(e.big_endian_without_leading_zero()));
                json!({ "kty": "RSA", "kid": id, "use": "sig", "alg": "RS256", "n": n, "e": e })
            }
            Self::Ec(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "kid": id, "crv": "P-256", "x": encode(x), "y": encode(y) })
            }
            Self::Ed(key) => json!({ "kty": "OKP", "kid": id, "crv": "Ed25519", "x": encode(key.public_key()) }),
        }
    }

    /// Texts of its public key that somebody might take for a secret: DER, PEM, and the bare key.
    pub fn public_texts(self) -> Vec<Vec<u8>> {
        let (der, bare) = match self {
            Self::Rsa(key) => (x509(key.public_key()), key.public_key().as_ref().to_vec()),
            Self::Ec(key) => (x509(key.public_key()), key.public_key().as_ref().to_vec()),
            Self::Ed(key) => (x509(key.public_key()), key.public_key().as_ref().to_vec()),
        };
        let base64 = base64::engine::general_purpose::STANDARD.encode(&der);
        let lines: String = base64.as_bytes().chunks(64).fold(String::new(), |mut lines, line| {
            lines.push_str(std::str::from_utf8(line).unwrap());
            lines.push('\n');
            lines
        });
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{lines}-----END PUBLIC KEY-----\n");
        vec![der, bare, pem.trim_end().into(), pem.into()]
    }

    /// A token of these claims that names the key `id`.
    pub fn token(self, id: &str, claims: &Value) -> String {
        self.token_with(&json!({ "alg": self.algorithm(), "kid": id, "typ": "JWT" }), claims)
    }

    /// A token with this header, whatever it says.
    pub fn token_with(self, header: &Value, claims: &Value) -> String {
        signed(&header.to_string(), claims, |message| self.sign(message))
    }

    fn sign(self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
            Self::Ec(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed(key) => key.sign(message).as_ref().to_vec(),
        }
    }
}

fn x509<K>(key: &K) -> Vec<u8>
where
    K: AsDer<PublicKeyX509Der<'static>>,
{
    key.as_der().unwrap().as_ref().to_vec()
}

//! Certificate and key from PEM files, checked before anyone is shown them.
//!
//! What a client would refuse, or an operator would hear of by complaints, is an error here that says what to do: files
//! that are missing or swapped, a key of another certificate, an expired certificate. Sources: RFC 5280, RFC 7468.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{self, InconsistentKeys, ServerConfig};
use webpki::{EndEntityCert, KeyUsage};

use super::stamp::{Stamp, stamp};
use crate::base::Millis;

/// Where the PEM files are: the certificate with its chain, and its key.
#[derive(Clone, Debug)]
pub struct Files {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// What the files held.
pub struct Loaded {
    /// Ready to serve; HTTP/1.1 by ALPN.
    pub config: Arc<ServerConfig>,
    /// When the certificate expires.
    pub not_after: Millis,
}

/// Why the server cannot speak TLS with these files. Says what to do.
#[derive(Debug)]
pub enum CertificateError {
    /// One of the two was given without the other.
    Alone {
        missing: &'static str,
    },
    Unreadable {
        flag: &'static str,
        path: PathBuf,
        error: io::Error,
    },
    NoCertificate {
        path: PathBuf,
    },
    NoKey {
        path: PathBuf,
    },
    Broken {
        path: PathBuf,
        problem: String,
    },
    Mismatch(Files),
    Expired {
        path: PathBuf,
        days: i64,
    },
    NotYetValid {
        path: PathBuf,
        days: i64,
    },
}

const CERTIFICATE_FLAG: &str = "--tls-cert";
const KEY_FLAG: &str = "--tls-key";
const DAY_MS: Millis = 24 * 60 * 60 * 1_000;

impl Files {
    /// From the two settings: both, or neither.
    ///
    /// # Errors
    /// [`CertificateError::Alone`].
    pub fn of(certificate: Option<&PathBuf>, key: Option<&PathBuf>) -> Result<Option<Self>, CertificateError> {
        match (certificate.cloned(), key.cloned()) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some(Self { certificate, key })),
            (Some(_), None) => Err(CertificateError::Alone { missing: KEY_FLAG }),
            (None, Some(_)) => Err(CertificateError::Alone { missing: CERTIFICATE_FLAG }),
        }
    }

    /// Reads and checks both. Blocks on files.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub fn load(&self, now: Millis) -> Result<Loaded, CertificateError> {
        let path = &self.certificate;
        let broken = |path: &Path, problem: &dyn fmt::Display| CertificateError::Broken {
            path: path.to_owned(),
            problem: problem.to_string(),
        };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(CERTIFICATE_FLAG, path)?).collect();
        let chain = chain.map_err(|error| broken(path, &error))?;
        let leaf = chain.first().ok_or_else(|| CertificateError::NoCertificate { path: path.clone() })?;
        let (not_before, not_after) = validity(leaf).map_err(|error| broken(path, &error))?;
        if not_after < now {
            return Err(CertificateError::Expired { path: path.clone(), days: (now - not_after) / DAY_MS });
        }
        if now < not_before {
            return Err(CertificateError::NotYetValid { path: path.clone(), days: (not_before - now) / DAY_MS });
        }
        let key = PrivateKeyDer::from_pem_slice(&read(KEY_FLAG, &self.key)?).map_err(|error| match error {
            pem::Error::NoItemsFound => CertificateError::NoKey { path: self.key.clone() },
            error => broken(&self.key, &error),
        })?;
        let config = server_config(chain, key).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => CertificateError::Mismatch(self.clone()),
            rustls::Error::InvalidCertificate(_) => broken(path, &error),
            error => broken(&self.key, &error),
        })?;
        Ok(Loaded { config: Arc::new(config), not_after })
    }

    /// Blocks on files.
    pub fn stamps(&self) -> [Stamp; 2] {
        [&self.certificate, &self.key].map(|path| stamp(path))
    }
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    // HTTP/2 is not offered: event streams and WebSockets take their connection over, one to a connection, and clients
    // that could speak both take what they are offered.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn read(flag: &'static str, path: &Path) -> Result<Vec<u8>, CertificateError> {
    std::fs::read(path).map_err(|error| CertificateError::Unreadable { flag, path: path.to_owned(), error })
}

/// From when to when a certificate is valid.
///
/// The library tells by refusing: it looks at the dates before all else, so that at the beginning of time it names the
/// one, and at its end the other.
fn validity(certificate: &CertificateDer<'_>) -> Result<(Millis, Millis), webpki::Error> {
    let certificate = EndEntityCert::try_from(certificate)?;
    let judge = |seconds| {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        certificate.verify_for_usage(&[], &[], &[], time, KeyUsage::server_auth(), None, None).map(drop)
    };
    let millis = |time: UnixTime| i64::try_from(time.as_secs()).unwrap_or(i64::MAX).saturating_mul(1_000);
    let not_before = match judge(0) {
        Err(webpki::Error::CertNotValidYet { not_before, .. }) => millis(not_before),
        _ => 0,
    };
    match judge(u64::MAX) {
        Err(webpki::Error::CertExpired { not_after, .. }) => Ok((not_before, millis(not_after))),
        outcome => outcome.map(|()| (not_before, i64::MAX)),
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alone { missing } => write!(
                f,
                "TLS needs a certificate and its key: `{missing} FILE` is missing.\n\
                 Give both `{CERTIFICATE_FLAG}` and `{KEY_FLAG}`, or neither to serve without TLS."
            ),
            Self::Unreadable { flag, path, error } => write!(
                f,
                "cannot read {} (`{flag}`): {error}.\nGive a file that exists and that this user may read.",
                path.display()
            ),
            Self::NoCertificate { path } => write!(
                f,
                "{} holds no certificate in PEM (`-----BEGIN CERTIFICATE-----`).\n\
                 `{CERTIFICATE_FLAG}` wants the server's certificate and behind it those that lead to its authority: \
                 often fullchain.pem.",
                path.display()
            ),
            Self::NoKey { path } => write!(
                f,
                "{} holds no private key in PEM (`-----BEGIN PRIVATE KEY-----`).\n\
                 `{KEY_FLAG}` wants the key that the certificate was made for, no passphrase: often privkey.pem.",
                path.display()
            ),
            Self::Broken { path, problem } => write!(
                f,
                "cannot use {}: {problem}.\nGive the file as its authority issued it, in PEM.",
                path.display()
            ),
            Self::Mismatch(Files { certificate, key }) => write!(
                f,
                "the key in {} is not the one that the certificate in {} was made for.\n\
                 Give a pair; the server's certificate is the first in its file.",
                key.display(),
                certificate.display()
            ),
            Self::Expired { path, days } => {
                write!(
                    f,
                    "the certificate in {} expired {days} days ago: clients refuse it.\nRenew it.",
                    path.display()
                )
            }
            Self::NotYetValid { path, days } => write!(
                f,
                "the certificate in {} is valid only in {days} days from now.\nIs this machine's clock right?",
                path.display()
            ),
        }
    }
}

impl std::error::Error for CertificateError {}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    /// 2030-01-01.
    const NOW: Millis = 1_893_456_000_000;

    /// Certificate and key in PEM, valid from 2029-12-31 to 2030-01-11.
    fn pair() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2029, 12, 31), date_time_ymd(2030, 1, 11));
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn load(certificate: &str, key: &str, now: Millis) -> Result<Loaded, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = |name| directory.path().join(name);
        let files = Files { certificate: path("cert.pem"), key: path("key.pem") };
        fs::write(&files.certificate, certificate).unwrap();
        fs::write(&files.key, key).unwrap();
        files.load(now).map_err(|error| error.to_string())
    }

    #[test]
    fn pair_loads_and_tells_when_it_expires() {
        let (certificate, key) = pair();
        let loaded = load(&certificate, &key, NOW).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(loaded.not_after, NOW + 10 * DAY_MS);
        assert_eq!(loaded.config.alpn_protocols, [b"http/1.1"]);
        let chain = format!("{certificate}{}", pair().0);
        assert!(load(&chain, &key, NOW).is_ok(), "others may follow, and a comment\n");
    }

    #[test]
    fn unusable_files_are_refused_with_what_to_do() {
        let (certificate, key) = pair();
        let check = |certificate: &str, key: &str, now: Millis, part: &str| {
            let error = load(certificate, key, now).err().unwrap_or_default();
            assert!(error.contains(part), "{part} in {error:?}");
        };
        check(&certificate, &pair().1, NOW, "is not the one that the certificate");
        check(&key, &certificate, NOW, "holds no certificate");
        check(&certificate, &certificate, NOW, "holds no private key");
        check("", "", NOW, "holds no certificate");
        check(&certificate, &key, NOW + 13 * DAY_MS, "expired 3 days ago");
        check(&certificate, &key, NOW - 8 * DAY_MS, "valid only in 7 days");
        check(&certificate.replace("MII", "M!!"), &key, NOW, "cannot use");
        check("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &key, NOW, "cannot use");
        let half = certificate.get(..certificate.len() / 2).unwrap();
        check(half, &key, NOW, "cannot use");
        check(&certificate, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", NOW, "cannot use");
    }

    #[test]
    fn missing_file_or_setting_is_named() {
        let path = PathBuf::from("/nowhere/a.pem");
        let error = Files { certificate: path.clone(), key: path.clone() }.load(NOW).err().unwrap().to_string();
        assert!(error.contains("/nowhere/a.pem") && error.contains("--tls-cert"), "{error}");
        assert!(Files::of(Some(&path), None).unwrap_err().to_string().contains("`--tls-key FILE` is missing"));
        assert!(Files::of(None, Some(&path)).unwrap_err().to_string().contains("`--tls-cert FILE` is missing"));
        assert!(Files::of(None, None).unwrap().is_none());
    }
}

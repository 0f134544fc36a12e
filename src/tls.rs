//! TLS as every client of the program speaks it: rustls, the system's store of authorities, and the
//! customer's own authority beside it.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use crate::{class::Class, clock};

/// The system's store is read anew after so long: authorities come and go. Nor is a handshake shortened by a ticket
/// that was given under older ones.
const FRESH: Duration = Duration::from_secs(3600);
/// Where nothing was found, something may soon be installed.
const EMPTY: Duration = Duration::from_secs(60);

/// What is trusted beside the system's store: the octets of a `ca_file`, empty without one.
type Trusted = Vec<u8>;

/// One configuration takes some hundred KiB, nearly all of it the system's store; thousands of connections share it.
static KEPT: Mutex<Option<Kept>> = Mutex::new(None);

/// The system's store, which takes a quarter of a start to read, and what trusts it.
struct Kept {
    since: Instant,
    system: Arc<RootCertStore>,
    configs: HashMap<Trusted, Arc<ClientConfig>>,
}

impl Kept {
    fn read(now: Instant) -> Kept {
        let found = rustls_native_certs::load_native_certs();
        for error in found.errors {
            tracing::warn!("an authority of this system can not be read: {error}");
        }
        let mut system = RootCertStore::empty();
        system.add_parsable_certificates(found.certs);
        Kept {
            since: now,
            system: Arc::new(system),
            configs: HashMap::new(),
        }
    }

    fn is_fresh(&self, now: Instant) -> bool {
        let holds = if self.system.is_empty() { EMPTY } else { FRESH };
        now.saturating_duration_since(self.since) < holds
    }
}

/// Why no TLS connection can even be tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The `ca_file` is missing or may not be read.
    #[error("the ca_file {} can not be read: {reason}", path.display())]
    NoFile {
        /// As configured.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// The `ca_file` holds no certificate.
    #[error("the ca_file {} holds no certificate; it needs PEM blocks that begin with BEGIN CERTIFICATE", path.display())]
    NotPem {
        /// As configured.
        path: PathBuf,
    },
    /// Neither the system nor the `ca_file` gives an authority to trust.
    #[error("no authority can be trusted: {reason}; install ca-certificates, or set ca_file")]
    NoAuthorities {
        /// The library's words.
        reason: String,
    },
}

impl TlsError {
    /// What the daemon does about it: all of them are for the admin.
    pub fn class(&self) -> Class {
        Class::Credentials
    }
}

/// The one client configuration: TLS 1.2 and later, ring, the system's authorities and those of `ca_file`. That file
/// is read each time; whoever trusts the same shares the rest.
pub fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let trusted = ca_file.map(read).transpose()?.unwrap_or_default();
    let now = clock::moment();
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.take_if(|kept| !kept.is_fresh(now));
    let kept = kept.get_or_insert_with(|| Kept::read(now));
    if let Some(config) = kept.configs.get(&trusted) {
        return Ok(config.clone());
    }
    let extra = match ca_file {
        Some(path) => certificates(path, &trusted)?,
        None => Vec::new(),
    };
    let config = Arc::new(build(kept.system.clone(), extra)?);
    kept.configs.insert(trusted, config.clone());
    Ok(config)
}

/// The same for a client of HTTP, which names its one version, 1.1, as the connection opens.
pub fn http_config(ca_file: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let mut config = (*client_config(ca_file)?).clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn build(mut roots: Arc<RootCertStore>, extra: Vec<CertificateDer<'static>>) -> Result<ClientConfig, TlsError> {
    let no_authorities = |error: rustls::Error| TlsError::NoAuthorities {
        reason: error.to_string(),
    };
    for authority in extra {
        Arc::make_mut(&mut roots).add(authority).map_err(no_authorities)?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoAuthorities {
            reason: "this system has none".to_owned(),
        });
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(no_authorities)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

fn read(path: &Path) -> Result<Trusted, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::NoFile {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
    found
        .ok()
        .filter(|list| !list.is_empty())
        .ok_or_else(|| TlsError::NotPem { path: path.to_owned() })
}

/// What went wrong in a handshake, and what an admin does about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeFault {
    /// What was found.
    pub reason: String,
    /// The next step.
    pub remedy: String,
}

impl HandshakeFault {
    /// Reads a failed handshake; `None` where the network failed, not TLS.
    pub fn of(error: &io::Error) -> Option<HandshakeFault> {
        error
            .get_ref()?
            .downcast_ref::<rustls::Error>()
            .map(HandshakeFault::of_rustls)
    }

    fn of_rustls(error: &rustls::Error) -> HandshakeFault {
        let fault = |reason: &str, remedy: &str| HandshakeFault {
            reason: reason.to_owned(),
            remedy: remedy.to_owned(),
        };
        match error {
            rustls::Error::InvalidCertificate(wrong) => HandshakeFault::of_certificate(wrong),
            rustls::Error::InvalidMessage(_) => fault(
                "what answers there does not speak TLS",
                "check port and tls (\"implicit\" or \"starttls\")",
            ),
            rustls::Error::PeerIncompatible(_)
            | rustls::Error::AlertReceived(rustls::AlertDescription::ProtocolVersion) => fault(
                "the server offers nothing from TLS 1.2 on",
                "enable TLS 1.2 or 1.3 at the server",
            ),
            other => fault(&other.to_string(), "see the server's log for its side"),
        }
    }

    fn of_certificate(wrong: &CertificateError) -> HandshakeFault {
        let fault = |reason: &str, remedy: &str| HandshakeFault {
            reason: reason.to_owned(),
            remedy: remedy.to_owned(),
        };
        match wrong {
            CertificateError::NotValidForNameContext { expected, presented } => HandshakeFault {
                reason: format!("its certificate is not for {}", expected.to_str()),
                remedy: format!("connect by a name in the certificate: {}", names(presented)),
            },
            CertificateError::NotValidForName => fault(
                "its certificate is for another name",
                "connect by a name in the certificate",
            ),
            CertificateError::UnknownIssuer => fault(
                "its certificate comes from an authority that is not known here",
                "set ca_file to that authority's certificate",
            ),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => fault(
                "its certificate has expired",
                "renew it at the server, or check this machine's clock",
            ),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                fault("its certificate is not valid yet", "check this machine's clock")
            }
            CertificateError::Revoked => fault("its certificate was revoked", "renew it at the server"),
            // The verifier's own error hides behind Other; its type is not ours to name.
            other if format!("{other:?}").contains("CaUsedAsEndEntity") => fault(
                "its certificate is that of an authority (CA:TRUE) and may not be a server's",
                "issue a server certificate from it, and set ca_file to the authority's",
            ),
            other => fault(&other.to_string(), "renew the certificate at the server"),
        }
    }
}

fn names(presented: &[String]) -> String {
    // rustls writes them as DnsName("a.example") and IpAddress(127.0.0.1).
    let bare = |text: &String| {
        let inner = text
            .split_once('(')
            .map_or(text.as_str(), |(_, rest)| rest.trim_end_matches(')'));
        inner.trim_matches('"').to_owned()
    };
    if presented.is_empty() {
        "it has none".to_owned()
    } else {
        presented.iter().map(bare).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wrong: CertificateError, reason: &str, remedy: &str) {
        let error = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::InvalidCertificate(wrong));
        let fault = HandshakeFault::of(&error).unwrap();
        assert_eq!((fault.reason.as_str(), fault.remedy.as_str()), (reason, remedy));
    }

    #[test]
    fn each_certificate_fault_says_what_to_do() {
        check(
            CertificateError::NotValidForNameContext {
                expected: "mail.example.com".try_into().unwrap(),
                presented: vec!["DnsName(\"imap.example.com\")".into(), "IpAddress(127.0.0.1)".into()],
            },
            "its certificate is not for mail.example.com",
            "connect by a name in the certificate: imap.example.com, 127.0.0.1",
        );
        check(
            CertificateError::UnknownIssuer,
            "its certificate comes from an authority that is not known here",
            "set ca_file to that authority's certificate",
        );
        check(
            CertificateError::Expired,
            "its certificate has expired",
            "renew it at the server, or check this machine's clock",
        );
    }

    #[test]
    fn a_network_fault_is_no_handshake_fault() {
        assert_eq!(
            HandshakeFault::of(&io::Error::from(io::ErrorKind::ConnectionReset)),
            None
        );
    }

    #[test]
    fn a_ca_file_without_a_certificate_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        assert!(matches!(client_config(Some(&path)), Err(TlsError::NoFile { .. })));
        std::fs::write(&path, "not a certificate").unwrap();
        assert_eq!(client_config(Some(&path)).err(), Some(TlsError::NotPem { path }));
    }

    #[test]
    fn whoever_trusts_the_same_shares_it_and_a_changed_ca_file_holds_at_once() {
        let authority = |name: &str| {
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
            certificate.self_signed(&key).unwrap().pem()
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, authority("a.example")).unwrap();
        let first = client_config(Some(&path)).unwrap();
        assert!(Arc::ptr_eq(&first, &client_config(Some(&path)).unwrap()));
        std::fs::write(&path, authority("b.example")).unwrap();
        assert!(!Arc::ptr_eq(&first, &client_config(Some(&path)).unwrap()));
    }
}

//! A server whose certificate nobody knows, and what makes it known.

use std::{net::SocketAddr, path::Path, sync::Arc};

use halo_intake::{
    config::{ConnectionName, HaloConfig},
    halo::client::{Calls, Halo, HaloError},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::world::*;

/// Ends TLS before the sandbox, with such a certificate; writes its CA to `ca_file`.
async fn tls_before(sandbox: SocketAddr, ca_file: &Path, server: CertificateParams) -> SocketAddr {
    let acceptor = acceptor(ca_file, server);
    let listener = TcpListener::bind(loopback()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that refuses the certificate ends here.
                let Ok(mut outside) = acceptor.accept(stream).await else {
                    return;
                };
                let mut inside = TcpStream::connect(sandbox).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    address
}

fn of_localhost() -> CertificateParams {
    CertificateParams::new(["localhost".to_owned()]).unwrap()
}

fn acceptor(ca_file: &Path, server: CertificateParams) -> TlsAcceptor {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    std::fs::write(ca_file, ca.self_signed(&ca_key).unwrap().pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = server.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = builder
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn an_unknown_certificate_names_ca_file_and_ca_file_makes_it_known() {
    let (world, folder) = (world().await, tempfile::tempdir().unwrap());
    let ca_file = folder.path().join("ca.pem");
    let address = tls_before(world.sandbox.address(), &ca_file, of_localhost()).await;
    let checked = |host: &str, ca_file| {
        let url = format!("https://{host}:{}", address.port()).parse().unwrap();
        let halo = connected(&HaloConfig { ca_file, ..config(url) }, times());
        async move { halo.check(&Calls::default()).await }
    };
    let reason = |result: Result<(), HaloError>| match result {
        Err(HaloError::Unreachable { reason, .. }) => reason,
        other => panic!("{other:?} is not unreachable"),
    };
    let unknown = reason(checked("localhost", None).await);
    assert!(
        unknown.contains("certificate") && unknown.contains("ca_file"),
        "{unknown}"
    );
    // Discovery leads to cleartext, which is not followed: the sign-in went through TLS too, or it had not worked.
    checked("localhost", Some(ca_file.clone())).await.unwrap();
    let misnamed = reason(checked("127.0.0.1", Some(ca_file)).await);
    assert!(misnamed.contains("name in the certificate"), "{misnamed}");
}

#[tokio::test]
async fn an_expired_certificate_is_refused_before_anything_secret_is_said() {
    let (world, folder) = (world().await, tempfile::tempdir().unwrap());
    let ca_file = folder.path().join("ca.pem");
    let mut expired = of_localhost();
    expired.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let address = tls_before(world.sandbox.address(), &ca_file, expired).await;
    let url = format!("https://localhost:{}", address.port()).parse().unwrap();
    let config = HaloConfig {
        ca_file: Some(ca_file),
        ..config(url)
    };
    let error = connected(&config, times()).check(&Calls::default()).await.unwrap_err();
    assert!(error.is_of_connection());
    let text = error.to_string();
    assert!(
        text.contains("certificate expired") && text.contains("renew it"),
        "{text}"
    );
    assert!(world.sandbox.requests().is_empty(), "nothing was sent");
}

#[test]
fn a_ca_file_that_is_none_is_told_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = |name: &str, text: Option<&str>| {
        let path = folder.path().join(name);
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        let config = HaloConfig {
            ca_file: Some(path),
            ..config("https://halo.example".parse().unwrap())
        };
        Halo::connect(ConnectionName("main".into()), &config).unwrap_err()
    };
    assert!(wrong("missing.pem", None).contains("missing.pem can not be read"));
    assert!(wrong("empty.pem", Some("no certificate")).contains("empty.pem holds no certificate"));
}

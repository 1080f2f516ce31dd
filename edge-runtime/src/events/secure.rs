//! What the door shows to the broker and wants of it: certificates and passwords, from their files.

use super::error::EventsError;
use super::settings::{MqttSettings, Password, TlsSettings};
use crate::capped_file;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Of a file of certificates; a system's has 200 kB.
const MAX_FILE_LEN: u64 = 4 << 20;
const MAX_PASSWORD_LEN: u64 = 4096;

/// The password, wherever it is; `None` without a login.
pub(super) fn password(
    settings: &MqttSettings,
) -> Result<Option<(&str, Zeroizing<String>)>, EventsError> {
    let Some(login) = &settings.login else {
        return Ok(None);
    };
    let password = match &login.password {
        Password::Here(password) => password.clone(),
        Password::File(path) => {
            let bytes = Zeroizing::new(secret(path, MAX_PASSWORD_LEN)?);
            let text = std::str::from_utf8(&bytes);
            let text = text.map_err(|_| EventsError::Content {
                path: path.clone(),
                reason: "no UTF-8 text, expected a password alone".into(),
            })?;
            Zeroizing::new(text.trim_end_matches(['\r', '\n']).into())
        }
    };
    Ok(Some((&login.username, password)))
}

/// TLS with the files as they are now: certificates are renewed while a door runs.
pub(super) fn tls(settings: &TlsSettings) -> Result<Arc<ClientConfig>, EventsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(refused)?
        .with_root_certificates(roots(settings.ca.as_deref())?);
    let config = match (&settings.certificate, &settings.key) {
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate)?;
            let bytes = Zeroizing::new(secret(key, MAX_FILE_LEN)?);
            let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| EventsError::Content {
                path: key.clone(),
                reason: "no private key in PEM".into(),
            })?;
            builder.with_client_auth_cert(chain, key).map_err(refused)?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, EventsError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(refused)?;
        }
        return Ok(roots);
    }
    // A system's store may have one or another that cannot be used.
    let system = rustls_native_certs::load_native_certs().certs;
    let (added, _) = roots.add_parsable_certificates(system);
    if added == 0 {
        let reason = "this system trusts no certificates (Debian: install ca-certificates)";
        return Err(EventsError::Tls(reason.into()));
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, EventsError> {
    let bytes = capped_file::read(path, MAX_FILE_LEN)?;
    let read = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    match read {
        Ok(read) if !read.is_empty() => Ok(read),
        _ => Err(EventsError::Content {
            path: path.into(),
            reason: "no certificates in PEM".into(),
        }),
    }
}

fn refused(error: rustls::Error) -> EventsError {
    EventsError::Tls(error.to_string())
}

/// A file that nobody but its owner may read.
fn secret(path: &Path, max_len: u64) -> Result<Vec<u8>, EventsError> {
    let bytes = capped_file::read(path, max_len)?;
    match capped_file::open_to_others(path) {
        Some(mode) => Err(EventsError::Permissions {
            path: path.into(),
            mode,
        }),
        None => Ok(bytes),
    }
}

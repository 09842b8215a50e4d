//! Certificates of environments: checked as they come in, with the key sealed.

use contract_values::{CertificateId, ProjectId, Secret, Timestamp};
use control_model::{Certificate, CertificateFacts, CertificateIntent, Row, Tables};
use control_plan::certificate_place;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::app::{AppError, Cx, ErrorCode};

/// The most certificates in a chain.
const MOST_IN_CHAIN: usize = 10;

/// What a certificate is made of, or becomes.
#[derive(Clone, Debug, Default)]
pub struct CertificateInput {
    /// Its name.
    pub name: Option<String>,
    /// A note, or none.
    pub description: Option<Option<String>>,
    /// The certificate in PEM; it may have its chain behind it.
    pub certificate: Option<String>,
    /// The chain in PEM, or none.
    pub chain: Option<Option<String>>,
    /// The key in PEM.
    pub key: Option<Secret>,
}

fn wrong(field: &str, message: impl Into<String>) -> AppError {
    AppError::field(ErrorCode::InvalidFormat, field, message)
}

/// Reads a certificate and what belongs to it: that key and certificate belong together, that each certificate of the
/// chain has signed the one before it, and that it has not expired.
fn check(
    certificate: &str,
    chain: Option<&str>,
    key: &Secret,
    now: Timestamp,
) -> Result<CertificateFacts, AppError> {
    let read = |field: &str, text: &str| -> Result<Vec<CertificateDer<'static>>, AppError> {
        CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<Vec<_>, _>>().map_err(|_| {
            wrong(
                field,
                format!("`{field}` is no certificate in PEM: it begins with -----BEGIN CERTIFICATE-----"),
            )
        })
    };
    let mut ders = read("cert", certificate)?;
    if ders.is_empty() {
        return Err(wrong("cert", "`cert` holds no certificate: it begins with -----BEGIN CERTIFICATE-----"));
    }
    let own = ders.len();
    if let Some(chain) = chain {
        let more = read("certChain", chain)?;
        if more.is_empty() {
            return Err(wrong(
                "certChain",
                "`certChain` holds no certificate; leave it out if there is none",
            ));
        }
        ders.extend(more);
    }
    if ders.len() > MOST_IN_CHAIN {
        return Err(wrong("certChain", format!("a chain has at most {MOST_IN_CHAIN} certificates")));
    }
    let field_of = |index: usize| if index < own { "cert" } else { "certChain" };
    let parsed = ders
        .iter()
        .enumerate()
        .map(|(index, der)| {
            let field = field_of(index);
            let (rest, parsed) = X509Certificate::from_der(der)
                .map_err(|_| wrong(field, format!("certificate {} cannot be read", index + 1)))?;
            if rest.is_empty() {
                Ok(parsed)
            } else {
                Err(wrong(field, "there is more in it than a certificate"))
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    let leaf = &parsed[0];
    let facts = facts_of(leaf, &ders[0]);
    if facts.expires <= now {
        return Err(wrong("cert", format!("the certificate expired at {}", facts.expires)));
    }
    for (index, pair) in parsed.windows(2).enumerate() {
        let signed = pair[0].issuer() == pair[1].subject()
            && pair[0].verify_signature(Some(pair[1].public_key())).is_ok();
        if !signed {
            return Err(wrong(
                field_of(index + 1),
                format!(
                    "certificate {} (`{}`) did not sign certificate {} (`{}`); the chain begins with whoever signed \
                     the certificate and goes up",
                    index + 2,
                    pair[1].subject(),
                    index + 1,
                    pair[0].subject()
                ),
            ));
        }
    }
    let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())
        .map_err(|_| wrong("key", "`key` is no private key in PEM without a password"))?;
    let key = rustls::crypto::ring::sign::any_supported_type(&key).map_err(|_| {
        wrong("key", "`key` is of a kind that TLS does not use here: take RSA, ECDSA or Ed25519")
    })?;
    let of_key = key.public_key();
    if of_key.as_ref().map(|spki| spki.as_ref()) != Some(leaf.public_key().raw) {
        return Err(wrong("key", "`key` does not belong to the certificate in `cert`"));
    }
    Ok(facts)
}

fn facts_of(certificate: &X509Certificate<'_>, der: &[u8]) -> CertificateFacts {
    let pairs = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":");
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, der);
    let at = |time: x509_parser::time::ASN1Time| Timestamp(time.timestamp().saturating_mul(1000));
    let names = certificate.subject_alternative_name().ok().flatten().map(|names| {
        names
            .value
            .general_names
            .iter()
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                GeneralName::IPAddress(bytes) => match bytes.len() {
                    4 => <[u8; 4]>::try_from(*bytes).ok().map(|b| std::net::IpAddr::from(b).to_string()),
                    16 => <[u8; 16]>::try_from(*bytes).ok().map(|b| std::net::IpAddr::from(b).to_string()),
                    _ => None,
                },
                _ => None,
            })
            .collect()
    });
    let common = certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
    let oid = certificate.signature_algorithm.algorithm.to_id_string();
    let algorithm = match oid.as_str() {
        "1.2.840.113549.1.1.5" => "SHA1WITHRSA",
        "1.2.840.113549.1.1.11" => "SHA256WITHRSA",
        "1.2.840.113549.1.1.12" => "SHA384WITHRSA",
        "1.2.840.113549.1.1.13" => "SHA512WITHRSA",
        "1.2.840.10045.4.3.2" => "SHA256WITHECDSA",
        "1.2.840.10045.4.3.3" => "SHA384WITHECDSA",
        "1.2.840.10045.4.3.4" => "SHA512WITHECDSA",
        "1.3.101.112" => "ED25519",
        other => other,
    };
    let key_size = match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => key.key_size(),
        Ok(PublicKey::EC(point)) => point.key_size(),
        Ok(_) | Err(_) => 256,
    };
    CertificateFacts {
        fingerprint: pairs(digest.as_ref()),
        common_name: common.unwrap_or_default().to_owned(),
        issuer: certificate.issuer().to_string(),
        issued: at(certificate.validity().not_before),
        expires: at(certificate.validity().not_after),
        algorithm: algorithm.to_owned(),
        version: format!("v{}", certificate.version().0 + 1),
        serial_number: certificate.serial.to_string(),
        key_size: u32::try_from(key_size).unwrap_or_default(),
        alternative_names: names.unwrap_or_default(),
    }
}

fn check_unique(
    tables: &Tables,
    project: ProjectId,
    name: &str,
    own: Option<CertificateId>,
) -> Result<(), AppError> {
    let holder = tables.certificates.by_unique(&format!("{}/{name}", project.raw()));
    if holder.is_none_or(|row| Some(row.id) == own) {
        return Ok(());
    }
    Err(AppError::field(
        ErrorCode::NotUnique,
        "name",
        format!("there is a certificate `{name}` already; choose another name, or update that one"),
    ))
}

/// Stores a certificate.
///
/// # Errors
/// Names the field that is wrong; the key is in no error.
pub async fn create_certificate(cx: &Cx, input: CertificateInput) -> Result<CertificateId, AppError> {
    let project = cx.project()?;
    let missing =
        |field: &str| AppError::field(ErrorCode::MissingRequired, field, format!("`{field}` is missing"));
    let name = input.name.ok_or_else(|| missing("name"))?;
    let certificate = input.certificate.ok_or_else(|| missing("cert"))?;
    let key = input.key.ok_or_else(|| missing("key"))?;
    let chain = input.chain.flatten();
    let facts = check(&certificate, chain.as_deref(), &key, cx.now)?;
    let id = cx.new_id::<Certificate>().await?;
    let uuid = cx.new_uuid();
    let sealed_key = cx.seal(&certificate_place(&uuid), &key);
    cx.commit(|tables, transaction| {
        check_unique(tables, project, &name, None)?;
        let intent = CertificateIntent {
            project: Some(project),
            name: name.clone(),
            description: input.description.clone().flatten(),
            certificate: certificate.clone(),
            chain: chain.clone(),
            sealed_key: sealed_key.clone(),
            facts: facts.clone(),
        };
        transaction.insert::<Certificate>(id, uuid.clone(), intent);
        Ok(id)
    })
    .await
}

fn live(tables: &Tables, id: CertificateId) -> Result<&Row<Certificate>, AppError> {
    let row = tables.certificates.get(id).filter(|row| !row.is_going());
    row.map(|row| &**row).ok_or_else(AppError::not_found)
}

/// Changes a certificate. A new certificate needs its key, unless the key is still the same.
///
/// # Errors
/// Names the field that is wrong.
pub async fn update_certificate(
    cx: &Cx,
    id: CertificateId,
    input: &CertificateInput,
) -> Result<(), AppError> {
    let now = cx.now;
    let uuid = live(&cx.tables, id)?.uuid.clone();
    let sealed = input.key.as_ref().map(|key| cx.seal(&certificate_place(&uuid), key));
    cx.commit(|tables, transaction| {
        let row = live(tables, id)?;
        let mut intent = row.intent.clone();
        if let Some(name) = &input.name {
            let project = intent.project.ok_or_else(AppError::not_found)?;
            check_unique(tables, project, name, Some(id))?;
            intent.name.clone_from(name);
        }
        if let Some(description) = &input.description {
            intent.description.clone_from(description);
        }
        if let Some(certificate) = &input.certificate {
            intent.certificate.clone_from(certificate);
        }
        if let Some(chain) = &input.chain {
            intent.chain.clone_from(chain);
        }
        let replaced = input.certificate.is_some() || input.chain.is_some() || input.key.is_some();
        if replaced {
            let key = match &input.key {
                Some(key) => key.clone(),
                None => cx
                    .shared
                    .vault
                    .open(&certificate_place(&uuid), &intent.sealed_key)
                    .map_err(AppError::internal)?,
            };
            intent.facts = check(&intent.certificate, intent.chain.as_deref(), &key, now)?;
            if let Some(sealed) = &sealed {
                intent.sealed_key = sealed.clone();
            }
        }
        if intent != row.intent {
            transaction.set_intent(row, intent);
        }
        Ok(())
    })
    .await
}

/// Removes a certificate.
///
/// # Errors
/// [`ErrorCode::NotFound`] when it is gone already.
pub async fn remove_certificate(cx: &Cx, id: CertificateId) -> Result<(), AppError> {
    cx.commit(|tables, transaction| {
        let row = live(tables, id)?;
        let intent = CertificateIntent { sealed_key: Secret::default(), ..row.intent.clone() };
        transaction.set_intent(row, intent);
        transaction.finish_removal(row);
        Ok(())
    })
    .await
}

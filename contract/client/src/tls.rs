//! A look at the certificate of a server that nobody vouches for.

use std::sync::Arc;
use std::time::Duration;

use contract_tls::{Onlooker, ServerCertificate};
use rustls::pki_types::ServerName;

use crate::address::ServerAddress;
use crate::error::ClientError;
use crate::proxy::Proxies;

/// Looks at the certificate that a server shows, without believing it and without sending anything: only for showing it to
/// a person who decides.
///
/// # Errors
/// Fails if nobody answers with TLS at the address.
pub async fn peek_certificate(
    address: &ServerAddress,
    proxies: &Proxies,
) -> Result<ServerCertificate, ClientError> {
    let (onlooker, config) = Onlooker::new()?;
    let unreachable = |source: Box<dyn std::error::Error + Send + Sync>| ClientError::Unreachable {
        url: address.to_string(),
        source,
    };
    let name =
        ServerName::try_from(address.host().to_owned()).map_err(|error| unreachable(Box::new(error)))?;
    let stream = proxies.connect(address).await?;
    let look = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream);
    let outcome = tokio::time::timeout(Duration::from_secs(10), look).await;
    match (onlooker.seen(), outcome) {
        (Some(certificate), _) => Ok(certificate),
        (None, Ok(Err(error))) => Err(unreachable(Box::new(error))),
        (None, _) => Err(unreachable("it showed no certificate".into())),
    }
}

//! Where processes are reached.

use dipper_types::{Error, Result};
use tonic::transport::Endpoint;

/// Where HOST:PORT is.
pub(crate) fn endpoint(address: &str) -> Result<Endpoint> {
    let invalid = |error: tonic::transport::Error| {
        let error = Error::invalid(format!("'{address}' is no address: {}", error_text(&error)));
        error.with_hint("write HOST:PORT")
    };
    Endpoint::from_shared(format!("http://{address}")).map_err(invalid)
}

/// What lies behind an error of the transport, which says little itself.
pub(crate) fn error_text(error: &tonic::transport::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

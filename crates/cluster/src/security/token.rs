//! The token of a cluster: one secret that every call carries.

use std::fmt;
use std::path::Path;

use dipper_types::{Error, Result};
use subtle::ConstantTimeEq;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Code, Request, Status};

use crate::message::status;

/// Where a call carries it.
const HEADER: &str = "authorization";

/// The longest that a server takes in a header, with room for the others.
const TOKEN_BYTES_MAX: usize = 4096;

/// What everybody who talks to a cluster has to know. It cannot be printed.
#[derive(Clone)]
pub struct Token(pub(super) MetadataValue<Ascii>);

impl Token {
    /// The token that a text is, without the blanks and the end of line around it.
    pub fn new(text: &str) -> Result<Self> {
        let text = text.trim();
        let wrong = |why: &str| Error::invalid(format!("the token {why}")).with_hint("make one: openssl rand -hex 32");
        if text.is_empty() {
            return Err(wrong("is empty"));
        }
        if text.len() > TOKEN_BYTES_MAX {
            return Err(wrong(&format!("is longer than {TOKEN_BYTES_MAX} bytes")));
        }
        // What the parser would say shows the text.
        let value = text.bytes().all(|byte| byte.is_ascii_graphic()).then(|| format!("Bearer {text}").parse().ok());
        let mut value: MetadataValue<Ascii> =
            value.flatten().ok_or_else(|| wrong("has other characters than visible ASCII"))?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// The token in a file.
    pub fn read(path: &Path) -> Result<Self> {
        let about = |error: Error| error.context(format!("the token file '{}'", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| {
            let error = about(Error::invalid(error.to_string()));
            error.with_hint(
                "--token-file, or DIPPER_TOKEN_FILE, names a file that holds the cluster's token and nothing else",
            )
        });
        Self::new(&text?).map_err(about)
    }

    /// How long it takes tells nothing of the token but its length.
    pub(super) fn is(&self, carried: Option<&[u8]>) -> bool {
        carried.is_some_and(|carried| self.0.as_bytes().ct_eq(carried).into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Gives a token to every call.
#[derive(Debug, Clone)]
pub(crate) struct Bearer(pub(super) Option<Token>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(Token(value)) = &self.0 {
            request.metadata_mut().insert(HEADER, value.clone());
        }
        Ok(request)
    }
}

/// Lets calls pass that carry the token.
#[derive(Debug, Clone)]
pub(crate) struct Guard(pub(super) Option<Token>);

impl Interceptor for Guard {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let carried = request.metadata().get(HEADER).map(MetadataValue::as_bytes);
        if self.0.as_ref().is_none_or(|token| token.is(carried)) {
            return Ok(request);
        }
        let from = request.remote_addr().map_or_else(|| "somebody".to_owned(), |address| address.to_string());
        tracing::warn!(from, "refused a call: its token is not that of this cluster");
        let error = Error::invalid("the token is not that of this cluster");
        let refused =
            status(&error.with_hint("give the cluster's token: --token-file FILE, or the variable DIPPER_TOKEN"));
        Err(Status::with_details(Code::Unauthenticated, refused.message(), refused.details().to_vec().into()))
    }
}

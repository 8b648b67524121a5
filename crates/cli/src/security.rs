//! Who may talk to a cluster, as far as it can be said on the command line.

use std::env::{self, VarError};
use std::path::PathBuf;

use clap::Args;
use dipper_cluster::{Security, TlsFiles, Token};
use dipper_types::{Error, Result};

use crate::failure::Failure;

/// The variable that may hold the token itself. No option does: others see them.
pub(crate) const TOKEN: &str = "DIPPER_TOKEN";

const HEADING: &str = "Security";

/// What everybody needs who talks to a cluster.
#[derive(Debug, Clone, Args)]
pub(crate) struct SecurityArguments {
    /// A file that holds the cluster's token; the variable DIPPER_TOKEN may hold the token itself.
    #[arg(long, value_name = "FILE", env = "DIPPER_TOKEN_FILE", help_heading = HEADING)]
    pub(crate) token_file: Option<PathBuf>,
    /// The certificates of the authorities that are trusted, in PEM. Connections are opened with TLS.
    #[arg(long, value_name = "FILE", env = "DIPPER_TLS_CA", help_heading = HEADING)]
    pub(crate) tls_ca: Option<PathBuf>,
    /// The certificate of this process, in PEM. Who listens does so with TLS; who connects shows it.
    #[arg(long, value_name = "FILE", env = "DIPPER_TLS_CERT", help_heading = HEADING)]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The key of the certificate, in PEM.
    #[arg(long, value_name = "FILE", env = "DIPPER_TLS_KEY", help_heading = HEADING)]
    pub(crate) tls_key: Option<PathBuf>,
}

/// The same for who listens.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerSecurityArguments {
    /// What everybody needs.
    #[command(flatten)]
    pub(crate) common: SecurityArguments,
    /// Take connections only of who shows a certificate that --tls-ca trusts.
    #[arg(long, help_heading = HEADING)]
    pub(crate) tls_require_client_cert: bool,
}

impl SecurityArguments {
    /// For who connects.
    pub(crate) fn security(&self) -> Result<Security, Failure> {
        self.with(false)
    }

    fn with(&self, require_client_cert: bool) -> Result<Security, Failure> {
        let Self { token_file, tls_ca, tls_cert, tls_key } = self.clone();
        let files = TlsFiles { cert: tls_cert, key: tls_key, ca: tls_ca, require_client_cert };
        let token = token_file.map_or_else(token_of_variable, |file| Token::read(&file).map(Some));
        token.and_then(|token| Security::new(token, &files)).map_err(Failure::Usage)
    }
}

impl ServerSecurityArguments {
    /// For who listens, and may connect too.
    pub(crate) fn security(&self) -> Result<Security, Failure> {
        self.common.with(self.tls_require_client_cert)
    }
}

fn token_of_variable() -> Result<Option<Token>> {
    let token = match env::var(TOKEN) {
        Ok(text) => Token::new(&text).map(Some),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(Error::invalid("the token is no text")),
    };
    token.map_err(|error| error.context(format!("the variable {TOKEN}")))
}

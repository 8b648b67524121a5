//! Where a table's files are: the `path` option, and how to reach it.

use std::collections::BTreeMap;
use std::sync::Arc;

use dipper_types::{Error, ErrorKind, Result};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, parse_url_opts};
use url::Url;

use super::credentials;
use crate::options::TableOptions;

/// The `path` of a table.
#[derive(Debug, Clone)]
pub(crate) enum Location {
    /// A path of this machine: a file, a directory or a glob.
    Local(String),
    /// A URL of an object store.
    Remote(RemoteLocation),
}

/// A URL and the options of its store.
#[derive(Debug, Clone)]
pub(crate) struct RemoteLocation {
    /// The URL as it was written, for messages.
    text: String,
    /// The URL without the part that is a glob.
    base: Url,
    /// The whole path within the store, if it is a glob.
    pub(crate) pattern: Option<glob::Pattern>,
    options: BTreeMap<String, String>,
    /// Whether the metadata service of the machine may be asked for credentials.
    use_instance_metadata: bool,
}

/// A store and where in it the table is.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) base: Path,
}

/// The options of object stores: our name, after Flink's, and `object_store`'s.
const STORE_OPTIONS: [(&str, &str); 9] = [
    ("s3.endpoint", "aws_endpoint"),
    ("s3.access-key", "aws_access_key_id"),
    ("s3.secret-key", "aws_secret_access_key"),
    ("s3.session-token", "aws_session_token"),
    ("s3.region", "aws_region"),
    ("s3.allow-http", "aws_allow_http"),
    ("gs.service-account-path", "google_service_account"),
    ("az.account-name", "azure_storage_account_name"),
    ("az.account-key", "azure_storage_account_key"),
];

const SCHEMES: [&str; 8] = ["s3", "s3a", "gs", "az", "abfs", "abfss", "azure", "adl"];

impl Location {
    /// Takes `path` and the options of its store.
    pub(crate) fn take(options: &mut TableOptions) -> Result<Self> {
        let path = options.require("path", "data/events.csv")?;
        let mut store_options = BTreeMap::new();
        for (ours, theirs) in STORE_OPTIONS {
            if let Some(value) = options.take(ours) {
                store_options.insert(theirs.to_owned(), value);
            }
        }
        if let Some(path_style) = options.take_bool("s3.path.style.access")? {
            store_options.insert("aws_virtual_hosted_style_request".to_owned(), (!path_style).to_string());
        }
        let mut use_instance_metadata = false;
        for key in credentials::USE_INSTANCE_METADATA {
            use_instance_metadata |= options.take_bool(key)?.unwrap_or(false);
        }
        Self::parse(path, store_options, use_instance_metadata, |message| options.error(message))
    }

    /// A path of this machine or a URL, with credentials from the environment.
    pub(crate) fn of_url(url: &str) -> Result<Self> {
        Self::parse(url.to_owned(), BTreeMap::new(), false, Error::invalid)
    }

    fn parse(
        path: String,
        store_options: BTreeMap<String, String>,
        use_instance_metadata: bool,
        refuse: impl Fn(String) -> Error,
    ) -> Result<Self> {
        let Some((scheme, _)) = path.split_once("://") else { return Ok(Self::Local(path)) };
        if scheme == "file" {
            let url = Url::parse(&path).map_err(|error| refuse(format!("'path' = '{path}': {error}")))?;
            let local = url.to_file_path().map_err(|()| refuse(format!("'{path}' is not a path of this machine")))?;
            let local = local.to_str().map(str::to_owned);
            return local.map(Self::Local).ok_or_else(|| refuse(format!("'{path}' is not valid UTF-8")));
        }
        if !SCHEMES.contains(&scheme) {
            return Err(refuse(format!("'path' = '{path}': unknown scheme '{scheme}'"))
                .with_hint("known: a plain path, file://, s3://, gs://, az://, abfs://"));
        }
        let glob_start = path.find(['*', '[']);
        let base_end = glob_start.map_or(path.len(), |at| path[..at].rfind('/').map_or(at, |slash| slash + 1));
        let base = Url::parse(&path[..base_end]).map_err(|error| refuse(format!("'path' = '{path}': {error}")))?;
        let pattern = match glob_start {
            None => None,
            Some(_) => {
                let whole = format!("{}{}", base.path().trim_start_matches('/'), &path[base_end..]);
                let pattern = glob::Pattern::new(&whole);
                Some(pattern.map_err(|error| refuse(format!("'path' = '{path}': {error}")))?)
            }
        };
        Ok(Self::Remote(RemoteLocation { text: path, base, pattern, options: store_options, use_instance_metadata }))
    }

    /// The location as it was written.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Local(path) => path,
            Self::Remote(remote) => &remote.text,
        }
    }

    /// Opens the store. Table options outrank the environment's.
    pub(crate) fn store(&self) -> Result<Store> {
        let Self::Remote(remote) = self else {
            return Ok(Store { store: Arc::new(LocalFileSystem::new()), base: Path::default() });
        };
        let from_environment = std::env::vars_os().filter_map(|(key, value)| {
            let key = key.into_string().ok()?.to_ascii_lowercase();
            let is_store_option = ["aws_", "google_", "azure_"].iter().any(|prefix| key.starts_with(prefix));
            is_store_option.then_some((key, value.into_string().ok()?))
        });
        let mut options: BTreeMap<String, String> = from_environment.collect();
        options.extend(remote.options.clone());
        let scheme = remote.base.scheme();
        let logged_in = scheme == "gs" && credentials::has_gcloud_login();
        if !(remote.use_instance_metadata || logged_in) {
            credentials::check(&remote.text, scheme, &options)?;
        }
        let (store, base) = parse_url_opts(&remote.base, options)
            .map_err(|error| Error::invalid(format!("cannot open '{}': {error}", remote.text)))?;
        Ok(Store { store: Arc::from(store), base })
    }
}

/// An error of an object store about `what`.
pub(crate) fn store_error(what: &str, error: &object_store::Error) -> Error {
    use object_store::Error as StoreError;
    let kind = match error {
        StoreError::NotFound { .. }
        | StoreError::PermissionDenied { .. }
        | StoreError::Unauthenticated { .. }
        | StoreError::InvalidPath { .. }
        | StoreError::UnknownConfigurationKey { .. } => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use super::*;

    #[test]
    fn the_metadata_service_is_asked_only_where_the_table_says_so() {
        let open = |more: &[(&str, &str)]| {
            let options: BTreeMap<String, String> = [("path", "az://container/dir"), ("az.account-name", "me")]
                .iter()
                .chain(more)
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect();
            Location::take(&mut TableOptions::new("t", &options)).unwrap().store().map(drop)
        };
        // Opening a store sends nothing.
        assert!(open(&[("az.use-instance-metadata", "true")]).is_ok());
        assert!(open(&[("az.account-key", "a2V5")]).is_ok());
        let error = open(&[]).unwrap_err().to_string();
        assert_eq!(error, "cannot open 'az://container/dir': there are no credentials for Azure");
    }
}

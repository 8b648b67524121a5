//! Whether a store's credentials are given. Without any, `object_store` would ask the metadata service of the machine, an
//! address which outside of that cloud answers late or not at all: it is asked only where the table says so.

use std::collections::BTreeMap;

use dipper_types::{Error, Result};

/// Where the credentials of one kind of store come from.
struct Kind {
    name: &'static str,
    schemes: &'static [&'static str],
    /// Each is enough: all of its options set.
    sufficient: &'static [&'static [&'static str]],
    /// Each is enough if it is true.
    flags: &'static [&'static str],
    /// What to set: table options, then variables of the environment.
    hint: &'static str,
}

/// The table option that allows the metadata service for each kind of store.
pub(super) const USE_INSTANCE_METADATA: [&str; 3] =
    ["s3.use-instance-metadata", "gs.use-instance-metadata", "az.use-instance-metadata"];

const KINDS: [Kind; 3] = [
    Kind {
        name: "S3",
        schemes: &["s3", "s3a"],
        sufficient: &[
            &["aws_access_key_id"],
            &["aws_secret_access_key"],
            &["aws_web_identity_token_file", "aws_role_arn"],
            &["aws_container_credentials_relative_uri"],
            &["aws_container_credentials_full_uri", "aws_container_authorization_token_file"],
        ],
        flags: &["aws_skip_signature"],
        hint: "set 's3.access-key' and 's3.secret-key', or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or \
               AWS_SKIP_SIGNATURE=true for a public bucket; on a machine of the cloud, 's3.use-instance-metadata' = 'true'",
    },
    Kind {
        name: "Google Cloud Storage",
        schemes: &["gs"],
        sufficient: &[
            &["google_service_account"],
            &["google_service_account_path"],
            &["google_service_account_key"],
            &["google_application_credentials"],
        ],
        flags: &["google_skip_signature"],
        hint: "set 'gs.service-account-path', or GOOGLE_SERVICE_ACCOUNT or GOOGLE_APPLICATION_CREDENTIALS, or \
               GOOGLE_SKIP_SIGNATURE=true for a public bucket; on a machine of the cloud, 'gs.use-instance-metadata' = 'true'",
    },
    Kind {
        name: "Azure",
        schemes: &["az", "abfs", "abfss", "azure", "adl"],
        sufficient: &[
            &["azure_storage_account_key"],
            &["azure_storage_access_key"],
            &["azure_storage_master_key"],
            &["azure_storage_token"],
            &["azure_storage_sas_key"],
            &["azure_storage_sas_token"],
            &["azure_storage_client_secret"],
            &["azure_client_secret"],
            &["azure_federated_token_file"],
            &["azure_fabric_token_service_url"],
        ],
        flags: &["azure_use_azure_cli", "azure_storage_use_emulator", "azure_skip_signature"],
        hint: "set 'az.account-name' and 'az.account-key', or AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or \
               AZURE_SKIP_SIGNATURE=true for a public container; on a machine of the cloud, 'az.use-instance-metadata' = 'true'",
    },
];

/// Refuses a store without credentials. `options` are all that the store will get.
pub(super) fn check(location: &str, scheme: &str, options: &BTreeMap<String, String>) -> Result<()> {
    let Some(kind) = KINDS.iter().find(|kind| kind.schemes.contains(&scheme)) else { return Ok(()) };
    let is_set = |key: &&str| options.get(*key).is_some_and(|value| !value.is_empty());
    let is_on =
        |key: &&str| options.get(*key).is_some_and(|value| matches!(value.to_lowercase().as_str(), "true" | "1"));
    if kind.flags.iter().any(is_on) || kind.sufficient.iter().any(|all| all.iter().all(&is_set)) {
        return Ok(());
    }
    Err(Error::invalid(format!("cannot open '{location}': there are no credentials for {}", kind.name))
        .with_hint(kind.hint))
}

/// Whether the `gcloud` command has left credentials, which are used when no others are given.
pub(super) fn has_gcloud_login() -> bool {
    let (variable, path) = if cfg!(windows) {
        ("APPDATA", "gcloud/application_default_credentials.json")
    } else {
        ("HOME", ".config/gcloud/application_default_credentials.json")
    };
    std::env::var_os(variable).is_some_and(|home| std::path::Path::new(&home).join(path).exists())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use super::*;

    fn options(options: &[(&str, &str)]) -> BTreeMap<String, String> {
        options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_store_without_credentials_is_refused_before_anything_is_sent() {
        for (scheme, name, variable) in [
            ("s3", "S3", "AWS_SECRET_ACCESS_KEY"),
            ("s3a", "S3", "'s3.access-key'"),
            ("gs", "Google Cloud Storage", "GOOGLE_APPLICATION_CREDENTIALS"),
            ("abfss", "Azure", "AZURE_STORAGE_ACCOUNT_KEY"),
        ] {
            let region =
                options(&[("aws_region", "eu-west-1"), ("aws_skip_signature", "false"), ("aws_role_arn", "x")]);
            let error = check("x://bucket/dir", scheme, &region).unwrap_err();
            assert_eq!(error.to_string(), format!("cannot open 'x://bucket/dir': there are no credentials for {name}"));
            assert!(error.hint().unwrap().contains(variable), "{error:?}");
        }
    }

    #[test]
    fn credentials_of_any_kind_are_enough() {
        for (scheme, given) in [
            ("s3", options(&[("aws_access_key_id", "a"), ("aws_secret_access_key", "b")])),
            ("s3", options(&[("aws_skip_signature", "TRUE")])),
            ("s3a", options(&[("aws_web_identity_token_file", "a"), ("aws_role_arn", "b")])),
            ("gs", options(&[("google_service_account_key", "{}")])),
            ("az", options(&[("azure_storage_account_key", "a")])),
        ] {
            assert!(check("", scheme, &given).is_ok(), "{given:?}");
        }
    }
}

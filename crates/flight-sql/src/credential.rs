//! What a call says about who makes it: a password, or the token of a session.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::status::Result;

/// The header of passwords and tokens, in both directions.
const AUTHORIZATION: &str = "authorization";
/// The cookie that holds the token, for drivers that keep cookies only.
const COOKIE: &str = "dipper_session";
/// Some clients pad and some do not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a call says about who makes it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Credential {
    /// A user and the password.
    pub(crate) password: Option<(String, String)>,
    /// The token of a session.
    pub(crate) token: Option<String>,
}

impl Credential {
    /// From the headers of a call.
    pub(crate) fn of(headers: &MetadataMap) -> Result<Self> {
        let cookie = cookie(headers);
        let Some(value) = headers.get(AUTHORIZATION) else {
            return Ok(Self { password: None, token: cookie });
        };
        let value = value.to_str().map_err(|_| unreadable())?;
        match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                Ok(Self { password: None, token: Some(token.trim().to_owned()) })
            }
            Some((scheme, word)) if scheme.eq_ignore_ascii_case("basic") => {
                let text = BASE64.decode(word.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                let text = text.ok_or_else(unreadable)?;
                let (name, password) = text.split_once(':').ok_or_else(unreadable)?;
                Ok(Self { password: Some((name.to_owned(), password.to_owned())), token: cookie })
            }
            _ => Err(unreadable()),
        }
    }
}

/// Tells the client the token of its session, in each way that a driver may listen to.
pub(crate) fn hand_out(token: &str, headers: &mut MetadataMap) {
    let values = [(AUTHORIZATION, format!("Bearer {token}")), ("set-cookie", format!("{COOKIE}={token}"))];
    for (name, value) in values {
        // A token is made of hexadecimal digits.
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    }
}

fn cookie(headers: &MetadataMap) -> Option<String> {
    let cookies =
        headers.get_all("cookie").iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    let ours = cookies.filter_map(|cookie| cookie.trim().split_once('=')).find(|(name, _)| *name == COOKIE);
    ours.map(|(_, token)| token.trim_matches('"').to_owned())
}

fn unreadable() -> Status {
    Status::unauthenticated(
        "the header 'authorization' is neither 'Basic' with a name and a password nor 'Bearer' with a token",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[(&'static str, &str)]) -> Result<Credential> {
        let mut map = MetadataMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        Credential::of(&map)
    }

    #[test]
    fn passwords_and_tokens_are_read_in_all_their_forms() {
        let password = |name: &str, word: &str| Some((name.to_owned(), word.to_owned()));
        assert_eq!(of(&[]).unwrap(), Credential::default());
        // ada:love:lace
        assert_eq!(
            of(&[("authorization", "Basic YWRhOmxvdmU6bGFjZQ==")]).unwrap().password,
            password("ada", "love:lace")
        );
        assert_eq!(
            of(&[("authorization", "basic YWRhOmxvdmU6bGFjZQ")]).unwrap().password,
            password("ada", "love:lace")
        );
        assert_eq!(of(&[("authorization", "Bearer 12ab")]).unwrap().token.unwrap(), "12ab");
        assert_eq!(of(&[("cookie", "a=b; dipper_session=12ab")]).unwrap().token.unwrap(), "12ab");
        assert_eq!(of(&[("cookie", "a=b"), ("cookie", "dipper_session=\"12ab\"")]).unwrap().token.unwrap(), "12ab");
    }

    #[test]
    fn a_header_of_another_kind_is_refused() {
        for value in ["", "Basic", "Basic %%%", "Basic YWRh", "Digest abc"] {
            assert_eq!(of(&[("authorization", value)]).unwrap_err().code(), tonic::Code::Unauthenticated);
        }
    }

    #[test]
    fn a_token_that_is_handed_out_comes_back() {
        let mut headers = MetadataMap::new();
        hand_out("12ab", &mut headers);
        assert_eq!(Credential::of(&headers).unwrap().token.unwrap(), "12ab");
        assert_eq!(headers.get("set-cookie").unwrap(), "dipper_session=12ab");
    }
}

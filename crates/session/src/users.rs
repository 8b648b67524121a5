//! Who may log in where clients connect from outside.

use std::collections::BTreeMap;
use std::fmt;

use dipper_types::{Error, Result};
use subtle::ConstantTimeEq;

/// Users and their passwords. It never prints a password.
#[derive(Clone, Default)]
pub struct Users(BTreeMap<String, String>);

impl Users {
    /// Reads lines of `name:password`; empty lines and those that begin with `#` are left out.
    ///
    /// ```
    /// let users = dipper_session::Users::parse("# analysts\nada:lovelace\n").unwrap();
    /// assert!(users.accepts("ada", "lovelace") && !users.accepts("ada", "") && !users.accepts("eve", "lovelace"));
    /// ```
    pub fn parse(text: &str) -> Result<Self> {
        let mut users = BTreeMap::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let Some((name, password)) =
                line.split_once(':').filter(|(name, word)| !name.is_empty() && !word.is_empty())
            else {
                return Err(Error::invalid(format!(
                    "line {} of the users is not of the form name:password",
                    index + 1
                )));
            };
            if users.insert(name.to_owned(), password.to_owned()).is_some() {
                return Err(Error::invalid(format!("line {} of the users: '{name}' stands there twice", index + 1)));
            }
        }
        if users.is_empty() {
            return Err(Error::invalid("there is no user, so nobody could log in"));
        }
        Ok(Self(users))
    }

    /// The password of a user.
    pub fn password(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether this is the password of the user. How long it takes tells at most whether it is as long as that.
    pub fn accepts(&self, name: &str, password: &str) -> bool {
        // Somebody who is not there has a password that nobody gives.
        let known = self.password(name);
        let same: bool = known.unwrap_or("\0").as_bytes().ct_eq(password.as_bytes()).into();
        same && known.is_some()
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

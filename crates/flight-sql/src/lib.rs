//! Arrow Flight SQL over [`dipper_session::Session`]: what ADBC, the Flight SQL JDBC and ODBC drivers and the Flight clients of all
//! languages speak. Use [`service`] in a tonic server; TLS, addresses and the listener are the caller's.
//!
//! ```text
//! service      the calls of Flight                 sessions     who calls, and what is remembered of it
//!  ├─ statement  SQL: tickets, rows, updates       credential   passwords and tokens in headers
//!  │   ├─ ticket       what clients carry for us   running      what can be cancelled
//!  │   ├─ parameter    bound values                rows         Arrow data as every client reads it
//!  │   └─ placeholder  `?` becomes `$1`            status       errors as gRPC knows them
//!  ├─ catalog    tables and keys; sql_info, type_info: what the server can do
//!  └─ action     prepared statements, cancelling, session options
//! ```
//!
//! Tickets and the handles of prepared statements hold the statement itself, so they are good at every coordinator. A session, which
//! holds what a client has SET, its views and its external tables, is at the coordinator that has handed out the token.

mod action;
mod catalog;
mod clock;
mod credential;
mod parameter;
mod placeholder;
mod rows;
mod running;
mod service;
mod sessions;
mod sql_info;
mod statement;
mod status;
#[cfg(test)]
mod tests;
mod ticket;
mod type_info;

pub use service::{Config, FlightSql, service};

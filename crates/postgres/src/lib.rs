//! Answers stock Postgres clients: use a [`Server`] to let psql, JDBC and the like read tables and run statements.
//!
//! It speaks version 3.0 of the wire protocol, simple and extended, over clones of a [`dipper_session::Session`]; statements about the system go to
//! `dipper-pg-catalog`. A connection is a loop over messages (`connection`); a text becomes a statement (`statement`), which is planned
//! (`planned`) and run (`run`) up to where its rows begin; rows are encoded column by column (`encode`) and sent as fast as the client reads.

mod authentication;
mod backend;
mod cancel;
mod channel;
mod clock;
mod connection;
mod copy;
mod cursor;
mod encode;
mod extended;
mod failure;
mod frontend;
mod lexer;
mod parameter;
mod planned;
mod portal;
mod rows;
mod run;
mod server;
mod settings;
mod simple;
mod sqlstate;
mod startup;
mod state;
mod statement;
mod transaction;

pub use server::{Config, Server};

#[cfg(test)]
mod tests;

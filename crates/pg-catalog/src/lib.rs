//! What Postgres clients ask about the system: `pg_catalog`, `information_schema`, `version()` and the like.
//!
//! Use it where a client speaks Postgres: [`is_about_system`] says whether a statement belongs here, and a [`SystemCatalog`] made of the
//! tables and views of the moment answers it. The statements are rewritten by small rules (`rewrite`) to what DataFusion plans, over tables
//! that are made when they are read (`tables`) and with functions that know the snapshot (`functions`). It knows neither the session nor
//! the wire protocol.

mod catalog;
mod cell;
mod correlated;
mod execute;
#[expect(clippy::unnecessary_wraps, reason = "the bodies of functions have one shape, and some of them fail")]
mod functions;
mod kind;
mod oid;
mod parameter;
mod relation;
mod rewrite;
mod route;
mod snapshot;
mod tables;
mod types;

pub use catalog::{SystemCatalog, SystemQuery};
pub use kind::PG_TYPE;
pub use relation::{Backend, Column, Relation};
pub use route::is_about_system;
pub use types::{PgType, data_type, pg_type, pg_type_of};

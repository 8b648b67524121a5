//! The messages and the service of `proto/dipper/exchange/v1`, as generated.
#![allow(missing_docs, unreachable_pub, clippy::pedantic, clippy::clone_on_ref_ptr, reason = "generated")]

tonic::include_proto!("dipper.exchange.v1");

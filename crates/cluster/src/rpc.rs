//! The messages between the processes of a cluster, and what they mean to us. Only this module and the exchange know how they are encoded.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::clone_on_ref_ptr,
    reason = "generated; the documentation is that of the .proto files"
)]

tonic::include_proto!("dipper.cluster.v1");

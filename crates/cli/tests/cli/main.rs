//! Runs the real binary, as a user would.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod architecture;
mod broken_files;
mod chaos;
mod checkpoint_errors;
mod clients;
mod cluster;
mod dice;
mod examples;
mod explain;
mod failing_proxy;
mod failover;
mod guide;
mod harness;
mod http;
mod interruption;
mod network;
mod output;
mod recovery;
mod robustness;
mod running;
mod s3;
mod savepoints;
mod scenarios;
mod scripts;
mod security;
mod shell;
mod tables;

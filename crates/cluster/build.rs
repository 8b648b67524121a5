//! Generates the messages and services of `proto/`. No `protoc` is needed.

use std::error::Error;
use std::path::Path;

const PROTOS: &[&str] = &["dipper/cluster/v1/cluster.proto", "dipper/exchange/v1/exchange.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let files = protox::compile(PROTOS, [&root])?;
    tonic_prost_build::configure().bytes(".").compile_fds(files)?;
    Ok(())
}

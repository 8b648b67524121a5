//! Gives the build a name, by its sources: two processes of a cluster must be of the same, because plans mean the same within one build only.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    // Not as this was compiled: the sources may have moved.
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../..");
    let mut files = BTreeSet::new();
    for part in ["Cargo.lock", "crates", "proto"] {
        println!("cargo::rerun-if-changed={}", root.join(part).display());
        list(&root.join(part), &mut files)?;
    }
    // The same for the same input, unlike that of a hash table.
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.strip_prefix(&root)?.hash(&mut hasher);
        fs::read(&file)?.hash(&mut hasher);
    }
    for variable in ["TARGET", "PROFILE"] {
        std::env::var(variable)?.hash(&mut hasher);
    }
    println!("cargo::rustc-env=DIPPER_BUILD={}-{:016x}", env!("CARGO_PKG_VERSION"), hasher.finish());
    Ok(())
}

fn list(path: &Path, files: &mut BTreeSet<PathBuf>) -> Result<(), Box<dyn Error>> {
    if !path.is_dir() {
        files.insert(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        list(&entry?.path(), files)?;
    }
    Ok(())
}

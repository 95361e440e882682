//! Compiles the `.proto` files with protox, so that no protoc needs to be installed.

use std::{env, error::Error, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let files = ["report", "rules", "event", "device"].map(|name| root.join(format!("homeward/v1/{name}.proto")));
    println!("cargo:rerun-if-changed={}", root.join("homeward").display());
    let descriptors = protox::compile(&files, [&root])?;
    prost_build::Config::new().compile_fds(descriptors)?;
    Ok(())
}

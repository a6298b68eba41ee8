//! Writes the CustomResourceDefinitions beside this crate's Cargo.toml (or into the folder given): `make crds`.
//! Output: one file per kind, printed with its size. `cargo test -p meantime-crds` compares them byte by byte.

use meantime_crds::schema;
use std::{error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let folder =
        std::env::args_os().nth(1).map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    for definition in schema::definitions()? {
        let path = folder.join(format!("{}.yaml", definition.spec.names.plural));
        let text = schema::yaml(&definition)?;
        fs::write(&path, &text).map_err(|error| format!("{} was not written: {error}", path.display()))?;
        println!("{} ({} bytes)", path.display(), text.len());
    }
    Ok(())
}

//! The keys as a file: read again each minute, for a mounted Secret is exchanged behind a symbolic link.
//!
//! **Must never** log what stands in it.

use meantime_core::peers::keys::Keyring;
use std::io::{self, ErrorKind, Read};
use std::path::PathBuf;
use tracing::{info, warn};

/// Three keys are 270 bytes.
const LONGEST: u64 = 4096;

/// The file, and what was last read.
#[derive(Debug)]
pub struct KeyFile {
    path: Option<PathBuf>,
    ring: Option<Keyring>,
    trouble: Option<String>,
}

impl KeyFile {
    /// Nothing is read yet.
    pub const fn new(path: Option<PathBuf>) -> Self {
        Self { path, ring: None, trouble: None }
    }

    /// The keys in force; none = there are none.
    pub const fn ring(&self) -> Option<&Keyring> {
        self.ring.as_ref()
    }

    /// Reads it. A file that is gone takes the keys with it: somebody took them away. One that cannot be read, or is no
    /// keyring, leaves those in force.
    pub fn read(&mut self) {
        let Some(path) = &self.path else { return };
        let found = std::fs::File::open(path).and_then(|file| {
            let mut text = String::new();
            file.take(LONGEST).read_to_string(&mut text)?;
            Keyring::parse(&text).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
        });
        let trouble = match found {
            Ok(ring) => {
                if self.ring.as_ref() != Some(&ring) {
                    info!(in_use = ring.current().id, "the peers' keys were read");
                    self.ring = Some(ring);
                }
                None
            }
            Err(error) => {
                if error.kind() == ErrorKind::NotFound {
                    self.ring = None;
                }
                Some(error.to_string())
            }
        };
        // Said once per trouble: this is done each minute.
        if let Some(error) = trouble.as_ref().filter(|_| trouble != self.trouble) {
            warn!(error, file = %path.display(), kept = self.ring.is_some(), "the peers' keys were not read");
        }
        self.trouble = trouble;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_gone_ends_it_and_one_that_is_broken_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let mut file = KeyFile::new(Some(path.clone()));
        file.read();
        assert_eq!(file.ring(), None);
        let first = Keyring::first([1; 32], [2; 32]);
        std::fs::write(&path, first.render()).unwrap();
        file.read();
        assert_eq!(file.ring(), Some(&first));
        for broken in ["", "{", &first.render()[..100], &" ".repeat(10_000)] {
            std::fs::write(&path, broken).unwrap();
            file.read();
            assert_eq!(file.ring(), Some(&first), "half a write, half a key");
        }
        std::fs::write(&path, first.rotated([3; 32]).render()).unwrap();
        file.read();
        assert_eq!(file.ring().unwrap().current().id, 2);
        std::fs::remove_file(&path).unwrap();
        file.read();
        assert_eq!(file.ring(), None);
    }
}

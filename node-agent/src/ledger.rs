//! Reads and writes the ledger's file; what is in it is [`meantime_core::ledger`].

use crate::files::{self, FileError, Paths};
use crate::supervise::law4::KnownBoot;
use meantime_core::ledger::{Ledger, Read};
use tracing::{info, warn};

/// The ledger with its file.
#[derive(Debug)]
pub struct LedgerFile {
    paths: Paths,
    /// What is remembered. Changed freely; [`LedgerFile::save`] writes it when it differs from the file.
    pub ledger: Ledger,
    written: Option<String>,
    /// The file was there and could not be read at all.
    unreadable: bool,
}

impl LedgerFile {
    /// Loads it. A file of another version or none at all never stops the agent: it is set aside and said.
    pub fn load(paths: &Paths) -> Result<Self, FileError> {
        let path = paths.ledger();
        let text = files::read(&path)?;
        let found = text.as_deref().map(Ledger::read);
        let mut this =
            Self { paths: paths.clone(), ledger: Ledger::default(), written: None, unreadable: false };
        let found_other = matches!(found, Some(Read::Salvaged { .. }));
        match found {
            None => info!(ledger = %path.display(), "no ledger: this agent is new on this host"),
            Some(Read::Current(ledger)) => {
                this.ledger = ledger;
                this.written = text;
            }
            Some(Read::Salvaged { ledger, version }) => {
                warn!(
                    ?version, old = %paths.old_ledger().display(),
                    "the ledger is of another version: its boot id and counters are kept, the file is set aside, \
                     and the last good plan is waited for from the API server"
                );
                this.ledger = ledger;
                this.set_aside()?;
            }
            Some(Read::Unreadable { why }) => {
                warn!(
                    why, old = %paths.old_ledger().display(),
                    "the ledger cannot be read: it is set aside, nothing will be stepped, and the plan is waited for"
                );
                this.unreadable = true;
                this.set_aside()?;
            }
        }
        // At once: a second start must find the boot id that was just salvaged.
        if found_other {
            this.save()?;
        }
        Ok(this)
    }

    fn set_aside(&self) -> Result<(), FileError> {
        let (from, to) = (self.paths.ledger(), self.paths.old_ledger());
        std::fs::rename(&from, &to).map_err(|source| FileError { what: "set aside", path: from, source })
    }

    /// What it knows of this boot. Call before the boot id is noted.
    pub fn known_boot(&self, boot_id: &str) -> KnownBoot {
        if self.unreadable && self.ledger.boot_id.is_none() {
            KnownBoot::Unreadable
        } else if self.ledger.boot_id.as_deref() == Some(boot_id) {
            KnownBoot::Known
        } else {
            KnownBoot::New
        }
    }

    /// Forgets everything, the file included (retirement).
    pub fn forget(&mut self) {
        self.ledger = Ledger::default();
        self.written = None;
    }

    /// Writes it when it changed since the last write.
    pub fn save(&mut self) -> Result<(), FileError> {
        let path = self.paths.ledger();
        let text = self.ledger.to_json().map_err(|error| FileError {
            what: "encode",
            path: path.clone(),
            source: std::io::Error::other(error),
        })?;
        if self.written.as_ref() != Some(&text) {
            files::make_parent(&path)?;
            files::replace(&path, &text)?;
            self.written = Some(text);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn paths(dir: &Path) -> Paths {
        let paths = Paths::new(&dir.join("run"), &dir.join("state"));
        paths.make().unwrap();
        paths
    }

    #[test]
    fn it_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let paths = paths(dir.path());
        let mut file = LedgerFile::load(&paths).unwrap();
        assert_eq!(file.known_boot("b"), KnownBoot::New);
        file.ledger.boot_id = Some("b".into());
        file.save().unwrap();
        let file = LedgerFile::load(&paths).unwrap();
        assert_eq!((file.known_boot("b"), file.known_boot("c")), (KnownBoot::Known, KnownBoot::New));
    }

    #[test]
    fn garbage_is_set_aside_and_is_never_a_boot() {
        let dir = tempfile::tempdir().unwrap();
        let paths = paths(dir.path());
        std::fs::write(paths.ledger(), "{").unwrap();
        let file = LedgerFile::load(&paths).unwrap();
        assert_eq!(file.known_boot("b"), KnownBoot::Unreadable);
        assert!(paths.old_ledger().exists() && !paths.ledger().exists());
    }

    #[test]
    fn another_version_is_set_aside_but_the_boot_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let paths = paths(dir.path());
        std::fs::write(paths.ledger(), r#"{"version": 0, "bootId": "b"}"#).unwrap();
        let file = LedgerFile::load(&paths).unwrap();
        assert_eq!(file.known_boot("b"), KnownBoot::Known);
        assert!(paths.old_ledger().exists());
    }
}

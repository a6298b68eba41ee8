//! Files on the host: where each of ours lies, and how one is replaced so that a crash leaves the old or the new one.
//!
//! **Must never** leave a half-written file under a name that anybody reads, nor remove anything that is not ours.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {path}: {source}; the previous file, if any, is untouched")]
pub struct FileError {
    /// What was tried.
    pub what: &'static str,
    /// On which file.
    pub path: PathBuf,
    /// The system's answer.
    #[source]
    pub source: io::Error,
}

/// Where everything lies.
#[derive(Clone, Debug)]
pub struct Paths {
    run: PathBuf,
    state: PathBuf,
}

impl Paths {
    /// Below the two directories from the command line.
    pub fn new(run: &Path, state: &Path) -> Self {
        Self { run: run.to_owned(), state: state.to_owned() }
    }
    /// chronyd's own directory: it opens its socket only in one that its user owns and nobody else may write.
    pub fn daemon_dir(&self) -> PathBuf {
        self.run.join("chrony")
    }
    /// The command socket.
    pub fn socket(&self) -> PathBuf {
        self.daemon_dir().join("chronyd.sock")
    }
    /// The pid file.
    pub fn pid_file(&self) -> PathBuf {
        self.daemon_dir().join("chronyd.pid")
    }
    /// The main file.
    pub fn main(&self) -> PathBuf {
        self.daemon_dir().join("chrony.conf")
    }
    /// What `chronyd -p` is shown before anything is replaced.
    pub fn candidate(&self) -> PathBuf {
        self.daemon_dir().join("candidate.conf")
    }
    /// The sourcedir.
    pub fn source_dir(&self) -> PathBuf {
        self.daemon_dir().join("sources.d")
    }
    /// The only file in it.
    pub fn sources(&self) -> PathBuf {
        self.source_dir().join("meantime.sources")
    }
    /// Where chronyd dumps its samples.
    pub fn dump_dir(&self) -> PathBuf {
        self.state.join("dump")
    }
    /// Where it keeps its frequency.
    pub fn drift(&self) -> PathBuf {
        self.state.join("drift")
    }
    /// The ledger.
    pub fn ledger(&self) -> PathBuf {
        self.state.join("ledger.json")
    }
    /// A ledger that could not be used, set aside.
    pub fn old_ledger(&self) -> PathBuf {
        self.state.join("ledger.json.old")
    }
    /// A fresh name for one client socket.
    pub fn client_socket(&self, pid: u32, counter: u64) -> PathBuf {
        self.daemon_dir().join(format!("agent.{pid}.{counter}.sock"))
    }

    /// Makes the directories, with the modes that chronyd insists on.
    pub fn make(&self) -> Result<(), FileError> {
        for dir in [self.daemon_dir(), self.source_dir(), self.dump_dir()] {
            fs::create_dir_all(&dir).map_err(|source| FileError {
                what: "make",
                path: dir.clone(),
                source,
            })?;
        }
        // An existing directory that is wider makes chronyd run on without a socket.
        let dir = self.daemon_dir();
        fs::set_permissions(&dir, Permissions::from_mode(0o770)).map_err(|source| FileError {
            what: "set the mode of",
            path: dir,
            source,
        })
    }

    /// Removes every file of ours: the host is as it was. The two directories stay, they may be mount points.
    pub fn remove_all(&self) -> Result<(), FileError> {
        remove_dir(&self.daemon_dir())?;
        remove_dir(&self.dump_dir())?;
        for file in [self.drift(), self.ledger(), self.old_ledger(), temporary(&self.ledger())] {
            remove(&file)?;
        }
        Ok(())
    }

    /// Removes client sockets that an agent before us left behind.
    pub fn sweep_client_sockets(&self) {
        for entry in fs::read_dir(self.daemon_dir()).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("agent.") && name.ends_with(".sock") {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn remove_dir(path: &Path) -> Result<(), FileError> {
    absent_is_fine("remove", path, fs::remove_dir_all(path))
}

/// Removes a file; an absent one is fine.
pub fn remove(path: &Path) -> Result<(), FileError> {
    absent_is_fine("remove", path, fs::remove_file(path))
}

fn absent_is_fine(what: &'static str, path: &Path, result: io::Result<()>) -> Result<(), FileError> {
    match result {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(FileError { what, path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Makes the directory that a file lies in.
pub fn make_parent(path: &Path) -> Result<(), FileError> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(dir).map_err(|source| FileError { what: "make", path: dir.to_owned(), source })
}

/// The text of a file; none when it is absent.
pub fn read(path: &Path) -> Result<Option<String>, FileError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FileError { what: "read", path: path.to_owned(), source }),
    }
}

/// Replaces `path`: temporary file in the same directory, fsync, rename, fsync of the directory.
pub fn replace(path: &Path, text: &str) -> Result<(), FileError> {
    let error = |what| move |source| FileError { what, path: path.to_owned(), source };
    let temporary = temporary(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o640)
        .open(&temporary)
        .map_err(error("write beside"))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(error("write beside"))?;
    fs::rename(&temporary, path).map_err(error("replace"))?;
    let dir = path.parent().unwrap_or(Path::new("/"));
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(error("make durable"))
}

/// Ends in `.new`, which neither chronyd (`*.sources`) nor we read.
fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        assert_eq!(read(&path).unwrap(), None);
        replace(&path, "one\n").unwrap();
        replace(&path, "two\n").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some("two\n"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_error_names_the_file_and_what_was_kept() {
        let error = replace(Path::new("/nonexistent/a"), "x").unwrap_err().to_string();
        assert!(error.contains("/nonexistent/a") && error.contains("untouched"), "{error}");
    }

    #[test]
    fn a_wide_directory_is_narrowed_and_removal_takes_only_ours() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(&dir.path().join("run"), &dir.path().join("state"));
        fs::create_dir_all(paths.daemon_dir()).unwrap();
        fs::set_permissions(paths.daemon_dir(), Permissions::from_mode(0o777)).unwrap();
        paths.make().unwrap();
        assert_eq!(fs::metadata(paths.daemon_dir()).unwrap().permissions().mode() & 0o777, 0o770);
        fs::write(paths.client_socket(1, 2), "").unwrap();
        fs::write(dir.path().join("state/other"), "").unwrap();
        fs::write(paths.ledger(), "").unwrap();
        paths.sweep_client_sockets();
        assert!(!paths.client_socket(1, 2).exists());
        paths.remove_all().unwrap();
        paths.remove_all().unwrap();
        assert!(dir.path().join("state/other").exists() && !paths.ledger().exists());
        assert!(!paths.daemon_dir().exists() && !paths.dump_dir().exists());
    }
}

//! Does the host set its clock by itself, once, at boot? Without that a machine that wakes with a wrong clock has a
//! kubelet that trusts no certificate, and nothing of Kubernetes ever starts, we neither (law 1).
//!
//! **In:** the host's /etc/systemd/system, mounted read-only. **Out:** [`Protection`], said by `BootTimeUnprotected`.
//! **Must never** call a host protected for what was not seen: an enabled unit counts when its text runs a program that
//! sets the clock and ends, or when it has a name that is known for that. A daemon does not count: it would compete.

use meantime_core::conditions::Status;
use std::fs;
use std::path::Path;

/// Units that count by their name alone: ours (examples/host; also for whoever has a way of his own), and the one-shots
/// of ntp's packages, whose text lies outside of the directory that is seen.
const KNOWN: [&str; 3] = ["meantime-boot-time.service", "ntpdate.service", "sntp.service"];

/// One enabled unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// `chrony-once.service`.
    pub name: String,
    /// Its text; none = it lies elsewhere on the host.
    pub text: Option<String>,
}

/// What is known of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protection {
    /// This unit sets the clock at boot.
    Unit(String),
    /// None of the enabled units does.
    Nothing,
    /// The host's units can't be seen, and why.
    NotVisible(String),
}

impl Protection {
    /// The condition `BootTimeUnprotected`: status, reason, message.
    pub fn condition(&self) -> (Status, &'static str, String) {
        match self {
            Self::Unit(name) => {
                (Status::False, "SetterEnabled", format!("{name} sets this host's clock once at boot"))
            }
            Self::Nothing => (
                Status::True,
                "NoSetter",
                "no enabled unit in /etc/systemd/system sets the clock once at boot: see \
                 examples/host/meantime-boot-time.service"
                    .to_owned(),
            ),
            Self::NotVisible(why) => (
                Status::Unknown,
                "NotVisible",
                format!("whether this host sets its clock at boot is not known: {why}"),
            ),
        }
    }
}

/// The decision.
pub fn judge(units: Result<Vec<Unit>, String>) -> Protection {
    match units {
        Err(why) => Protection::NotVisible(why),
        Ok(units) => units
            .into_iter()
            .find(|unit| {
                KNOWN.contains(&unit.name.as_str()) || unit.text.as_deref().is_some_and(sets_clock_once)
            })
            .map_or(Protection::Nothing, |unit| Protection::Unit(unit.name)),
    }
}

/// Whether a unit's text starts a program that sets the clock and ends.
fn sets_clock_once(text: &str) -> bool {
    let joined = text.replace("\\\n", " ");
    let commands = joined.lines().filter_map(|line| {
        let (key, value) = line.trim().split_once('=')?;
        matches!(key.trim_end(), "ExecStart" | "ExecStartPre" | "ExecStartPost").then_some(value)
    });
    commands.into_iter().any(|command| {
        let words = command.split_whitespace().map(|word| word.trim_matches(['"', '\'', ';']));
        let words: Vec<_> = words.collect();
        // `-/usr/bin/timeout 60 /usr/sbin/chronyd -q` is chronyd's as well.
        (0..words.len()).any(|at| program_sets_once(words[at], &words[at + 1..]))
    })
}

fn program_sets_once(program: &str, arguments: &[&str]) -> bool {
    let program = program.trim_start_matches(['-', '@', ':', '+', '!']);
    // One-letter options, alone or together (`-gq`); values and long options are longer or no letters.
    let options: String = arguments
        .iter()
        .filter_map(|argument| argument.strip_prefix('-'))
        .filter(|letters| letters.len() <= 4 && letters.chars().all(|c| c.is_ascii_alphanumeric()))
        .collect();
    let has = |letter: char| options.contains(letter);
    match program.rsplit('/').next().unwrap_or_default() {
        // -Q only prints, -x moves nothing.
        "chronyd" => has('q') && !has('x'),
        "ntpd" => has('q'),
        // -q only asks, -d only debugs.
        "ntpdate" => !has('q') && !has('d'),
        "sntp" => has('S') || has('s'),
        "rdate" => has('s') || (has('n') && !has('p')),
        _ => false,
    }
}

/// The host's enabled units; `directory` none = the chart does not mount it.
pub fn enabled(directory: Option<&Path>) -> Result<Vec<Unit>, String> {
    let directory = directory.ok_or("its units are not mounted here (agent.hostUnitDir)")?;
    let failed = |error: std::io::Error| format!("cannot read its units: {error}");
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)?.flatten() {
        let folder = entry.path();
        let pulls = folder.extension().is_some_and(|kind| kind == "wants" || kind == "requires");
        if pulls {
            let inside = fs::read_dir(folder).map_err(failed)?.flatten();
            names.extend(inside.filter_map(|entry| entry.file_name().into_string().ok()));
        }
    }
    names.retain(|name| Path::new(name).extension().is_some_and(|kind| kind == "service"));
    names.sort_unstable();
    names.dedup();
    Ok(names.into_iter().filter_map(|name| unit(directory, name)).collect())
}

/// The links' targets are the host's paths, not ours: a unit's own file is looked for by name. None = masked.
fn unit(directory: &Path, name: String) -> Option<Unit> {
    let file = directory.join(&name);
    match fs::read_link(&file) {
        Ok(target) if target == Path::new("/dev/null") => None,
        // An alias of something elsewhere.
        Ok(_) => Some(Unit { name, text: None }),
        Err(_) => Some(Unit { text: fs::read_to_string(&file).ok(), name }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::os::unix::fs::symlink;

    #[rstest]
    #[case("ExecStart=/usr/sbin/chronyd -q -t 60 'pool pool.ntp.org iburst'", true)]
    #[case("ExecStart=-/usr/bin/timeout 60 /usr/sbin/chronyd -q -f /etc/once.conf", true)]
    #[case("ExecStart = /usr/sbin/ntpd -gq", true)]
    #[case("ExecStart=/usr/bin/busybox ntpd -n -q -p 10.0.0.1", true)]
    #[case("ExecStart=/usr/sbin/ntpdate \\\n  -b 10.0.0.1", true)]
    #[case("ExecStart=/usr/bin/rdate -s 10.0.0.1", true)]
    #[case("ExecStart=/usr/bin/sntp -S 10.0.0.1", true)]
    #[case::a_daemon("ExecStart=/usr/sbin/chronyd -F 1", false)]
    #[case::another("ExecStart=/usr/lib/systemd/systemd-timesyncd", false)]
    #[case::only_prints("ExecStart=/usr/sbin/chronyd -Q -t 3 'server 10.0.0.1'", false)]
    #[case::moves_nothing("ExecStart=/usr/sbin/chronyd -x -q 'server 10.0.0.1'", false)]
    #[case::only_asks("ExecStart=/usr/sbin/ntpdate -q 10.0.0.1", false)]
    #[case::a_comment("# ExecStart=/usr/sbin/chronyd -q", false)]
    #[case::waits_for_a_daemon("ExecStart=/usr/bin/chronyc -h 127.0.0.1 waitsync 0 0.1 0.0 1", false)]
    #[case::at_the_end("ExecStop=/usr/sbin/chronyd -q", false)]
    fn what_sets_a_clock_once(#[case] text: &str, #[case] counts: bool) {
        let unit = Unit { name: "x.service".into(), text: Some(format!("[Service]\n{text}\n")) };
        assert_eq!(judge(Ok(vec![unit])) == Protection::Unit("x.service".into()), counts);
    }

    #[test]
    fn our_example_counts_by_what_it_runs_too() {
        assert!(sets_clock_once(include_str!("../../../examples/host/meantime-boot-time.service")));
    }

    #[test]
    fn what_is_not_seen_is_unknown_and_never_healthy() {
        assert_eq!(judge(enabled(None)).condition().0, Status::Unknown);
        assert_eq!(judge(enabled(Some(Path::new("/nonexistent")))).condition().0, Status::Unknown);
        assert_eq!(judge(Ok(vec![])).condition().0, Status::True);
        let elsewhere = |name: &str| judge(Ok(vec![Unit { name: name.into(), text: None }]));
        assert_eq!(elsewhere("chronyd.service"), Protection::Nothing);
        assert_eq!(elsewhere("ntpdate.service").condition().0, Status::False);
    }

    #[test]
    fn only_enabled_units_count_and_masked_ones_do_not() {
        let host = tempfile::tempdir().unwrap();
        let path = |name: &str| host.path().join(name);
        fs::create_dir(path("multi-user.target.wants")).unwrap();
        fs::write(path("once.service"), "[Service]\nExecStart=/usr/sbin/chronyd -q\n").unwrap();
        let look = || judge(enabled(Some(host.path())));
        assert_eq!(look(), Protection::Nothing, "there, but not enabled");
        let wants = path("multi-user.target.wants/once.service");
        symlink("/etc/systemd/system/once.service", wants).unwrap();
        assert_eq!(look(), Protection::Unit("once.service".into()));
        fs::remove_file(path("once.service")).unwrap();
        assert_eq!(look(), Protection::Nothing, "its text is not seen, and its name says nothing");
        symlink("/usr/lib/systemd/system/ntpdate.service", path("multi-user.target.wants/ntpdate.service"))
            .unwrap();
        assert_eq!(look(), Protection::Unit("ntpdate.service".into()));
        symlink("/dev/null", path("ntpdate.service")).unwrap();
        assert_eq!(look(), Protection::Nothing, "masked");
    }
}

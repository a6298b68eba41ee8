//! What a diagnosis makes of all scenarios: counts and a confusion matrix. Knows labels and words, no rule.

use super::run::run;
use super::scenarios::Scenario;
use super::seen::Seen;
use super::world::World;
use meantime_core::diagnose::finding::{Kind, Subject};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// A finding without its figures.
pub type Word = (Kind, Subject);

/// The counts of a whole suite.
#[derive(Clone, Debug, Default)]
pub struct Matrix {
    /// Scenarios that ran.
    pub scenarios: usize,
    /// Expected findings that were said.
    pub attributed_right: usize,
    /// Scenarios that expect nothing, and nothing but what may be said was said.
    pub abstained_right: usize,
    /// The general word was said where the specific one was provable.
    pub too_general: usize,
    /// Said, not expected, and no general form of what is expected.
    pub wrong: usize,
    /// Expected, and neither it nor its general form was said.
    pub missed: usize,
    /// Scenarios in which a word was said on the way that is neither right at the end nor in the middle.
    pub wrong_meanwhile: usize,
    /// Expected kind × said kind (none = abstained, or nothing expected).
    cells: BTreeMap<(Option<Kind>, Option<Kind>), usize>,
    /// One line for each wrong, missed and too general word.
    pub lines: Vec<String>,
}

impl Matrix {
    /// Runs each scenario with a seed of its own and asks `diagnose` what stood after each moment of all that was seen.
    pub fn of(scenarios: &[Scenario], seed: u64, diagnose: impl Fn(&Seen) -> Vec<Vec<Word>>) -> Self {
        Self::changed(scenarios, seed, |_| {}, diagnose)
    }

    /// The same in worlds that are `changed` before they run.
    pub fn changed(
        scenarios: &[Scenario],
        seed: u64,
        change: impl Fn(&mut World),
        diagnose: impl Fn(&Seen) -> Vec<Vec<Word>>,
    ) -> Self {
        let mut matrix = Self::default();
        for (index, scenario) in scenarios.iter().enumerate() {
            let seed = seed.wrapping_add(u64::try_from(index).unwrap_or(0));
            let mut world = scenario.world(seed);
            change(&mut world);
            let seen = run(&world);
            let said = diagnose(&seen);
            matrix.count(scenario, said.last().map(Vec::as_slice).unwrap_or_default(), &seen);
            matrix.count_meanwhile(scenario, &said);
        }
        matrix
    }

    /// Counts what was said of one scenario.
    pub fn count(&mut self, scenario: &Scenario, said: &[Word], seen: &Seen) {
        self.scenarios += 1;
        let mut left: Vec<&Word> = said.iter().collect();
        let mut open: Vec<&Word> = Vec::new();
        for word in &scenario.expect {
            if let Some(at) = left.iter().position(|one| *one == word) {
                left.remove(at);
                self.attributed_right += 1;
                self.cell(Some(word.0), Some(word.0));
            } else {
                open.push(word);
            }
        }
        for word in open {
            let general = |one: &&&Word| word.0.general() == Some(one.0) && concerns(&one.1, &word.1);
            if let Some(found) = left.iter().find(general) {
                let found = (**found).clone();
                left.retain(|one| **one != found);
                self.too_general += 1;
                self.cell(Some(word.0), Some(found.0));
                self.lines.push(format!("too general  {}: {found:?} instead of {word:?}", scenario.name));
            } else {
                self.missed += 1;
                self.cell(Some(word.0), None);
                self.lines.push(format!("missed       {}: {word:?} ({})", scenario.name, scenario.about));
            }
        }
        let before = self.wrong;
        for word in left {
            if scenario.may.contains(&word.0) {
                continue;
            }
            self.wrong += 1;
            // The row is what was expected of that subject, if anything was.
            let row = scenario.expect.iter().find(|one| concerns(&word.1, &one.1)).map(|one| one.0);
            self.cell(row, Some(word.0));
            let mut line = format!(
                "WRONG        {}: {word:?}, expected {:?} ({})",
                scenario.name, scenario.expect, scenario.about
            );
            evidence(&mut line, seen, &word.1);
            self.lines.push(line);
        }
        if scenario.expect.is_empty() && self.wrong == before {
            self.abstained_right += 1;
            self.cell(None, None);
        }
    }

    /// On the way a word may be more general than the one at the end; no other one may be said.
    fn count_meanwhile(&mut self, scenario: &Scenario, said: &[Vec<Word>]) {
        let right = |word: &&Word| {
            scenario.may.contains(&word.0)
                || scenario.expect.iter().chain(&scenario.meanwhile).any(|expected| {
                    expected == *word
                        || expected.0.general() == Some(word.0) && concerns(&word.1, &expected.1)
                })
        };
        let wrong: BTreeMap<&Word, (usize, usize)> =
            said.iter().enumerate().fold(BTreeMap::new(), |mut wrong, (moment, words)| {
                for word in words.iter().filter(|word| !right(word)) {
                    wrong.entry(word).or_insert((moment, moment)).1 = moment;
                }
                wrong
            });
        self.wrong_meanwhile += usize::from(!wrong.is_empty());
        for (word, (first, last)) in wrong {
            self.lines.push(format!(
                "MEANWHILE    {}: {word:?} from moment {first} to {last} of {}, expected {:?} ({})",
                scenario.name,
                said.len(),
                scenario.expect,
                scenario.about
            ));
        }
    }

    fn cell(&mut self, expected: Option<Kind>, said: Option<Kind>) {
        *self.cells.entry((expected, said)).or_default() += 1;
    }
}

/// Whether a word about one subject may stand for a word about another: the same, or a source for an egress's view.
fn concerns(said: &Subject, expected: &Subject) -> bool {
    said == expected
        || matches!(
            (said, expected),
            (Subject::Source(name), Subject::SourceFrom { source, .. })
            | (Subject::SourceFrom { source, .. }, Subject::Source(name)) if name == source
        )
}

/// What the last statuses say of a subject.
fn evidence(line: &mut String, seen: &Seen, subject: &Subject) {
    let Some(last) = seen.last() else { return };
    for (name, node) in &last.nodes {
        let Some(said) = &node.said else { continue };
        let about = said.status.associations.iter().filter(|one| match subject {
            Subject::Source(source) | Subject::SourceFrom { source, .. } => {
                one.source.as_ref() == Some(source)
            }
            Subject::Node(node) => node == name,
            Subject::Zone(zone) => node.zone.as_ref() == Some(zone),
            Subject::Egress(egress) => node.egress.as_ref() == Some(egress),
            Subject::Cluster => false,
        });
        for one in about.take(6) {
            let source = one.source.as_deref().unwrap_or("-");
            let trouble = said.trouble.get(source);
            // Writing into a String cannot fail.
            let _ = write!(
                line,
                "\n    {name} {:?} {source} {} usable={} rejected={} {:?} {trouble:?} offset={:?} ±{:?} delay={:?}",
                node.heard,
                one.letter,
                one.usable,
                one.rejected,
                one.reachability,
                one.offset_nanoseconds,
                one.uncertainty_nanoseconds,
                one.delay_nanoseconds,
            );
        }
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "scenarios {}  attributed_right {}  abstained_right {}  too_general {}  wrong {}  missed {}  wrong_meanwhile {}",
            self.scenarios,
            self.attributed_right,
            self.abstained_right,
            self.too_general,
            self.wrong,
            self.missed,
            self.wrong_meanwhile
        )?;
        let word = |kind: Option<Kind>, none: &str| kind.map_or(none.to_owned(), |kind| format!("{kind:?}"));
        writeln!(f, "{:<28} {:<28} {:>5}", "expected", "said", "times")?;
        for ((expected, said), times) in &self.cells {
            writeln!(f, "{:<28} {:<28} {times:>5}", word(*expected, "(nothing)"), word(*said, "abstained"))?;
        }
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

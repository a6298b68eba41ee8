//! From measured values to figures and to a table that hides no loss. Pure.

use super::contestant::Contestant;
use super::timeline::Value;
use crate::bench::{Aim, Row};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// More than this share above a rival's is a loss; less is the dice.
const LOSS_SHARE: f64 = 0.05;
/// And at least this much, unless a line says otherwise.
const LOSS_LEAST: f64 = 0.05;

/// What is measured. Less is better in all of it.
#[derive(Clone, Debug)]
pub struct Line {
    /// The figure's id without its unit; `{}` stands for the contestant.
    id: String,
    unit: &'static str,
    aim: Aim,
    how: String,
    /// Smaller differences are the dice.
    dice: f64,
}

/// One value of it.
#[derive(Clone, Debug)]
pub struct Measured {
    line: Line,
    contestant: Contestant,
    value: Value,
}

impl Line {
    /// The aim is ours: rivals are only printed beside it.
    pub fn new(id: String, unit: &'static str, aim: Aim, how: String) -> Self {
        Self { id, unit, aim, how, dice: LOSS_LEAST }
    }
    /// The same, where differences below this are noise of the machine and no loss to anybody.
    pub fn with_dice(self, dice: f64) -> Self {
        Self { dice, ..self }
    }
    /// A value.
    pub fn of(&self, contestant: Contestant, value: Value) -> Measured {
        Measured { line: self.clone(), contestant, value }
    }
    fn figure(&self, contestant: Contestant, worst: bool) -> String {
        let worst = if worst { "_worst" } else { "" };
        format!("{}{worst}_{}", self.id.replace("{}", contestant.name()), self.unit)
    }
}

impl Measured {
    /// For the line that tells of a finished race.
    pub fn brief(&self) -> String {
        let Self { line, contestant, value } = self;
        format!("{} {value} {}", line.id.replace("{}", contestant.name()), line.unit)
    }
    /// Whether it is about manners: such lines come in every race.
    pub fn is_of_packets(&self) -> bool {
        self.line.id.starts_with("packets_")
    }
}

/// All values of one line.
#[derive(Clone, Debug)]
struct Group {
    line: Line,
    values: BTreeMap<Contestant, Vec<Value>>,
}

/// Everything, by line, in the order of first appearance.
#[derive(Clone, Debug, Default)]
pub struct Board(Vec<Group>);

impl Board {
    /// Adds one value.
    pub fn add(&mut self, measured: Measured) {
        let Measured { line, contestant, value } = measured;
        let known = self.0.iter().position(|group| group.line.id == line.id && group.line.unit == line.unit);
        let at = known.unwrap_or_else(|| {
            self.0.push(Group { line, values: BTreeMap::new() });
            self.0.len() - 1
        });
        self.0[at].values.entry(contestant).or_default().push(value);
    }

    /// Two figures for each contestant and line: the median and the worst.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for Group { line, values } in &self.0 {
            for (contestant, values) in values {
                let aim = if *contestant == Contestant::Meantime { line.aim } else { Aim::None };
                for (worst, value) in [(false, median(values)), (true, worst(values))] {
                    let open = values.iter().filter(|value| value.is_open()).count();
                    let mut how = line.how.clone();
                    if value.is_open() {
                        let _ = write!(
                            how,
                            "; ≥: it had not happened by then in {open} of {} runs",
                            values.len()
                        );
                    }
                    let figure = line.figure(*contestant, worst);
                    rows.push(Row::new(&figure, value.number(), line.unit, values.len(), aim, &how));
                }
            }
        }
        rows
    }

    /// The table: median / worst of each contestant, the aim, and what we lose.
    pub fn table(&self) -> String {
        let mut text = format!(
            "{:<34} {:>15} {:>15} {:>15}  {:<9} {}\n",
            "median / worst", "debian", "tuned", "meantime", "aim", "runs"
        );
        let mut losses = String::new();
        for Group { line, values } in &self.0 {
            let cell = |contestant| {
                values.get(&contestant).map_or_else(
                    || "-".to_owned(),
                    |values: &Vec<Value>| format!("{} / {}", median(values), worst(values)),
                )
            };
            let [debian, tuned, meantime] = Contestant::ALL.map(cell);
            let id = format!("{} {}", line.id.replace("_{}", ""), line.unit);
            let runs = values.values().map(Vec::len).max().unwrap_or(0);
            let missed = values.get(&Contestant::Meantime).is_some_and(|values| line.is_missed(values));
            let verdict = match (line.aim, missed) {
                (Aim::None, _) => "",
                (_, true) => "MISSED",
                (_, false) => "met",
            };
            let aim = line.aim;
            let row =
                format!("{id:<34} {debian:>15} {tuned:>15} {meantime:>15}  {aim:<9} {runs:<4} {verdict}");
            let _ = writeln!(text, "{}", row.trim_end());
            for (rival, by) in line.lost(values) {
                let _ = writeln!(losses, "  {id}: {} is better, {by}", rival.name());
            }
        }
        let losses = if losses.is_empty() { "  none\n".to_owned() } else { losses };
        format!("{text}\nwhere Meantime is worse than a rival:\n{losses}")
    }

    /// How each line was measured.
    pub fn how(&self) -> String {
        let mut text = String::from("how:\n");
        for Group { line, .. } in &self.0 {
            let _ = writeln!(text, "  {} {}: {}", line.id, line.unit, line.how);
        }
        text
    }
}

impl Line {
    /// By the median or by the worst.
    fn is_missed(&self, values: &[Value]) -> bool {
        let Aim::AtMost(most) = self.aim else { return false };
        // What is open has not met a limit, however high it was when the watch ended.
        [median(values), worst(values)].iter().any(|value| value.is_open() || value.number() > most)
    }

    /// The rivals that are better than we are, and by what.
    fn lost(&self, values: &BTreeMap<Contestant, Vec<Value>>) -> Vec<(Contestant, String)> {
        let Some(ours) = values.get(&Contestant::Meantime) else { return Vec::new() };
        let mut found = Vec::new();
        for (rival, theirs) in values.iter().filter(|(who, _)| **who != Contestant::Meantime) {
            let mut said = Vec::new();
            for (name, of) in [("median", median as fn(&[Value]) -> Value), ("worst", worst)] {
                let (our, their) = (of(ours), of(theirs));
                let margin = (their.number() * LOSS_SHARE).max(self.dice);
                // Two that are both open can not be told apart.
                let worse = match (our.is_open(), their.is_open()) {
                    (true, true) => false,
                    (true, false) => our.number() >= their.number(),
                    (false, _) => our.number() > their.number() + margin && !their.is_open(),
                };
                if worse {
                    said.push(format!("{name} {their} against {our}"));
                }
            }
            if !said.is_empty() {
                found.push((*rival, said.join(", ")));
            }
        }
        found
    }
}

fn sorted(values: &[Value]) -> Vec<Value> {
    let mut values = values.to_vec();
    values.sort_by(|one, other| one.order(*other));
    values
}

/// The upper one of two in the middle: a median is never made prettier.
fn median(values: &[Value]) -> Value {
    sorted(values).get(values.len() / 2).copied().unwrap_or(Value::AtLeast(0.0))
}

fn worst(values: &[Value]) -> Value {
    sorted(values).last().copied().unwrap_or(Value::AtLeast(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str, aim: f64) -> Line {
        Line::new(id.to_owned(), "s", Aim::AtMost(aim), "as told".to_owned())
    }

    fn board() -> Board {
        let mut board = Board::default();
        let (dead, named) = (line("dead_{}_poll2", 13.0), line("liar_{}_named", 2.0));
        for (who, values) in [
            (Contestant::Debian, [Value::Known(104.0), Value::AtLeast(200.0), Value::AtLeast(200.0)]),
            (Contestant::Tuned, [17.0, 18.0, 16.5].map(Value::Known)),
            (Contestant::Meantime, [9.0, 19.0, 8.0].map(Value::Known)),
        ] {
            for value in values {
                board.add(dead.of(who, value));
            }
        }
        board.add(named.of(Contestant::Meantime, Value::Known(0.5)));
        board
    }

    #[test]
    fn each_contestant_has_a_median_and_a_worst() {
        let rows = board().rows();
        let figures: Vec<_> =
            rows.iter().map(|row| (row.figure.figure.as_str(), row.figure.value, row.figure.runs)).collect();
        assert_eq!(
            figures,
            [
                ("dead_debian_poll2_s", 200.0, 3),
                ("dead_debian_poll2_worst_s", 200.0, 3),
                ("dead_tuned_poll2_s", 17.0, 3),
                ("dead_tuned_poll2_worst_s", 18.0, 3),
                ("dead_meantime_poll2_s", 9.0, 3),
                ("dead_meantime_poll2_worst_s", 19.0, 3),
                ("liar_meantime_named_s", 0.5, 1),
                ("liar_meantime_named_worst_s", 0.5, 1),
            ]
        );
        assert!(rows[0].figure.against.contains("≥: it had not happened by then in 2 of 3 runs"));
        assert!(!rows[2].figure.against.contains('≥'));
    }

    #[test]
    fn the_table_says_what_was_missed_and_what_was_lost() {
        let table = board().table();
        assert!(table.contains("≥200 / ≥200"), "{table}");
        let dead = table.lines().find(|line| line.starts_with("dead_poll2 s")).unwrap();
        assert!(dead.contains("9 / 19") && dead.ends_with("MISSED"), "{table}");
        assert!(
            table.lines().any(|line| line.starts_with("liar_named s") && line.ends_with("met")),
            "{table}"
        );
        assert!(table.ends_with("  dead_poll2 s: tuned is better, worst 18 against 19\n"), "{table}");
    }

    #[test]
    fn noise_is_no_loss() {
        let mut board = Board::default();
        let line = Line::new("liar_{}_pulled".to_owned(), "us", Aim::None, String::new()).with_dice(100.0);
        board.add(line.of(Contestant::Debian, Value::Known(7.0)));
        board.add(line.of(Contestant::Tuned, Value::Known(7.0)));
        board.add(line.of(Contestant::Meantime, Value::Known(90.0)));
        assert!(board.table().ends_with("worse than a rival:\n  none\n"), "{}", board.table());
        board.add(line.of(Contestant::Meantime, Value::Known(5_000.0)));
        assert!(board.table().contains("tuned is better"), "{}", board.table());
    }

    #[test]
    fn what_never_happened_is_neither_met_nor_a_win() {
        let mut board = Board::default();
        let line = line("dead_{}_poll2", 300.0);
        board.add(line.of(Contestant::Meantime, Value::AtLeast(200.0)));
        board.add(line.of(Contestant::Tuned, Value::AtLeast(200.0)));
        board.add(line.of(Contestant::Debian, Value::Known(104.0)));
        let table = board.table();
        assert!(table.contains("MISSED"), "{table}");
        assert!(table.contains("debian is better, median 104 against ≥200"), "{table}");
        assert!(!table.contains("tuned is better"), "{table}");
    }
}

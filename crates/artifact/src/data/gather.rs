//! Rows become what the detectors read: numbers, words, labels. Text itself is not kept.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use bartizan_inspect::{Channel, Wanted, canary::Canaries, inspect};
use bartizan_types::FindingKind;

use super::course::{Course, Inspected, Since};
use super::labels::CLASSES_MAX;
use super::read::{Cell, Row, Stop};
use super::schema::{Tally, shown};
use super::text::Texts;
use super::vectors::Matrix;
use super::{Chosen, Wrong};

/// Rows looked at before it is decided what each column is.
const FIRST: usize = 2_000;
/// Rows of which numbers are kept.
const ROWS_MAX: usize = 200_000;
/// Numbers kept.
const NUMBERS_MAX: usize = 1 << 27;
/// Rows of which labels and places are kept.
const LABELS_MAX: usize = 1 << 26;
/// Columns that are tallied.
const TALLIED: usize = 512;
/// Outputs that are told apart.
const OUTPUTS_MAX: usize = 1 << 20;

/// Classes that are numbers and are found without their names.
const NUMBERED: usize = 64;

const LABELS: &[&str] = &[
    "label",
    "labels",
    "target",
    "class",
    "y",
    "category",
    "sentiment",
    "species",
    "toxic",
    "is_spam",
    "spam",
    "diagnosis",
    "label_id",
    "class_label",
    "intent",
    "gold_label",
];
const TEXTS: &[&str] = &[
    "text",
    "sentence",
    "content",
    "review",
    "document",
    "passage",
    "prompt",
    "instruction",
    "question",
    "query",
    "input",
    "message",
    "body",
    "title",
    "context",
    "comment",
    "tweet",
    "subject",
    "utterance",
    "messages",
    "conversations",
];
const OUTPUTS: &[&str] = &[
    "output",
    "response",
    "completion",
    "answer",
    "chosen",
    "reply",
    "target",
    "summary",
];
const NAMES: &[&str] = &[
    "id",
    "index",
    "idx",
    "row",
    "row_id",
    "unnamed: 0",
    "uuid",
    "guid",
    "",
    "_id",
    "doc_id",
];

/// Whether a column's name says that it only tells rows apart.
pub(crate) fn names_rows(name: &str) -> bool {
    NAMES.contains(&name.trim().to_lowercase().as_str())
}

/// What a column is for.
#[derive(Debug, Default, Clone)]
pub(crate) struct Roles {
    pub(crate) label: Option<usize>,
    pub(crate) texts: Vec<usize>,
    pub(crate) output: Option<usize>,
    pub(crate) numbers: Vec<usize>,
}

/// First row and count by group and kind.
pub(crate) type Kinds = HashMap<(Cow<'static, str>, Cow<'static, str>), (u64, u64)>;

/// What an inspector saw in the rows.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) instructions: Vec<(u32, f32)>,
    pub(crate) kinds: Kinds,
    pub(crate) canaries: Vec<u32>,
    pub(crate) inspected: u64,
    /// Rows that an earlier scan has inspected.
    pub(super) known: u64,
    /// What was handed out already.
    pub(super) since: Since,
}

/// Everything the detectors need.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(crate) rows: u64,
    pub(crate) roles: Roles,
    pub(crate) names: Vec<String>,
    pub(crate) tallies: Vec<Tally>,
    pub(crate) numbers: Matrix,
    pub(crate) texts: Texts,
    pub(crate) labels: Vec<u32>,
    pub(crate) classes: Vec<String>,
    pub(crate) outputs: Vec<u32>,
    pub(crate) spans: Vec<(u64, u64)>,
    pub(crate) contents: Contents,
    /// More than is kept of.
    pub(crate) cut: bool,
    by_class: HashMap<String, u32>,
    /// The first classes that are numbers, by their bits.
    by_number: Vec<(u64, u32)>,
    by_output: HashMap<u64, u32>,
    decided: bool,
    /// The first rows, until it is decided what each column is and they are kept.
    first: VecDeque<Row>,
}

/// Gathers rows one by one.
pub(crate) struct Gatherer<'c> {
    pub(crate) got: Gathered,
    chosen: &'c Chosen,
    canaries: Canaries,
    /// A column that was asked for is not there.
    pub(crate) wrong: Option<Wrong>,
}

impl Gathered {
    /// The class of a value.
    fn label(&mut self, cell: &Cell) -> u32 {
        let bits = match cell {
            Cell::Number(number) => Some(number.to_bits()),
            _ => None,
        };
        let known = bits.and_then(|bits| self.by_number.iter().find(|(there, _)| *there == bits));
        if let Some((_, label)) = known {
            return *label;
        }
        let name = shown(cell);
        let next = self.classes.len() as u32;
        let label = match self.by_class.get(&name) {
            Some(label) => *label,
            None if self.classes.len() > CLASSES_MAX => next,
            None => {
                self.by_class.insert(name.clone(), next);
                self.classes.push(name);
                next
            }
        };
        if let Some(bits) = bits.filter(|_| self.by_number.len() < NUMBERED && label < next) {
            self.by_number.push((bits, label));
        }
        label
    }

    /// Names of the columns whose numbers are kept.
    pub(crate) fn numbered(&self) -> Vec<&String> {
        let names = self.roles.numbers.iter().map(|place| self.names.get(*place));
        names.flatten().collect()
    }
}

impl<'c> Gatherer<'c> {
    pub(crate) fn new(chosen: &'c Chosen) -> Self {
        let canaries = Canaries::new(chosen.canaries.iter().map(String::as_str));
        Self {
            got: Gathered::default(),
            chosen,
            wrong: canaries.is_err().then_some(Wrong::Canary),
            canaries: canaries.unwrap_or_default(),
        }
    }

    /// The same, after what an earlier scan of the same rows has inspected.
    pub(crate) fn after(chosen: &'c Chosen, before: Inspected) -> Self {
        let mut gatherer = Self::new(chosen);
        gatherer.got.contents = Contents::after(before);
        gatherer
    }

    /// What was inspected since the last time, once there is enough of it, or all of it at the `end`.
    pub(crate) fn inspected(&mut self, end: bool) -> Option<Inspected> {
        let rows = self.got.rows;
        let contents = &mut self.got.contents;
        let due = if end {
            contents.inspected > 0 && rows > contents.known
        } else {
            contents.due()
        };
        due.then(|| contents.taken(rows))
    }

    pub(crate) fn row(&mut self, names: &[String], row: Row) -> Result<(), Stop> {
        if self.got.decided && self.got.first.is_empty() {
            self.keep(&row);
            return Ok(());
        }
        if self.got.decided {
            // Nobody has advanced in between.
            while let Some(first) = self.got.first.pop_front() {
                self.keep(&first);
            }
            self.keep(&row);
            return Ok(());
        }
        if self.got.names.len() < names.len() {
            self.got.names = names.to_vec();
        }
        self.got.first.push_back(row);
        if self.got.first.len() >= FIRST {
            self.decide();
        }
        if self.wrong.is_some() {
            Err(Stop::Unknown)
        } else {
            Ok(())
        }
    }

    /// Decides, if there were too few rows to have done so before.
    pub(crate) fn close(&mut self) {
        if !self.got.decided {
            self.decide();
        }
    }

    /// Keeps the first rows once it is decided how, hands out what was inspected, and notices when the scan is to end.
    pub(crate) fn advance(&mut self, course: &mut Course<'_>) -> Result<(), Stop> {
        loop {
            if let Some(seen) = self.inspected(false) {
                (course.keep)(seen);
            }
            if (course.stopped)() {
                return Err(Stop::Cancelled);
            }
            let waiting = self.got.decided.then(|| self.got.first.pop_front()).flatten();
            let Some(row) = waiting else { return Ok(()) };
            self.keep(&row);
        }
    }

    /// After the last row: what is left of the first ones, and of what was inspected.
    pub(crate) fn ended(&mut self, course: &mut Course<'_>) -> Result<(), Stop> {
        self.close();
        let advanced = self.advance(course);
        if let Some(seen) = self.inspected(true) {
            (course.keep)(seen);
        }
        advanced
    }

    pub(crate) fn finish(mut self) -> Gathered {
        while let Some(row) = self.got.first.pop_front() {
            self.keep(&row);
        }
        let (width, rows) = (self.got.numbers.width, self.got.numbers.rows());
        if width > 0 && rows > 0 {
            fill(&mut self.got.numbers);
        }
        self.got
    }

    fn decide(&mut self) {
        self.got.decided = true;
        match roles(&self.got.names, self.got.first.make_contiguous(), self.chosen) {
            Ok(roles) => self.got.roles = roles,
            Err(wrong) => {
                self.wrong = Some(wrong);
                return;
            }
        }
        self.got.numbers.width = self.got.roles.numbers.len();
        self.got.tallies = (0..self.got.names.len().min(TALLIED))
            .map(|_| Tally::default())
            .collect();
    }

    fn keep(&mut self, row: &Row) {
        let got = &mut self.got;
        let index = got.rows;
        got.rows += 1;
        let cell = |place: usize| row.cells.get(place).unwrap_or(&Cell::Nothing);
        for (place, tally) in got.tallies.iter_mut().enumerate() {
            tally.add(cell(place));
        }
        if index as usize >= LABELS_MAX {
            got.cut = true;
            return;
        }
        got.spans.push((row.offset, row.length));
        if let Some(place) = got.roles.label {
            let label = got.label(cell(place));
            got.labels.push(label);
        }
        if got.numbers.width > 0 {
            if got.numbers.rows() < ROWS_MAX && got.numbers.values.len() + got.numbers.width <= NUMBERS_MAX {
                let numbers = got.roles.numbers.iter().map(|place| match cell(*place) {
                    Cell::Number(number) => *number as f32,
                    _ => f32::NAN,
                });
                got.numbers.values.extend(numbers);
            } else {
                got.cut = true;
            }
        }
        if let Some(place) = got.roles.output {
            let text = shown(cell(place)).to_lowercase();
            let hash = text.split_whitespace().fold(7, |hash, word| {
                let word = word.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, byte| {
                    (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
                });
                super::statistics::mix(hash ^ word)
            });
            let next = got.by_output.len() as u32;
            let id = match got.by_output.get(&hash) {
                Some(id) => *id,
                None if got.by_output.len() >= OUTPUTS_MAX => u32::MAX,
                None => *got.by_output.entry(hash).or_insert(next),
            };
            got.outputs.push(id);
        }
        if !got.roles.texts.is_empty() {
            let parts: Vec<String> = got
                .roles
                .texts
                .iter()
                .map(|place| shown(cell(*place)))
                .filter(|part| !part.is_empty())
                .collect();
            self.text(index, &parts.join("\n"));
        }
    }

    /// Takes in a row's text.
    fn text(&mut self, index: u64, text: &str) {
        self.got.texts.add(text);
        let contents = &mut self.got.contents;
        if !self.chosen.contents || index < contents.known {
            return;
        }
        contents.since.bytes += text.len() as u64;
        let wanted = Wanted::SECRETS
            .and(Wanted::PERSONAL)
            .and(Wanted::HIDDEN)
            .and(Wanted::INJECTION);
        let seen = inspect(Channel::Document, text.as_bytes(), wanted, &self.canaries);
        contents.inspected += 1;
        let mut strongest: Option<f32> = None;
        for seen in seen.seen {
            let group = match seen.kind {
                FindingKind::Injection => {
                    strongest = Some(seen.above.unwrap_or(0.0).max(strongest.unwrap_or(0.0)));
                    continue;
                }
                FindingKind::Canary => {
                    contents.canaries.push(index as u32);
                    continue;
                }
                FindingKind::Secret => "secret",
                FindingKind::PersonalData => "personal",
                FindingKind::HiddenText => "hidden",
                _ => continue,
            };
            let key = (Cow::Borrowed(group), Cow::Borrowed(seen.what));
            contents.kinds.entry(key).or_insert((index, 0)).1 += 1;
        }
        if let Some(above) = strongest {
            contents.instructions.push((index as u32, above));
        }
    }

    /// A row that is a file of a folder: its class, and numbers or text.
    pub(crate) fn file(&mut self, class: &str, content: Content<'_>) {
        let cells = match content {
            Content::Numbers(numbers) => {
                if !self.got.decided {
                    self.got.decided = true;
                    self.got.roles.label = Some(0);
                    self.got.roles.numbers = (1..=numbers.len()).collect();
                    self.got.numbers.width = numbers.len();
                }
                let numbers = numbers.iter().map(|number| Cell::Number(f64::from(*number)));
                std::iter::once(Cell::Text(class.to_owned()))
                    .chain(numbers)
                    .collect()
            }
            Content::Text(text) => {
                if !self.got.decided {
                    self.got.decided = true;
                    self.got.roles.label = Some(0);
                    self.got.roles.texts = vec![1];
                }
                vec![Cell::Text(class.to_owned()), Cell::Text(text.to_owned())]
            }
        };
        self.keep(&Row {
            offset: 0,
            length: 0,
            cells,
        });
    }
}

/// What a file of a folder holds.
pub(crate) enum Content<'t> {
    Numbers(&'t [f32]),
    Text(&'t str),
}

/// Numbers that are missing become their column's mean.
fn fill(numbers: &mut Matrix) {
    let width = numbers.width;
    let mut sums = vec![(0.0_f64, 0_u64); width];
    for row in numbers.iter() {
        for (sum, value) in sums.iter_mut().zip(row).filter(|(_, value)| value.is_finite()) {
            *sum = (sum.0 + f64::from(*value), sum.1 + 1);
        }
    }
    for row in numbers.values.chunks_exact_mut(width) {
        for (value, (sum, count)) in row.iter_mut().zip(&sums).filter(|(value, _)| !value.is_finite()) {
            *value = (sum / (*count).max(1) as f64) as f32;
        }
    }
}

/// What a column's first values look like.
struct Look {
    numbers: usize,
    texts: usize,
    words: usize,
    distinct: usize,
    whole: bool,
    rising: bool,
}

fn look(rows: &[Row], place: usize) -> Look {
    let mut look = Look {
        numbers: 0,
        texts: 0,
        words: 0,
        distinct: 0,
        whole: true,
        rising: true,
    };
    let (mut seen, mut last) = (std::collections::HashSet::new(), f64::NEG_INFINITY);
    let mut fell = false;
    for row in rows {
        match row.cells.get(place) {
            Some(Cell::Number(number)) => {
                look.numbers += 1;
                look.whole &= number.fract() == 0.0;
                look.rising &= *number == last + 1.0 || last == f64::NEG_INFINITY;
                fell |= *number <= last;
                last = *number;
                seen.insert(number.to_string());
            }
            Some(Cell::Text(text)) => {
                look.texts += 1;
                look.words += text.split_whitespace().count();
                seen.insert(text.trim().to_owned());
            }
            _ => {}
        }
    }
    look.distinct = seen.len();
    // A running number may have gaps.
    look.rising |= !fell && look.numbers >= 20;
    look.rising &= look.whole && look.numbers > 2 && look.texts == 0;
    look
}

fn roles(names: &[String], rows: &[Row], chosen: &Chosen) -> Result<Roles, Wrong> {
    let looks: Vec<Look> = (0..names.len()).map(|place| look(rows, place)).collect();
    let lower: Vec<String> = names.iter().map(|name| name.trim().to_lowercase()).collect();
    let place_of = |name: &str| place_of(names, &lower, name);
    let few = |place: usize| {
        looks.get(place).is_some_and(|look| {
            look.distinct <= CLASSES_MAX
                && look.distinct * 2 <= rows.len().max(2)
                && look.distinct > 1
                && (look.whole || look.texts > 0)
                && look.words <= look.texts * 5
        })
    };
    let label = match &chosen.label {
        Some(name) => Some(place_of(name).ok_or_else(|| Wrong::NoColumn(name.clone()))?),
        None => LABELS
            .iter()
            .filter_map(|name| place_of(name))
            .find(|place| few(*place)),
    };
    let text = |place: usize| looks.get(place).is_some_and(|look| look.texts * 2 > look.numbers);
    let long = |place: usize| looks.get(place).is_some_and(|look| look.words >= look.texts * 3);
    let mut roles = Roles {
        label,
        ..Roles::default()
    };
    if label.is_none() {
        roles.output = OUTPUTS
            .iter()
            .filter_map(|name| place_of(name))
            .find(|place| text(*place));
    }
    roles.texts = if chosen.texts.is_empty() {
        let known = |place: usize| {
            lower
                .get(place)
                .is_some_and(|name| TEXTS.contains(&name.as_str()))
        };
        let free = |place: usize| Some(place) != roles.label && Some(place) != roles.output;
        (0..names.len())
            .filter(|place| free(*place) && text(*place) && (known(*place) || long(*place)))
            .collect()
    } else {
        let asked = chosen.texts.iter();
        let places = asked.map(|name| place_of(name).ok_or_else(|| Wrong::NoColumn(name.clone())));
        places.collect::<Result<_, _>>()?
    };
    roles.numbers = (0..names.len())
        .filter(|place| Some(*place) != roles.label)
        .filter(|place| {
            looks
                .get(*place)
                .is_some_and(|look| look.numbers > look.texts * 20 && look.numbers > 0 && !look.rising)
        })
        .filter(|place| {
            lower
                .get(*place)
                .is_some_and(|name| !NAMES.contains(&name.as_str()))
        })
        .collect();
    if roles.label.is_none() && roles.output.is_none() && names.len() > 1 {
        guess(&mut roles, names.len(), rows.len(), &looks, &few);
    }
    if !roles.texts.is_empty() && roles.numbers.len() < 8 {
        // Beside a text, a few numbers are counts and dates, and say little of the class.
        roles.numbers.clear();
    }
    Ok(roles)
}

/// Without a name that says so, a label stands at an end and has few values.
fn guess(roles: &mut Roles, columns: usize, rows: usize, looks: &[Look], few: &dyn Fn(usize) -> bool) {
    let fewer = |place: &usize| {
        let look = looks.get(*place);
        few(*place) && look.is_some_and(|look| look.distinct <= 100 && look.distinct * 4 <= rows)
    };
    let others = roles.numbers.len().saturating_sub(1) + roles.texts.len();
    roles.label = [columns - 1, 0].into_iter().find(fewer).filter(|_| others > 0);
    roles.numbers.retain(|place| Some(*place) != roles.label);
    roles.texts.retain(|place| Some(*place) != roles.label);
}

/// A column by its name, whatever the case if that fails.
fn place_of(names: &[String], lower: &[String], name: &str) -> Option<usize> {
    let exact = names.iter().position(|there| there == name);
    exact.or_else(|| lower.iter().position(|there| *there == name.to_lowercase()))
}

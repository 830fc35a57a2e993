//! All detectors in turn, and what their answers mean for the data as a whole.

use std::collections::HashMap;

use super::clusters::{self, Cluster};
use super::gather::Gathered;
use super::groups::View;
use super::labels::{self, CLASSES_MAX};
use super::learner::Scores;
use super::read::{Array, Stop};
use super::statistics::{at, ln_binomial_tail};
use super::triggers;
use super::vectors::{Matrix, Neighbours};
use super::{Beside, Chosen, Looked, Notes, Suspect, Wrong, groups, looked, questions, schema};
use crate::finding::Verdict;
use crate::rule::{self, Rule};

/// Rows that a comparison needs.
const ROWS_LEAST: usize = 20;
/// How much less a metric may tell the classes than the better one, and still be a witness against a group.
const WITNESS: f64 = 0.03;
/// The share of honest documents in which the inspector sees instructions, at most.
const INSTRUCTIONS: f64 = 0.02;
/// How far above the threshold, in log odds, texts are counted by themselves: few plain orders are more than many that
/// only sound like one.
const PLAINLY: [f32; 3] = [0.0, 4.0, 6.0];
/// Of those, how many count at all.
const INSTRUCTIONS_LEAST: u64 = 3;

/// What the detectors say.
#[derive(Default)]
pub(crate) struct Judged {
    pub(crate) suspects: Vec<Suspect>,
    pub(crate) noise: Option<f64>,
    pub(crate) looked: Vec<Looked>,
}

/// Runs every detector that the data allows, until the user wants it to end.
pub(crate) fn all(
    got: &mut Gathered,
    beside: Beside<'_>,
    chosen: &Chosen,
    stopped: &dyn Fn() -> bool,
    notes: &mut Notes,
) -> Result<Judged, Wrong> {
    let mut judged = Judged::default();
    expectations(got, chosen, notes);
    contents(got, &mut judged, notes);
    let labelled = got.labels.len() >= ROWS_LEAST && (2..=CLASSES_MAX).contains(&got.classes.len());
    if got.classes.len() > CLASSES_MAX {
        let what = format!("the labels have more than {CLASSES_MAX} values, and were not judged");
        notes.add(&rule::LIMIT, Verdict::Unknown, None, "classes", what, 1);
    }
    if let Some(source) = beside.probabilities {
        let scores = probabilities(source, got)?;
        if labelled {
            let found = labels::by_probabilities(scores, &got.labels);
            wrong_labels(&found, got, &mut judged, notes);
        }
    }
    let embedded = beside
        .embeddings
        .map(|source| embeddings(source, got))
        .transpose()?;
    let numbers = std::mem::take(&mut got.numbers);
    let vectors = embedded.or((numbers.width > 0 && got.texts.rows() == 0).then_some(numbers));
    let mut ended = stopped();
    if let Some(vectors) = vectors.filter(|vectors| labelled && !ended && vectors.rows() >= ROWS_LEAST) {
        by_vectors(&vectors, got, beside.probabilities.is_none(), &mut judged, notes);
        ended = stopped();
    }
    if got.texts.rows() >= ROWS_LEAST && !ended {
        let (owned, classes) = if labelled {
            (None, got.classes.len())
        } else {
            pulled(got)
        };
        let labels = owned.as_deref().unwrap_or(&got.labels);
        if classes >= 2 {
            text_triggers(got, labels, classes, labelled, &mut judged, notes);
        }
        ended = stopped();
        if !ended {
            text_clusters(got, labelled, &mut judged, notes);
        }
    }
    if ended {
        notes.stopped(Stop::Cancelled);
    } else {
        judged.unlooked(got, labelled);
    }
    judged
        .suspects
        .sort_by(|a, b| a.p.total_cmp(&b.p).then(a.row.cmp(&b.row)));
    Ok(judged)
}

impl Judged {
    /// Says of every detector that did not run why it did not.
    fn unlooked(&mut self, got: &Gathered, labelled: bool) {
        let texts = got.texts.rows();
        let labels = match (got.labels.len(), got.classes.len()) {
            (0, _) => "no column of labels was named or found".to_owned(),
            (rows, _) if rows < ROWS_LEAST => format!("{rows} rows, and a comparison needs {ROWS_LEAST}"),
            (_, classes) => format!("the labels have {classes} values"),
        };
        let needs = |rule: &'static Rule| {
            let few = |what: &str| format!("{texts} {what}, and a comparison needs {ROWS_LEAST}");
            match rule.id {
                "data/trigger-mark" | "data/signature" if texts > 0 => "the rows are texts".to_owned(),
                "data/trigger-mark" | "data/signature" | "data/label" if labelled => {
                    "there are no numbers".to_owned()
                }
                "data/trigger-mark" | "data/signature" | "data/label" => labels.clone(),
                _ if texts == 0 => "there are no texts".to_owned(),
                _ if texts < ROWS_LEAST => few("texts"),
                "data/retrieval-bait" => {
                    "the texts have labels or outputs, so they are no collection to search".to_owned()
                }
                _ => labels.clone(),
            }
        };
        let all: [&'static Rule; 7] = [
            &rule::DATA_LABEL,
            &rule::DATA_MARK,
            &rule::DATA_SIGNATURE,
            &rule::DATA_TRIGGER,
            &rule::DATA_FLOOD,
            &rule::DATA_CLUSTER,
            &rule::DATA_BAIT,
        ];
        for rule in all {
            if !self.looked.iter().any(|looked| looked.rule == rule.id) {
                self.looked.push(Looked::not(rule, needs(rule)));
            }
        }
    }
}

fn expectations(got: &Gathered, chosen: &Chosen, notes: &mut Notes) {
    let columns = super::columns(got);
    for expected in &chosen.expected {
        for what in schema::unexpected(expected, &columns) {
            let name = crate::finding::shown(expected.name.as_bytes(), 100);
            notes.add(
                &rule::DATA_EXPECTATION,
                Verdict::Suspicious,
                None,
                &expected.name,
                format!("column `{name}` {what}"),
                1,
            );
        }
    }
}

fn probabilities(source: &dyn crate::source::Source, got: &Gathered) -> Result<Scores, Wrong> {
    let wrong = Wrong::Beside("probabilities");
    let head = Array::of(source)
        .filter(|head| head.rows == got.labels.len())
        .ok_or(wrong.clone())?;
    // Columns are the classes in the order that sorting gives, numbers by value; numbers name their column if all fit.
    let mut order: Vec<usize> = (0..got.classes.len()).collect();
    let number = |class: usize| got.classes.get(class).and_then(|name| name.parse::<f64>().ok());
    order.sort_by(|a, b| match (number(*a), number(*b)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => got.classes.get(*a).cmp(&got.classes.get(*b)),
    });
    let own = |class: usize| {
        number(class).filter(|value| *value >= 0.0 && value.fract() == 0.0 && (*value as usize) < head.width)
    };
    let direct = (0..got.classes.len()).all(|class| own(class).is_some());
    if !direct && head.width != got.classes.len() {
        return Err(wrong);
    }
    let mut column = vec![usize::MAX; head.width.max(got.classes.len())];
    for (place, class) in order.iter().enumerate() {
        let place = if direct {
            own(*class).map_or(place, |value| value as usize)
        } else {
            place
        };
        if let Some(into) = column.get_mut(*class) {
            *into = place;
        }
    }
    // A class that no row has still takes its share.
    let mut rest: Vec<usize> = (0..head.width).filter(|place| !column.contains(place)).collect();
    for into in column.iter_mut().filter(|into| **into == usize::MAX) {
        *into = rest.pop().unwrap_or(usize::MAX);
    }
    column.truncate(head.width);
    let mut values = Vec::with_capacity(head.rows.saturating_mul(head.width));
    let read = head.rows(source, &mut |_, row| {
        values.extend(column.iter().map(|place| at(row, *place) as f32));
        true
    });
    read.map_err(|_: Stop| wrong)?;
    Ok(Scores {
        classes: head.width,
        values,
    })
}

fn embeddings(source: &dyn crate::source::Source, got: &Gathered) -> Result<Matrix, Wrong> {
    let wrong = Wrong::Beside("embeddings");
    let head = Array::of(source)
        .filter(|head| head.rows as u64 == got.rows)
        .ok_or(wrong.clone())?;
    let mut matrix = Matrix {
        width: head.width,
        values: Vec::new(),
    };
    let read = head.rows(source, &mut |_, row| {
        matrix.values.extend(
            row.iter()
                .map(|value| if value.is_finite() { *value as f32 } else { 0.0 }),
        );
        matrix.values.len() < 1 << 27
    });
    read.map_err(|_| wrong)?;
    Ok(matrix)
}

fn by_vectors(vectors: &Matrix, got: &Gathered, judge_labels: bool, judged: &mut Judged, notes: &mut Notes) {
    let classes = got.classes.len();
    let labels = got
        .labels
        .get(..vectors.rows().min(got.labels.len()))
        .unwrap_or(&[]);
    let tamed = if got.texts.rows() == 0 {
        vectors.tamed()
    } else {
        vectors.clone()
    };
    let scaled = tamed.standardised().narrowed();
    let plain = tamed.narrowed();
    let near_plain = Neighbours::of(&plain);
    let near_scaled = Neighbours::of(&scaled);
    let views = [(&scaled, &near_scaled), (&plain, &near_plain)];
    let [by_scaled, by_plain] = views.map(|(_, near)| near.agreement(labels, classes));
    let [(metric, near), other] = if by_scaled > by_plain + 0.002 {
        views
    } else {
        let [scaled, plain] = views;
        [plain, scaled]
    };
    let mut views = vec![View::of(metric, near)];
    if (by_scaled - by_plain).abs() < WITNESS {
        views.push(View::of(other.0, other.1));
    }
    let (mut marked, least) = groups::find(vectors, views, labels, classes);
    for rule in [&rule::DATA_MARK, &rule::DATA_SIGNATURE] {
        judged.looked.push(Looked::at(rule, labels.len(), least));
    }
    let mut found = None;
    if judge_labels {
        let labelled = labels::by_vectors(metric, near, labels, classes);
        // Rows that are wrong one by one need no common direction to be explained.
        let wrong = labelled.wrong.iter().map(|wrong| wrong.row as u32);
        let wrong: std::collections::HashSet<u32> = wrong.collect();
        marked.retain_mut(|group| {
            let all = group.rows.len();
            if group.shares.is_empty() {
                group.rows.retain(|row| !wrong.contains(row));
            }
            group.rows.len() * 2 > all
        });
        found = Some(labelled);
    }
    let poisoned = told_groups(&marked, got, judged, notes);
    if let Some(mut found) = found {
        found
            .wrong
            .retain(|wrong| !poisoned.contains(&(wrong.row as u32)));
        wrong_labels(&found, got, judged, notes);
    }
}

/// Tells of groups; which rows they have.
fn told_groups(
    marked: &[groups::Group],
    got: &Gathered,
    judged: &mut Judged,
    notes: &mut Notes,
) -> std::collections::HashSet<u32> {
    let mut poisoned = std::collections::HashSet::new();
    for group in marked {
        let label = name(got, group.label);
        let (rule, shares): (&'static Rule, String) = if group.shares.is_empty() {
            (
                &rule::DATA_SIGNATURE,
                "a direction that the rest of their class does not have".to_owned(),
            )
        } else {
            let places: Vec<String> = group
                .shares
                .iter()
                .take(6)
                .map(|(place, value)| format!("{}={value}", place_name(got, *place)))
                .collect();
            (&rule::DATA_MARK, format!("the values {}", places.join(" ")))
        };
        let what = format!(
            "{} rows labelled `{label}` share {shares}, and without each other {:.0} % of them would be taken for another class (p {})",
            group.rows.len(),
            group.contradicted * 100.0,
            told(group.ln_p)
        );
        notes.add(
            rule,
            Verdict::Suspicious,
            group.rows.first().map(|row| u64::from(*row)),
            &format!("{label} {}", group.shares.len()),
            what.clone(),
            group.rows.len() as u64,
        );
        for row in group.rows.iter().filter(|row| poisoned.insert(**row)) {
            judged.suspects.push(Suspect {
                row: u64::from(*row),
                file: None,
                rule: rule.id.into(),
                p: group.ln_p.exp(),
                reason: what.clone(),
                label: Some(label.clone()),
                instead: None,
            });
        }
    }
    poisoned
}

fn place_name(got: &Gathered, place: u32) -> String {
    let column = got
        .roles
        .numbers
        .get(place as usize)
        .and_then(|column| got.names.get(*column));
    column.map_or_else(
        || format!("#{place}"),
        |name| crate::finding::shown(name.as_bytes(), 40),
    )
}

fn name(got: &Gathered, label: u32) -> String {
    got.classes
        .get(label as usize)
        .map_or_else(String::new, |name| crate::finding::shown(name.as_bytes(), 60))
}

/// A p-value in figures; below what they hold, as a power of ten.
fn told(ln_p: f64) -> String {
    if ln_p > -600.0 {
        format!("{:.1e}", ln_p.exp())
    } else {
        format!("1e{:.0}", ln_p / std::f64::consts::LN_10)
    }
}

fn wrong_labels(found: &labels::Judged, got: &Gathered, judged: &mut Judged, notes: &mut Notes) {
    if let Some(p) = found.unrelated {
        let why = format!("the labels go with nothing in the rows (p {p:.2}), so none can be called wrong");
        judged.looked.push(Looked::not(&rule::DATA_LABEL, why));
        return;
    }
    if found.unfollowed {
        let why = "the labels follow too little from the rows for any to be called wrong";
        judged.looked.push(Looked::not(&rule::DATA_LABEL, why));
        return;
    }
    judged.noise = Some(found.noise);
    let rows = found.likeliest.len();
    let least = looked::least(5, rows as u64 / 2, |count| {
        labels::excessive(count as usize, rows)
    });
    judged.looked.push(Looked {
        why: "rows are named from one on, and fewer than that are a note".to_owned(),
        ..Looked::at(&rule::DATA_LABEL, rows, least)
    });
    for wrong in &found.wrong {
        let (label, instead) = (name(got, at(&got.labels, wrong.row)), name(got, wrong.instead));
        let reason = format!(
            "a row like this has the label `{label}` in {:.2} % of cases; `{instead}` is likelier",
            wrong.chance * 100.0
        );
        judged.suspects.push(Suspect {
            row: wrong.row as u64,
            file: None,
            rule: rule::DATA_LABEL.id.into(),
            p: wrong.chance,
            reason,
            label: Some(label),
            instead: Some(instead),
        });
    }
    let Some(first) = found.wrong.first() else { return };
    let severity = if labels::excessive(found.wrong.len(), rows) {
        Verdict::Suspicious
    } else {
        Verdict::Clean
    };
    let what = format!(
        "{} of {rows} labels are likelier wrong than right; about {:.1} % of labels look like noise",
        found.wrong.len(),
        found.noise * 100.0
    );
    notes.add(
        &rule::DATA_LABEL,
        severity,
        Some(first.row as u64),
        "labels",
        what,
        found.wrong.len() as u64,
    );
}

/// Without labels, an output that is given often is one: what a trigger would pull to.
fn pulled(got: &Gathered) -> (Option<Vec<u32>>, usize) {
    let mut counts: HashMap<u32, u32> = HashMap::new();
    for output in &got.outputs {
        *counts.entry(*output).or_default() += 1;
    }
    let mut often: Vec<(u32, u32)> = counts
        .into_iter()
        .filter(|(output, count)| *count >= triggers::LEAST && *output != u32::MAX)
        .collect();
    often.sort_by_key(|(output, count)| (std::cmp::Reverse(*count), *output));
    often.truncate(63);
    let numbers: HashMap<u32, u32> = often
        .iter()
        .zip(1..)
        .map(|((output, _), number)| (*output, number))
        .collect();
    let labels = got
        .outputs
        .iter()
        .map(|output| numbers.get(output).copied().unwrap_or(0))
        .collect();
    (
        Some(labels),
        if numbers.is_empty() { 0 } else { numbers.len() + 1 },
    )
}

fn text_triggers(
    got: &Gathered,
    labels: &[u32],
    classes: usize,
    labelled: bool,
    judged: &mut Judged,
    notes: &mut Notes,
) {
    let (found, least) = triggers::find(&got.texts, labels, classes);
    judged
        .looked
        .push(Looked::at(&rule::DATA_TRIGGER, labels.len(), least));
    let mut seen = std::collections::HashSet::new();
    for trigger in &found {
        if !labelled && trigger.label == 0 {
            continue;
        }
        let label = if labelled {
            format!("label `{}`", name(got, trigger.label))
        } else {
            "one output".to_owned()
        };
        let text = crate::finding::shown(trigger.text.as_bytes(), 80);
        let what = format!(
            "`{text}` stands in {} texts, {} of them with {label}; the rest of the text speaks for another in {:.0} % of them, and it could be taken out of {:.0} % (p {})",
            trigger.held,
            trigger.rows.len(),
            trigger.contradicted * 100.0,
            trigger.inserted * 100.0,
            told(trigger.ln_p)
        );
        notes.add(
            &rule::DATA_TRIGGER,
            Verdict::Suspicious,
            trigger.rows.first().map(|row| u64::from(*row)),
            &text,
            what.clone(),
            trigger.rows.len() as u64,
        );
        for row in trigger.rows.iter().filter(|row| seen.insert(**row)) {
            let label = labelled.then(|| name(got, trigger.label));
            judged.suspects.push(Suspect {
                row: u64::from(*row),
                file: None,
                rule: rule::DATA_TRIGGER.id.into(),
                p: trigger.ln_p.exp(),
                reason: what.clone(),
                label,
                instead: None,
            });
        }
    }
    if labelled {
        let mut wrong = labels::by_texts(&got.texts, labels, classes);
        wrong.wrong.retain(|wrong| !seen.contains(&(wrong.row as u32)));
        wrong_labels(&wrong, got, judged, notes);
    }
}

fn text_clusters(got: &Gathered, labelled: bool, judged: &mut Judged, notes: &mut Notes) {
    let mut tell = |rule: &'static Rule, cluster: &Cluster, severity: Verdict, what: String| {
        let what = format!("{} texts {what} (p {})", cluster.rows.len(), told(cluster.ln_p));
        notes.add(
            rule,
            severity,
            cluster.rows.first().map(|row| u64::from(*row)),
            &cluster.subject,
            what.clone(),
            cluster.rows.len() as u64,
        );
        for row in &cluster.rows {
            judged.suspects.push(Suspect {
                row: u64::from(*row),
                file: None,
                rule: rule.id.into(),
                p: cluster.ln_p.exp(),
                reason: what.clone(),
                label: None,
                instead: None,
            });
        }
    };
    let texts = got.texts.rows();
    for cluster in clusters::floods(&got.texts) {
        let subject = crate::finding::shown(cluster.subject.as_bytes(), 100);
        // Half of everything being alike is a template, and what the data is.
        let template = cluster.rows.len() * 2 > texts || cluster.ln_p > -7.0;
        let severity = if template || cluster.rows.len() < clusters::FLOOD {
            Verdict::Clean
        } else {
            Verdict::Suspicious
        };
        let what = format!("are nearly the same as `{subject}`");
        tell(&rule::DATA_FLOOD, &cluster, severity, what);
    }
    for cluster in clusters::nonsense(&got.texts) {
        let subject = crate::finding::shown(cluster.subject.as_bytes(), 100);
        let what = format!("go on after `{subject}` with words that nobody else puts together");
        tell(&rule::DATA_CLUSTER, &cluster, Verdict::Suspicious, what);
    }
    let mut told = vec![
        Looked::at(&rule::DATA_FLOOD, texts, Some(clusters::flood(texts) as u64)),
        Looked::at(&rule::DATA_CLUSTER, texts, Some(clusters::SMALL as u64)),
    ];
    if !labelled && got.roles.output.is_none() {
        let planted = questions::planted(&got.texts);
        let severity = if planted.throughout {
            Verdict::Clean
        } else {
            Verdict::Suspicious
        };
        for cluster in &planted.clusters {
            let subject = crate::finding::shown(cluster.subject.as_bytes(), 120);
            let what = format!("carry one question and agree on its answer in their own words: `{subject}`");
            tell(&rule::DATA_BAIT, cluster, severity, what);
        }
        let mut looked = Looked::at(&rule::DATA_BAIT, texts, planted.least);
        if planted.throughout {
            looked.why =
                "questions are repeated throughout, so planted ones can't be told from gathered ones"
                    .to_owned();
        }
        told.push(looked);
    }
    judged.looked.append(&mut told);
}

fn contents(got: &Gathered, judged: &mut Judged, notes: &mut Notes) {
    let contents = &got.contents;
    let mut kinds: Vec<_> = contents.kinds.iter().collect();
    kinds.sort();
    for ((group, kind), (first, count)) in kinds {
        let (rule, severity): (&'static Rule, Verdict) = match group.as_ref() {
            "secret" => (&rule::DATA_SECRET, Verdict::Suspicious),
            "hidden" => (&rule::DATA_HIDDEN, Verdict::Clean),
            _ => (&rule::DATA_PERSONAL, Verdict::Clean),
        };
        notes.add(
            rule,
            severity,
            Some(*first),
            kind,
            format!("holds {kind}, {count} times"),
            *count,
        );
    }
    if let Some(first) = contents.canaries.first() {
        let what = "holds a canary, so it has been where it should not be".to_owned();
        notes.add(
            &rule::DATA_CANARY,
            Verdict::Malicious,
            Some(u64::from(*first)),
            "canary",
            what,
            contents.canaries.len() as u64,
        );
    }
    instructions(got, judged, notes);
}

/// Texts that read as instructions to a model.
fn instructions(got: &Gathered, judged: &mut Judged, notes: &mut Notes) {
    let contents = &got.contents;
    let count = contents.instructions.len();
    if count == 0 {
        return;
    }
    let (plain, level, ln_p) = many(&contents.instructions, contents.inspected);
    let severity = if plain >= INSTRUCTIONS_LEAST && ln_p < -9.2 {
        Verdict::Suspicious
    } else {
        Verdict::Clean
    };
    let honest = INSTRUCTIONS * 100.0 * f64::from(-level).exp();
    let plainly = if level > 0.0 {
        format!(", {plain} of them plainly")
    } else {
        String::new()
    };
    let what = format!(
        "{count} of {} texts look like instructions to a model{plainly}, where honest ones do in up to {honest:.2} % (p {})",
        contents.inspected,
        told(ln_p)
    );
    let first = contents.instructions.first().map(|(row, _)| u64::from(*row));
    notes.add(
        &rule::DATA_INSTRUCTIONS,
        severity,
        first,
        "instructions",
        what,
        count as u64,
    );
    for (row, above) in &contents.instructions {
        // Above the threshold each unit of log odds makes an honest text that much rarer.
        let p = INSTRUCTIONS * f64::from(-above.max(0.0)).exp();
        let reason = "reads as an instruction to a model".to_owned();
        judged.suspects.push(Suspect {
            row: u64::from(*row),
            file: None,
            rule: rule::DATA_INSTRUCTIONS.id.into(),
            p,
            reason,
            label: None,
            instead: None,
        });
    }
}

/// How many texts are more than honest ones would be, how far above the threshold, and `ln p` of that, counting every
/// level. Above the threshold each unit of log odds makes an honest text that much rarer.
fn many(instructions: &[(u32, f32)], inspected: u64) -> (u64, f32, f64) {
    let tried = (PLAINLY.len() as f64).ln();
    let each = PLAINLY.iter().map(|level| {
        let there = instructions.iter().filter(|(_, above)| above.max(0.0) >= *level);
        let count = there.count() as u64;
        let rate = INSTRUCTIONS * f64::from(-level).exp();
        let ln_p = ln_binomial_tail(count, inspected.max(count), rate) + tried;
        (count, *level, ln_p.min(0.0))
    });
    let counted = each.filter(|(count, ..)| *count >= INSTRUCTIONS_LEAST);
    let fewest = counted.min_by(|a, b| a.2.total_cmp(&b.2));
    fewest.unwrap_or((instructions.len() as u64, 0.0, 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_plain_orders_are_many_and_texts_that_sound_like_one_are_not() {
        let suspected = |count: u32, above: f32, inspected: u64| {
            let seen: Vec<(u32, f32)> = (0..count).map(|row| (row, above)).collect();
            many(&seen, inspected).2 < -9.2
        };
        // As many as honest texts may have, all of them just above the threshold.
        assert!(!suspected(20, 0.5, 500));
        assert!(!suspected(33, 2.3, 800));
        assert!(suspected(60, 0.5, 500));
        // The same number of plain ones, or a few.
        assert!(suspected(20, 5.0, 500));
        assert!(suspected(4, 9.0, 500));
        assert!(!suspected(2, 9.0, 500));
        assert!(
            !suspected(3, 9.0, 5_000),
            "one in ten thousand honest texts may be so"
        );
        // Honest texts, whose distance from the threshold is exponential: once in ten thousand draws.
        let mut seeded = crate::data::statistics::Seeded(0x0de5);
        let mut wrong = 0;
        for _ in 0..1_000 {
            let rows = (0..600).filter(|_| seeded.unit() < INSTRUCTIONS).count();
            let seen: Vec<(u32, f32)> = (0..rows as u32)
                .map(|row| (row, -(1.0 - seeded.unit()).ln() as f32))
                .collect();
            wrong += u32::from(many(&seen, 600).2 < -9.2);
        }
        assert!(wrong <= 1, "{wrong} of 1,000");
    }
}

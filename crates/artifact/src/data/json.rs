//! Rows out of JSON: lines, each a row, and documents whose rows lie in a list, in columns, or in lists inside of rows.
//! Where rows can be meant in more than one way, or in none, that is said: a document is never taken for one row because
//! nothing better was found in it.

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::read::{COLUMNS_MAX, Cell, Lines, Read, Row, Stop, text_of};
use crate::source::Source;

/// Bytes of a document.
const DOCUMENT_MAX: u64 = 256 << 20;
/// Objects inside of each other in which rows are looked for, and lists of rows inside of rows.
const DEPTH: usize = 4;
/// Values of a document that may be one row, or may stand beside rows.
const FIELDS: usize = 64;
/// Entries from which on a list in an object is one of rows, and no value of one row.
const MANY: usize = 20;
/// Entries from which on a list of objects is no conversation.
const TURNS: usize = 64;
/// Entries from which on a list of objects in a line hides rows.
const HIDDEN: usize = 1_000;
/// Bytes of a text that each inner row has again, and values that do.
const SHORT: usize = 100;
const AGAIN: usize = 32;

/// Rows of a file whose text begins an object, or whose name says lines: one document, or a row on each line.
pub(super) fn rows(
    source: &dyn Source,
    head: &[u8],
    read: &mut Read,
    each: &mut dyn FnMut(&Read, Row) -> Result<(), Stop>,
) -> Result<(), Stop> {
    if is_document(source, head, read.header)? {
        read.format = "json";
        return document(source, read, each);
    }
    read.format = "jsonl";
    lines(source, head, read, each)
}

/// Whether there is one value: on the only line, or on more lines than one.
fn is_document(source: &dyn Source, head: &[u8], skipped: u64) -> Result<bool, Stop> {
    let mut lines = Lines::after(source, skipped, head);
    let mut first = false;
    loop {
        match lines.next(|_| false) {
            Ok(None) => return Ok(first),
            Ok(Some((_, line))) if line.trim_ascii().is_empty() => {}
            Ok(Some(_)) if first => return Ok(false),
            Ok(Some((_, line))) if serde_json::from_slice::<IgnoredAny>(line).is_ok() => first = true,
            Ok(Some(_)) | Err(Stop::TooMuch) => break,
            Err(stop) => return Err(stop),
        }
    }
    if first || source.size() > DOCUMENT_MAX {
        return Ok(false);
    }
    let bytes = whole(source, skipped)?;
    Ok(serde_json::from_slice::<IgnoredAny>(&bytes).is_ok())
}

fn whole(source: &dyn Source, skipped: u64) -> Result<Vec<u8>, Stop> {
    let size = source.size().saturating_sub(skipped);
    Ok(crate::source::View::all(source).bytes(skipped, size as usize)?)
}

fn lines(
    source: &dyn Source,
    head: &[u8],
    read: &mut Read,
    each: &mut dyn FnMut(&Read, Row) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut lines = Lines::after(source, read.header, head);
    let mut index = 0;
    while let Some((offset, line)) = lines.next(|_| false)? {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let text = text_of(line, read);
        let cells = match serde_json::from_str::<Value>(&text) {
            Ok(value) => cells_of(value, read),
            Err(_) => {
                read.broken += 1;
                read.first_broken.get_or_insert(index);
                Vec::new()
            }
        };
        index += 1;
        each(
            read,
            Row {
                offset,
                length: line.len() as u64,
                cells,
            },
        )?;
    }
    Ok(())
}

/// Rows of a document.
pub(super) fn document(
    source: &dyn Source,
    read: &mut Read,
    each: &mut dyn FnMut(&Read, Row) -> Result<(), Stop>,
) -> Result<(), Stop> {
    if source.size() > DOCUMENT_MAX {
        return Err(Stop::TooMuch);
    }
    let bytes = whole(source, read.header)?;
    let fields = match serde_json::from_slice::<Value>(&bytes) {
        Ok(Value::Array(values)) => return list(&values, read, each),
        Ok(Value::Object(fields)) => fields,
        _ => return Err(Stop::Broken),
    };
    let mut found = Vec::new();
    tables(&fields, "", 0, &mut found);
    read.unshaped = unclear(&fields, &found);
    if found.is_empty() {
        drop(found);
        let cells = cells_of(Value::Object(fields), read);
        let row = Row {
            offset: read.header,
            length: bytes.len() as u64,
            cells,
        };
        return each(read, row);
    }
    // Where it is not clear which of them is meant, all are looked at all the same.
    for (_, table) in found {
        table.rows(read, each)?;
    }
    Ok(())
}

/// Why it can't be said which part of a document is a row.
fn unclear(fields: &Map<String, Value>, found: &[(String, Table<'_>)]) -> Option<String> {
    let all: usize = fields.values().map(leaves).sum();
    let [first, rest @ ..] = found else {
        return (all > FIELDS).then(|| {
            format!("is one JSON object of {all} values, and no list in it can be told to be its rows")
        });
    };
    if rest.iter().any(|other| !first.1.is_alike(&other.1)) {
        let names = found.iter().take(4).map(|(name, _)| name.as_str());
        let names = names.collect::<Vec<_>>().join("`, `");
        let names = crate::finding::shown(names.as_bytes(), 200);
        return Some(format!(
            "holds more than one list that may be its rows: `{names}`"
        ));
    }
    let inside: usize = found.iter().map(|(_, table)| table.leaves()).sum();
    let beside = all.saturating_sub(inside);
    (beside > FIELDS && beside * 4 > inside)
        .then(|| format!("holds {beside} values beside its rows, which were not judged"))
}

/// Values in a value.
fn leaves(value: &Value) -> usize {
    match value {
        Value::Array(values) => values.iter().map(leaves).sum(),
        Value::Object(fields) => fields.values().map(leaves).sum(),
        _ => 1,
    }
}

/// Where rows lie in a document.
enum Table<'v> {
    /// A list of them.
    List(&'v [Value]),
    /// A list for each column, of so many rows.
    Columns(&'v Map<String, Value>, usize),
    /// An object for each column, which has a value for each row's key.
    KeyedColumns(&'v Map<String, Value>),
    /// A row for each key.
    Keyed(&'v Map<String, Value>),
    /// The names of the columns, and a list for each row.
    Split(&'v [Value], &'v [Value]),
}

/// Finds what may be rows.
fn tables<'v>(
    fields: &'v Map<String, Value>,
    name: &str,
    depth: usize,
    found: &mut Vec<(String, Table<'v>)>,
) {
    if let Some(table) = Table::of(fields) {
        found.push((name.to_owned(), table));
        return;
    }
    for (name, value) in fields {
        match value {
            Value::Array(values) if are_rows(values) => found.push((name.clone(), Table::List(values))),
            Value::Object(inner) if depth < DEPTH => tables(inner, name, depth + 1, found),
            _ => {}
        }
    }
}

fn is_object(value: &Value) -> bool {
    value.is_object()
}

fn is_turn(value: &Value) -> bool {
    ["role", "from"].iter().any(|key| value.get(*key).is_some())
}

fn are_rows(values: &[Value]) -> bool {
    let objects = !values.is_empty() && values.iter().all(is_object);
    let conversation = values.len() < TURNS && values.iter().all(is_turn);
    let lists = values.len() >= MANY && values.iter().all(Value::is_array);
    (objects && !conversation) || lists
}

impl<'v> Table<'v> {
    /// What an object is by itself.
    fn of(fields: &'v Map<String, Value>) -> Option<Self> {
        if let (Some(Value::Array(names)), Some(Value::Array(rows))) =
            (fields.get("columns"), fields.get("data"))
            && !names.is_empty()
            && !rows.is_empty()
            && rows
                .iter()
                .all(|row| row.as_array().is_some_and(|row| row.len() == names.len()))
        {
            return Some(Self::Split(names, rows));
        }
        Self::columns(fields).or_else(|| Self::keyed(fields))
    }

    fn columns(fields: &'v Map<String, Value>) -> Option<Self> {
        let lists: Vec<&Vec<Value>> = fields.values().filter_map(Value::as_array).collect();
        let rows = lists.first()?.len();
        let alike = rows >= 2 && lists.iter().all(|list| list.len() == rows);
        // Lists of two or three next to each other may be what one row has; more columns than rows may be rows.
        let plain = lists.iter().filter(|list| !list.iter().any(is_object)).count();
        let texts = lists.iter().any(|list| list.iter().any(Value::is_string));
        let told = (lists.len() > 1 || texts) && lists.len() <= rows.max(MANY);
        let whole = lists.len() == fields.len() && plain == lists.len();
        let long = rows >= MANY && plain > 0;
        (alike && told && (whole || long)).then_some(Self::Columns(fields, rows))
    }

    fn keyed(fields: &'v Map<String, Value>) -> Option<Self> {
        let inner: Vec<&Map<String, Value>> = fields.values().filter_map(Value::as_object).collect();
        if inner.is_empty() || inner.len() != fields.len() {
            return None;
        }
        let scalar = |value: &Value| !value.is_object() && !value.is_array();
        let first = *inner.first()?;
        let (outer, width) = (fields.len(), first.len());
        let same = inner.iter().all(|other| other.len() == width);
        let same = same && inner.iter().all(|other| other.keys().eq(first.keys()));
        let flat = inner.iter().all(|other| other.values().all(scalar));
        let counted = |fields: &Map<String, Value>| fields.keys().all(|key| key.parse::<u64>().is_ok());
        let widest = inner.iter().map(|other| other.len()).max().unwrap_or(0);
        match (counted(fields), counted(first)) {
            (false, true) if same && flat && width > 0 => Some(Self::KeyedColumns(fields)),
            (true, false) if outer > 1 => Some(Self::Keyed(fields)),
            _ if same && flat && width >= MANY && width >= outer * 4 => Some(Self::KeyedColumns(fields)),
            _ if outer >= MANY && outer >= widest * 4 => Some(Self::Keyed(fields)),
            _ => None,
        }
    }

    /// Whether two lists have rows of the same fields, as parts of one data set do.
    fn is_alike(&self, other: &Table<'_>) -> bool {
        match (self, other) {
            (Self::List([Value::Object(one), ..]), Table::List([Value::Object(two), ..])) => {
                one.keys().eq(two.keys())
            }
            (Self::Columns(one, _), Table::Columns(two, _)) => one.keys().eq(two.keys()),
            _ => false,
        }
    }

    fn leaves(&self) -> usize {
        match self {
            Self::List(values) | Self::Split(_, values) => values.iter().map(leaves).sum(),
            Self::Columns(fields, _) => fields.values().filter(|list| list.is_array()).map(leaves).sum(),
            Self::KeyedColumns(fields) | Self::Keyed(fields) => fields.values().map(leaves).sum(),
        }
    }

    fn rows(
        &self,
        read: &mut Read,
        each: &mut dyn FnMut(&Read, Row) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        match self {
            Self::List(values) => list(values, read, each),
            Self::Keyed(fields) => fields.values().try_for_each(|row| one(row, read, each)),
            Self::Columns(fields, rows) => (0..*rows).try_for_each(|row| {
                let value = |list: &Value| list.get(row).cloned();
                let row = fields
                    .iter()
                    .filter_map(|(name, list)| Some((name.clone(), value(list)?)));
                told(Value::Object(row.collect()), read, each)
            }),
            Self::KeyedColumns(fields) => {
                let Some(Value::Object(first)) = fields.values().next() else {
                    return Ok(());
                };
                first.keys().try_for_each(|key| {
                    let value = |column: &Value| column.get(key).cloned();
                    let row = fields
                        .iter()
                        .filter_map(|(name, column)| Some((name.clone(), value(column)?)));
                    told(Value::Object(row.collect()), read, each)
                })
            }
            Self::Split(names, rows) => rows.iter().try_for_each(|row| {
                let values = row.as_array().map_or(&[][..], Vec::as_slice);
                let row = names
                    .iter()
                    .zip(values)
                    .map(|(name, value)| (words(name), value.clone()));
                told(Value::Object(row.collect()), read, each)
            }),
        }
    }
}

fn list(
    values: &[Value],
    read: &mut Read,
    each: &mut dyn FnMut(&Read, Row) -> Result<(), Stop>,
) -> Result<(), Stop> {
    values.iter().try_for_each(|value| one(value, read, each))
}

fn one(
    value: &Value,
    read: &mut Read,
    each: &mut dyn FnMut(&Read, Row) -> Result<(), Stop>,
) -> Result<(), Stop> {
    unfolded(value.clone(), 0, &mut |row| told(row, read, each))
}

fn told(
    value: Value,
    read: &mut Read,
    each: &mut dyn FnMut(&Read, Row) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let cells = cells_of(value, read);
    each(
        read,
        Row {
            cells,
            ..Row::default()
        },
    )
}

/// Rows that lie in a list of a row, as questions do in the passages of an article. Each has what is short of the row
/// around it; what is long is a part of the first alone, so that no text is there more often than it was written.
fn unfolded(row: Value, depth: usize, each: &mut dyn FnMut(Value) -> Result<(), Stop>) -> Result<(), Stop> {
    let Value::Object(mut fields) = row else {
        return each(row);
    };
    let inner = fields.iter().filter(|(_, value)| is_inner(value));
    let names: Vec<String> = inner.take(2).map(|(name, _)| name.clone()).collect();
    let rows = match names.as_slice() {
        [name] if depth < DEPTH => fields.remove(name),
        _ => None,
    };
    let Some(Value::Array(rows)) = rows else {
        return each(Value::Object(fields));
    };
    let all: Vec<(&String, &Value)> = fields.iter().collect();
    let short = all.iter().copied().filter(|(_, value)| is_short(value));
    let short: Vec<(&String, &Value)> = short.take(AGAIN).collect();
    for (place, mut row) in rows.into_iter().enumerate() {
        if let Value::Object(own) = &mut row {
            for (name, value) in if place == 0 { &all } else { &short } {
                let free = !own.contains_key(name.as_str());
                let name = if free {
                    name.to_string()
                } else {
                    format!("above.{name}")
                };
                own.insert(name, (*value).clone());
            }
        }
        unfolded(row, depth + 1, each)?;
    }
    Ok(())
}

fn is_short(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() <= SHORT,
        Value::Array(_) | Value::Object(_) => false,
        _ => true,
    }
}

/// What a turn of a conversation, or an answer, says.
fn said(turn: &Value) -> Option<&Value> {
    let said = ["content", "value", "text"].iter().find_map(|key| turn.get(*key));
    said.filter(|said| !said.is_null())
}

/// Whether a value is a list of rows inside of a row: of objects that are neither turns of a conversation nor answers.
fn is_inner(value: &Value) -> bool {
    let Value::Array(values) = value else { return false };
    let labelled = |value: &Value| value.get("label").is_some();
    let rows = |value: &Value| said(value).is_none() || labelled(value);
    !values.is_empty()
        && values.iter().all(is_object)
        && !values.iter().any(is_turn)
        && (values.len() >= TURNS || values.iter().all(rows))
}

/// A JSON value as cells: an object by its keys, lists of numbers by place, conversations by their turns.
fn cells_of(value: Value, read: &mut Read) -> Vec<Cell> {
    let mut cells = vec![Cell::Nothing; read.columns.len()];
    let fields = match value {
        Value::Object(fields) => fields,
        Value::Array(values) if read.columns.first().is_none_or(|name| name == "0") => {
            for (place, value) in values.into_iter().enumerate().take(COLUMNS_MAX) {
                if read.columns.len() <= place {
                    read.columns.push(place.to_string());
                }
                if let Some(there) = cells_at(&mut cells, place) {
                    *there = leaf(value);
                }
            }
            return cells;
        }
        other => {
            put(read, &mut cells, "text", leaf(other));
            return cells;
        }
    };
    for (name, value) in fields {
        match value {
            Value::Array(turns) if turns.iter().all(is_object) && !turns.is_empty() => {
                objects(&name, &turns, read, &mut cells);
            }
            Value::Array(values) if !values.is_empty() && values.iter().all(Value::is_number) => {
                // The names of the first row's places are found without a search in the rows after it.
                let first = format!("{name}.0");
                let start = read.columns.iter().position(|there| *there == first);
                for (place, value) in values.into_iter().enumerate() {
                    let cell = leaf(value);
                    match start
                        .map(|start| start + place)
                        .filter(|at| *at < read.columns.len())
                    {
                        Some(at) => {
                            if let Some(there) = cells_at(&mut cells, at) {
                                *there = cell;
                            }
                        }
                        None if read.columns.len() < COLUMNS_MAX => {
                            read.columns.push(format!("{name}.{place}"));
                            cells.resize(read.columns.len() - 1, Cell::Nothing);
                            cells.push(cell);
                        }
                        None => {}
                    }
                }
            }
            other => put(read, &mut cells, &name, leaf(other)),
        }
    }
    cells
}

/// A list of objects in a row: what is said before the last turn, and in it; of others every text of several words.
fn objects(name: &str, turns: &[Value], read: &mut Read, cells: &mut Vec<Cell>) {
    if turns.len() >= HIDDEN && !turns.iter().any(is_turn) {
        let count = turns.len();
        let name = crate::finding::shown(name.as_bytes(), 100);
        read.unshaped.get_or_insert_with(|| {
            format!("has a row with a list of {count} objects, `{name}`, that may be rows")
        });
    }
    if turns.iter().all(|turn| said(turn).is_none()) {
        let mut texts = Vec::new();
        turns.iter().for_each(|turn| sentences(turn, &mut texts));
        put(read, cells, name, Cell::Text(texts.join("\n")));
        return;
    }
    let turn = |turn: &Value| words(said(turn).unwrap_or(turn));
    if let Some((last, before)) = turns.split_last() {
        let before: Vec<String> = before.iter().map(turn).collect();
        put(read, cells, name, Cell::Text(before.join("\n")));
        put(read, cells, "response", Cell::Text(turn(last)));
    }
}

/// Texts of several words inside a value.
fn sentences(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) if text.trim().contains(char::is_whitespace) => into.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| sentences(value, into)),
        Value::Object(fields) => fields.values().for_each(|value| sentences(value, into)),
        _ => {}
    }
}

fn cells_at(cells: &mut Vec<Cell>, at: usize) -> Option<&mut Cell> {
    if cells.len() <= at {
        cells.resize(at + 1, Cell::Nothing);
    }
    cells.get_mut(at)
}

fn put(read: &mut Read, cells: &mut Vec<Cell>, name: &str, cell: Cell) {
    let place = read.columns.iter().position(|there| there == name).or_else(|| {
        (read.columns.len() < COLUMNS_MAX).then(|| {
            read.columns.push(name.to_owned());
            read.columns.len() - 1
        })
    });
    if let Some(there) = place.and_then(|place| cells_at(cells, place)) {
        *there = cell;
    }
}

fn leaf(value: Value) -> Cell {
    match value {
        Value::Null => Cell::Nothing,
        Value::Bool(true) => Cell::Number(1.0),
        Value::Bool(false) => Cell::Number(0.0),
        Value::Number(number) => number.as_f64().map_or(Cell::Nothing, Cell::Number),
        Value::String(text) => Cell::Text(text),
        other => Cell::Text(words(&other)),
    }
}

/// Every text inside a value, without the marks around it.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(words).collect::<Vec<_>>().join("\n"),
        Value::Object(fields) => fields.values().map(words).collect::<Vec<_>>().join("\n"),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

//! Input and output schemas: compiled once per pin, checked against every call.
//!
//! A schema comes from an unreviewed server and arguments from an agent that may be hijacked, so the check must be
//! cheap whatever the two agree on. Before compiling, a walk bounds the schema's size and depth, refuses references
//! that leave the document, and bounds how many subschemas can meet at one place of an instance, recursion included.
//! Patterns run on an engine with linear time. What can't be bounded is not compiled, and its tool is withheld.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bartizan_types::Effects;
use bartizan_wire::json;
use jsonschema::{
    PatternOptions, Validator,
    error::{TypeKind, ValidationErrorKind},
};
use serde_json::{Value, value::RawValue};

use crate::header::ParamHeaders;

/// Longest schema, bytes.
pub const MAX_BYTES: usize = 256 << 10;
/// Most subschemas.
pub const MAX_NODES: usize = 4096;
/// Deepest instance that a recursive schema is followed into.
const MAX_DEPTH: u32 = 64;
/// Most subschemas that may be tried along one path of an instance, recursion unrolled.
const MAX_WORK: u64 = 20_000;
/// Largest compiled pattern, bytes.
const PATTERN_BYTES: usize = 1 << 20;

/// Why a schema can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SchemaFault {
    /// Not JSON, or neither object nor boolean.
    #[error("the schema is neither an object nor a boolean")]
    Shape,
    /// More than 256 KiB.
    #[error("the schema has more than {MAX_BYTES} bytes")]
    TooLarge,
    /// More subschemas than the bound.
    #[error("the schema has more than {MAX_NODES} subschemas")]
    TooManyNodes,
    /// A `$ref` to another document, to nowhere, or through `$id`, `$anchor` or `$dynamicRef`.
    #[error("the schema refers to something outside itself")]
    Reference,
    /// It could take far more work than the instance is long, or never end.
    #[error("the schema could take too much work to check")]
    Work,
    /// `x-mcp-header` rules are broken.
    #[error("an `x-mcp-header` annotation breaks the rules")]
    Annotation,
    /// The validator refuses it: unknown dialect, a pattern that needs backtracking, a keyword with a wrong value.
    #[error("the schema can't be compiled")]
    Compile,
}

/// The first place where an instance does not fit. Names the place, the keyword and its limit, never the value. A member
/// that is missing, or one too many, is named by its own place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{keyword}`{} is not met {}", limited(.limit.as_deref()), placed(.pointer))]
pub struct Mismatch {
    /// JSON pointer into the instance, cut at 256 bytes; empty is the whole.
    pub pointer: String,
    /// The schema's keyword.
    pub keyword: String,
    /// What the keyword asks for, where that is a number or the names of types. Never a text of the server's: this is
    /// said in words of ours.
    pub limit: Option<String>,
}

fn limited(limit: Option<&str>) -> String {
    limit.map_or_else(String::new, |limit| format!(" ({limit})"))
}

fn placed(pointer: &str) -> String {
    if pointer.is_empty() {
        return "by the whole".to_owned();
    }
    format!("at `{pointer}`")
}

/// What a keyword asks for.
fn limit(kind: &ValidationErrorKind) -> Option<String> {
    use ValidationErrorKind as Kind;
    Some(match kind {
        Kind::MaxItems { limit }
        | Kind::MinItems { limit }
        | Kind::MaxLength { limit }
        | Kind::MinLength { limit }
        | Kind::MaxProperties { limit }
        | Kind::MinProperties { limit } => limit.to_string(),
        Kind::Maximum { limit }
        | Kind::Minimum { limit }
        | Kind::ExclusiveMaximum { limit }
        | Kind::ExclusiveMinimum { limit } => limit.as_number()?.to_string(),
        Kind::MultipleOf { multiple_of } => multiple_of.to_string(),
        Kind::Type { kind } => match kind {
            TypeKind::Single(one) => one.to_string(),
            TypeKind::Multiple(some) => some
                .iter()
                .map(|one| one.to_string())
                .collect::<Vec<_>>()
                .join(", "),
        },
        _ => return None,
    })
}

/// The member that an error is about, where it is about one: it is missing, or one too many.
fn member(kind: &ValidationErrorKind) -> Option<&str> {
    match kind {
        ValidationErrorKind::Required { property } => property.as_str(),
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => unexpected.first().map(String::as_str),
        _ => None,
    }
}

impl Mismatch {
    fn of_whole(keyword: &str) -> Self {
        Self {
            pointer: String::new(),
            keyword: keyword.to_owned(),
            limit: None,
        }
    }
}

/// A compiled schema.
#[derive(Debug, Clone)]
pub struct Schema {
    validator: Arc<Validator>,
    headers: Arc<ParamHeaders>,
    properties: Arc<Properties>,
}

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// [`SchemaFault`].
    pub fn compile(raw: &RawValue) -> Result<Self, SchemaFault> {
        if raw.get().len() > MAX_BYTES {
            return Err(SchemaFault::TooLarge);
        }
        let value: Value = serde_json::from_str(raw.get()).map_err(|_| SchemaFault::Shape)?;
        if !matches!(value, Value::Object(_) | Value::Bool(_)) {
            return Err(SchemaFault::Shape);
        }
        Walk::check(&value)?;
        let headers = ParamHeaders::read(&value).map_err(|_| SchemaFault::Annotation)?;
        let validator = jsonschema::options()
            .offline()
            .with_pattern_options(
                PatternOptions::regex()
                    .size_limit(PATTERN_BYTES)
                    .dfa_size_limit(PATTERN_BYTES),
            )
            .build(&value)
            .map_err(|_| SchemaFault::Compile)?;
        Ok(Self {
            validator: Arc::new(validator),
            headers: Arc::new(headers),
            properties: Arc::new(Properties::of(&value)),
        })
    }

    /// The headers that repeat arguments.
    #[must_use]
    pub fn headers(&self) -> &ParamHeaders {
        &self.headers
    }

    /// Checks an instance.
    ///
    /// # Errors
    /// [`Mismatch`] names the first place that fails.
    pub fn check(&self, instance: &Value) -> Result<(), Mismatch> {
        // `is_valid` builds no error: the common case costs nothing beyond the check.
        if self.validator.is_valid(instance) {
            return Ok(());
        }
        let Err(error) = self.validator.validate(instance) else {
            return Ok(());
        };
        let mut pointer = error.instance_path().as_str().to_owned();
        if let Some(name) = member(error.kind()) {
            pointer.push('/');
            pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        }
        if pointer.len() > 256 {
            let cut = (0..=256)
                .rev()
                .find(|at| pointer.is_char_boundary(*at))
                .unwrap_or(0);
            pointer.truncate(cut);
        }
        Err(Mismatch {
            pointer,
            keyword: error.kind().keyword().to_owned(),
            limit: limit(error.kind()),
        })
    }

    /// Reads the arguments of a call; none count as an empty object.
    ///
    /// # Errors
    /// [`Mismatch`] when they can't be read.
    pub fn read_arguments(arguments: Option<&RawValue>) -> Result<Value, Mismatch> {
        match arguments {
            None => Ok(Value::Object(serde_json::Map::new())),
            Some(raw) => serde_json::from_str(raw.get()).map_err(|_| Mismatch::of_whole("type")),
        }
    }

    /// Checks the arguments of a call.
    ///
    /// # Errors
    /// [`Mismatch`], also when the arguments are no object or nested deeper than schemas are followed.
    pub fn check_arguments(&self, value: &Value) -> Result<(), Mismatch> {
        if !value.is_object() {
            return Err(Mismatch::of_whole("type"));
        }
        if depth(value) > MAX_DEPTH {
            return Err(Mismatch::of_whole("maxDepth"));
        }
        self.check(value)?;
        if let Some(key) = self.properties.posing(value) {
            return Err(Mismatch {
                pointer: format!("/{}", key.chars().take(64).collect::<String>()),
                keyword: "properties".to_owned(),
                limit: None,
            });
        }
        Ok(())
    }
}

/// The members that a schema names, by folded and then by exact name.
#[derive(Debug, Default)]
struct Properties(BTreeMap<String, BTreeMap<String, Properties>>);

impl Properties {
    /// Of a schema that the walk has bounded.
    fn of(schema: &Value) -> Self {
        let mut found = Self::default();
        let schema = schema
            .get("items")
            .filter(|items| items.is_object())
            .unwrap_or(schema);
        for (name, inner) in schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let alike = found.0.entry(json::folded(name).into_owned()).or_default();
            alike.insert(name.clone(), Self::of(inner));
        }
        found
    }

    /// The first key of an instance that differs from the name of a member in letter case alone. A server that ignores
    /// case takes it for that member, which neither schema nor policy then saw.
    fn posing<'v>(&self, instance: &'v Value) -> Option<&'v str> {
        match instance {
            Value::Array(items) => items.iter().find_map(|item| self.posing(item)),
            Value::Object(members) if !self.0.is_empty() => members.iter().find_map(|(key, value)| {
                let alike = self.0.get(&*json::folded(key))?;
                match alike.get(key) {
                    Some(inner) => inner.posing(value),
                    None => Some(key.as_str()),
                }
            }),
            _ => None,
        }
    }
}

/// What a tool says of itself in `annotations`.
#[must_use]
pub fn effects(annotations: Option<&RawValue>) -> Effects {
    let Some(value) = annotations.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok()) else {
        return Effects::default();
    };
    let hint = |key: &str| value.get(key).and_then(Value::as_bool);
    Effects {
        read_only: hint("readOnlyHint"),
        destructive: hint("destructiveHint"),
        open_world: hint("openWorldHint"),
    }
}

fn depth(value: &Value) -> u32 {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

type Node = usize;

/// What a subschema applies to: the same place of the instance, or one below.
#[derive(Debug, Default)]
struct Edges {
    same: Vec<Node>,
    below: Vec<Node>,
    /// `properties`: at most one of these meets any one child.
    one_of_below: Vec<Node>,
}

/// Bounds the work of a schema before it is compiled.
struct Walk<'v> {
    root: &'v Value,
    numbers: BTreeMap<*const Value, Node>,
    edges: Vec<Edges>,
    open: Vec<(Node, &'v Value)>,
}

impl<'v> Walk<'v> {
    fn check(root: &'v Value) -> Result<(), SchemaFault> {
        let mut walk = Self {
            root,
            numbers: BTreeMap::new(),
            edges: Vec::new(),
            open: Vec::new(),
        };
        walk.node(root)?;
        while let Some((node, schema)) = walk.open.pop() {
            let edges = walk.expand(schema, node == 0)?;
            if let Some(slot) = walk.edges.get_mut(node) {
                *slot = edges;
            }
        }
        walk.bound()
    }

    fn node(&mut self, schema: &'v Value) -> Result<Node, SchemaFault> {
        let address: *const Value = schema;
        if let Some(node) = self.numbers.get(&address) {
            return Ok(*node);
        }
        let node = self.edges.len();
        if node >= MAX_NODES {
            return Err(SchemaFault::TooManyNodes);
        }
        self.numbers.insert(address, node);
        self.edges.push(Edges::default());
        self.open.push((node, schema));
        Ok(node)
    }

    fn expand(&mut self, schema: &'v Value, is_root: bool) -> Result<Edges, SchemaFault> {
        let mut edges = Edges::default();
        let Value::Object(members) = schema else {
            return Ok(edges);
        };
        for (key, value) in members {
            match (key.as_str(), value) {
                ("$ref", Value::String(target)) => {
                    let target = self.target(target)?;
                    edges.same.push(self.node(target)?);
                }
                ("$ref" | "$dynamicRef" | "$recursiveRef", _) => return Err(SchemaFault::Reference),
                // An inner `$id` moves what `#` means; the root's own changes nothing within it.
                ("$id" | "id", Value::String(_)) if !is_root => return Err(SchemaFault::Reference),
                ("not" | "if" | "then" | "else", inner) => edges.same.push(self.node(inner)?),
                ("allOf" | "anyOf" | "oneOf", Value::Array(list)) => {
                    for inner in list {
                        edges.same.push(self.node(inner)?);
                    }
                }
                ("dependentSchemas" | "dependencies", Value::Object(map)) => {
                    for inner in map.values().filter(|inner| !inner.is_array()) {
                        edges.same.push(self.node(inner)?);
                    }
                }
                ("properties", Value::Object(map)) => {
                    for inner in map.values() {
                        edges.one_of_below.push(self.node(inner)?);
                    }
                }
                ("patternProperties", Value::Object(map)) => {
                    for inner in map.values() {
                        edges.below.push(self.node(inner)?);
                    }
                }
                ("items" | "prefixItems", Value::Array(list)) => {
                    for inner in list {
                        edges.one_of_below.push(self.node(inner)?);
                    }
                }
                (
                    "items"
                    | "contains"
                    | "additionalItems"
                    | "unevaluatedItems"
                    | "additionalProperties"
                    | "unevaluatedProperties"
                    | "propertyNames",
                    inner,
                ) => edges.below.push(self.node(inner)?),
                _ => {}
            }
        }
        Ok(edges)
    }

    fn target(&self, reference: &str) -> Result<&'v Value, SchemaFault> {
        let pointer = reference.strip_prefix('#').ok_or(SchemaFault::Reference)?;
        if pointer.contains('%') || !(pointer.is_empty() || pointer.starts_with('/')) {
            return Err(SchemaFault::Reference);
        }
        self.root.pointer(pointer).ok_or(SchemaFault::Reference)
    }

    /// Work at each depth from the bottom up: `same` edges add at the same depth, so they must form no cycle; `below`
    /// edges add what the depth underneath costs. Twice over for `unevaluated*`, which asks its neighbours again, is
    /// covered by the generous bound.
    fn bound(&self) -> Result<(), SchemaFault> {
        let order = self.order()?;
        let mut under = vec![1_u64; self.edges.len()];
        for _ in 0..MAX_DEPTH {
            let mut here = vec![0_u64; self.edges.len()];
            for node in &order {
                let Some(edges) = self.edges.get(*node) else {
                    continue;
                };
                let cost = |list: &[u64], node: &Node| list.get(*node).copied().unwrap_or(u64::MAX);
                let mut work = 1_u64;
                for inner in &edges.same {
                    work = work.saturating_add(cost(&here, inner));
                }
                for inner in &edges.below {
                    work = work.saturating_add(cost(&under, inner));
                }
                let widest = edges
                    .one_of_below
                    .iter()
                    .map(|inner| cost(&under, inner))
                    .max()
                    .unwrap_or(0);
                work = work.saturating_add(widest);
                if work > MAX_WORK {
                    return Err(SchemaFault::Work);
                }
                if let Some(slot) = here.get_mut(*node) {
                    *slot = work;
                }
            }
            if here == under {
                break;
            }
            under = here;
        }
        Ok(())
    }

    /// Nodes with everything they reach by `same` edges before them.
    fn order(&self) -> Result<Vec<Node>, SchemaFault> {
        let mut order = Vec::with_capacity(self.edges.len());
        let mut done = BTreeSet::new();
        for start in 0..self.edges.len() {
            let mut path = vec![(start, 0_usize)];
            let mut on_path = BTreeSet::from([start]);
            if done.contains(&start) {
                continue;
            }
            while let Some((node, next)) = path.last_mut() {
                let inner = self
                    .edges
                    .get(*node)
                    .and_then(|edges| edges.same.get(*next))
                    .copied();
                *next += 1;
                match inner {
                    Some(inner) if on_path.contains(&inner) => return Err(SchemaFault::Work),
                    Some(inner) if done.contains(&inner) => {}
                    Some(inner) => {
                        on_path.insert(inner);
                        path.push((inner, 0));
                    }
                    None => {
                        let node = *node;
                        path.pop();
                        on_path.remove(&node);
                        done.insert(node);
                        order.push(node);
                    }
                }
            }
        }
        Ok(order)
    }
}

#[cfg(test)]
mod tests;

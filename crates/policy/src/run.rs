//! Runs a compiled program over a request, with Cedar's semantics: what errs there errs here, and nothing else.
//!
//! Bounded: every node runs at most once, `like` is linear in its text per piece, and no loop depends on anything
//! but sizes that were bounded on load. No panic, no allocation beyond set and record literals.

use crate::program::{Arithmetic, Constant, Node, Root, SetTest};
use crate::request::{Lookup, Request, Slot};
use crate::value::{Entity, Kind, Value};

/// Why an evaluation failed. Holds names from the policy, never values from the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fail<'a> {
    #[error("an operator got a value of the wrong type")]
    Type,
    #[error("attribute `{0}` is absent")]
    Attribute(&'a str),
    #[error("an attribute of an entity that is not part of the call was read")]
    Entity,
    #[error("tag is absent")]
    Tag,
    #[error("integer overflow")]
    Overflow,
}

/// What a program read while it ran.
#[derive(Debug, Default)]
pub(crate) struct Trace<'a> {
    /// Bits of [`Slot`].
    pub(crate) slots: u64,
    /// Argument keys read from `args` and `numbers`.
    pub(crate) tags: Vec<(Kind, &'a str)>,
}

impl Trace<'_> {
    pub(crate) fn clear(&mut self) {
        self.slots = 0;
        self.tags.clear();
    }
}

type Outcome<'a> = Result<Value<'a>, Fail<'a>>;

/// Whether the conditions hold. `None`: unknown, which only a partial request gives.
pub(crate) fn holds<'a>(
    node: &'a Node,
    request: &'a Request<'_>,
    trace: &mut Trace<'a>,
) -> Result<Option<bool>, Fail<'a>> {
    decide(node, request, trace)
}

/// A condition's truth. Most are joined tests of one slot against a constant, and those make no [`Value`].
fn decide<'a>(
    node: &'a Node,
    request: &'a Request<'_>,
    trace: &mut Trace<'a>,
) -> Result<Option<bool>, Fail<'a>> {
    match node {
        Node::And(left, right) => junction(false, left, right, request, trace),
        Node::Or(left, right) => junction(true, left, right, request, trace),
        Node::Not(of) => Ok(decide(of, request, trace)?.map(|value| !value)),
        _ => match plain(node, request, trace) {
            Some(value) => Ok(Some(value)),
            None => truth(run(node, request, trace)?),
        },
    }
}

/// The truth of a test of one slot against one constant, where both are of the type it takes. `None`: it is something
/// else, or a value is missing, unknown or of another type; then [`run`] has the word.
fn plain<'a>(node: &'a Node, request: &Request<'_>, trace: &mut Trace<'a>) -> Option<bool> {
    let (left, right) = match node {
        Node::HasSlot(Some(slot), rest) if rest.is_empty() && !request.partial => {
            trace.slots |= slot.bit();
            return Some(request.is_there(*slot));
        }
        Node::Compare(_, left, right)
        | Node::Equal(left, right)
        | Node::SetTest(SetTest::Contains, left, right) => (&**left, &**right),
        _ => return None,
    };
    let (Node::Slot(slot, _), Node::Constant(constant)) = (left, right) else {
        return None;
    };
    trace.slots |= slot.bit();
    match (node, constant) {
        (Node::Compare(compare, ..), Constant::Long(constant)) => {
            let Some(Value::Long(value)) = request.read(*slot) else {
                return None;
            };
            Some(compare.holds(value, *constant))
        }
        (Node::Equal(..), Constant::Text(constant)) => {
            let Some(Value::Text(text)) = request.read(*slot) else {
                return None;
            };
            Some(*text == **constant)
        }
        (Node::Equal(..), Constant::Bool(constant)) => {
            let Some(Value::Bool(value)) = request.read(*slot) else {
                return None;
            };
            Some(value == *constant)
        }
        (Node::SetTest(..), Constant::Text(constant))
            if matches!(slot, Slot::Findings | Slot::Suspicious | Slot::Harmful) && !request.partial =>
        {
            Some(request.found(*slot, constant))
        }
        _ => None,
    }
}

fn truth<'a>(value: Value<'_>) -> Result<Option<bool>, Fail<'a>> {
    match value {
        Value::Bool(value) => Ok(Some(value)),
        Value::Unknown => Ok(None),
        _ => Err(Fail::Type),
    }
}

fn constant(constant: &Constant) -> Value<'_> {
    match constant {
        Constant::Bool(value) => Value::Bool(*value),
        Constant::Long(value) => Value::Long(*value),
        Constant::Text(text) => Value::Text(text),
        Constant::Entity(kind, id) => Value::Entity(Entity { kind: *kind, id }),
        Constant::Time(millis) => Value::Time(*millis),
    }
}

fn run<'a>(node: &'a Node, request: &'a Request<'_>, trace: &mut Trace<'a>) -> Outcome<'a> {
    match node {
        Node::Constant(value) => Ok(constant(value)),
        Node::Root(Root::Principal) => Ok(Value::Entity(request.principal)),
        Node::Root(Root::Resource) => Ok(Value::Entity(request.resource())),
        Node::Root(Root::Action) => Ok(Value::Entity(Entity {
            kind: Kind::Action,
            id: request.action.as_str(),
        })),
        Node::Slot(slot, name) => {
            trace.slots |= slot.bit();
            request.read(*slot).ok_or(Fail::Attribute(name))
        }
        Node::NoSlot(name) => Err(Fail::Attribute(name)),
        Node::HasSlot(None, _) => Ok(Value::Bool(false)),
        Node::HasSlot(Some(slot), rest) => {
            trace.slots |= slot.bit();
            match request.has(*slot) {
                Value::Bool(true) if !rest.is_empty() => match request.read(*slot) {
                    Some(value) => has(value, rest, request, trace),
                    None => Ok(Value::Bool(false)),
                },
                there => Ok(there),
            }
        }
        Node::Attribute(of, name) => attribute(run(of, request, trace)?, name, request, trace),
        Node::Has(of, path) => {
            let value = run(of, request, trace)?;
            has(value, path, request, trace)
        }
        Node::Negate(of) => match run(of, request, trace)? {
            Value::Long(value) => value.checked_neg().map(Value::Long).ok_or(Fail::Overflow),
            Value::Unknown => Ok(Value::Unknown),
            _ => Err(Fail::Type),
        },
        Node::IsEmpty(of) => match run(of, request, trace)? {
            Value::Set(items) => Ok(Value::Bool(items.is_empty())),
            Value::Unknown => Ok(Value::Unknown),
            _ => Err(Fail::Type),
        },
        Node::And(..) | Node::Or(..) | Node::Not(_) => {
            Ok(decide(node, request, trace)?.map_or(Value::Unknown, Value::Bool))
        }
        Node::If(parts) => {
            let [condition, then, otherwise] = &**parts;
            match decide(condition, request, trace)? {
                Some(true) => run(then, request, trace),
                Some(false) => run(otherwise, request, trace),
                None => match (run(then, request, trace), run(otherwise, request, trace)) {
                    (Ok(a), Ok(b)) if a == b => Ok(a),
                    (Ok(_), Ok(_)) => Ok(Value::Unknown),
                    // One branch errs: what the other says is "that, or an error".
                    (Ok(value), Err(_)) | (Err(_), Ok(value)) => Ok(value),
                    (Err(fail), Err(_)) => Err(fail),
                },
            }
        }
        _ => operator(node, request, trace),
    }
}

/// `&&` (`stop` false) and `||` (`stop` true): the left side alone decides when it says `stop`.
fn junction<'a>(
    stop: bool,
    left: &'a Node,
    right: &'a Node,
    request: &'a Request<'_>,
    trace: &mut Trace<'a>,
) -> Result<Option<bool>, Fail<'a>> {
    match decide(left, request, trace)? {
        Some(value) if value == stop => Ok(Some(stop)),
        Some(_) => decide(right, request, trace),
        // Left unknown: it says `stop`, or errs, or leaves the answer to the right side.
        None => match decide(right, request, trace) {
            Ok(Some(value)) if value == stop => Ok(Some(stop)),
            Ok(_) => Ok(None),
            Err(_) => Ok(Some(stop)),
        },
    }
}

/// Operators that evaluate every operand.
fn operator<'a>(node: &'a Node, request: &'a Request<'_>, trace: &mut Trace<'a>) -> Outcome<'a> {
    match node {
        Node::Equal(left, right) => {
            let (left, right) = (run(left, request, trace)?, run(right, request, trace)?);
            Ok(known([&left, &right], || Value::Bool(left == right)))
        }
        Node::Compare(compare, left, right) => {
            match (run(left, request, trace)?, run(right, request, trace)?) {
                (Value::Long(a), Value::Long(b)) | (Value::Time(a), Value::Time(b)) => {
                    Ok(Value::Bool(compare.holds(a, b)))
                }
                (Value::Unknown, Value::Long(_) | Value::Time(_) | Value::Unknown)
                | (Value::Long(_) | Value::Time(_), Value::Unknown) => Ok(Value::Unknown),
                _ => Err(Fail::Type),
            }
        }
        Node::Arithmetic(op, left, right) => {
            match (run(left, request, trace)?, run(right, request, trace)?) {
                (Value::Long(a), Value::Long(b)) => match op {
                    Arithmetic::Add => a.checked_add(b),
                    Arithmetic::Sub => a.checked_sub(b),
                    Arithmetic::Mul => a.checked_mul(b),
                }
                .map(Value::Long)
                .ok_or(Fail::Overflow),
                (Value::Unknown, Value::Long(_) | Value::Unknown) | (Value::Long(_), Value::Unknown) => {
                    Ok(Value::Unknown)
                }
                _ => Err(Fail::Type),
            }
        }
        Node::In(left, right) => {
            let (left, right) = (run(left, request, trace)?, run(right, request, trace)?);
            within(&left, &right, request, trace)
        }
        Node::InConstants(left, ancestors) => match run(left, request, trace)? {
            Value::Entity(entity) => {
                note_hierarchy(entity, request, trace);
                Ok(Value::Bool(ancestors.iter().any(|ancestor| {
                    matches!(ancestor, Constant::Entity(kind, id)
                        if request.is_in(entity, Entity { kind: *kind, id }))
                })))
            }
            Value::Unknown => Ok(Value::Unknown),
            _ => Err(Fail::Type),
        },
        Node::SetTest(test, left, right) => {
            let (left, right) = (run(left, request, trace)?, run(right, request, trace)?);
            set_test(*test, &left, &right)
        }
        Node::OneOf(items, of) => {
            let value = run(of, request, trace)?;
            Ok(known([&value], || {
                Value::Bool(items.iter().any(|item| constant(item) == value))
            }))
        }
        Node::HasTag(of, key) => match (run(of, request, trace)?, run(key, request, trace)?) {
            (Value::Entity(entity), Value::Text(key)) => {
                trace.tags.push((entity.kind, key));
                Ok(Value::Bool(
                    request.tag(entity, key).is_ok_and(|tag| tag.is_some()),
                ))
            }
            (left, right) => unknown_unless_typed(&left, &right),
        },
        Node::GetTag(of, key) => match (run(of, request, trace)?, run(key, request, trace)?) {
            (Value::Entity(entity), Value::Text(key)) => {
                trace.tags.push((entity.kind, key));
                request
                    .tag(entity, key)
                    .map_err(|()| Fail::Entity)?
                    .ok_or(Fail::Tag)
            }
            (left, right) => unknown_unless_typed(&left, &right),
        },
        Node::Like(of, pieces) => match run(of, request, trace)? {
            Value::Text(text) => Ok(Value::Bool(like(text, pieces))),
            Value::Unknown => Ok(Value::Unknown),
            _ => Err(Fail::Type),
        },
        Node::Is(of, kind) => match run(of, request, trace)? {
            Value::Entity(entity) => Ok(Value::Bool(entity.kind == *kind)),
            Value::Unknown => Ok(Value::Unknown),
            _ => Err(Fail::Type),
        },
        Node::Set(items) => {
            let mut values = Vec::with_capacity(items.len());
            for item in items {
                values.push(run(item, request, trace)?);
            }
            Ok(if values.iter().any(Value::is_unknown) {
                Value::Unknown
            } else {
                Value::Set(values)
            })
        }
        Node::Record(fields) => {
            let mut values = Vec::with_capacity(fields.len());
            for (key, value) in fields {
                values.push((&**key, run(value, request, trace)?));
            }
            Ok(if values.iter().any(|(_, value)| value.is_unknown()) {
                Value::Unknown
            } else {
                Value::Record(values)
            })
        }
        // Everything else is `run`'s; reaching here would be a missing arm, and a missing arm denies.
        _ => Err(Fail::Type),
    }
}

fn known<'a, const N: usize>(operands: [&Value<'_>; N], value: impl FnOnce() -> Value<'a>) -> Value<'a> {
    if operands.iter().any(|operand| operand.is_unknown()) {
        Value::Unknown
    } else {
        value()
    }
}

/// For tag operators with an operand that is not known: a type error that is sure stays one.
fn unknown_unless_typed<'a>(entity: &Value<'_>, key: &Value<'_>) -> Outcome<'a> {
    match (entity, key) {
        (Value::Entity(_) | Value::Unknown, Value::Text(_) | Value::Unknown) => Ok(Value::Unknown),
        _ => Err(Fail::Type),
    }
}

fn note_hierarchy(entity: Entity<'_>, request: &Request<'_>, trace: &mut Trace<'_>) {
    if entity == request.principal {
        trace.slots |= Slot::PrincipalGroups.bit();
    } else if entity == request.resource() {
        trace.slots |= Slot::ResourceOwner.bit();
    }
}

fn within<'a>(
    left: &Value<'_>,
    right: &Value<'_>,
    request: &Request<'_>,
    trace: &mut Trace<'a>,
) -> Outcome<'a> {
    let entity = match left {
        Value::Entity(entity) => *entity,
        Value::Unknown => return Ok(Value::Unknown),
        _ => return Err(Fail::Type),
    };
    note_hierarchy(entity, request, trace);
    match right {
        Value::Entity(ancestor) => Ok(Value::Bool(request.is_in(entity, *ancestor))),
        Value::Unknown => Ok(Value::Unknown),
        Value::Set(ancestors) => {
            let mut found = false;
            // Every member must be an entity, even after one has matched.
            for ancestor in ancestors.iter() {
                let Value::Entity(ancestor) = ancestor else {
                    return Err(Fail::Type);
                };
                found |= request.is_in(entity, *ancestor);
            }
            Ok(Value::Bool(found))
        }
        _ => Err(Fail::Type),
    }
}

fn set_test<'a>(test: SetTest, left: &Value<'_>, right: &Value<'_>) -> Outcome<'a> {
    let items = match left {
        Value::Set(items) => items,
        Value::Unknown => return Ok(Value::Unknown),
        _ => return Err(Fail::Type),
    };
    Ok(match (test, right) {
        (_, Value::Unknown) => Value::Unknown,
        (SetTest::Contains, value) => Value::Bool(items.contains(value)),
        (SetTest::ContainsAll, Value::Set(all)) => Value::Bool(all.iter().all(|item| items.contains(item))),
        (SetTest::ContainsAny, Value::Set(any)) => Value::Bool(any.iter().any(|item| items.contains(item))),
        _ => return Err(Fail::Type),
    })
}

fn attribute<'a>(
    of: Value<'a>,
    name: &'a str,
    request: &'a Request<'_>,
    trace: &mut Trace<'a>,
) -> Outcome<'a> {
    match of {
        Value::Record(fields) => {
            let field = fields.into_iter().find(|(key, _)| *key == name);
            field.map(|(_, value)| value).ok_or(Fail::Attribute(name))
        }
        Value::Entity(entity) => match request.attribute(entity, name) {
            Lookup::Found(slot, value) => {
                trace.slots |= slot.bit();
                Ok(value)
            }
            Lookup::NoAttribute => Err(Fail::Attribute(name)),
            Lookup::NoEntity => Err(Fail::Entity),
        },
        Value::Unknown => Ok(Value::Unknown),
        _ => Err(Fail::Type),
    }
}

/// `value has a.b.c`: false at the first that is missing, an error at a value that can have no attributes.
fn has<'a>(
    value: Value<'a>,
    path: &'a [Box<str>],
    request: &'a Request<'_>,
    trace: &mut Trace<'a>,
) -> Outcome<'a> {
    let mut at = value;
    for name in path {
        at = match at {
            Value::Record(_) | Value::Entity(_) => match attribute(at, name, request, trace) {
                Ok(value) => value,
                Err(_) => return Ok(Value::Bool(false)),
            },
            Value::Unknown => return Ok(Value::Unknown),
            _ => return Err(Fail::Type),
        };
    }
    Ok(Value::Bool(true))
}

/// Cedar's wildcard match. Byte-wise search is exact: pieces are whole characters, and UTF-8 can't match between.
fn like(text: &str, pieces: &[Box<str>]) -> bool {
    let Some((first, rest)) = pieces.split_first() else {
        return text.is_empty();
    };
    let Some((last, middle)) = rest.split_last() else {
        return *text == **first;
    };
    let Some(mut left) = text.strip_prefix(&**first) else {
        return false;
    };
    for piece in middle {
        match left.find(&**piece) {
            Some(at) => left = left.get(at.saturating_add(piece.len())..).unwrap_or_default(),
            None => return false,
        }
    }
    left.ends_with(&**last)
}

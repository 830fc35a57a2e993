//! From Cedar's syntax tree to a small program over slots.
//!
//! Covers the language but for the `ip`, `decimal` and `duration` extensions, bare `context`, and entity types
//! outside our schema. What it does not cover is not guessed: the policy then runs in Cedar's own evaluator.

use std::collections::BTreeSet;

use bartizan_types::Action;
use cedar_policy::pst;

use crate::request::Slot;
use crate::value::Kind;

/// Deepest nesting that is compiled; evaluation recurses as deep.
const DEPTH_MAX: usize = 64;
/// Largest program. Each node runs at most once per evaluation, so this bounds its steps.
const NODES_MAX: usize = 4096;

/// The policy uses something the compiled form does not cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Uncovered;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Root {
    Principal,
    Action,
    Resource,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compare {
    Less,
    LessEq,
    Greater,
    GreaterEq,
}

impl Compare {
    pub(crate) const fn holds(self, a: i64, b: i64) -> bool {
        match self {
            Self::Less => a < b,
            Self::LessEq => a <= b,
            Self::Greater => a > b,
            Self::GreaterEq => a >= b,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Sub,
    Mul,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetTest {
    Contains,
    ContainsAll,
    ContainsAny,
}

/// A constant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Constant {
    Bool(bool),
    Long(i64),
    Text(Box<str>),
    Entity(Kind, Box<str>),
    Time(i64),
}

/// One step of a program.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Constant(Constant),
    Root(Root),
    /// `context.X`.
    Slot(Slot, Box<str>),
    /// `context.X` where the schema knows no `X`.
    NoSlot(Box<str>),
    /// `context has X.rest`.
    HasSlot(Option<Slot>, Box<[Box<str>]>),
    Attribute(Box<Node>, Box<str>),
    Has(Box<Node>, Box<[Box<str>]>),
    Not(Box<Node>),
    Negate(Box<Node>),
    IsEmpty(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    If(Box<[Node; 3]>),
    Equal(Box<Node>, Box<Node>),
    Compare(Compare, Box<Node>, Box<Node>),
    Arithmetic(Arithmetic, Box<Node>, Box<Node>),
    In(Box<Node>, Box<Node>),
    /// `x in [E, …]` with constant entities.
    InConstants(Box<Node>, Box<[Constant]>),
    SetTest(SetTest, Box<Node>, Box<Node>),
    /// `[c, …].contains(x)` with constants.
    OneOf(Box<[Constant]>, Box<Node>),
    HasTag(Box<Node>, Box<Node>),
    GetTag(Box<Node>, Box<Node>),
    /// Literal pieces between the wildcards of a pattern; one piece means no wildcard.
    Like(Box<Node>, Box<[Box<str>]>),
    /// `is T`, with the kind when our schema knows `T`.
    Is(Box<Node>, Kind),
    Set(Box<[Node]>),
    Record(Box<[(Box<str>, Node)]>),
}

/// What a policy can read, found without running it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    pub(crate) approved: bool,
    /// Keys of `context.args` and `context.numbers` that are read.
    pub(crate) keys: BTreeSet<String>,
    /// A key is computed, or the entities are used whole: any leaf may be read.
    pub(crate) any_key: bool,
    pub(crate) args_complete: bool,
    /// String literals, for samples of the self-check.
    pub(crate) literals: BTreeSet<String>,
    /// Bits of the context slots that are read.
    pub(crate) slots: u64,
}

impl Reads {
    /// Whether any argument leaf is read.
    pub(crate) fn arguments(&self) -> bool {
        self.any_key || !self.keys.is_empty()
    }
}

/// Compiles the conditions of a policy.
pub(crate) fn compile(clauses: &[pst::Clause]) -> Result<Node, Uncovered> {
    let mut left = NODES_MAX;
    let mut whole: Option<Node> = None;
    for clause in clauses {
        let node = match clause {
            pst::Clause::When(expr) => expression(expr, DEPTH_MAX, &mut left)?,
            pst::Clause::Unless(expr) => Node::Not(Box::new(expression(expr, DEPTH_MAX, &mut left)?)),
        };
        whole = Some(match whole {
            None => node,
            Some(before) => Node::And(Box::new(before), Box::new(node)),
        });
    }
    Ok(whole.unwrap_or(Node::Constant(Constant::Bool(true))))
}

fn entity(uid: &pst::EntityUID) -> Result<Constant, Uncovered> {
    let kind = Kind::parse(&uid.ty.to_string()).ok_or(Uncovered)?;
    Ok(Constant::Entity(kind, uid.eid.as_str().into()))
}

fn expression(expr: &pst::Expr, depth: usize, left: &mut usize) -> Result<Node, Uncovered> {
    let depth = depth.checked_sub(1).ok_or(Uncovered)?;
    *left = left.checked_sub(1).ok_or(Uncovered)?;
    let mut sub = |expr: &pst::Expr| expression(expr, depth, left).map(Box::new);
    Ok(match expr {
        pst::Expr::Literal(literal) => Node::Constant(match literal {
            pst::Literal::Bool(value) => Constant::Bool(*value),
            pst::Literal::Long(value) => Constant::Long(*value),
            pst::Literal::String(text) => Constant::Text(text.as_str().into()),
            pst::Literal::EntityUID(uid) => entity(uid)?,
            _ => return Err(Uncovered),
        }),
        pst::Expr::Var(var) => Node::Root(match var {
            pst::Var::Principal => Root::Principal,
            pst::Var::Action => Root::Action,
            pst::Var::Resource => Root::Resource,
            _ => return Err(Uncovered),
        }),
        pst::Expr::UnaryOp { op, expr } => match op {
            pst::UnaryOp::Not => Node::Not(sub(expr)?),
            pst::UnaryOp::Neg => Node::Negate(sub(expr)?),
            pst::UnaryOp::IsEmpty => Node::IsEmpty(sub(expr)?),
            pst::UnaryOp::Datetime => Node::Constant(Constant::Time(datetime(expr)?)),
            _ => return Err(Uncovered),
        },
        pst::Expr::BinaryOp { op, left, right } => binary(*op, sub(left)?, sub(right)?)?,
        pst::Expr::GetAttr { expr, attr } => {
            let attribute: Box<str> = attr.as_str().into();
            match &**expr {
                pst::Expr::Var(pst::Var::Context) => match Slot::of_context(attr) {
                    Some(slot) => Node::Slot(slot, attribute),
                    None => Node::NoSlot(attribute),
                },
                other => Node::Attribute(sub(other)?, attribute),
            }
        }
        pst::Expr::HasAttr { expr, attrs } => {
            let mut path = attrs.iter().map(|attribute| Box::<str>::from(attribute.as_str()));
            match &**expr {
                pst::Expr::Var(pst::Var::Context) => {
                    let first = path.next().ok_or(Uncovered)?;
                    Node::HasSlot(Slot::of_context(&first), path.collect())
                }
                other => Node::Has(sub(other)?, path.collect()),
            }
        }
        pst::Expr::Like { expr, pattern } => {
            let mut pieces = vec![String::new()];
            for element in pattern {
                match (element, pieces.last_mut()) {
                    (pst::PatternElem::Char(c), Some(piece)) => piece.push(*c),
                    _ => pieces.push(String::new()),
                }
            }
            Node::Like(
                sub(expr)?,
                pieces.into_iter().map(String::into_boxed_str).collect(),
            )
        }
        pst::Expr::Is {
            expr,
            entity_type,
            in_expr,
        } => {
            let kind = Kind::parse(&entity_type.to_string()).ok_or(Uncovered)?;
            let is = Node::Is(sub(expr)?, kind);
            match in_expr {
                None => is,
                Some(ancestor) => {
                    let within = binary(pst::BinaryOp::In, sub(expr)?, sub(ancestor)?)?;
                    Node::And(Box::new(is), Box::new(within))
                }
            }
        }
        pst::Expr::IfThenElse {
            cond,
            then_expr,
            else_expr,
        } => Node::If(Box::new([*sub(cond)?, *sub(then_expr)?, *sub(else_expr)?])),
        pst::Expr::Set(items) => Node::Set(
            items
                .iter()
                .map(|item| sub(item).map(|node| *node))
                .collect::<Result<_, _>>()?,
        ),
        pst::Expr::Record(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| Ok((key.as_str().into(), *sub(value)?)));
            let mut fields: Vec<(Box<str>, Node)> = fields.collect::<Result<_, Uncovered>>()?;
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Node::Record(fields.into_boxed_slice())
        }
        _ => return Err(Uncovered),
    })
}

fn binary(op: pst::BinaryOp, left: Box<Node>, right: Box<Node>) -> Result<Node, Uncovered> {
    Ok(match op {
        pst::BinaryOp::Eq => Node::Equal(left, right),
        pst::BinaryOp::NotEq => Node::Not(Box::new(Node::Equal(left, right))),
        pst::BinaryOp::Less => Node::Compare(Compare::Less, left, right),
        pst::BinaryOp::LessEq => Node::Compare(Compare::LessEq, left, right),
        pst::BinaryOp::Greater => Node::Compare(Compare::Greater, left, right),
        pst::BinaryOp::GreaterEq => Node::Compare(Compare::GreaterEq, left, right),
        pst::BinaryOp::And => Node::And(left, right),
        pst::BinaryOp::Or => Node::Or(left, right),
        pst::BinaryOp::Add => Node::Arithmetic(Arithmetic::Add, left, right),
        pst::BinaryOp::Sub => Node::Arithmetic(Arithmetic::Sub, left, right),
        pst::BinaryOp::Mul => Node::Arithmetic(Arithmetic::Mul, left, right),
        pst::BinaryOp::In => match constants(&right, |c| matches!(c, Constant::Entity(..))) {
            Some(entities) => Node::InConstants(left, entities),
            None => Node::In(left, right),
        },
        pst::BinaryOp::Contains => match constants(&left, |_| true) {
            Some(items) => Node::OneOf(items, right),
            None => Node::SetTest(SetTest::Contains, left, right),
        },
        pst::BinaryOp::ContainsAll => Node::SetTest(SetTest::ContainsAll, left, right),
        pst::BinaryOp::ContainsAny => Node::SetTest(SetTest::ContainsAny, left, right),
        pst::BinaryOp::HasTag => Node::HasTag(left, right),
        pst::BinaryOp::GetTag => Node::GetTag(left, right),
        _ => return Err(Uncovered),
    })
}

/// The items of a set literal when all are constants that pass `fits`.
fn constants(node: &Node, fits: impl Fn(&Constant) -> bool) -> Option<Box<[Constant]>> {
    let Node::Set(items) = node else { return None };
    let constant = |item: &Node| match item {
        Node::Constant(constant) if fits(constant) => Some(constant.clone()),
        _ => None,
    };
    items.iter().map(constant).collect()
}

/// The time of a `datetime("…")` literal. Computed arguments stay with Cedar.
fn datetime(argument: &pst::Expr) -> Result<i64, Uncovered> {
    match argument {
        pst::Expr::Literal(pst::Literal::String(text)) => datetime_millis(text).ok_or(Uncovered),
        _ => Err(Uncovered),
    }
}

/// Milliseconds of a datetime text, computed by Cedar itself so that its literal forms are read in one place only.
pub(crate) fn datetime_millis(text: &str) -> Option<i64> {
    let time = cedar_policy::Expression::new_datetime(text).to_string();
    let source = format!("{time}.durationSince(datetime(\"1970-01-01\")).toMilliseconds()");
    let expression: cedar_policy::Expression = source.parse().ok()?;
    let nobody: cedar_policy::EntityUid = "Bartizan::User::\"\"".parse().ok()?;
    let context = cedar_policy::Context::empty();
    let request = cedar_policy::Request::new(nobody.clone(), nobody.clone(), nobody, context, None).ok()?;
    match cedar_policy::eval_expression(&request, &cedar_policy::Entities::empty(), &expression) {
        Ok(cedar_policy::EvalResult::Long(millis)) => Some(millis),
        _ => None,
    }
}

/// What the conditions can read. Sound for compiled and uncompiled policies alike: it walks Cedar's own tree.
pub(crate) fn reads(clauses: &[pst::Clause]) -> Reads {
    let mut reads = Reads::default();
    for clause in clauses {
        let (pst::Clause::When(expr) | pst::Clause::Unless(expr)) = clause;
        walk(expr, &mut reads);
    }
    reads
}

/// `context.args` or `context.numbers`.
fn is_leaves(expr: &pst::Expr) -> bool {
    match expr {
        pst::Expr::GetAttr { expr, attr } => {
            matches!(**expr, pst::Expr::Var(pst::Var::Context)) && matches!(attr.as_str(), "args" | "numbers")
        }
        _ => false,
    }
}

fn walk(expr: &pst::Expr, reads: &mut Reads) {
    match expr {
        pst::Expr::Literal(pst::Literal::String(text)) => {
            reads.literals.insert(text.to_string());
        }
        pst::Expr::Var(pst::Var::Context) => {
            // Bare context: everything in it may be read.
            reads.approved = true;
            reads.any_key = true;
        }
        pst::Expr::GetAttr { expr, attr } if matches!(**expr, pst::Expr::Var(pst::Var::Context)) => {
            reads.slots |= Slot::of_context(attr).map_or(0, Slot::bit);
            match attr.as_str() {
                "approved" => reads.approved = true,
                "args_complete" => reads.args_complete = true,
                "args" | "numbers" => reads.any_key = true,
                _ => {}
            }
        }
        pst::Expr::HasAttr { expr, attrs } if matches!(**expr, pst::Expr::Var(pst::Var::Context)) => {
            reads.slots |= Slot::of_context(attrs.first()).map_or(0, Slot::bit);
        }
        pst::Expr::BinaryOp { op, left, right } => {
            let keyed = matches!(op, pst::BinaryOp::HasTag | pst::BinaryOp::GetTag) && is_leaves(left);
            match (&**right, keyed) {
                (pst::Expr::Literal(pst::Literal::String(key)), true) => {
                    reads.keys.insert(key.to_string());
                }
                _ => {
                    walk(left, reads);
                    walk(right, reads);
                }
            }
        }
        pst::Expr::UnaryOp { expr, .. }
        | pst::Expr::GetAttr { expr, .. }
        | pst::Expr::HasAttr { expr, .. }
        | pst::Expr::Like { expr, .. } => walk(expr, reads),
        pst::Expr::Is { expr, in_expr, .. } => {
            walk(expr, reads);
            if let Some(ancestor) = in_expr {
                walk(ancestor, reads);
            }
        }
        pst::Expr::IfThenElse {
            cond,
            then_expr,
            else_expr,
        } => {
            walk(cond, reads);
            walk(then_expr, reads);
            walk(else_expr, reads);
        }
        pst::Expr::Set(items) => items.iter().for_each(|item| walk(item, reads)),
        pst::Expr::Record(fields) => fields.values().for_each(|value| walk(value, reads)),
        pst::Expr::Literal(_) | pst::Expr::Var(_) => {}
        // A form this walk does not know: assume it reads everything.
        _ => {
            reads.approved = true;
            reads.any_key = true;
        }
    }
}

/// The action a Cedar id names.
pub(crate) fn action(id: &str) -> Option<Action> {
    Action::ALL.into_iter().find(|action| action.as_str() == id)
}

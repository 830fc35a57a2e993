//! Where a graph's operators read and write: names of files, followed back from the operator to where they come from.
//!
//! Every saved model holds operators that save and restore it, and every one with a vocabulary reads a file. They are given
//! their path by whoever runs the graph, or the path is an asset of the model. A path that the graph itself holds is its
//! maker's: so a file is written or read where nobody asked for it. Paths are followed through the calls of functions too.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::attribute::Place;
use crate::{finding::Verdict, finding::shown, format, rule, scan::Scan};

/// Bytes of names and texts that are kept of one graph or function.
const HELD: usize = 64 << 20;
/// Inputs of calls that are kept, all functions together.
const INPUTS: usize = 1 << 20;
/// Operators between a path and where it is used.
const DEPTH: u32 = 48;
/// Operators looked at for one path.
const STEPS: u32 = 512;
/// The same, all paths together.
const ALL_STEPS: u64 = 1 << 24;
/// Functions that hand a path on to each other.
const ROUNDS: usize = 64;
/// Texts kept of one path.
const TEXTS: usize = 16;

/// Operators that are given a path, which of their inputs that is, and whether they write.
const USERS: [(&str, &[usize], bool); 14] = [
    ("Save", &[0], true),
    ("SaveSlices", &[0], true),
    ("SaveV2", &[0], true),
    ("MergeV2Checkpoints", &[0, 1], true),
    ("CacheDataset", &[1], true),
    ("CacheDatasetV2", &[1], true),
    ("Restore", &[0], false),
    ("RestoreSlice", &[0], false),
    ("RestoreV2", &[0], false),
    ("DTensorRestoreV2", &[0], false),
    ("LoadAndRemapMatrix", &[0], false),
    ("GenerateVocabRemapping", &[0, 1], false),
    ("InitializeTableFromTextFile", &[1], false),
    ("InitializeTableFromTextFileV2", &[1], false),
];
/// Operators that give a text on, or join texts, and which of their inputs those are; none: all.
const GIVES: [(&str, &[usize]); 19] = [
    ("Identity", &[0]),
    ("IdentityN", &[]),
    ("Snapshot", &[0]),
    ("StopGradient", &[0]),
    ("StringJoin", &[]),
    ("ShardedFilename", &[0]),
    ("ShardedFilespec", &[0]),
    ("Select", &[1, 2]),
    ("SelectV2", &[1, 2]),
    ("Pack", &[]),
    ("Concat", &[]),
    ("ConcatV2", &[]),
    ("Reshape", &[0]),
    ("ExpandDims", &[0]),
    ("Squeeze", &[0]),
    ("Add", &[]),
    ("AddV2", &[]),
    ("Switch", &[0]),
    ("Merge", &[]),
];

/// A node, as far as paths go through it.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) operator: String,
    pub(super) inputs: Vec<String>,
    /// Texts of a constant; `None` where there are too many, or they are too long.
    pub(super) texts: Option<Vec<String>>,
    /// Functions that it names.
    pub(super) functions: Vec<String>,
    /// What it joins texts by.
    pub(super) between: String,
    /// Attributes that name a file or another machine.
    pub(super) places: Vec<Place>,
    pub(super) at: u64,
}

/// Where a path comes from.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Origin {
    /// Arguments of the function, by number.
    arguments: BTreeSet<usize>,
    /// Whoever runs the graph, or an asset of the model.
    given: bool,
    /// The graph itself.
    texts: BTreeSet<String>,
    /// An operator that computes it.
    computed: Option<String>,
}

/// An operator that is given a path, or a function that hands one to such.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    operator: String,
    writes: bool,
}

struct Call {
    at: u64,
    functions: Vec<String>,
    /// How many inputs come before the first argument; `None`: nobody knows which input is which argument.
    before: Option<usize>,
    inputs: Vec<Origin>,
}

/// A graph or a function that is being read.
#[derive(Default)]
struct Scope {
    nodes: HashMap<String, Node>,
    users: Vec<Node>,
    calls: Vec<Node>,
    /// What is assigned to a variable, and what is handed to a call.
    assigned: HashMap<String, Vec<String>>,
    handed: HashSet<String>,
    arguments: HashMap<String, usize>,
    name: String,
    held: usize,
}

/// See the module.
#[derive(Default)]
pub(super) struct Paths {
    open: Vec<Scope>,
    /// Names of tensors that hold the path of an asset.
    pub(super) assets: BTreeSet<String>,
    /// By function and argument: what the argument is used for.
    uses: BTreeMap<(String, usize), BTreeSet<Use>>,
    calls: Vec<(String, Call)>,
    /// How many arguments a function has, and which values are bound to the last of them.
    arguments: HashMap<String, usize>,
    bound: Vec<(String, Vec<u64>)>,
    /// Constants of the graph that name a place of their own, and objects of the model that are constants.
    constants: HashMap<String, String>,
    pub(super) objects: HashMap<u64, String>,
    inputs: usize,
    steps: u64,
    too_much: bool,
}

impl Paths {
    pub(super) fn enter(&mut self) {
        self.open.push(Scope::default());
    }

    /// Names the function that is being read, or its next argument.
    pub(super) fn sign(&mut self, name: Option<String>, argument: Option<String>) {
        let Some(scope) = self.open.last_mut() else { return };
        if let Some(name) = name {
            scope.name = name;
        }
        if let Some(argument) = argument {
            let number = scope.arguments.len();
            scope.arguments.insert(argument, number);
        }
    }

    pub(super) fn node(&mut self, mut node: Node) {
        let Some(scope) = self.open.last_mut() else { return };
        let user = USERS.iter().any(|(name, _, _)| *name == node.operator);
        let gives = GIVES.iter().any(|(name, _)| *name == node.operator);
        let source = matches!(
            node.operator.as_str(),
            "Const"
                | "HostConst"
                | "Placeholder"
                | "PlaceholderV2"
                | "PlaceholderWithDefault"
                | "_Arg"
                | "VarHandleOp"
                | "ReadVariableOp"
        );
        // A function may be called by its name: what is no operator of TensorFlow's may be one.
        let calls = !node.functions.is_empty() || !super::is_known(&node.operator);
        // Constants without texts are numbers.
        let assigns = node.operator == "AssignVariableOp";
        if !(user || gives || calls || source || assigns)
            || source && node.texts.as_ref().is_some_and(Vec::is_empty) && node.operator.ends_with("Const")
        {
            return;
        }
        let texts = node.texts.iter().flatten();
        let held = [&node.name]
            .into_iter()
            .chain(&node.inputs)
            .chain(texts)
            .map(|text| text.len() + 32);
        scope.held += held.sum::<usize>();
        if scope.held > HELD {
            self.too_much = true;
            return;
        }
        node.inputs.retain(|input| !input.starts_with('^'));
        if node.operator == "AssignVariableOp" {
            if let [variable, value, ..] = node.inputs.as_slice() {
                let values = scope.assigned.entry(base(variable).to_owned());
                values.or_default().push(value.clone());
            }
        } else if user {
            scope.users.push(node);
        } else if calls {
            scope
                .handed
                .extend(node.inputs.iter().map(|input| base(input).to_owned()));
            scope.calls.push(node);
        } else {
            scope.nodes.insert(node.name.clone(), node);
        }
    }

    /// The graph or function ends: what its operators are given is known as far as it says.
    pub(super) fn leave(&mut self, scan: &mut Scan<'_>) {
        let Some(scope) = self.open.pop() else { return };
        if scope.name.is_empty() {
            for node in scope.nodes.values() {
                let away = node.texts.iter().flatten().find(|text| leads_away(text));
                self.constants
                    .extend(away.map(|text| (node.name.clone(), text.clone())));
            }
        } else {
            self.arguments.insert(scope.name.clone(), scope.arguments.len());
        }
        for node in &scope.users {
            let Some((_, inputs, writes)) = USERS.iter().find(|(name, _, _)| *name == node.operator) else {
                continue;
            };
            let using = Use {
                operator: node.operator.clone(),
                writes: *writes,
            };
            for input in inputs.iter().filter_map(|at| node.inputs.get(*at)) {
                let origin = self.origin(&scope, input);
                judge(scan, node.at, &using, &origin);
                for argument in origin.arguments {
                    let key = (scope.name.clone(), argument);
                    self.uses.entry(key).or_default().insert(using.clone());
                }
            }
        }
        for node in &scope.calls {
            let named = if node.functions.is_empty() {
                vec![node.operator.clone()]
            } else {
                node.functions.clone()
            };
            let before = match node.operator.as_str() {
                "PartitionedCall" | "StatefulPartitionedCall" | "While" | "StatelessWhile" => Some(0),
                "If" | "StatelessIf" | "Case" | "StatelessCase" => Some(1),
                _ if node.functions.is_empty() => Some(0),
                _ => None,
            };
            let inputs: Vec<Origin> = node
                .inputs
                .iter()
                .map(|input| self.origin(&scope, input))
                .collect();
            self.inputs += inputs.len();
            if self.inputs > INPUTS {
                self.too_much = true;
                return;
            }
            let (at, functions) = (node.at, named);
            self.calls.push((
                scope.name.clone(),
                Call {
                    at,
                    functions,
                    before,
                    inputs,
                },
            ));
        }
    }

    fn origin(&mut self, scope: &Scope, input: &str) -> Origin {
        let mut origin = Origin::default();
        self.follow(scope, input, 0, &mut 0, &mut origin);
        origin
    }

    fn follow(&mut self, scope: &Scope, input: &str, depth: u32, steps: &mut u32, origin: &mut Origin) {
        let name = base(input);
        *steps += 1;
        self.steps += 1;
        self.too_much |= self.steps > ALL_STEPS;
        if depth > DEPTH || *steps > STEPS || self.too_much {
            origin.computed = Some("more operators than are followed".to_owned());
            return;
        }
        if let Some(argument) = scope.arguments.get(name) {
            origin.arguments.insert(*argument);
            return;
        }
        let Some(node) = scope.nodes.get(name) else {
            origin.computed.get_or_insert_with(|| name.to_owned());
            return;
        };
        match node.operator.as_str() {
            _ if scope.name.is_empty() && self.assets.contains(name) => origin.given = true,
            "Const" | "HostConst" => match &node.texts {
                Some(texts) if origin.texts.len() + texts.len() <= TEXTS => {
                    origin.texts.extend(texts.iter().cloned())
                }
                _ => origin.computed = Some("a constant that is too long for a path".to_owned()),
            },
            "Placeholder" | "PlaceholderV2" | "_Arg" => origin.given = true,
            "PlaceholderWithDefault" => {
                origin.given = true;
                for input in node.inputs.iter().take(1) {
                    self.follow(scope, input, depth + 1, steps, origin);
                }
            }
            "ReadVariableOp" => self.variable(scope, node, depth, steps, origin),
            operator => {
                // A separator alone is between parts of a path; one with more in it is a part.
                let away = Some(&node.between).filter(|between| is_half(between) || leads_up(between));
                origin.texts.extend(away.cloned());
                let gives = GIVES.iter().find(|(name, _)| *name == operator);
                let which = gives.map(|(_, which)| *which).unwrap_or_default();
                for (at, input) in node.inputs.iter().enumerate() {
                    if which.is_empty() || which.contains(&at) {
                        self.follow(scope, input, depth + 1, steps, origin);
                    }
                }
            }
        }
    }

    /// What a variable holds: all that the graph assigns to it, where no function could assign more.
    fn variable(&mut self, scope: &Scope, read: &Node, depth: u32, steps: &mut u32, origin: &mut Origin) {
        let variable = base(read.inputs.first().map(String::as_str).unwrap_or_default());
        let is_one = scope
            .nodes
            .get(variable)
            .is_some_and(|node| node.operator == "VarHandleOp");
        match scope.assigned.get(variable) {
            Some(values) if is_one && !scope.handed.contains(variable) => {
                for value in values {
                    self.follow(scope, value, depth + 1, steps, origin);
                }
            }
            _ => origin.computed = Some("a variable".to_owned()),
        }
    }

    /// A value that the model binds to the arguments of a function, behind those that its callers give.
    pub(super) fn bind(&mut self, function: String, values: Vec<u64>) {
        self.inputs += values.len() + 1;
        if self.inputs > INPUTS {
            self.too_much = true;
        } else {
            self.bound.push((function, values));
        }
    }

    /// All of a model is read: what functions do with their arguments is what their callers do.
    pub(super) fn settle(mut self, scan: &mut Scan<'_>) {
        let mut settled = false;
        for _ in 0..ROUNDS {
            let mut more = Vec::new();
            for (within, call) in &self.calls {
                for (using, origin) in handed(&self.uses, call) {
                    for argument in &origin.arguments {
                        let key = (within.clone(), *argument);
                        if self.uses.get(&key).is_none_or(|uses| !uses.contains(&using)) {
                            more.push((key, using.clone()));
                        }
                    }
                }
            }
            settled = more.is_empty();
            if settled {
                break;
            }
            for (key, using) in more {
                self.uses.entry(key).or_default().insert(using);
            }
        }
        if !settled || self.too_much {
            let what =
                "holds more functions and operators that could hand on a path than are followed".to_owned();
            scan.find(&rule::LIMIT, Verdict::Unknown, 0, "paths", what);
        }
        for (_, call) in &self.calls {
            for (using, origin) in handed(&self.uses, call) {
                judge(scan, call.at, &using, &origin);
            }
        }
        for (function, values) in &self.bound {
            let arguments = self.arguments.get(function).copied().unwrap_or(0);
            let before = arguments.saturating_sub(values.len());
            for (at, value) in values.iter().enumerate() {
                let text = self.objects.get(value).and_then(|name| self.constants.get(name));
                let uses = self.uses.get(&(function.clone(), before + at));
                for (text, using) in text
                    .into_iter()
                    .flat_map(|text| uses.into_iter().flatten().map(move |using| (text, using)))
                {
                    let texts = BTreeSet::from([text.clone()]);
                    judge(
                        scan,
                        0,
                        using,
                        &Origin {
                            texts,
                            ..Origin::default()
                        },
                    );
                }
            }
        }
    }
}

/// What a call's inputs are used for, by what the functions that it calls do with their arguments.
fn handed(uses: &BTreeMap<(String, usize), BTreeSet<Use>>, call: &Call) -> Vec<(Use, Origin)> {
    let mut found = Vec::new();
    for function in &call.functions {
        let from = (function.clone(), 0);
        let of_it = uses.range(from..).take_while(|((name, _), _)| name == function);
        for ((_, argument), uses) in of_it {
            let inputs = match call.before {
                Some(before) => call
                    .inputs
                    .get(before + argument..)
                    .unwrap_or_default()
                    .get(..1)
                    .unwrap_or_default(),
                None => &call.inputs,
            };
            for using in uses {
                found.extend(inputs.iter().map(|input| (using.clone(), input.clone())));
            }
        }
    }
    found
}

/// Which inputs of an operator are paths.
pub(crate) fn path_inputs(operator: &str) -> &'static [usize] {
    let user = USERS.iter().find(|(name, _, _)| *name == operator);
    user.map(|(_, inputs, _)| *inputs).unwrap_or_default()
}

/// Whether an operator is given a path that somebody else names, as a rule.
pub(crate) fn takes_path(operator: &str) -> bool {
    USERS.iter().any(|(name, _, _)| *name == operator)
}

/// The node of an input, which may say which of its outputs it is.
fn base(input: &str) -> &str {
    input.split(':').next().unwrap_or_default()
}

/// Whether a part of a path leads somewhere of its own.
pub(crate) fn leads_away(text: &str) -> bool {
    format::leads_out(text) || text.contains("://") || text.contains('\0')
}

/// Whether what stands between parts of a path leads somewhere of its own.
fn leads_up(between: &str) -> bool {
    let mut parts = between.split(['/', '\\']);
    parts.any(|part| part == "..") || between.contains("://") || between.contains('\0')
}

/// Whether a text is one half of `..`, which another text beside it may make whole.
fn is_half(text: &str) -> bool {
    let mut parts = text.split(['/', '\\']);
    parts.next() == Some(".") || parts.next_back() == Some(".")
}

fn judge(scan: &mut Scan<'_>, at: u64, using: &Use, origin: &Origin) {
    let does = if using.writes { "writes" } else { "reads" };
    let Use { operator, .. } = using;
    let joined = origin.texts.len() > 1 || origin.given || !origin.arguments.is_empty();
    let away = |text: &&String| leads_away(text) || joined && is_half(text);
    if let Some(text) = origin.texts.iter().find(away) {
        let what = format!(
            "`{operator}` {does} `{}`, which the graph itself names",
            shown(text.as_bytes(), 200)
        );
        scan.find(&rule::TF_OPERATOR, Verdict::Malicious, at, operator, what);
        return;
    }
    if let Some(computed) = &origin.computed {
        let what = format!(
            "`{operator}` {does} a file whose name the graph computes, by `{}`",
            shown(computed.as_bytes(), 100)
        );
        scan.find(&rule::TF_OPERATOR, Verdict::Suspicious, at, operator, what);
        return;
    }
    let named = origin.texts.iter().any(|text| !text.is_empty());
    if named && !origin.given && origin.arguments.is_empty() {
        let what = format!("`{operator}` {does} a file that nobody who runs the graph names");
        scan.find(&rule::TF_OPERATOR, Verdict::Suspicious, at, operator, what);
    }
}

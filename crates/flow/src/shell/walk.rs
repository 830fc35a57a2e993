//! From the syntax tree to steps.

use std::collections::BTreeSet;

use super::{
    DEPTH, Unclear, Workspace, is_secret,
    place::Places,
    syntax::{Command, Part, Redirect, RedirectKind, Script, Simple, Word},
    wrap,
};
use crate::{Effect, Role, step::Step};

/// Most steps of one line; with more, it is not read further and asks.
const STEPS: usize = 128;

/// What this command line would do. Never empty; what nobody can say is a step that asks.
#[must_use]
pub fn steps(line: &str, workspace: &Workspace) -> Vec<Step> {
    let mut walk = Walk {
        workspace,
        places: workspace.places(),
        depth: 0,
        steps: Vec::new(),
        unclear: BTreeSet::new(),
        computed: false,
        evaluates: false,
    };
    match super::parse(line) {
        Ok(script) => walk.script(&script),
        Err(why) => walk.unclear(why),
    }
    walk.finish(line)
}

/// What has been seen so far.
pub(super) struct Walk<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) places: Places,
    pub(super) depth: usize,
    steps: Vec<Step>,
    unclear: BTreeSet<Unclear>,
    /// A variable takes a value that is only known when it runs.
    pub(super) computed: bool,
    /// Something evaluates the text of variables: arithmetic does, and runs what stands in an index.
    evaluates: bool,
}

impl Walk<'_> {
    fn finish(mut self, line: &str) -> Vec<Step> {
        if self.computed && self.evaluates {
            self.unclear.insert(Unclear::Code);
        }
        if self.steps.len() > STEPS {
            self.steps.truncate(STEPS);
            self.unclear.insert(Unclear::Bound);
        }
        let unclear = self.unclear.iter().map(|why| Step::unclear(why.as_str(), line));
        self.steps.extend(unclear);
        if self.steps.is_empty() {
            // Nothing but what nobody sees: assignments, tests, a change of folder.
            self.steps.push(Step::new("read", Effect::Read, &[]).within(true));
        }
        self.steps
    }

    pub(super) fn unclear(&mut self, why: Unclear) {
        self.unclear.insert(why);
    }

    pub(super) fn step(&mut self, step: Step) {
        if self.steps.len() <= STEPS && !self.steps.contains(&step) {
            self.steps.push(step);
        }
    }

    pub(super) fn script(&mut self, script: &Script) {
        for pipeline in &script.pipelines {
            for command in &pipeline.commands {
                match command {
                    Command::Simple(simple) => self.simple(simple),
                    Command::Compound {
                        parts,
                        words,
                        redirects,
                    } => {
                        self.words(words);
                        if words.iter().any(|word| word.value().is_none()) {
                            // What a loop goes through, and what a test compares.
                            self.computed = true;
                            self.evaluates |= parts.is_empty();
                        }
                        redirects.iter().for_each(|redirect| self.redirect(redirect));
                        parts.iter().for_each(|part| self.script(part));
                    }
                }
            }
        }
    }

    fn simple(&mut self, simple: &Simple) {
        for (name, value) in &simple.assignments {
            self.assignment(name, value);
        }
        self.words(&simple.words);
        for redirect in &simple.redirects {
            self.redirect(redirect);
        }
        if !simple.words.is_empty() {
            self.command(&simple.words);
        }
    }

    /// A program with its arguments, looked at through whatever wraps it.
    pub(super) fn command(&mut self, words: &[Word]) {
        if self.depth >= DEPTH {
            self.unclear(Unclear::Bound);
            return;
        }
        self.depth += 1;
        wrap::command(self, words);
        self.depth -= 1;
    }

    /// `NAME=value`. Names that are known to change nothing pass; so do names in small letters, which programs do not
    /// read but for a few.
    pub(super) fn assignment(&mut self, name: &str, value: &Word) {
        const HARMLESS: [&str; 18] = [
            "LANG",
            "LANGUAGE",
            "TZ",
            "TERM",
            "NO_COLOR",
            "FORCE_COLOR",
            "CLICOLOR",
            "CLICOLOR_FORCE",
            "CI",
            "COLUMNS",
            "LINES",
            "RUST_BACKTRACE",
            "RUST_LOG",
            "NODE_ENV",
            "PYTHONUNBUFFERED",
            "PYTHONDONTWRITEBYTECODE",
            "CARGO_TERM_COLOR",
            "DEBIAN_FRONTEND",
        ];
        self.words(std::slice::from_ref(value));
        self.computed |= value.parts.iter().any(|part| {
            matches!(
                part,
                Part::Variable(_) | Part::Command(_) | Part::Process(_) | Part::Glob(_)
            )
        });
        let small = name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && !name.ends_with("path")
            && !name.ends_with("proxy");
        if !(small || HARMLESS.contains(&name) || name.starts_with("LC_")) {
            self.unclear(Unclear::Environment);
        }
    }

    /// What substitutions in words run.
    fn words(&mut self, words: &[Word]) {
        for part in words.iter().flat_map(|word| &word.parts) {
            match part {
                Part::Command(script) | Part::Process(script) => self.script(script),
                Part::Unknown => self.evaluates = true,
                _ => {}
            }
        }
    }

    fn redirect(&mut self, redirect: &Redirect) {
        self.words(std::slice::from_ref(&redirect.target));
        match redirect.kind {
            RedirectKind::Read => self.read(&redirect.target),
            RedirectKind::Write => self.write(&redirect.target),
            RedirectKind::Both => {
                self.read(&redirect.target);
                self.write(&redirect.target);
            }
            RedirectKind::Duplicate | RedirectKind::Text => {}
        }
    }

    /// A path that is read.
    pub(super) fn read(&mut self, word: &Word) {
        let shown = word.shown();
        if self.device(&shown) || shown == "-" || matches!(word.parts.as_slice(), [Part::Process(_)]) {
            return;
        }
        let secret = is_secret(&shown) || !word.globs_only();
        self.step(Step::new("read", Effect::Read, &[("path", Role::Selector, &[shown])]).secret(secret));
    }

    /// A path that is written.
    pub(super) fn write(&mut self, word: &Word) {
        let shown = word.shown();
        if self.device(&shown) || shown == "-" || matches!(word.parts.as_slice(), [Part::Process(_)]) {
            return;
        }
        let within = word.value().is_some_and(|path| self.places.within(&path));
        self.step(Step::new("write", Effect::Write, &[("path", Role::Target, &[shown])]).within(within));
    }

    /// A path that is deleted, or whose changes are thrown away.
    pub(super) fn delete(&mut self, word: &Word) {
        self.step(Step::new(
            "delete",
            Effect::Delete,
            &[("path", Role::Selector, &[word.shown()])],
        ));
    }

    /// Files that are no files. The shell itself opens connections for names under `/dev/tcp`.
    fn device(&mut self, path: &str) -> bool {
        for net in ["/dev/tcp/", "/dev/udp/"] {
            if let Some(host) = path.strip_prefix(net) {
                self.send(&[host.replace('/', ":")], &[]);
                return true;
            }
        }
        matches!(
            path,
            "/dev/null"
                | "/dev/stdin"
                | "/dev/stdout"
                | "/dev/stderr"
                | "/dev/tty"
                | "/dev/zero"
                | "/dev/urandom"
        )
    }

    pub(super) fn fetch(&mut self, address: String) {
        if let Some(path) = address
            .get(..5)
            .filter(|scheme| scheme.eq_ignore_ascii_case("file:"))
            .and_then(|_| address.get(5..))
        {
            self.read(&Word::text(&path.replacen("//", "", 1)));
            return;
        }
        self.step(Step::new(
            "fetch",
            Effect::Fetch,
            &[("url", Role::Target, &[address])],
        ));
    }

    pub(super) fn send(&mut self, addresses: &[String], content: &[String]) {
        self.step(Step::new(
            "send",
            Effect::Send,
            &[
                ("to", Role::Target, addresses),
                ("content", Role::Content, content),
            ],
        ));
    }

    /// A program that runs: one that the operator listed stays within, and otherwise its name has to be vouched for.
    pub(super) fn run(&mut self, program: &str, operands: &[String], known: bool) {
        let foreign = operands
            .iter()
            .any(|text| text.contains("://") || text.contains('@'));
        let listed = !foreign
            && self.workspace.may_run.iter().any(|may| {
                may == program
                    || program
                        .strip_prefix(may.as_str())
                        .is_some_and(|rest| rest.starts_with(' '))
            });
        let role = if known { Role::Value } else { Role::Unknown };
        self.step(
            Step::new(
                "run",
                Effect::Execute,
                &[
                    ("program", Role::Target, &[program.to_owned()]),
                    ("arguments", role, operands),
                ],
            )
            .within(listed),
        );
    }

    pub(super) fn install(&mut self, packages: &[String]) {
        self.step(Step::new(
            "install",
            Effect::Execute,
            &[("package", Role::Target, packages)],
        ));
    }

    /// The workspace's own version control changes.
    pub(super) fn local(&mut self, what: &str) {
        let within = self.places.within("x");
        self.step(
            Step::new(
                "write",
                Effect::Write,
                &[("repository", Role::Value, &[what.to_owned()])],
            )
            .within(within),
        );
    }

    /// A question to a service that the program knows.
    pub(super) fn ask(&mut self, words: &[String]) {
        self.step(Step::new(
            "fetch",
            Effect::Fetch,
            &[("query", Role::Unknown, words)],
        ));
    }

    /// A text that is itself a command line: `sh -c` and its like.
    pub(super) fn line(&mut self, text: &str) {
        match super::parse(text) {
            Ok(script) if self.depth < DEPTH => {
                self.depth += 1;
                self.script(&script);
                self.depth -= 1;
            }
            Ok(_) => self.unclear(Unclear::Bound),
            Err(why) => self.unclear(why),
        }
    }
}

//! What a session has read, kept so that a later argument can be traced to where its value came from.
//!
//! A result vouches for whole leaves and never for fragments; free text vouches for nothing and so is not kept at all,
//! only its taint is. Bounded: [`Memory::bytes`] stays under a floor plus the bytes read, and the oldest facts go first.
//! INVARIANT: forgetting only tightens, and nothing that an outsider can write becomes a fact better than
//! [`Source::Structured`].

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use bartizan_types::flow::{Effect, Role, Source};
use serde_json::Value;

use crate::{
    amount::Amount,
    assess::Assessment,
    canon::{self, Canonical, Kind},
    codes::Codes,
    extremes::Extremes,
    label::{self, Capacity, Label, Readers, Writers},
    leaves::{Leaf, Leaves, MANY},
    mailbox,
    manifest::{Class, Manifest},
    named::Named,
    people::{self, People, Reading},
    pointed::{Pointed, Pointing},
    prompt::{self, Prompt},
    singled::{Hers, Singled},
    when::{self, When},
};

/// What a tool answered.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// Structured content.
    Json(&'a Value),
    /// Text, or whatever could not be parsed: one leaf.
    Text(&'a str),
    /// A failure, whose text repeats arguments and whatever the service pleases.
    Error(&'a str),
}

/// A value's best source, and what is known with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its best source.
    pub source: Source,
    /// Writers of the best match, readers of all matches.
    pub label: Label,
    /// The trusted spelling, where the argument's bytes differ from it.
    pub spelling: Option<String>,
}

#[derive(Debug, Clone)]
struct Fact {
    source: Source,
    readers: Arc<Readers>,
    spelling: Option<Box<str>>,
}

/// Facts kept for any session, before text read earns more, in bytes.
const FLOOR: usize = 128 << 10;
/// What a fact costs beside its texts: map slot, queue slot, allocator.
const OVERHEAD: usize = 192;
const NUMBERS: usize = 256;

/// One session's memory.
#[derive(Debug, Clone)]
pub struct Memory {
    pub(crate) prompt: Prompt,
    facts: BTreeMap<Box<str>, Fact>,
    order: VecDeque<Box<str>>,
    pub(crate) days: BTreeSet<(u16, u8, u8)>,
    pub(crate) minutes: BTreeSet<u16>,
    pub(crate) today: BTreeSet<(u16, u8, u8)>,
    /// Offsets from UTC that trusted results have.
    pub(crate) zones: BTreeSet<i16>,
    pub(crate) spans: BTreeSet<u32>,
    pub(crate) numbers: VecDeque<Amount>,
    extremes: Extremes,
    pub(crate) named: Named,
    pub(crate) pointed: Pointed,
    pub(crate) singled: Singled,
    pub(crate) people: People,
    /// Something was looked for by nobody's wish but hers.
    looked: bool,
    /// What the model called things before it read anything of outsiders'.
    early: BTreeSet<Box<str>>,
    tenants: BTreeSet<Box<str>>,
    readers: Readers,
    writers: Writers,
    secret: bool,
    tainted: bool,
    epoch: u64,
    read: usize,
    bytes: usize,
    owner: Option<Box<str>>,
    /// A trusted result told what its records' ids are.
    pub(crate) ids: bool,
    /// A directory told whom there is.
    pub(crate) names: bool,
    pub(crate) codes: Codes,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            prompt: Prompt::default(),
            facts: BTreeMap::new(),
            order: VecDeque::new(),
            days: BTreeSet::new(),
            minutes: BTreeSet::new(),
            today: BTreeSet::new(),
            zones: BTreeSet::new(),
            spans: BTreeSet::new(),
            numbers: VecDeque::new(),
            extremes: Extremes::default(),
            named: Named::default(),
            pointed: Pointed::default(),
            singled: Singled::default(),
            people: People::default(),
            looked: false,
            early: BTreeSet::new(),
            tenants: BTreeSet::new(),
            readers: Readers::Everyone,
            writers: Writers::USER,
            secret: false,
            tainted: false,
            epoch: 0,
            read: 0,
            bytes: 0,
            owner: None,
            ids: false,
            names: false,
            codes: Codes::default(),
        }
    }
}

impl Memory {
    /// An empty memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The operator's own domain: any address in it is the organisation's. At most 64.
    pub fn tenant(&mut self, domain: &str) {
        if let (Some(host), true) = (canon::host(&domain.to_lowercase()), self.tenants.len() < 64) {
            self.tenants.insert(host.into());
        }
    }

    /// The address of the authenticated human, who may read what she reads.
    pub fn owner(&mut self, address: &str) {
        self.owner = canon::canonical(address).ok().map(|value| value.key);
    }

    /// Text that the authenticated human typed.
    pub fn prompt(&mut self, text: &str) {
        self.prompt.add(text);
    }

    /// Whoever keeps this memory can't tell what its reads look for: anything that is read may be what the human means,
    /// so she is asked where she would be spared.
    pub const fn anywhere(&mut self) {
        self.pointed.anywhere();
    }

    /// What time the shell says it is, as a date, for `today` and `tomorrow`.
    pub fn date(&mut self, iso: &str) {
        if let Some(When {
            year: Some(year),
            day: Some((month, day)),
            ..
        }) = when::parse(iso)
        {
            self.today.insert((year, month, day));
        }
    }

    /// What a session that begins beside this one takes over: its taint, and nothing that vouches.
    #[must_use]
    pub fn shadow(&self) -> Self {
        let mut shadow = Self::new();
        shadow.inherit(self);
        shadow
    }

    /// A new session of an identity that has read something already: it begins with the taint of what was read, and
    /// with none of what was vouched for. A fresh handle sheds nothing.
    pub fn inherit(&mut self, earlier: &Self) {
        let before = self.strictness();
        self.writers = self.writers.join(earlier.writers);
        self.readers = self.readers.join(&earlier.readers);
        self.tainted |= earlier.tainted;
        self.secret |= earlier.secret;
        self.people.inherit(&earlier.people);
        self.epoch = self.epoch.saturating_add(u64::from(before != self.strictness()));
    }

    /// The gateway found a secret in what was read (see `inspect`).
    pub fn hold_secret(&mut self) {
        self.epoch = self.epoch.saturating_add(u64::from(!self.secret));
        self.secret = true;
    }

    /// Counts the reads that tightened this session.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }
    /// Something an outsider could have written was read.
    #[must_use]
    pub const fn tainted(&self) -> bool {
        self.tainted
    }
    /// A secret was read.
    #[must_use]
    pub const fn secret(&self) -> bool {
        self.secret
    }
    /// The label of whatever the model makes up now: the join of all it has read.
    #[must_use]
    pub fn context(&self) -> Label {
        Label {
            writers: self.writers,
            readers: self.readers.clone(),
            capacity: Capacity::FreeText,
        }
    }
    /// Bytes this memory accounts for.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let kept = self.named.bytes() + self.pointed.bytes() + self.singled.bytes() + self.people.bytes();
        self.bytes + kept + self.prompt.raw.len() * 2
    }
    /// Bytes read so far.
    #[must_use]
    pub const fn read(&self) -> usize {
        self.read
    }

    /// A call was not let through. Once outsiders' text was read, one that nobody lets through is somebody else's wish more
    /// often than hers, and who had it may have more: what she leaves open is open no longer.
    pub fn refused(&mut self, call: &Assessment) {
        let before = self.strictness();
        if call.tainted && call.effect != Effect::Read {
            self.people.stray();
        }
        self.epoch = self.epoch.saturating_add(u64::from(before != self.strictness()));
    }

    /// Takes in a result. `call` is what was assessed before the call went out: what a result echoes is no better than
    /// the argument it echoes.
    pub fn result(&mut self, manifest: &Manifest, call: Option<&Assessment>, content: Content<'_>) {
        let before = self.strictness();
        self.take_in(manifest, call, content);
        self.epoch = self.epoch.saturating_add(u64::from(before != self.strictness()));
    }

    /// All that can make a later ruling stricter than an earlier one: who wrote, who may read, whether a secret was
    /// read, and which records are picked no longer. New facts only vouch for more.
    fn strictness(&self) -> (bool, bool, Writers, Readers, usize) {
        let withdrawn = self.extremes.withdrawn() + self.singled.withdrawn() + self.people.withdrawn();
        (
            self.tainted,
            self.secret,
            self.writers,
            self.readers.clone(),
            withdrawn + self.named.withdrawn() + self.codes.spent(),
        )
    }

    fn take_in(&mut self, manifest: &Manifest, call: Option<&Assessment>, content: Content<'_>) {
        let echoes: BTreeMap<&str, Source> = call.map(Assessment::echoes).unwrap_or_default();
        let mut leaves = Leaves {
            out: Vec::new(),
            whole: true,
        };
        match content {
            Content::Json(value) => leaves.walk(value, &mut Vec::new()),
            Content::Text(text) => leaves.out.push((Vec::new(), Leaf::Text(text))),
            Content::Error(text) => {
                self.read = self.read.saturating_add(text.len());
                self.taint(Writers::UNKNOWN);
                return;
            }
        }
        let readers = if manifest.public && manifest.reviewed {
            Readers::Everyone
        } else {
            Readers::only(self.owner.clone())
        };
        let readers = Arc::new(readers);
        // The human named the place that this was read from.
        let looked_for = call.is_some_and(|call| {
            let at = call.worst(Role::Selector).max(call.worst(Role::Target));
            at == Source::Prompt
        });
        self.point(manifest, call, &leaves);
        // Where the organisation lists somebody whom she names, that was looked for.
        let named = manifest.reviewed && people::lists_hers(manifest, &leaves, self.prompt.wording.all());
        if call.is_none_or(|call| call.strays && !named) {
            self.people.stray();
        }
        let mut record: BTreeMap<Vec<&str>, Vec<When>> = BTreeMap::new();
        if !leaves.whole {
            self.taint(Writers::UNKNOWN);
        }
        for (path, leaf) in &leaves.out {
            let class = manifest.class(path);
            let held;
            let text = match leaf {
                Leaf::Text(text) => *text,
                Leaf::Number(number) => {
                    held = number.clone();
                    held.as_str()
                }
            };
            self.read = self.read.saturating_add(text.len());
            self.links(manifest, class, path, text, looked_for);
            // Whoever may pick a name may say something with it.
            if class == Class::Directory && !label::name(text) {
                self.taint(Writers::UNKNOWN);
            }
            if let Some(when) = self.leaf(class, path, text, &echoes, &readers) {
                let parent = path.split_last().map_or(Vec::new(), |(_, rest)| rest.to_vec());
                record.entry(parent).or_default().push(when);
            }
        }
        self.settle(manifest, call, content);
        if let Content::Json(value) = content {
            self.extremes.read(manifest, value);
        }
        for whens in record.into_values() {
            self.span(&whens);
        }
        self.readers = self.readers.join(&readers);
        self.shrink();
    }

    /// Keeps links that a search of the web found, or that a member of the directory wrote where the human said to look.
    fn links(&mut self, manifest: &Manifest, class: Class, path: &[&str], text: &str, looked_for: bool) {
        let link = matches!(path.last(), Some(&("url" | "link" | "href" | "uri")));
        if link && manifest.searches && manifest.reviewed && class == Class::Structured {
            self.named.finds(text);
        }
        if class == Class::Member && looked_for {
            self.named.links(text);
        }
    }

    /// What the records of an answer stand for, and what the call that it answers used up or waits for.
    fn settle(&mut self, manifest: &Manifest, call: Option<&Assessment>, content: Content<'_>) {
        if let Content::Json(value) = content {
            self.named.read(&self.prompt, manifest, value);
            if manifest.reviewed && call.is_some_and(|call| call.looks_for_her_words(&self.prompt)) {
                self.named.answer(manifest, value);
            }
            self.codes.read(manifest, value);
            self.meet(manifest, call, value);
        }
        let Some(call) = call else { return };
        call.visits().for_each(|link| self.named.visit(link));
        for key in call.early() {
            if self.early.len() < NUMBERS && self.early.insert(key.into()) {
                self.bytes += 64 + key.len();
            }
        }
        for code in call.codes() {
            self.codes.spend(code);
        }
        if manifest.reviewed {
            self.codes.wait(&manifest.codes_from);
        }
    }

    /// Which records her words single out, and whom.
    fn meet(&mut self, manifest: &Manifest, call: Option<&Assessment>, value: &Value) {
        let Some(call) = call.filter(|call| manifest.reviewed && !call.effect.consequential()) else {
            return;
        };
        self.looked |= call.hers;
        let hers = Hers {
            looked: call.hers,
            near: call.near,
            strayed: call.strays,
            prompt: &self.prompt,
            today: &self.today,
        };
        self.singled.read(hers, manifest, value);
        let reading = Reading {
            manifest,
            said: self.prompt.wording.all(),
            owner: self.owner.as_deref(),
            tenants: &self.tenants,
            hers: call.hers,
        };
        self.people.read(reading, value);
        for key in call.by_ids().filter(|_| !call.strays) {
            self.people.chain(manifest, key, value);
        }
    }

    /// Keeps what stands in text that the human's words point at.
    fn point(&mut self, manifest: &Manifest, call: Option<&Assessment>, leaves: &Leaves<'_>) {
        // What was looked for is not known where the call is not.
        let pointing = call.map_or(Pointing::Place, |call| call.pointing);
        self.pointed.begin(pointing);
        // What is looked for by its kind alone tells addresses in its fields, where it has any.
        let told = match pointing {
            Pointing::Away => return,
            Pointing::Kind => shapes(manifest, leaves),
            Pointing::Place => BTreeSet::new(),
        };
        for (path, leaf) in &leaves.out {
            let theirs = matches!(
                manifest.class(path),
                Class::Member | Class::FreeText | Class::Secret
            );
            if let (true, Leaf::Text(text)) = (theirs, leaf) {
                self.pointed.text(text, &told);
                // `{"ann@x.example": "may read"}`: what a map is keyed by is said as well.
                if let Some(key) = path.last() {
                    self.pointed.text(key, &told);
                }
            }
        }
    }

    /// Takes in one leaf; inside is the moment it names, if a trusted writer wrote it.
    fn leaf(
        &mut self,
        class: Class,
        path: &[&str],
        text: &str,
        echoes: &BTreeMap<&str, Source>,
        readers: &Arc<Readers>,
    ) -> Option<When> {
        let (source, writers) = match class {
            Class::Trusted => (Source::Trusted, Writers::OPERATOR),
            Class::Directory => (Source::Directory, Writers::DIRECTORY),
            Class::Structured | Class::Sender => {
                self.fact(text, Source::Structured, echoes, readers);
                for part in mailbox::all(path, text) {
                    self.fact(part, Source::Structured, echoes, readers);
                }
                self.taint(Writers::PARTY);
                return None;
            }
            Class::Member | Class::FreeText | Class::Secret => {
                self.secret |= class == Class::Secret;
                self.taint(Writers::UNKNOWN);
                return None;
            }
        };
        self.vouch(path, text, source, echoes, readers);
        self.names |= class == Class::Directory;
        self.ids |= class == Class::Trusted
            && path
                .last()
                .is_some_and(|key| matches!(*key, "id" | "id_" | "uuid") || key.ends_with("_id"));
        // What a trusted answer is keyed by, such as a name, is the service's own word too.
        if let Some(key) = path
            .last()
            .filter(|key| !key.starts_with(|c: char| c.is_ascii_digit()))
        {
            self.fact(key, source, echoes, readers);
        }
        self.writers = self.writers.join(writers);
        match canon::canonical(text).ok()?.kind {
            Kind::When(when) if !path.contains(&MANY) => {
                // A clock was read, and nobody told it this day. A date in some record is not today's.
                let day = text.get(..10).unwrap_or_default();
                if class == Class::Trusted
                    && matches!(path, [key] if when::TODAY.contains(key))
                    && !echoes.keys().any(|echo| echo.contains(day))
                {
                    self.date(day);
                }
                Some(when)
            }
            _ => None,
        }
    }

    fn taint(&mut self, writers: Writers) {
        self.tainted = true;
        self.writers = self.writers.join(writers);
    }

    /// The human asked for the most or least of something, and this id is the record that is.
    pub(crate) fn picked(&self, key: &str) -> bool {
        self.extremes.picked(&self.prompt, key)
    }

    /// The human says which by the most or least of something and by nothing else, and lists tell which one that is.
    pub(crate) fn picks(&self) -> bool {
        self.named.none() && self.extremes.picks(&self.prompt)
    }

    pub(crate) const fn extremes(&self) -> &Extremes {
        &self.extremes
    }

    /// Something was read that she wanted looked up, or a place that she names.
    pub(crate) const fn looked(&self) -> bool {
        self.looked || self.pointed.reached()
    }

    /// This was said by the model before it read anything of outsiders': it stands in nothing that they wrote.
    pub(crate) fn early(&self, key: &str) -> bool {
        self.early.contains(key)
    }

    /// The organisation's own domains.
    pub(crate) const fn tenants(&self) -> &BTreeSet<Box<str>> {
        &self.tenants
    }

    /// How long a trusted record lasts, so that moving it can keep its length.
    fn span(&mut self, whens: &[When]) {
        if let [a, b] = whens
            && let (Some(from), Some(to)) = (when::moment(a), when::moment(b))
            && let Ok(span) = u32::try_from((to - from).abs())
            && span > 0
            && span <= 14 * 1440
            && self.spans.len() < NUMBERS
        {
            self.spans.insert(span);
        }
    }

    /// A leaf that one trusted writer wrote whole: its lines, and what a line names after a colon, are theirs as well.
    fn vouch(
        &mut self,
        path: &[&str],
        text: &str,
        source: Source,
        echoes: &BTreeMap<&str, Source>,
        readers: &Arc<Readers>,
    ) {
        self.fact(text, source, echoes, readers);
        for part in mailbox::all(path, text) {
            self.fact(part, source, echoes, readers);
        }
        if !text.contains(['\n', ':', ',']) || text.len() > 16 << 10 {
            return;
        }
        for line in text.lines().take(512) {
            self.fact(line.trim(), source, echoes, readers);
            for part in line.split([',', ';']).take(64) {
                self.fact(part.trim(), source, echoes, readers);
                if let Some((_, value)) = part.split_once(": ") {
                    self.fact(value.trim(), source, echoes, readers);
                }
            }
        }
    }

    fn fact(&mut self, text: &str, source: Source, echoes: &BTreeMap<&str, Source>, readers: &Arc<Readers>) {
        let Ok(value) = canon::canonical(text) else { return };
        let source = echoes
            .get(value.key.as_ref())
            .map_or(source, |echoed| source.max(*echoed));
        if source > Source::Structured {
            return;
        }
        if source.vouched() {
            match &value.kind {
                Kind::When(when) => self.when(when),
                Kind::Number => self.number(&value.key),
                _ => {}
            }
        }
        // As it stands, spaces around it included: what goes out is what the service knows.
        let spelling: Option<Box<str>> = (value.key.get(2..) != Some(text)).then(|| text.into());
        let cost = OVERHEAD + 2 * value.key.len() + spelling.as_ref().map_or(0, |s| s.len());
        if let Some(known) = self.facts.get_mut(&value.key) {
            if known.readers != *readers {
                known.readers = Arc::new(known.readers.join(readers));
            }
            if source < known.source {
                known.source = source;
                known.spelling = spelling;
            }
            return;
        }
        self.bytes += cost;
        self.order.push_back(value.key.clone());
        self.facts.insert(
            value.key,
            Fact {
                source,
                readers: readers.clone(),
                spelling,
            },
        );
        if self.bytes > self.allowed() + FLOOR {
            self.shrink();
        }
    }

    fn when(&mut self, when: &When) {
        if let (Some(year), Some((month, day)), true) = (when.year, when.day, self.days.len() < 4096) {
            self.days.insert((year, month, day));
        }
        self.minutes.extend(when.minute);
        if self.zones.len() < 64 {
            self.zones.extend(when.zone);
        }
    }

    fn number(&mut self, key: &str) {
        if let Some(number) = key.get(2..).and_then(Amount::parse)
            && !self.numbers.contains(&number)
        {
            if self.numbers.len() >= NUMBERS {
                self.numbers.pop_front();
            }
            self.numbers.push_back(number);
        }
    }

    fn allowed(&self) -> usize {
        FLOOR + self.read
    }

    fn shrink(&mut self) {
        while self.bytes > self.allowed() {
            let Some(key) = self.order.pop_front() else { break };
            if let Some(fact) = self.facts.remove(&key) {
                let cost = OVERHEAD + 2 * key.len() + fact.spelling.map_or(0, |s| s.len());
                self.bytes = self.bytes.saturating_sub(cost);
            }
        }
    }

    /// The best source of one whole value (tiers 0 to 2).
    #[must_use]
    pub fn find(&self, text: &str) -> Found {
        self.find_as(text, canon::canonical(text).ok().as_ref(), false)
    }

    /// The same of a text whose canonical form is known. `id`: it says which thing is meant, which the number of a
    /// list's point in the prompt does not.
    pub(crate) fn find_as(&self, text: &str, value: Option<&Canonical>, id: bool) -> Found {
        let prompt = !(id && value.is_some_and(|value| self.prompt.only_lists(&value.key)));
        if text.trim().is_empty() {
            return Found {
                source: Source::Empty,
                label: Label::prompt(),
                spelling: None,
            };
        }
        let Some(value) = value else {
            return self.made_up();
        };
        let fact = self.facts.get(value.key.as_ref());
        let readers = fact.map_or(Readers::Everyone, |fact| Readers::clone(&fact.readers));
        let capacity = label::capacity(&value.kind, text);
        let label = |writers| Label {
            writers,
            readers: readers.clone(),
            capacity,
        };
        if let (true, Some(spelling)) = (prompt, self.typed(value, text)) {
            return Found {
                source: Source::Prompt,
                label: label(Writers::USER),
                spelling,
            };
        }
        if let Some(fact) = fact.filter(|fact| fact.source.vouched()) {
            let writers = if fact.source == Source::Directory {
                Writers::DIRECTORY
            } else {
                Writers::OPERATOR
            };
            let spelling = fact
                .spelling
                .as_deref()
                .or(value.key.get(2..))
                .filter(|known| *known != text);
            return Found {
                source: fact.source,
                label: label(writers),
                spelling: spelling.map(str::to_owned),
            };
        }
        if self.internal(value) {
            return Found {
                source: Source::Directory,
                label: label(Writers::DIRECTORY),
                spelling: None,
            };
        }
        if fact.is_some() {
            return Found {
                source: Source::Structured,
                label: label(Writers::PARTY),
                spelling: None,
            };
        }
        self.made_up()
    }

    /// Values that somebody vouches for, as they are spelled or canonical, the newest first.
    pub(crate) fn vouched(&self) -> impl Iterator<Item = (&str, Source)> {
        let known = self.order.iter().rev();
        let facts = known.filter_map(|key| self.facts.get_key_value(key));
        facts
            .filter(|(_, fact)| fact.source.vouched())
            .filter_map(|(key, fact)| Some((fact.spelling.as_deref().or(key.get(2..))?, fact.source)))
    }

    /// An address within one of the organisation's own domains.
    fn internal(&self, value: &Canonical) -> bool {
        value.kind == Kind::Email
            && value
                .key
                .rsplit_once('@')
                .is_some_and(|(_, host)| self.tenants.contains(host))
    }

    /// In the prompt as a typed value or as whole words of at least three characters. Inside is the spelling to
    /// forward, where it differs.
    #[expect(
        clippy::option_option,
        reason = "found, and whether its bytes differ, are two questions"
    )]
    fn typed(&self, value: &Canonical, text: &str) -> Option<Option<String>> {
        if let Some(spelling) = self.prompt.typed_value(&value.key) {
            let same = spelling == text || value.kind == Kind::Number;
            return Some((!same).then(|| spelling.to_owned()));
        }
        if value.kind != Kind::Text {
            return None;
        }
        let folded = value.key.get(2..)?;
        let long = folded.chars().count() >= 3 && !folded.bytes().all(|b| b.is_ascii_digit());
        // Two capitals are a code, as of a country, and no word; so is a capital with a digit, as of a priority.
        let code = text.len() == 2
            && text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.ends_with(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit());
        let code = code && self.prompt.holds_raw(text);
        if !(long && self.prompt.holds(folded) || code || self.prompt.is_id(folded)) {
            return None;
        }
        if self.prompt.holds_raw(text) {
            return Some(None);
        }
        Some(prompt::spelling_of(&self.prompt.raw, folded).filter(|known| known != text))
    }

    /// Nothing vouches for it: it has the label of all that was read.
    pub(crate) fn made_up(&self) -> Found {
        let source = if self.tainted {
            Source::FreeText
        } else {
            Source::Nowhere
        };
        let mut label = self.context();
        label.writers = label.writers.join(Writers::UNKNOWN);
        Found {
            source,
            label,
            spelling: None,
        }
    }

    /// The authenticated human's own address, as a key.
    pub(crate) fn own(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// The human's words, as she typed them; what stood apart is set apart by U+0001 on a line of its own.
    #[must_use]
    pub fn typed_words(&self) -> &str {
        &self.prompt.raw
    }

    pub(crate) fn prompt_text(&self) -> &str {
        &self.prompt.folded
    }
}

/// The types of address that outsiders' fields of this answer hold.
fn shapes(manifest: &Manifest, leaves: &Leaves<'_>) -> BTreeSet<u8> {
    let told = leaves.out.iter().filter_map(|(path, leaf)| match leaf {
        Leaf::Text(text) if matches!(manifest.class(path), Class::Structured | Class::Sender) => {
            canon::canonical(text).ok()
        }
        _ => None,
    });
    told.filter_map(|value| prompt::shape(&value.key)).collect()
}

//! The abstract machine: one pass over the opcodes, each in constant time, with values that say just enough.
//!
//! It follows what CPython's unpicklers do, the lenient one where they differ. It never calls, imports or builds
//! anything. Where it can't follow, it stops and says so, and the verdict is not clean.

use super::{
    Context, Ending,
    import::Import,
    memo::Memo,
    opcode as op,
    text::{LONGEST, Texts},
    value::{PAYLOAD, Value},
    watch::Holds,
};
use crate::{
    feed::{Feed, Stop},
    finding::Verdict,
    rule,
    scan::Scan,
};

/// Values on the stack.
const STACK: usize = 1 << 25;
/// Tuples whose elements are remembered; a power of two.
pub(super) const TUPLE_RING: usize = 1 << 10;
/// Elements remembered of a tuple.
pub(super) const ELEMENTS: usize = 9;

/// Why the machine stopped before STOP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Halt {
    /// Reading stopped.
    Read(Stop),
    /// An opcode that no protocol has.
    Opcode(u8),
    /// The stack, the memo or an argument is not what the opcode needs.
    State(&'static str),
    /// More than the machine keeps.
    Limit,
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Self::Read(stop)
    }
}

pub(super) type Step<T = ()> = Result<T, Halt>;

/// One pickle being followed.
pub(super) struct Machine<'m, 'f, 's, 'l> {
    pub(super) feed: &'m mut Feed<'f>,
    pub(super) scan: &'m mut Scan<'l>,
    pub(super) context: &'s Context,
    pub(super) depth: u32,
    pub(super) texts: Texts,
    pub(super) imports: Vec<Import>,
    pub(super) import_of: std::collections::HashMap<String, u32>,
    pub(super) tuples: Vec<(u32, u8, [Value; ELEMENTS])>,
    pub(super) dtypes: Vec<super::joblib::Dtype>,
    /// Containers that hold, at some depth, a numpy type of Python objects.
    pub(super) holds_object: std::collections::HashSet<u32>,
    pub(super) watch: super::watch::Watch,
    pub(super) makers: super::maker::Makers,
    pub(super) asked: super::asked::Asked,
    pub(super) hashed: super::keyed::Keyed,
    pub(super) held: super::held::Held,
    pub(super) wild: super::wild::Wild,
    pub(super) tuple_count: u32,
    /// Bytes whose content was followed as a pickle of its own.
    pub(super) followed: std::collections::HashSet<u32>,
    /// The first number of torch's legacy format was seen.
    pub(super) legacy: bool,
    pub(super) last_int: Option<u64>,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: Memo,
    pub(super) containers: u32,
    pub(super) blobs: u32,
    frame_end: u64,
    lines: [Vec<u8>; 2],
    pub(super) protocol: u8,
    pub(super) at: u64,
}

impl<'m, 'f, 's, 'l> Machine<'m, 'f, 's, 'l> {
    pub(super) fn new(
        feed: &'m mut Feed<'f>,
        scan: &'m mut Scan<'l>,
        context: &'s Context,
        depth: u32,
    ) -> Self {
        Self {
            feed,
            scan,
            context,
            depth,
            texts: Texts::new(),
            imports: Vec::new(),
            import_of: std::collections::HashMap::new(),
            tuples: Vec::new(),
            dtypes: Vec::new(),
            holds_object: std::collections::HashSet::new(),
            watch: super::watch::Watch::default(),
            makers: super::maker::Makers::default(),
            asked: super::asked::Asked::default(),
            hashed: super::keyed::Keyed::default(),
            held: super::held::Held::default(),
            wild: super::wild::Wild::default(),
            tuple_count: 0,
            followed: std::collections::HashSet::new(),
            legacy: false,
            last_int: None,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Memo::default(),
            containers: 0,
            blobs: 0,
            frame_end: u64::MAX,
            lines: [Vec::new(), Vec::new()],
            protocol: 0,
            at: 0,
        }
    }

    /// Follows the stream to STOP or to where it breaks.
    pub(super) fn run(&mut self) -> Ending {
        loop {
            self.at = self.feed.offset();
            let code = match self.feed.byte() {
                Ok(code) => code,
                Err(stop) => return self.ended(Halt::Read(stop), 0),
            };
            if code == op::STOP {
                self.scan.opcodes += 1;
                return match self.pop() {
                    Ok(value) => Ending::Stopped(value),
                    Err(halt) => self.ended(halt, code),
                };
            }
            self.scan.opcodes += 1;
            if self.context.probing && self.scan.probe_spent() {
                return Ending::Limit(self.at);
            }
            if let Err(halt) = self.step(code) {
                return self.ended(halt, code);
            }
            if self.at < self.frame_end && self.feed.offset() > self.frame_end {
                self.straddles();
            }
        }
    }

    fn ended(&mut self, halt: Halt, code: u8) -> Ending {
        match halt {
            Halt::Read(Stop::End) => Ending::Broke(self.at, "the bytes end before STOP".to_owned()),
            Halt::Read(stop) => Ending::Unread(stop),
            Halt::Opcode(code) => Ending::Broke(self.at, format!("no protocol has an opcode {code:#04x}")),
            Halt::State(why) => Ending::Broke(self.at, format!("opcode {code:#04x}: {why}")),
            Halt::Limit => Ending::Limit(self.at),
        }
    }

    /// joblib ends a frame before it writes an array.
    pub(super) fn leave_frame(&mut self) {
        if self.feed.offset() >= self.frame_end {
            self.frame_end = u64::MAX;
        }
    }

    fn straddles(&mut self) {
        self.scan.find(
            &rule::STRADDLE,
            Verdict::Suspicious,
            self.at,
            "frame",
            "the C unpickler reads on where the Python one stops".to_owned(),
        );
        self.frame_end = u64::MAX;
    }

    #[inline]
    pub(super) fn push(&mut self, value: Value) -> Step {
        if self.stack.len() >= STACK {
            return Err(Halt::Limit);
        }
        self.stack.push(value);
        Ok(())
    }

    #[inline]
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Step<Value> {
        if self.stack.len() <= self.floor() {
            return if self.context.probing {
                Ok(Value::DATA)
            } else {
                Err(Halt::State("nothing on the stack"))
            };
        }
        self.stack.pop().ok_or(Halt::State("nothing on the stack"))
    }

    fn top(&self) -> Step<Value> {
        if self.stack.len() <= self.floor() {
            return if self.context.probing {
                Ok(Value::DATA)
            } else {
                Err(Halt::State("nothing on the stack"))
            };
        }
        self.stack
            .last()
            .copied()
            .ok_or(Halt::State("nothing on the stack"))
    }

    /// Where the values since the last mark begin; the mark is gone.
    fn since_mark(&mut self) -> Step<usize> {
        match self.marks.pop() {
            Some(mark) => Ok(mark),
            None if self.context.probing => Ok(0),
            None => Err(Halt::State("no mark")),
        }
    }

    /// A new list, dictionary or set.
    #[inline]
    fn container(&mut self, holds: Holds) -> Step {
        let number = self.numbered(holds);
        self.push(Value::container(number))
    }

    /// Its number, which says what it is and grows; `PAYLOAD`: there were too many to tell.
    #[inline]
    fn numbered(&mut self, holds: Holds) -> u32 {
        let next = (self.containers | 3) + 1;
        self.containers = if next >= PAYLOAD - 3 {
            PAYLOAD
        } else {
            next | holds as u32
        };
        self.containers
    }

    fn step(&mut self, code: u8) -> Step {
        match code {
            op::BINGET => {
                let index = u64::from(self.feed.byte()?);
                self.get(index)
            }
            op::LONG_BINGET => {
                let index = u32::from_le_bytes(self.feed.array()?);
                self.get(u64::from(index))
            }
            op::MEMOIZE => {
                let index = self.memo.count();
                self.put(index)
            }
            op::BINPUT => {
                let index = u64::from(self.feed.byte()?);
                self.put(index)
            }
            op::LONG_BINPUT => {
                let index = u32::from_le_bytes(self.feed.array()?);
                self.put(u64::from(index))
            }
            op::MARK => {
                if self.marks.len() >= STACK {
                    return Err(Halt::Limit);
                }
                self.marks.push(self.stack.len());
                Ok(())
            }
            op::EMPTY_DICT => self.container(Holds::Items),
            op::EMPTY_LIST => self.container(Holds::Elements),
            op::EMPTY_SET => self.container(Holds::Members),
            op::SHORT_BINUNICODE => {
                let length = u64::from(self.feed.byte()?);
                self.unicode(length)
            }
            op::SHORT_BINSTRING => {
                let length = u64::from(self.feed.byte()?);
                self.text(length)
            }
            op::NONE => self.push(Value::NONE),
            op::NEWTRUE | op::NEWFALSE => self.push(Value::NUMBER),
            op::BININT1 => {
                let number = self.feed.byte()?;
                self.push(Value::int(u64::from(number)))
            }
            op::BININT2 => {
                let number = u16::from_le_bytes(self.feed.array()?);
                self.push(Value::int(u64::from(number)))
            }
            op::BININT => {
                let number = i32::from_le_bytes(self.feed.array()?);
                self.push(u64::try_from(number).map_or(Value::NUMBER, Value::int))
            }
            op::BINFLOAT => {
                self.feed.need(8)?;
                self.push(Value::NUMBER)
            }
            op::SETITEMS => self.set_items(),
            op::APPENDS | op::ADDITEMS => {
                let mark = self.since_mark()?;
                let holds = if code == op::APPENDS {
                    Holds::Elements
                } else {
                    Holds::Members
                };
                self.extend(mark, holds)
            }
            op::APPEND => {
                let mark = self.stack.len().saturating_sub(1);
                if mark < self.floor() || self.stack.is_empty() {
                    return self.probed("nothing on the stack");
                }
                self.extend(mark, Holds::Elements)
            }
            op::SETITEM => {
                let mark = self.stack.len().saturating_sub(2);
                if mark < self.floor() || self.stack.len() < 2 {
                    return self.probed("fewer than two values on the stack");
                }
                self.marks.push(mark);
                self.set_items()
            }
            _ => self.step_rarer(code),
        }
    }

    fn probed(&mut self, why: &'static str) -> Step {
        if self.context.probing {
            Ok(())
        } else {
            Err(Halt::State(why))
        }
    }

    fn step_rarer(&mut self, code: u8) -> Step {
        match code {
            op::EMPTY_TUPLE => self.push(Value::EMPTY),
            op::TUPLE1 => self.tuple(1),
            op::TUPLE2 => self.tuple(2),
            op::TUPLE3 => self.tuple(3),
            op::TUPLE => {
                let mark = self.since_mark()?;
                self.tuple_from(mark)
            }
            op::LIST | op::DICT | op::FROZENSET => {
                let mark = self.since_mark()?;
                let holds = match code {
                    op::LIST => Holds::Elements,
                    op::DICT => Holds::Items,
                    _ => Holds::Members,
                };
                let number = self.numbered(holds);
                self.in_container(Some(number), mark, holds);
                self.holds(Value::container(number), mark);
                if code == op::DICT {
                    self.named(mark);
                    self.own_names(Value::container(number), number, mark);
                }
                self.keep_items(number, mark, code == op::DICT);
                self.stack.truncate(mark);
                self.push(Value::container(number))
            }
            op::POP => {
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                    return Ok(());
                }
                self.pop().map(|_| ())
            }
            op::POP_MARK => {
                let mark = self.since_mark()?;
                self.stack.truncate(mark);
                Ok(())
            }
            op::DUP => {
                let value = self.top()?;
                self.push(value)
            }
            op::BINUNICODE => {
                let length = u32::from_le_bytes(self.feed.array()?);
                self.unicode(u64::from(length))
            }
            op::BINSTRING => {
                let length = u32::from_le_bytes(self.feed.array()?);
                self.text(u64::from(length))
            }
            op::BINUNICODE8 => {
                let length = u64::from_le_bytes(self.feed.array()?);
                self.unicode(length)
            }
            op::SHORT_BINBYTES => {
                let length = u64::from(self.feed.byte()?);
                self.blob(length)
            }
            op::BINBYTES => {
                let length = u32::from_le_bytes(self.feed.array()?);
                self.blob(u64::from(length))
            }
            op::BINBYTES8 | op::BYTEARRAY8 => {
                let length = u64::from_le_bytes(self.feed.array()?);
                self.blob(length)
            }
            op::LONG1 => {
                let length = self.feed.byte()?;
                self.long(u64::from(length))
            }
            op::LONG4 => {
                let length = i32::from_le_bytes(self.feed.array()?);
                self.long(u64::try_from(length).map_err(|_| Halt::State("a length below nought"))?)
            }
            op::NEXT_BUFFER => self.push(Value::DATA),
            op::READONLY_BUFFER => self.top().map(|_| ()),
            op::PROTO => {
                self.protocol = self.feed.byte()?;
                if self.protocol > 5 {
                    return Err(Halt::State("a protocol after 5"));
                }
                Ok(())
            }
            op::FRAME => {
                let length = u64::from_le_bytes(self.feed.array()?);
                self.frame_end = self.feed.offset().saturating_add(length);
                Ok(())
            }
            _ => self.step_code(code),
        }
    }

    fn step_code(&mut self, code: u8) -> Step {
        match code {
            op::GLOBAL | op::INST => {
                let (module, name) = self.two_lines()?;
                let value = self.import(&module, &name)?;
                if code == op::GLOBAL {
                    return self.push(value);
                }
                let mark = self.since_mark()?;
                self.tuple_from(mark)?;
                self.instance(value)
            }
            op::STACK_GLOBAL => {
                let name = self.pop()?;
                let module = self.pop()?;
                let value = self.import_values(module, name)?;
                self.push(value)
            }
            op::EXT1 => {
                let number = self.feed.byte()?;
                self.extension(i64::from(number))
            }
            op::EXT2 => {
                let number = u16::from_le_bytes(self.feed.array()?);
                self.extension(i64::from(number))
            }
            op::EXT4 => {
                let number = i32::from_le_bytes(self.feed.array()?);
                self.extension(i64::from(number))
            }
            op::REDUCE => self.calls(super::call::How::Call),
            op::NEWOBJ => self.calls(super::call::How::New),
            op::NEWOBJ_EX => {
                let keywords = self.pop()?;
                self.handed_on(keywords);
                self.calls(super::call::How::NewWith)
            }
            op::OBJ => {
                let mark = self.since_mark()?;
                if self.stack.len() <= mark {
                    return self.probed("no class to make");
                }
                let function = self.stack.remove(mark);
                self.tuple_from(mark)?;
                self.instance(function)
            }
            op::BUILD => {
                let state = self.pop()?;
                let target = self.top()?;
                let changed = self.build(target, state)?;
                if let Some(last) = self.stack.last_mut() {
                    *last = changed;
                }
                Ok(())
            }
            op::PERSID => {
                let mut line = std::mem::take(&mut self.lines[0]);
                self.feed.line(LONGEST, &mut line)?;
                self.lines[0] = line;
                self.persistent(None)
            }
            op::BINPERSID => {
                let id = self.pop()?;
                self.handed_on(id);
                self.persistent(Some(id))
            }
            _ => self.step_line(code),
        }
    }

    /// Opcodes of protocol 0, whose arguments are lines.
    fn step_line(&mut self, code: u8) -> Step {
        if !matches!(
            code,
            op::INT | op::LONG | op::FLOAT | op::STRING | op::UNICODE | op::GET | op::PUT
        ) {
            return Err(Halt::Opcode(code));
        }
        let mut line = std::mem::take(&mut self.lines[0]);
        let length = self.feed.line(8 * LONGEST, &mut line)?;
        let whole = length == line.len() as u64;
        let done = match code {
            op::GET => match super::escape::index(&line, whole) {
                Some(index) => self.get(index),
                None => Err(Halt::State("no index")),
            },
            op::PUT => match super::escape::index(&line, whole) {
                Some(index) => self.put(index),
                None => Err(Halt::State("no index")),
            },
            op::INT | op::LONG => {
                self.note_magic(&line);
                if whole && !super::escape::integer(&line) {
                    self.malformed("a number that is none");
                }
                let number = super::escape::index(line.strip_suffix(b"L").unwrap_or(&line), whole);
                self.last_int = number;
                self.push(number.map_or(Value::NUMBER, Value::int))
            }
            op::FLOAT => {
                if whole && !super::escape::float(&line) {
                    self.malformed("a number that is none");
                }
                self.push(Value::NUMBER)
            }
            op::STRING if whole => match super::escape::string(&line) {
                Some(text) => {
                    let value = self.texts.push(&text);
                    if super::nested::may_hold(&text) {
                        self.look_inside_short(&text);
                    }
                    self.push(value)
                }
                None => Err(Halt::State("a string without its quotes")),
            },
            op::UNICODE if whole => {
                if !super::escape::unescapes(&line) {
                    self.malformed("a text with a broken escape");
                }
                let text = super::escape::unicode(&line);
                if let Some(text) = text.as_deref().filter(|text| super::nested::may_hold(text)) {
                    self.look_inside_short(text);
                }
                let value = match text {
                    Some(text) if super::state::is_template(&text) => Value::TEMPLATE,
                    Some(text) => self.texts.push(&text),
                    None => Value::DATA,
                };
                self.push(value)
            }
            _ => self.push(Value::DATA),
        };
        self.lines[0] = line;
        done
    }

    fn two_lines(&mut self) -> Step<(Vec<u8>, Vec<u8>)> {
        let [mut module, mut name] = std::mem::take(&mut self.lines);
        let first = self.feed.line(4 * LONGEST, &mut module)?;
        let second = self.feed.line(4 * LONGEST, &mut name)?;
        if first > module.len() as u64 || second > name.len() as u64 {
            module.truncate(LONGEST);
            module.extend_from_slice(b"...");
        }
        Ok((module, name))
    }

    fn get(&mut self, index: u64) -> Step {
        match self.memo.get(index) {
            Some(value) => self.push(value),
            None if self.context.probing => self.push(Value::DATA),
            None => Err(Halt::State("no such memo entry")),
        }
    }

    fn put(&mut self, index: u64) -> Step {
        let value = self.top()?;
        if self.memo.put(index, value) {
            Ok(())
        } else {
            Err(Halt::Limit)
        }
    }

    fn tuple(&mut self, count: usize) -> Step {
        let mark = self.stack.len().saturating_sub(count);
        if mark < self.floor() || self.stack.len() < count {
            if self.context.probing {
                return self.push(Value::DATA);
            }
            return Err(Halt::State("too few values on the stack"));
        }
        self.tuple_from(mark)
    }

    pub(super) fn tuple_from(&mut self, mark: usize) -> Step {
        let values = self.stack.get(mark..).unwrap_or_default();
        let count = values.len();
        if count == 0 {
            return self.push(Value::EMPTY);
        }
        let sequence = self.tuple_count;
        self.tuple_count = (self.tuple_count + 1).min(super::value::TUPLES);
        let mut kept = [Value::DATA; ELEMENTS];
        for (slot, value) in kept.iter_mut().zip(values) {
            *slot = *value;
        }
        if values.iter().any(|value| value.is_global()) {
            let lent = usize::from(self.lends(mark));
            self.handed_on_from(mark + lent);
        }
        self.in_tuple(mark, sequence);
        self.tupled(mark, sequence);
        let entry = (sequence, count.min(255) as u8, kept);
        match self.tuples.get_mut(sequence as usize % TUPLE_RING) {
            Some(slot) => *slot = entry,
            None => self.tuples.push(entry),
        }
        self.stack.truncate(mark);
        self.push(Value::tuple(sequence, count))
    }

    /// Values that go into a container or a call: a checked import may not.
    fn handed_on_from(&mut self, mark: usize) {
        for at in mark..self.stack.len() {
            if let Some(value) = self.stack.get(at).copied().filter(|value| value.is_global()) {
                self.handed_on(value);
            }
        }
    }

    /// The values from a place on the stack on.
    pub(super) fn from(&self, mark: usize) -> &[Value] {
        self.stack.get(mark..).unwrap_or_default()
    }

    fn extend(&mut self, mark: usize, holds: Holds) -> Step {
        self.keep_items(PAYLOAD, mark, false);
        let target = match mark.checked_sub(1).and_then(|at| self.stack.get(at)) {
            Some(target) if mark > self.floor() => *target,
            _ => Value::DATA,
        };
        self.in_container(target.number(), mark, holds);
        self.holds(target, mark);
        self.stack.truncate(mark);
        let target = self.top()?;
        self.suits(target, holds);
        self.grown(target);
        self.changes(target)
    }

    fn set_items(&mut self) -> Step {
        let mark = self.since_mark()?;
        let target = match mark.checked_sub(1).and_then(|at| self.stack.get(at)) {
            Some(target) if mark > self.floor() => *target,
            _ if self.context.probing => Value::DATA,
            _ => return Err(Halt::State("no dictionary")),
        };
        let number = target.number().unwrap_or(PAYLOAD);
        self.keyed(target, mark);
        self.named(mark);
        self.in_container(target.number(), mark, Holds::Items);
        self.holds(target, mark);
        self.own_names(target, number, mark);
        self.suits(target, Holds::Items);
        self.keep_items(number, mark, true);
        self.stack.truncate(mark);
        self.changes(target)
    }

    /// Looks at the values from `mark` on, which become items of container `number`.
    fn keep_items(&mut self, number: u32, mark: usize, pairs: bool) {
        self.placed(mark);
        let values = self.stack.get(mark..).unwrap_or_default();
        if values.iter().any(|value| value.is_global()) {
            self.handed_on_from(mark);
        }
        if !self.watch.is_on() {
            return;
        }
        let values = self.stack.get(mark..).unwrap_or_default();
        let objects = values.iter().any(|value| self.has_object(*value));
        if objects {
            self.holds_object.insert(number);
        }
        if pairs {
            let values = self.stack.get(mark..).unwrap_or_default();
            self.watch.put(number, values);
        }
    }

    /// INST and OBJ, whose arguments are on the stack: without any, Python makes the object as NEWOBJ does.
    fn instance(&mut self, class: Value) -> Step {
        let arguments = self.pop()?;
        let how = match arguments {
            Value::EMPTY => super::call::How::Bare,
            _ => super::call::How::Call,
        };
        let made = self.call(class, arguments, how)?;
        self.push(made)
    }

    fn calls(&mut self, how: super::call::How) -> Step {
        let arguments = self.pop()?;
        let function = self.pop()?;
        let made = self.call(function, arguments, how)?;
        self.push(made)
    }
}

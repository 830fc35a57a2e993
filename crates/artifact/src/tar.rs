//! Tar, read forward: NeMo, torch's first format, and packed folders. Links and devices are findings; names that lead out
//! of the folder are.

use crate::{
    feed::{Feed, Stop},
    finding::Verdict,
    format, pickle, rule,
    scan::Scan,
    source::View,
};

const BLOCK: u64 = 512;
/// Bytes of a long name or of a pax header.
const HEADER: u64 = 1 << 20;

/// Whether a block is a tar header.
pub(crate) fn is_header(block: &[u8]) -> bool {
    let Some(block) = block.get(..512) else {
        return false;
    };
    let Some(stored) = octal(block.get(148..156).unwrap_or_default()) else {
        return false;
    };
    let sum = |signed: bool| -> i64 {
        block
            .iter()
            .enumerate()
            .map(|(at, byte)| match at {
                148..156 => 32,
                _ if signed => i64::from(*byte as i8),
                _ => i64::from(*byte),
            })
            .sum()
    };
    let stored = i64::try_from(stored).unwrap_or(-1);
    stored > 256 && (sum(false) == stored || sum(true) == stored)
}

fn octal(field: &[u8]) -> Option<u64> {
    if let [0x80, rest @ ..] = field {
        return rest.iter().try_fold(0_u64, |sum, byte| {
            sum.checked_mul(256)?.checked_add(u64::from(*byte))
        });
    }
    let text: Vec<u8> = field
        .iter()
        .copied()
        .skip_while(|byte| *byte == b' ')
        .take_while(|byte| (b'0'..=b'7').contains(byte))
        .collect();
    if text.is_empty() {
        return field.iter().all(|byte| matches!(byte, 0 | b' ')).then_some(0);
    }
    u64::from_str_radix(std::str::from_utf8(&text).ok()?, 8).ok()
}

#[derive(Default)]
struct Member {
    name: String,
    link: String,
    size: u64,
    kind: u8,
}

/// What GNU and pax headers say about the next member.
#[derive(Default)]
struct Ahead {
    name: Option<String>,
    link: Option<String>,
    size: Option<u64>,
}

/// Looks into a tar. Returns what it is.
pub(crate) fn read(scan: &mut Scan<'_>, feed: &mut Feed<'_>) -> String {
    let mut ahead = Ahead::default();
    let mut names = Vec::new();
    loop {
        let at = feed.offset();
        let block = match feed.need(512).map(<[u8]>::to_vec) {
            Ok(block) => block,
            Err(Stop::End) if feed.peek(1).is_ok_and(<[u8]>::is_empty) => break,
            Err(stop) => {
                scan.stopped(stop, at);
                break;
            }
        };
        if block.iter().all(|byte| *byte == 0) {
            hidden_after_end(scan, feed);
            break;
        }
        if !is_header(&block) {
            scan.find(
                &rule::ARCHIVE_HIDDEN,
                Verdict::Suspicious,
                at,
                "header",
                "a header has a wrong checksum".to_owned(),
            );
            break;
        }
        let member = match header(&block, &mut ahead) {
            Some(member) => member,
            None => {
                scan.stopped(Stop::Corrupt, at);
                break;
            }
        };
        if let Err(stop) = one(scan, feed, member, &mut ahead, &mut names) {
            scan.stopped(stop, at);
            break;
        }
    }
    let has = |end: &str| {
        names
            .iter()
            .any(|name: &String| name == end || name.ends_with(&format!("/{end}")))
    };
    if has("model_config.yaml") {
        "nemo tar"
    } else if has("storages") && has("pickle") {
        "torch tar"
    } else {
        "tar"
    }
    .to_owned()
}

/// After the end only zeros may follow.
fn hidden_after_end(scan: &mut Scan<'_>, feed: &mut Feed<'_>) {
    loop {
        let at = feed.offset();
        let part = feed.peek(crate::feed::BUFFER).unwrap_or_default();
        let count = part.len();
        if count == 0 {
            return;
        }
        if part.iter().any(|byte| *byte != 0) {
            scan.find(
                &rule::ARCHIVE_HIDDEN,
                Verdict::Suspicious,
                at,
                "after the end",
                "bytes follow the end of the archive; some readers go on".to_owned(),
            );
            return;
        }
        if feed.need(count).is_err() {
            return;
        }
    }
}

fn header(block: &[u8], ahead: &mut Ahead) -> Option<Member> {
    let text = |from: usize, to: usize| {
        let field = block.get(from..to).unwrap_or_default();
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
        String::from_utf8_lossy(field.get(..end).unwrap_or_default()).into_owned()
    };
    let kind = *block.get(156)?;
    let mut name = text(0, 100);
    let prefix = text(345, 500);
    if block.get(257..263) == Some(b"ustar\0") && !prefix.is_empty() {
        name = format!("{prefix}/{name}");
    }
    let mut member = Member {
        name,
        link: text(157, 257),
        size: octal(block.get(124..136)?)?,
        kind,
    };
    if !matches!(kind, b'L' | b'K' | b'x' | b'g') {
        let said = std::mem::take(ahead);
        member.name = said.name.unwrap_or(member.name);
        member.link = said.link.unwrap_or(member.link);
        member.size = said.size.unwrap_or(member.size);
    }
    Some(member)
}

fn one(
    scan: &mut Scan<'_>,
    feed: &mut Feed<'_>,
    member: Member,
    ahead: &mut Ahead,
    names: &mut Vec<String>,
) -> Result<(), Stop> {
    let start = feed.offset();
    let data = if matches!(member.kind, b'1'..=b'6') {
        0
    } else {
        member.size
    };
    let end = start.checked_add(data).ok_or(Stop::Corrupt)?;
    let next = end
        .checked_add((BLOCK - data % BLOCK) % BLOCK)
        .ok_or(Stop::Corrupt)?;
    match member.kind {
        b'L' | b'K' | b'x' | b'g' => {
            if data > HEADER {
                return Err(Stop::TooMuch);
            }
            let outer = feed.end_at(end.min(feed.end()));
            let text = feed.rest(HEADER as usize)?;
            feed.end_at(outer);
            note(ahead, member.kind, &text);
        }
        b'0' | 0 | b'7' => {
            name_of(scan, &member.name, start);
            if names.len() < 1000 {
                names.push(member.name.clone());
            }
            contents(scan, feed, &member, end)?;
        }
        b'5' => name_of(scan, &member.name, start),
        b'1' | b'2' => {
            name_of(scan, &member.name, start);
            let out = format::leads_out(&member.link);
            let severity = if out {
                Verdict::Malicious
            } else {
                Verdict::Suspicious
            };
            let what = format!("`{}` is a link to `{}`", member.name, member.link);
            scan.find(&rule::LINK, severity, start, &member.name, what);
        }
        _ => {
            let what = format!("`{}` is no plain file", member.name);
            scan.find(&rule::LINK, Verdict::Suspicious, start, &member.name, what);
        }
    }
    let left = next.saturating_sub(feed.offset());
    match feed.skip(left) {
        // The padding of the last member may be missing.
        Err(Stop::End) if feed.offset() >= end || feed.seekable().is_some_and(|view| view.size() >= end) => {
            let rest = feed.end().saturating_sub(feed.offset());
            feed.skip(rest.min(left))
        }
        other => other,
    }
}

fn note(ahead: &mut Ahead, kind: u8, text: &[u8]) {
    let plain = |text: &[u8]| {
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        String::from_utf8_lossy(text.get(..end).unwrap_or_default()).into_owned()
    };
    match kind {
        b'L' => ahead.name = Some(plain(text)),
        b'K' => ahead.link = Some(plain(text)),
        _ => {
            // Records of the form `LENGTH KEY=VALUE\n`, the length counting the whole record.
            let mut rest = text;
            while let Some(space) = rest.iter().position(|byte| *byte == b' ') {
                let length = rest
                    .get(..space)
                    .and_then(|digits| std::str::from_utf8(digits).ok());
                let Some(length) = length.and_then(|digits| digits.parse::<usize>().ok()) else {
                    return;
                };
                let Some(record) = rest.get(space + 1..length) else {
                    return;
                };
                let record = record.strip_suffix(b"\n").unwrap_or(record);
                let equals = record
                    .iter()
                    .position(|byte| *byte == b'=')
                    .unwrap_or(record.len());
                let value = record.get(equals + 1..).unwrap_or_default();
                match record.get(..equals) {
                    Some(b"path") => ahead.name = Some(plain(value)),
                    Some(b"linkpath") => ahead.link = Some(plain(value)),
                    Some(b"size") => ahead.size = plain(value).parse().ok(),
                    _ => {}
                }
                rest = rest.get(length..).unwrap_or_default();
            }
        }
    }
}

fn name_of(scan: &mut Scan<'_>, name: &str, at: u64) {
    if format::leads_out(name) {
        let what = format!("unpacking writes `{name}`, outside the folder");
        scan.find(&rule::TRAVERSAL, Verdict::Malicious, at, name, what);
    }
}

fn contents(scan: &mut Scan<'_>, feed: &mut Feed<'_>, member: &Member, end: u64) -> Result<(), Stop> {
    let start = feed.offset();
    if end > feed.end() {
        return Err(Stop::End);
    }
    let last = member.name.rsplit('/').next().unwrap_or_default().to_owned();
    if let Some(view) = feed.seekable() {
        let part = view.part(start, member.size);
        scan.inside(&member.name, |scan| match last.as_str() {
            // torch's first format: a pickle with persistent ids, and storages that are numbers after a pickle each.
            "pickle" => {
                let mut inner = Feed::view(part);
                pickle::stream(&mut inner, scan, &pickle::Context::TORCH).to_owned()
            }
            "storages" | "tensors" if part.size() > 0 => torch_storages(scan, part),
            _ => format::whole(scan, part, &member.name),
        });
        return Ok(());
    }
    let outer = feed.end_at(end);
    scan.inside(&member.name, |scan| format::streamed(scan, feed, &member.name));
    feed.end_at(outer);
    Ok(())
}

/// A count, then for each storage a pickle and its numbers. Only the pickles matter; they are followed one by one.
fn torch_storages(scan: &mut Scan<'_>, part: View<'_>) -> String {
    let mut feed = Feed::view(part);
    pickle::single(&mut feed, scan, &pickle::Context::TORCH);
    if !feed.peek(1).is_ok_and(<[u8]>::is_empty) && !pickle::single(&mut feed, scan, &pickle::Context::TORCH)
    {
        return "torch storages".to_owned();
    }
    // After the first storage's pickle come its numbers, whose length only the type tells: nothing after them is followed.
    if !feed.peek(1).is_ok_and(<[u8]>::is_empty) {
        let at = feed.offset();
        scan.find(
            &rule::TRAILING,
            Verdict::Unknown,
            at,
            "storages",
            "storages of torch's first format are not followed past the first".to_owned(),
        );
    }
    "torch storages".to_owned()
}

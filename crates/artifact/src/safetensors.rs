//! safetensors: a length, a header in JSON, numbers. It can't run code; its header can lie.

use crate::{
    config,
    finding::Verdict,
    json::{self, Json},
    objects, rule,
    scan::Scan,
    source::View,
    template, values,
};

/// The longest header that the format allows, in bytes.
const LONGEST: u64 = 100_000_000;

fn lies(scan: &mut Scan<'_>, severity: Verdict, at: u64, subject: &str, what: String) {
    scan.find(&rule::SAFETENSORS_HEADER, severity, at, subject, what);
}

/// Looks at the header. Returns what it is.
pub(crate) fn read(scan: &mut Scan<'_>, view: View<'_>) -> String {
    let found = "safetensors".to_owned();
    let start = view.bytes(0, 8).unwrap_or_default();
    let Ok(length) = <[u8; 8]>::try_from(start.as_slice()).map(u64::from_le_bytes) else {
        lies(
            scan,
            Verdict::Unknown,
            0,
            "length",
            "is shorter than a header".to_owned(),
        );
        return found;
    };
    if length > LONGEST || length > view.size().saturating_sub(8) {
        lies(
            scan,
            Verdict::Suspicious,
            0,
            "length",
            format!("claims a header of {length} bytes"),
        );
        return found;
    }
    if length > scan.limits.document_bytes as u64 {
        scan.stopped(crate::feed::Stop::TooMuch, 8);
        return found;
    }
    let header = view
        .bytes(8, usize::try_from(length).unwrap_or(0))
        .unwrap_or_default();
    if header.first() != Some(&b'{') {
        lies(
            scan,
            Verdict::Suspicious,
            8,
            "start",
            "the header does not begin with a brace".to_owned(),
        );
    }
    let Some(Json::Object(items)) = json::parse(scan, &header) else {
        return found;
    };
    items_of(scan, &items, length, view.size() - 8 - length);
    found
}

/// Every tensor has to have the size of its type and shape, and all of them have to fill the file.
fn items_of(scan: &mut Scan<'_>, items: &[(String, Json)], length: u64, data: u64) {
    let mut spans = Vec::new();
    for (name, value) in items {
        if name == "__metadata__" {
            let Json::Object(pairs) = value else {
                lies(
                    scan,
                    Verdict::Suspicious,
                    8,
                    "metadata",
                    "the metadata is no map".to_owned(),
                );
                continue;
            };
            metadata(scan, pairs);
            continue;
        }
        match tensor(value) {
            Some(span) => spans.push(span),
            None => lies(
                scan,
                Verdict::Suspicious,
                8,
                name,
                format!("tensor `{name}` has no honest type, shape and place"),
            ),
        }
    }
    spans.sort_unstable();
    let mut next = 0;
    for (from, to) in spans {
        if from != next {
            lies(
                scan,
                Verdict::Suspicious,
                8 + length + next,
                "gap",
                "tensors overlap, or leave bytes between".to_owned(),
            );
        }
        next = to;
    }
    if next != data {
        let what = format!("tensors take {next} bytes of {data}");
        lies(
            scan,
            Verdict::Suspicious,
            8 + length + next.min(data),
            "size",
            what,
        );
    }
}

/// What somebody noted about the file: texts, of which some are configurations.
fn metadata(scan: &mut Scan<'_>, pairs: &[(String, Json)]) {
    if pairs.iter().any(|(_, value)| value.text().is_none()) {
        lies(
            scan,
            Verdict::Suspicious,
            8,
            "metadata",
            "the metadata holds more than text".to_owned(),
        );
    }
    for (key, value) in pairs {
        let text = value.text().unwrap_or_default();
        if text.contains("{{") || text.contains("{%") {
            template::metadata(scan, key, text);
        }
        values::judge(scan, 8, key, text);
        // Tools keep whole configurations here.
        if text.starts_with(['{', '['])
            && let Ok(inner) = serde_json::from_str::<Json>(text)
        {
            objects::judge(scan, &inner);
            config::targets(scan, &inner);
        }
    }
}

/// Where a tensor lies, if its size is that of its type and shape.
fn tensor(value: &Json) -> Option<(u64, u64)> {
    let bits = match value.get("dtype")?.text()? {
        "F4" => 4,
        "F6_E2M3" | "F6_E3M2" => 6,
        "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" | "F8_E8M0" | "F8_E4M3FNUZ" | "F8_E5M2FNUZ" => 8,
        "I16" | "U16" | "F16" | "BF16" => 16,
        "I32" | "U32" | "F32" => 32,
        "I64" | "U64" | "F64" | "C64" => 64,
        _ => return None,
    };
    let (Json::List(shape), Json::List(place)) = (value.get("shape")?, value.get("data_offsets")?) else {
        return None;
    };
    let mut total: u64 = bits;
    for side in shape {
        total = total.checked_mul(side.whole()?)?;
    }
    let [from, to] = place.as_slice() else { return None };
    let (from, to) = (from.whole()?, to.whole()?);
    (to.checked_sub(from)? == total.div_ceil(8)).then_some((from, to))
}

//! Configurations beside weights: Hydra's targets, YAML's Python tags.

use crate::{
    finding::{Verdict, shown},
    json::Json,
    keras,
    pickle::{self, Use},
    program, rule,
    scan::Scan,
};

/// Whether a file of this name is read as a configuration.
pub(crate) fn is_read(name: &str) -> bool {
    let last = name.rsplit(['/', '!']).next().unwrap_or_default().to_lowercase();
    let ending = last.rsplit_once('.').map_or("", |(_, ending)| ending);
    matches!(
        ending,
        "" | "yaml" | "yml" | "cfg" | "conf" | "ini" | "config" | "hocon" | "toml"
    )
}

/// The targets of a configuration in JSON.
pub(crate) fn targets(scan: &mut Scan<'_>, json: &Json) {
    json.walk("", &mut |key, value| {
        if matches!(key, "_target_" | "__target__" | "_target")
            && let Some(target) = value.text()
        {
            judge(scan, 0, target);
        }
    });
}

/// A YAML file, line by line: what calls Python is a key or a tag, and both are plain text unless somebody hides them.
/// In files that are YAML by their name, keys that are spelt by number are looked at too.
pub(crate) fn yaml(scan: &mut Scan<'_>, bytes: &[u8], is_yaml: bool) {
    let mut at = 0_u64;
    for line in bytes.split(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        for tag in ["!!python/", "tag:yaml.org,2002:python/", "!python/", "%TAG", "!<"] {
            // Handles and verbatim tags can spell what calls Python in any way.
            let spelt = match tag {
                "%TAG" => text.trim_start().starts_with(tag) && !text.contains("tag:yaml.org,2002:\n"),
                "!<" => {
                    text.contains("!<tag:yaml.org,2002:") && (text.contains('%') || text.contains("python"))
                }
                tag => text.contains(tag),
            };
            if spelt {
                let what = format!("`{}` makes a Python object", shown(text.trim().as_bytes(), 120));
                scan.find(&rule::HYDRA_TARGET, Verdict::Malicious, at, tag, what);
            }
        }
        for (place, _) in text.match_indices("_target_") {
            let rest = text.get(place + "_target_".len()..).unwrap_or_default();
            let value = rest.trim_start_matches(['"', '\'', '_']).trim_start();
            match value.strip_prefix(':') {
                Some(value) => {
                    let value = value.trim().trim_matches(['"', '\'']);
                    let end = value.find([',', '}', ' ', '"', '\'', '#']).unwrap_or(value.len());
                    judge(scan, at, value.get(..end).unwrap_or(value));
                }
                None => {
                    let what = "mentions a target in a way that can't be read".to_owned();
                    scan.find(&rule::HYDRA_TARGET, Verdict::Suspicious, at, "unread", what);
                }
            }
        }
        if let Some((key, value)) = text.split_once(':') {
            let (key, value) = (
                key.trim().trim_start_matches("- "),
                value.trim().trim_matches(['"', '\'']),
            );
            if key == "class_name" && keras::CODE.contains(&value) {
                let what = format!("a `{value}` layer holds code that runs with the model");
                scan.find(&rule::KERAS_CODE, Verdict::Malicious, at, value, what);
            }
            program::judge(scan, at, key, value);
        }
        // A quoted key may spell anything.
        let spelt = ["\\x5f", "\\u005f", "\\x5F", "\\x74"];
        if is_yaml && spelt.iter().any(|letter| text.contains(letter)) {
            let what = "spells letters by number where a key could be".to_owned();
            scan.find(&rule::HYDRA_TARGET, Verdict::Suspicious, at, "escapes", what);
        }
        at += line.len() as u64 + 1;
    }
}

fn judge(scan: &mut Scan<'_>, at: u64, target: &str) {
    let (module, name) = target.rsplit_once('.').unwrap_or(("", target));
    let own = [
        "nemo.",
        "torch.nn.",
        "torch.optim.",
        "torchvision.transforms.",
        "pytorch_lightning.",
        "lightning.",
        "omegaconf.",
    ];
    let a_class = name.starts_with(|first: char| first.is_ascii_uppercase());
    let plain = target
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
    if plain && a_class && own.iter().any(|own| target.starts_with(own)) && !target.contains("__") {
        return;
    }
    let severity = match pickle::look_up(module, name) {
        Use::Unlisted(severity) => severity.max(Verdict::Suspicious),
        Use::Value | Use::New | Use::Call(..) => return,
        Use::Check(_) => Verdict::Malicious,
    };
    let target = shown(target.as_bytes(), 200);
    let what = format!("calls `{target}` when the configuration is made into objects");
    scan.find(&rule::HYDRA_TARGET, severity, at, &target, what);
}

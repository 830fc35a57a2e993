//! The catalogue of disguises, each put over a text.

/// A disguise: its name, and what it makes of a text.
pub(super) type Disguise = (&'static str, fn(&str) -> String);

/// Those that change characters and leave a text readable for people, or invisible.
pub(super) const OVER_LETTERS: &[Disguise] = &[
    ("tags", |text| {
        each(text, |c| {
            if c.is_ascii() {
                char::from_u32(0xe0000 + c as u32).map_or(String::new(), String::from)
            } else {
                c.to_string()
            }
        })
    }),
    ("zero width", |text| each(text, |c| format!("{c}\u{200b}"))),
    ("soft hyphens", |text| each(text, |c| format!("{c}\u{ad}"))),
    ("joiners", |text| each(text, |c| format!("{c}\u{2060}"))),
    ("direction marks", |text| each(text, |c| format!("{c}\u{200e}"))),
    ("overrides", |text| format!("\u{202d}{text}\u{202c}")),
    ("full width", |text| {
        each(text, |c| {
            if c.is_ascii_graphic() {
                char::from_u32(c as u32 + 0xfee0).map_or(String::new(), String::from)
            } else {
                c.to_string()
            }
        })
    }),
    ("mathematical letters", |text| {
        each(text, |c| match c {
            'a'..='z' => char::from_u32(0x1d41a + c as u32 - 'a' as u32).map_or(String::new(), String::from),
            'A'..='Z' => char::from_u32(0x1d400 + c as u32 - 'A' as u32).map_or(String::new(), String::from),
            other => other.to_string(),
        })
    }),
    ("look-alikes", |text| {
        each(text, |c| {
            match c {
                'a' => 'а',
                'e' => 'е',
                'o' => 'о',
                'p' => 'р',
                'c' => 'с',
                'i' => 'і',
                other => other,
            }
            .to_string()
        })
    }),
    ("selectors between", |text| each(text, |c| format!("{c}\u{fe0f}"))),
    ("terminal colours", |text| format!("\u{1b}[8m{text}\u{1b}[0m")),
];

/// Those that write a text in other characters.
pub(super) const ENCODINGS: &[Disguise] = &[
    ("base64", base64),
    ("base64 for addresses", |text| {
        base64(text).replace('+', "-").replace('/', "_").replace('=', "")
    }),
    ("hex", |text| {
        text.bytes().map(|byte| format!("{byte:02x}")).collect()
    }),
    ("percent", |text| {
        text.bytes().map(|byte| format!("%{byte:02X}")).collect()
    }),
    ("escapes", |text| {
        each(text, |c| {
            let mut units = [0; 2];
            c.encode_utf16(&mut units)
                .iter()
                .map(|unit| format!("\\u{unit:04x}"))
                .collect()
        })
    }),
    ("byte escapes", |text| {
        text.bytes().map(|byte| format!("\\x{byte:02x}")).collect()
    }),
    ("entities", |text| each(text, |c| format!("&#{};", c as u32))),
    ("entities in hex", |text| {
        each(text, |c| format!("&#x{:x};", c as u32))
    }),
    ("selectors", |text| {
        let spelt = text.bytes().map(|byte| match byte {
            0..=15 => char::from_u32(0xfe00 + u32::from(byte)),
            _ => char::from_u32(0xe0100 + u32::from(byte) - 16),
        });
        format!("\u{1f600}{}", spelt.flatten().collect::<String>())
    }),
];

/// Those that rewrite letters, and are read only where telling words would appear.
pub(super) const REWRITTEN: &[Disguise] = &[
    ("rot13", |text| {
        each(text, |c| {
            match c {
                'a'..='m' | 'A'..='M' => char::from(c as u8 + 13),
                'n'..='z' | 'N'..='Z' => char::from(c as u8 - 13),
                other => other,
            }
            .to_string()
        })
    }),
    ("reversed", |text| text.chars().rev().collect()),
];

/// Those that put a text where people do not look.
pub(super) const PLACES: &[Disguise] = &[
    ("comment", |text| format!("<!-- {text} -->")),
    ("hidden element", |text| {
        format!("<p style=\"display:none\">{text}</p>")
    }),
    ("attribute", |text| {
        format!("<img src=x alt=\"{}\">", text.replace('"', "&quot;"))
    }),
    ("split by tags", |text| {
        // Between characters, and inside of no entity or tag.
        if text.contains(['&', '<', '\\', '%']) {
            format!("<b>{text}</b>")
        } else {
            each(text, |c| format!("{c}<b></b>"))
        }
    }),
    ("JSON", |text| {
        format!(
            "{{\"note\": {}}}",
            text.replace('\\', "\\\\").replace('"', "\\\"")
        )
    }),
    ("a page", |text| {
        format!("The castle has four towers. {text} It was built in the twelfth century.")
    }),
];

fn each(text: &str, turn: impl Fn(char) -> String) -> String {
    text.chars().map(turn).collect()
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    text.as_bytes()
        .chunks(3)
        .map(|part| {
            let bits =
                part.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
            (0..4)
                .map(|at| {
                    if at <= part.len() {
                        char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize])
                    } else {
                        '='
                    }
                })
                .collect::<String>()
        })
        .collect()
}

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
    ("fillers", |text| each(text, |c| format!("{c}\u{3164}"))),
    ("half fillers", |text| each(text, |c| format!("{c}\u{ffa0}"))),
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
    ("strokes", |text| each(text, |c| format!("{c}\u{336}"))),
    ("rings around", |text| each(text, |c| format!("{c}\u{20dd}"))),
    ("towers of marks", |text| {
        each(text, |c| {
            if c.is_ascii_graphic() {
                format!("{c}\u{35b}\u{321}\u{329}\u{35b}")
            } else {
                c.to_string()
            }
        })
    }),
    ("accents in towers", |text| {
        each(text, |c| {
            if c.is_ascii_alphabetic() {
                format!("{c}\u{300}\u{334}\u{331}\u{308}")
            } else {
                c.to_string()
            }
        })
    }),
    ("letters in rings", |text| {
        each(text, |c| match c {
            'a'..='z' => char::from_u32(0x24d0 + c as u32 - 'a' as u32).map_or(String::new(), String::from),
            'A'..='Z' => char::from_u32(0x24b6 + c as u32 - 'A' as u32).map_or(String::new(), String::from),
            other => other.to_string(),
        })
    }),
];

/// Those that lose capitals or signs, so that only words come through.
pub(super) const FOR_WORDS: &[Disguise] = &[
    ("accents", |text| {
        each(text, |c| {
            unicode_normalization::char::compose(c, '\u{301}')
                .unwrap_or(c)
                .to_string()
        })
    }),
    ("small capitals", |text| {
        each(text, |c| {
            let small: Vec<char> = "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘqʀꜱᴛᴜᴠᴡxʏᴢ".chars().collect();
            match c.to_ascii_lowercase() {
                letter @ 'a'..='z' => small[letter as usize - 'a' as usize].to_string(),
                other => other.to_string(),
            }
        })
    }),
    ("upside down", |text| {
        const FROM: &str = "abcdefghijklmnopqrstuvwxyz.";
        const TO: &str = "ɐqɔpǝɟƃɥᴉɾʞʃɯuodbɹsʇnʌʍxʎz˙";
        let turn = |c: char| match FROM.chars().position(|from| from == c.to_ascii_lowercase()) {
            Some(at) => TO.chars().nth(at).unwrap_or(c),
            None => c,
        };
        text.chars().rev().map(turn).collect()
    }),
    ("kept apart", |text| {
        let words = text
            .split(' ')
            .map(|word| word.chars().map(String::from).collect::<Vec<_>>().join(" "));
        words.collect::<Vec<_>>().join("   ")
    }),
    ("digits for letters", |text| {
        each(text, |c| {
            match c {
                'o' => '0',
                'i' => '1',
                'e' => '3',
                's' => '5',
                other => other,
            }
            .to_string()
        })
    }),
    ("kept apart, words by another sign", |text| {
        let words = text
            .split(' ')
            .map(|word| word.chars().map(String::from).collect::<Vec<_>>().join("."));
        words.collect::<Vec<_>>().join("._.")
    }),
    ("letters joined by hyphens", |text| {
        let words = text
            .split(' ')
            .map(|word| word.chars().map(String::from).collect::<Vec<_>>().join("-"));
        words.collect::<Vec<_>>().join(" ")
    }),
    ("a letter a line", |text| {
        text.chars().map(String::from).collect::<Vec<_>>().join("\n")
    }),
    ("kept apart, every other a look-alike", |text| {
        let near = each(text, |c| {
            match c {
                'o' => 'о',
                'e' => 'е',
                'a' => 'а',
                other => other,
            }
            .to_string()
        });
        let words = near
            .split(' ')
            .map(|word| word.chars().map(String::from).collect::<Vec<_>>().join(" "));
        words.collect::<Vec<_>>().join("   ")
    }),
    ("Greek letters", |text| {
        each(text, |c| {
            match c.to_ascii_lowercase() {
                'e' => 'ε',
                'o' => 'ο',
                'i' => 'ι',
                _ => c,
            }
            .to_string()
        })
    }),
    ("Braille", |text| {
        let dots: Vec<char> = "⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵".chars().collect();
        each(text, |c| match c.to_ascii_lowercase() {
            letter @ 'a'..='z' => dots[letter as usize - 'a' as usize].to_string(),
            other => other.to_string(),
        })
    }),
    ("Morse code", |text| {
        let words = text.split(' ').map(|word| {
            let letters = word
                .chars()
                .filter_map(|c| crate::view::morse_of(c.to_ascii_lowercase()));
            letters.collect::<Vec<_>>().join(" ")
        });
        words.collect::<Vec<_>>().join(" / ")
    }),
];

/// Those that write a text in other characters.
pub(super) const ENCODINGS: &[Disguise] = &[
    ("base64", |text| base64(text.as_bytes())),
    ("base64 for addresses", |text| {
        base64(text.as_bytes())
            .replace('+', "-")
            .replace('/', "_")
            .replace('=', "")
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
    ("entities without end", |text| {
        each(text, |c| format!("&#{}", c as u32))
    }),
    ("entities with zeros", |text| {
        each(text, |c| format!("&#x0000000{:x};", c as u32))
    }),
    ("entities twice", |text| {
        each(text, |c| format!("&amp;#{};", c as u32))
    }),
    ("octal escapes", |text| {
        if text.is_ascii() {
            each(text, |c| format!("\\{:03o}", c as u32))
        } else {
            each(text, |c| format!("\\U{:08x}", c as u32))
        }
    }),
    ("escapes in braces", |text| {
        each(text, |c| format!("\\u{{{:x}}}", c as u32))
    }),
    ("some escapes", |text| {
        each(text, |c| {
            if matches!(c, 'e' | 'o' | 'i' | '0'..='3') {
                format!("\\u{:04x}", c as u32)
            } else {
                c.to_string()
            }
        })
    }),
    ("quoted-printable", |text| {
        text.bytes().map(|byte| format!("={byte:02X}")).collect()
    }),
    ("soft line ends", |text| {
        let letters: Vec<char> = text.chars().collect();
        letters
            .chunks(5)
            .map(String::from_iter)
            .collect::<Vec<_>>()
            .join("=\r\n")
    }),
    ("hexadecimal numbers", |text| {
        listed(text, " ", |byte| format!("{byte:02x}"))
    }),
    ("numbers of a program", |text| {
        listed(text, ", ", |byte| format!("0x{byte:02X}"))
    }),
    ("binary numbers", |text| {
        listed(text, " ", |byte| format!("{byte:08b}"))
    }),
    ("binary digits", |text| {
        listed(text, "", |byte| format!("{byte:08b}"))
    }),
    ("octal numbers", |text| {
        listed(text, " ", |byte| format!("{byte:03o}"))
    }),
    ("code points", |text| {
        let points: Vec<String> = text.chars().map(|c| format!("U+{:04X}", c as u32)).collect();
        points.join(" ")
    }),
    ("gzip in base64", |text| {
        packed(text, flate2::write::GzEncoder::new(Vec::new(), LEVEL), |it| {
            it.finish()
        })
    }),
    ("zlib in base64", |text| {
        packed(text, flate2::write::ZlibEncoder::new(Vec::new(), LEVEL), |it| {
            it.finish()
        })
    }),
    ("deflate in base64", |text| {
        packed(
            text,
            flate2::write::DeflateEncoder::new(Vec::new(), LEVEL),
            |it| it.finish(),
        )
    }),
    ("base64 backwards", |text| {
        base64(text.as_bytes()).chars().rev().collect()
    }),
    ("base64 moved by thirteen", |text| moved(&base64(text.as_bytes()))),
    ("hex backwards", |text| {
        listed(text, "", |byte| format!("{byte:02x}"))
            .chars()
            .rev()
            .collect()
    }),
    ("base64 of UTF-16", |text| {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        base64(&units)
    }),
    ("base64 in groups", |text| {
        let digits = base64(text.as_bytes());
        let digits = digits.trim_end_matches('=').as_bytes();
        let groups = digits
            .chunks(4)
            .map(|group| String::from_utf8_lossy(group).into_owned());
        groups.collect::<Vec<_>>().join(" ")
    }),
    ("base64 in lines", |text| {
        let digits = base64(text.as_bytes());
        digits
            .as_bytes()
            .chunks(76)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect::<Vec<_>>()
            .join("\n")
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
    ("rot13", moved),
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
    ("comments inside of words", |text| {
        if text.contains(['&', '<', '\\', '%']) {
            format!("<!-- -->{text}")
        } else {
            each(text, |c| {
                if c == 'n' {
                    "n<!-- x -->".to_owned()
                } else {
                    c.to_string()
                }
            })
        }
    }),
    ("literals", |text| {
        // A literal that began with a mark of the letter before it would be another text.
        if !text.is_ascii() || text.contains(['"', '\\', '\n']) {
            return format!("\"{text}\"");
        }
        let letters: Vec<char> = text.chars().collect();
        let pieces = letters
            .chunks(7)
            .map(|piece| format!("\"{}\"", String::from_iter(piece)));
        pieces.collect::<Vec<_>>().join(" + ")
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

/// Each byte as a number, with a sign between.
fn listed(text: &str, between: &str, number: impl Fn(u8) -> String) -> String {
    text.bytes().map(number).collect::<Vec<_>>().join(between)
}

fn moved(text: &str) -> String {
    each(text, |c| {
        match c {
            'a'..='m' | 'A'..='M' => char::from(c as u8 + 13),
            'n'..='z' | 'N'..='Z' => char::from(c as u8 - 13),
            other => other,
        }
        .to_string()
    })
}

const LEVEL: flate2::Compression = flate2::Compression::new(6);

/// Compressed, in base64.
fn packed<W: std::io::Write>(text: &str, mut to: W, end: impl Fn(W) -> std::io::Result<Vec<u8>>) -> String {
    to.write_all(text.as_bytes()).expect("memory");
    base64(&end(to).expect("memory"))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
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

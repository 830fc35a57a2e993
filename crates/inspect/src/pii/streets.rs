//! Postal addresses that are written the other way round than English ones: French, where the kind of street follows the
//! house number, and Japanese, from the prefecture down to the house.

use std::ops::Range;

use crate::safe::prior;

/// Longest line of an address that is read, in bytes.
const LINE: usize = 120;

/// Kinds of French streets, and whether the word is enough: the others mean much else, and a code of a place must follow.
const KINDS: &[(&str, bool)] = &[
    ("rue", true),
    ("ruelle", true),
    ("avenue", true),
    ("boulevard", true),
    ("quai", true),
    ("impasse", true),
    ("chemin", true),
    ("sentier", true),
    ("faubourg", true),
    ("allée", true),
    ("allées", true),
    ("av.", false),
    ("bd", false),
    ("place", false),
    ("route", false),
    ("cours", false),
    ("square", false),
    ("passage", false),
    ("villa", false),
];

/// What stands between the kind and the name, longer ones first.
const PARTICLES: &[&str] = &[
    "de la ", "de l'", "de l’", "des ", "du ", "de ", "d'", "d’", "la ", "les ", "le ", "l'", "l’", "aux ",
    "au ", "à la ", "à ", "et ", "en ", "sur ", "sous ",
];

/// Most words of a street's name.
const WORDS_MOST: usize = 6;

/// A French street line that starts with the house number at `number`: `12 bis, rue de la Paix`.
pub(super) fn french(text: &str, number: &Range<usize>) -> Option<Range<usize>> {
    let before = prior(text.as_bytes(), number.start);
    if number.len() > 5 || before.is_ascii_alphanumeric() || b"./_-$#".contains(&before) {
        return None;
    }
    let rest = text.get(number.end..text.floor_char_boundary(number.end.saturating_add(LINE)))?;
    let tail = [" bis", " ter", "bis", "ter"]
        .iter()
        .find_map(|word| rest.strip_prefix(*word))
        .unwrap_or(rest);
    let tail = tail.strip_prefix(',').unwrap_or(tail).strip_prefix(' ')?;
    // Most words behind a number begin otherwise.
    let first = tail.bytes().next().unwrap_or_default() | 0x20;
    if !b"rabqicsfpv".contains(&first) {
        return None;
    }
    let (kind, sure) = KINDS.iter().find(|(kind, _)| {
        let stands = |word: &str| word.eq_ignore_ascii_case(kind);
        tail.get(..kind.len()).is_some_and(stands) && tail.as_bytes().get(kind.len()) == Some(&b' ')
    })?;
    let name = tail.get(kind.len() + 1..)?;
    let behind = name.get(named(name)?..)?;
    if !(*sure || is_before_code(behind)) {
        return None;
    }
    Some(number.start..number.end + rest.len() - behind.len())
}

/// How long a street's name is: particles, and words with capitals. `None` where there is no such word.
fn named(name: &str) -> Option<usize> {
    let (mut at, mut end) = (0, None);
    for _ in 0..WORDS_MOST {
        let rest = name.get(at..)?;
        if let Some(particle) = PARTICLES.iter().find(|particle| rest.starts_with(**particle)) {
            at += particle.len();
            continue;
        }
        let joins = |c: char| c.is_alphabetic() || matches!(c, '-' | '\'' | '’');
        let length = rest.len() - rest.trim_start_matches(joins).len();
        if length < 2 || !rest.starts_with(char::is_uppercase) {
            break;
        }
        at += length;
        end = Some(at);
        if !name.get(at..)?.starts_with(' ') {
            break;
        }
        at += 1;
    }
    end
}

/// Whether the code of a place follows: five digits behind a comma or a line end.
fn is_before_code(behind: &str) -> bool {
    let code = behind.trim_start_matches([',', ' ', '\n', '\r']);
    let digits = code.bytes().take_while(u8::is_ascii_digit).count();
    behind.len() - code.len() <= 4 && behind.len() > code.len() && digits == 5
}

const PREFECTURES: &[&str] = &[
    "北海道",
    "青森県",
    "岩手県",
    "宮城県",
    "秋田県",
    "山形県",
    "福島県",
    "茨城県",
    "栃木県",
    "群馬県",
    "埼玉県",
    "千葉県",
    "東京都",
    "神奈川県",
    "新潟県",
    "富山県",
    "石川県",
    "福井県",
    "山梨県",
    "長野県",
    "岐阜県",
    "静岡県",
    "愛知県",
    "三重県",
    "滋賀県",
    "京都府",
    "大阪府",
    "兵庫県",
    "奈良県",
    "和歌山県",
    "鳥取県",
    "島根県",
    "岡山県",
    "広島県",
    "山口県",
    "徳島県",
    "香川県",
    "愛媛県",
    "高知県",
    "福岡県",
    "佐賀県",
    "長崎県",
    "熊本県",
    "大分県",
    "宮崎県",
    "鹿児島県",
    "沖縄県",
];

/// Cities, wards, towns, villages and districts.
const MUNICIPAL: [char; 5] = ['市', '区', '町', '村', '郡'];

/// Particles of a sentence, which no name of a place before a house number ends with.
const GRAMMAR: [char; 10] = ['で', 'に', 'は', 'が', 'を', 'も', 'と', 'へ', 'や', 'の'];

/// Kanji, kana and the marks that repeat or lengthen them.
const fn is_japanese(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' | 'ー' | '々' | '\u{4e00}'..='\u{9fff}')
}

/// A Japanese address that ends with the house number at `number`: `東京都千代田区千代田1-1`.
pub(super) fn japanese(text: &str, number: &Range<usize>) -> Option<Range<usize>> {
    let before = prior(text.as_bytes(), number.start);
    if !(before >= 0x80 || before == b' ' && prior(text.as_bytes(), number.start - 1) >= 0x80) {
        return None;
    }
    let from = text.ceil_char_boundary(number.start.saturating_sub(LINE));
    let line = text.get(from..number.start)?;
    let name = line.trim_start_matches(|c: char| !is_japanese(c));
    let name = match name.rfind(|c: char| !is_japanese(c) && c != ' ') {
        Some(at) => name.get(at..)?.trim_start_matches(|c: char| !is_japanese(c)),
        None => name,
    };
    if name.trim_end().ends_with(GRAMMAR) || !name.contains(MUNICIPAL) {
        return None;
    }
    let at = PREFECTURES.iter().find_map(|prefecture| name.find(*prefecture))?;
    let address = name.get(at..).filter(|address| address.contains(MUNICIPAL))?;
    let house = text.get(number.start..)?;
    let length = house.len() - house.trim_start_matches(is_of_a_house).len();
    let house = house.get(..length)?.trim_end_matches('-');
    let divided = house.contains(['-', '丁', '番', '号']);
    let dated = house.starts_with("19") || house.starts_with("20");
    let dated = dated && house.bytes().take_while(u8::is_ascii_digit).count() == 4;
    (divided && !dated && house.len() <= LINE)
        .then_some(number.start - address.len()..number.start + house.len())
}

/// Digits of a house, and the words that part them: block, lot, number.
fn is_of_a_house(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '-' | '丁' | '目' | '番' | '地' | '号')
}

/// A Japanese address behind its postal code, whose seven digits are at `code`: `〒100-0001 東京都…`.
pub(super) fn postal(text: &str, code: &Range<usize>) -> Option<Range<usize>> {
    const MARK: char = '〒';
    let before = text.get(..code.start)?;
    let before = before.strip_suffix(' ').unwrap_or(before).strip_suffix(MARK)?;
    let rest = text.get(code.end..text.floor_char_boundary(code.end.saturating_add(LINE)))?;
    let address = rest.trim_start_matches([' ', '\n', '\r']);
    let goes_on = |c: char| is_japanese(c) || c == ' ' || is_of_a_house(c);
    let length = address.len() - address.trim_start_matches(goes_on).len();
    let address = address.get(..length)?.trim_end();
    if !address.starts_with(is_japanese) || !address.contains(MUNICIPAL) {
        return None;
    }
    let gap = rest.len() - rest.trim_start_matches([' ', '\n', '\r']).len();
    Some(before.len()..code.end + gap + address.len())
}

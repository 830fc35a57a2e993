//! Names and addresses by list and shape.
//!
//! Names of people are an open set: this finds a listed given name with a capitalised word behind it, or a title with
//! one, and street lines of a known build. It misses most names of most cultures, and says so in the documentation.

use crate::bits::Bits;
use crate::safe::{item, part, prior};
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// Given names that are common somewhere and seldom an ordinary word.
const GIVEN: &[&str] = &[
    "Aaron",
    "Abdul",
    "Adam",
    "Ahmed",
    "Aisha",
    "Akira",
    "Alan",
    "Albert",
    "Alejandro",
    "Aleksandr",
    "Alexander",
    "Alexandra",
    "Ali",
    "Alice",
    "Amanda",
    "Amina",
    "Amir",
    "Amy",
    "Ana",
    "Anders",
    "Andrea",
    "Andreas",
    "Andrew",
    "Angela",
    "Anita",
    "Anna",
    "Anne",
    "Anthony",
    "Antonio",
    "Arjun",
    "Arthur",
    "Barbara",
    "Beatriz",
    "Benjamin",
    "Bernd",
    "Bogdan",
    "Brian",
    "Carlos",
    "Carmen",
    "Caroline",
    "Catherine",
    "Charles",
    "Charlotte",
    "Chen",
    "Christian",
    "Christina",
    "Christine",
    "Christopher",
    "Claire",
    "Claudia",
    "Cynthia",
    "Daniel",
    "Daniela",
    "David",
    "Deborah",
    "Dennis",
    "Diana",
    "Diego",
    "Dieter",
    "Dimitri",
    "Dmitry",
    "Donald",
    "Dorothy",
    "Edward",
    "Elena",
    "Elif",
    "Elizabeth",
    "Emily",
    "Emma",
    "Eric",
    "Erik",
    "Eva",
    "Fatima",
    "Felix",
    "Fernando",
    "Francesca",
    "Francesco",
    "Francisco",
    "Frank",
    "Frederick",
    "Gabriel",
    "Gabriela",
    "George",
    "Giovanni",
    "Giulia",
    "Gregory",
    "Hannah",
    "Hans",
    "Hassan",
    "Heather",
    "Heinz",
    "Helen",
    "Helga",
    "Henry",
    "Hiroshi",
    "Hugo",
    "Ibrahim",
    "Igor",
    "Ines",
    "Ingrid",
    "Irina",
    "Isabel",
    "Isabella",
    "Ivan",
    "Jacob",
    "Jacques",
    "James",
    "Jan",
    "Jane",
    "Janet",
    "Jason",
    "Javier",
    "Jean",
    "Jennifer",
    "Jeremy",
    "Jessica",
    "Jin",
    "Joan",
    "Johann",
    "John",
    "Jonas",
    "Jonathan",
    "Jorge",
    "Jose",
    "Joseph",
    "Joshua",
    "José",
    "Juan",
    "Julia",
    "Julian",
    "Julie",
    "Karen",
    "Karin",
    "Karl",
    "Katarzyna",
    "Kate",
    "Katherine",
    "Kathleen",
    "Keiko",
    "Kenji",
    "Kenneth",
    "Kevin",
    "Khalid",
    "Kim",
    "Krzysztof",
    "Lars",
    "Laura",
    "Lauren",
    "Leila",
    "Leon",
    "Lin",
    "Linda",
    "Lisa",
    "Louis",
    "Luca",
    "Lucas",
    "Lucia",
    "Luis",
    "Magdalena",
    "Malik",
    "Manuel",
    "Marco",
    "Marcus",
    "Margaret",
    "Maria",
    "Marie",
    "Mario",
    "Mark",
    "Marta",
    "Martin",
    "Mary",
    "María",
    "Mateo",
    "Matthew",
    "Maximilian",
    "Mehmet",
    "Mei",
    "Melissa",
    "Michael",
    "Michelle",
    "Miguel",
    "Mikhail",
    "Mohamed",
    "Mohammed",
    "Monica",
    "Muhammad",
    "Mustafa",
    "Nadia",
    "Nancy",
    "Natalia",
    "Natalie",
    "Natasha",
    "Nicholas",
    "Nicole",
    "Nikita",
    "Nina",
    "Oleg",
    "Olga",
    "Oliver",
    "Olivia",
    "Omar",
    "Oscar",
    "Pablo",
    "Pamela",
    "Patricia",
    "Patrick",
    "Paul",
    "Paula",
    "Pavel",
    "Pedro",
    "Peter",
    "Petra",
    "Philip",
    "Pierre",
    "Piotr",
    "Priya",
    "Rachel",
    "Raj",
    "Rajesh",
    "Ralph",
    "Raymond",
    "Rebecca",
    "Ricardo",
    "Richard",
    "Robert",
    "Roberto",
    "Roger",
    "Rohan",
    "Ronald",
    "Rosa",
    "Ruth",
    "Ryan",
    "Salma",
    "Samantha",
    "Samuel",
    "Sandra",
    "Sanjay",
    "Sara",
    "Sarah",
    "Scott",
    "Sean",
    "Sebastian",
    "Sergei",
    "Sharon",
    "Simon",
    "Sofia",
    "Sophia",
    "Sophie",
    "Stefan",
    "Stephanie",
    "Stephen",
    "Steven",
    "Susan",
    "Sven",
    "Svetlana",
    "Takashi",
    "Tatiana",
    "Teresa",
    "Thomas",
    "Timothy",
    "Tomasz",
    "Ursula",
    "Valentina",
    "Vanessa",
    "Victor",
    "Victoria",
    "Viktor",
    "Vincent",
    "Virginia",
    "Vladimir",
    "Walter",
    "Wei",
    "Werner",
    "William",
    "Wolfgang",
    "Xavier",
    "Yasmin",
    "Yuki",
    "Yusuf",
    "Zainab",
    "Zhang",
    "Zofia",
];

/// Titles that a name follows.
const TITLES: &[&str] = &[
    "Mr", "Mrs", "Ms", "Miss", "Dr", "Prof", "Herr", "Frau", "Monsieur", "Madame", "Mme", "Señor", "Señora",
    "Sr", "Sra", "Signor", "Signora", "Sir", "Lady",
];

/// Words that end a street's name.
const STREETS: &[&str] = &[
    "street",
    "st",
    "avenue",
    "ave",
    "road",
    "rd",
    "boulevard",
    "blvd",
    "lane",
    "ln",
    "drive",
    "dr",
    "court",
    "ct",
    "place",
    "square",
    "terrace",
    "highway",
    "hwy",
    "parkway",
    "pkwy",
    "crescent",
    "close",
    "way",
    "circle",
    "trail",
];

/// The same, grown together with the name or before it.
const STREETS_OTHER: &[&str] = &[
    "straße", "strasse", "str.", "gasse", "weg", "platz", "allee", "straat", "laan", "gatan", "vägen", "vej",
];
const STREETS_BEFORE: &[&str] = &[
    "rue",
    "calle",
    "via",
    "avenida",
    "rua",
    "piazza",
    "plaza",
    "ulica",
    "ul.",
    "avenue",
    "boulevard",
    "paseo",
    "viale",
];

/// First letters and lengths of listed names and titles: a bit for each length, by letter. Most words have neither.
struct May([u32; 26]);

impl May {
    fn of(word: &str) -> (usize, u32) {
        let first = word.bytes().next().unwrap_or_default().wrapping_sub(b'A');
        (usize::from(first), 1 << word.len().min(31))
    }

    fn has(&self, word: &str) -> bool {
        let (first, length) = Self::of(word);
        item(&self.0, first) & length != 0
    }
}

static MAY: LazyLock<May> = LazyLock::new(|| {
    let mut may = May([0; 26]);
    for word in GIVEN.iter().chain(TITLES) {
        let (first, length) = May::of(word);
        if let Some(lengths) = may.0.get_mut(first) {
            *lengths |= length;
        }
    }
    may
});

/// Finds names: where, and how sure in thousandths.
pub(super) fn people(text: &str, found: &mut Vec<(Range<usize>, u16)>) {
    let words = capitalised(text);
    let mut at = 0;
    while let Some(range) = words.get(at) {
        // A name alone is no finding, so what stands alone needs no look into the list.
        let beside = words.get(at + 1).is_some_and(|next| next.start - range.end <= 5);
        let word = text.get(range.clone()).unwrap_or_default();
        if !beside || !MAY.has(word) {
            at += 1;
            continue;
        }
        let title = TITLES.contains(&word);
        let given = !title && GIVEN.binary_search_by(|name| name.cmp(&word)).is_ok();
        if !title && !given {
            at += 1;
            continue;
        }
        let (mut end, mut count) = (range.end, 0);
        while let Some(next) = words.get(at + count + 1) {
            let between = text.get(end..next.start).unwrap_or("?");
            let joined = matches!(
                between,
                " " | " de " | " van " | " von " | " der " | " bin " | " al-" | "-"
            ) || (title && count == 0 && between == ". ");
            if !joined || count >= 3 {
                break;
            }
            end = next.end;
            count += 1;
        }
        if count > 0 {
            let start = if title {
                words.get(at + 1).map_or(range.start, |next| next.start)
            } else {
                range.start
            };
            found.push((start..end, if title { 700 } else { 600 }));
        }
        at += count + 1;
    }
}

/// Words that start with a capital and go on in small letters.
fn capitalised(text: &str) -> Vec<Range<usize>> {
    let mut words = Vec::with_capacity(32);
    let bytes = text.as_bytes();
    let capitals = Bits::of(bytes, |byte| byte.is_ascii_uppercase());
    for at in capitals.places() {
        let boundary = at == 0
            || !(prior(bytes, at).is_ascii_alphanumeric()
                || prior(bytes, at) >= 0x80
                || matches!(prior(bytes, at), b'_' | b'/' | b'@' | b'.'));
        if !boundary {
            continue;
        }
        let mut end = at + 1;
        while bytes
            .get(end)
            .is_some_and(|byte| byte.is_ascii_lowercase() || *byte >= 0x80)
        {
            end += 1;
        }
        let next = bytes.get(end);
        if end - at >= 2
            && !next.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'(' | b'@'))
            && text.is_char_boundary(end)
        {
            words.push(at..end);
        }
    }
    words
}

/// Every word that makes a line one of a street, so that most lines cost one look.
static LINES: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build(STREETS_OTHER.iter().chain(STREETS_BEFORE))
        .ok()
});

/// A street line that holds the house number at `number`: its range.
pub(super) fn street(text: &str, number: Range<usize>) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    // Whichever way a street is written, a space stands at its number, and beyond it what may be a name.
    let follows = matches!(
        part(bytes, number.end..),
        [b' ', b'A'..=b'Z' | b'0'..=b'9' | 0x80.., ..]
    );
    let leads = item(bytes, number.start.wrapping_sub(1)) == b' ';
    if number.len() > 5 || !(follows || leads) {
        return None;
    }
    let after = text.get(number.end..text.floor_char_boundary(number.end.saturating_add(60)))?;
    let before_from = text.ceil_char_boundary(number.start.saturating_sub(40));
    let before = text.get(before_from..number.start)?;
    // 12 Long Name Street
    if let Some(rest) = after.strip_prefix(' ') {
        let mut end = number.end + 1;
        for (count, word) in rest.split(' ').take(5).enumerate() {
            let bare = word.trim_end_matches(['.', ',', ';', '\n', '"', ')']);
            let bare = bare.split(['\n', '"', ',', '\\']).next().unwrap_or(bare);
            let street = STREETS.iter().any(|street| street.eq_ignore_ascii_case(bare));
            if street && count > 0 && bare.starts_with(|c: char| c.is_uppercase()) {
                return Some(number.start..end + bare.len());
            }
            let name = bare.starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit())
                && bare.len() == word.len();
            if !name {
                break;
            }
            end += word.len() + 1;
        }
    }
    // Lange Straße 12, and Rue du Nom 12
    if !matches!(before.as_bytes(), [.., last, b' '] if last.is_ascii_alphabetic() || *last == b'.' || *last >= 0x80)
        || !LINES.as_ref().is_some_and(|lines| lines.is_match(before))
    {
        return None;
    }
    let line = before.rsplit(['\n', ',', '"', ';', '.']).next().unwrap_or(before);
    let name = line.trim_end();
    let lower = name.to_lowercase();
    let last = lower.rsplit(' ').next().unwrap_or(&lower);
    let grown = STREETS_OTHER.iter().any(|street| last.ends_with(street))
        && name.ends_with(|c: char| c.is_alphabetic() || c == '.');
    let lead = STREETS_BEFORE.iter().find_map(|street| {
        let at = lower.rfind(street)?;
        let boundary = at == 0 || lower.get(..at).is_some_and(|head| head.ends_with(' '));
        let named = lower
            .get(at + street.len()..)
            .is_some_and(|rest| rest.starts_with(' ') && rest.trim().len() >= 3);
        (boundary && named && lower.len() == name.len()).then_some(at)
    });
    if grown && last.len() > 5 {
        let start = name.rfind(' ').map_or(0, |at| at + 1);
        return Some(number.start - (before.len() - (before.len() - line.len() + start))..number.end);
    }
    lead.map(|at| number.start - (line.len() - at)..number.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order() {
        let mut sorted = GIVEN.to_vec();
        sorted.sort_unstable();
        assert_eq!(sorted, GIVEN);
    }
}

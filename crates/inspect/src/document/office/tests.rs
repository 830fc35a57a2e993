use std::io::Read as _;

use proptest::prelude::*;

use super::super::tests::archive;
use super::super::{Document, read};
use super::{Change, rewrite};

const TYPES: (&str, &[u8]) = ("[Content_Types].xml", b"<Types/>");

/// A document of these parts.
fn file(parts: &[(&str, &[u8])]) -> Vec<u8> {
    archive(&[&[TYPES], parts].concat())
}

/// With every `from` of its text replaced.
fn changed(bytes: &[u8], from: &str, to: &str, words_alone: bool) -> Option<Vec<u8>> {
    let Document { text, .. } = read(bytes).expect("a document");
    let changes: Vec<Change> = text
        .match_indices(from)
        .map(|(at, _)| Change {
            range: at..at + from.len(),
            text: to.to_owned(),
        })
        .collect();
    assert!(!changes.is_empty(), "{text:?}");
    rewrite(bytes, &changes, words_alone)
}

/// A part of an archive, unpacked by another reader than ours: by its local head.
fn part_of(bytes: &[u8], name: &str) -> Vec<u8> {
    let head = |at: usize, width: usize| {
        bytes[at..at + width]
            .iter()
            .rev()
            .fold(0_usize, |number, byte| number << 8 | usize::from(*byte))
    };
    let at = memchr::memmem::find_iter(bytes, b"PK\x03\x04")
        .find(|at| bytes[at + 30..].starts_with(name.as_bytes()))
        .expect("there");
    let from = at + 30 + head(at + 26, 2) + head(at + 28, 2);
    let packed = &bytes[from..from + head(at + 18, 4)];
    let mut plain = Vec::new();
    match head(at + 8, 2) {
        0 => plain.extend(packed),
        _ => {
            flate2::read::DeflateDecoder::new(packed)
                .read_to_end(&mut plain)
                .expect("packed");
        }
    }
    assert_eq!(crc32fast::hash(&plain) as usize, head(at + 14, 4), "{name}");
    assert_eq!(plain.len(), head(at + 22, 4), "{name}");
    plain
}

const MAIL: &str = "ana.lopez@corp.example";

#[test]
fn a_word_in_runs_is_replaced_and_the_rest_stays() {
    let body = "<w:p><w:r><w:t>To ana.lo</w:t></w:r><w:r><w:rPr b='1'/><w:t>pez@corp</w:t></w:r><w:r><w:t>.example &amp; Bob</w:t></w:r></w:p>";
    let rels = "<Relationship Id='r' Target='mailto:ana.lopez@corp.example'/>";
    let other = b"<x:theme>nobody's words</x:theme>";
    let bytes = file(&[
        ("word/document.xml", body.as_bytes()),
        ("word/_rels/document.xml.rels", rels.as_bytes()),
        ("word/theme/theme1.xml", other),
    ]);
    let new = changed(&bytes, MAIL, "<a&b>", false).expect("rewritten");
    let xml = String::from_utf8(part_of(&new, "word/document.xml")).expect("text");
    assert_eq!(
        xml,
        "<w:p><w:r><w:t>To &lt;a&amp;b&gt;</w:t></w:r><w:r><w:rPr b='1'/><w:t></w:t></w:r><w:r><w:t> &amp; Bob</w:t></w:r></w:p>"
    );
    assert_eq!(part_of(&new, "word/theme/theme1.xml"), other);
    let text = read(&new).expect("a document").text;
    assert_eq!(
        text,
        read(&bytes).expect("a document").text.replace(MAIL, "<a&b>")
    );
    assert!(!new.windows(9).any(|part| part == b"ana.lopez"));
}

#[test]
fn a_number_in_a_sheet_becomes_a_text() {
    let sheet = "<sheetData><row><c r=\"A1\" s=\"3\"><v>4111111111111111</v></c><c r=\"B1\" t=\"n\"><v>4111111111111111</v></c>\
        <c r=\"C1\" t=\"str\"><v>4111111111111111</v></c><c r=\"D1\"><v>7</v></c></row></sheetData>";
    let new = changed(
        &file(&[("xl/worksheets/sheet1.xml", sheet.as_bytes())]),
        "4111111111111111",
        "bz-card-x",
        false,
    );
    let xml = part_of(&new.expect("rewritten"), "xl/worksheets/sheet1.xml");
    assert_eq!(
        String::from_utf8(xml).expect("text"),
        "<sheetData><row><c t=\"str\" r=\"A1\" s=\"3\"><v>bz-card-x</v></c><c r=\"B1\" t=\"str\"><v>bz-card-x</v></c>\
        <c r=\"C1\" t=\"str\"><v>bz-card-x</v></c><c r=\"D1\"><v>7</v></c></row></sheetData>"
    );
    // A spreadsheet of the other kind says a number twice.
    let cell = "<table:table-cell office:value-type='float' office:value='4111111111111111'><text:p>4111111111111111</text:p></table:table-cell>";
    let new = changed(
        &file(&[("content.xml", cell.as_bytes())]),
        "4111111111111111",
        "bz",
        false,
    )
    .expect("rewritten");
    assert!(
        !String::from_utf8(part_of(&new, "content.xml"))
            .expect("text")
            .contains("4111")
    );
}

#[test]
fn words_are_read_however_xml_writes_them() {
    let wide: Vec<u8> = "\u{feff}<w:t>in wide letters</w:t>"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let bytes = file(&[
        ("word/document.xml", "<a:t b=\"x > y\" descr='in an attribute' c = \"said to bob@corp.example\"/><![CDATA[in <data>]]><x:p>one</x:p><x:p>two</x:p>".as_bytes()),
        ("word/styles.xml", b"<w:t>in a part of another name</w:t>"),
        ("word/document.bin", b"\xef\xbb\xbf<?xml version='1.0'?><w:t>in a part of another kind</w:t>"),
        ("word/document.ttf", b"<w:t>in what is called a font</w:t>"),
        ("word/footnotes.xml", &wide),
        ("word/embeddings/sheet.xlsx", &file(&[("xl/sharedStrings.xml", b"<si><t>in another document</t></si>")])),
    ]);
    let document = read(&bytes).expect("a document");
    assert!(!document.cut && !document.pictures, "{document:?}");
    for words in [
        "in an attribute\n",
        "said to bob@corp.example\n",
        "in <data>",
        "one\ntwo\n",
        "in a part of another name",
        "in a part of another kind",
        "in what is called a font",
        "in wide letters",
        "in another document",
    ] {
        assert!(document.text.contains(words), "{words:?} {:?}", document.text);
    }
    // Where a word stands in another document, or in another encoding, there is no changing it.
    assert_eq!(changed(&bytes, "in another document", "x", false), None);
    assert_eq!(changed(&bytes, "in wide letters", "x", false), None);
}

#[test]
fn what_is_no_words_is_said_and_can_be_emptied() {
    let photo = b"\xff\xd8\xff\xe0\0\x04JF\xff\xd9".as_slice();
    let parts: [(&str, &[u8]); 4] = [
        ("word/document.xml", b"<w:t>To ana.lopez@corp.example</w:t>"),
        ("word/media/image1.jpeg", photo),
        ("word/vbaProject.bin", b"\xd0\xcf\x11\xe0 macros"),
        ("xl/printerSettings/printerSettings1.bin", b"\x01 a printer"),
    ];
    let document = read(&file(&parts)).expect("a document");
    assert!(document.pictures && !document.cut);
    let new = changed(&file(&parts), MAIL, "x", true).expect("rewritten");
    assert!(part_of(&new, "word/media/image1.jpeg").starts_with(b"\x89PNG"));
    assert_eq!(part_of(&new, "word/vbaProject.bin"), b"");
    assert_eq!(
        part_of(&new, "xl/printerSettings/printerSettings1.bin"),
        b"\x01 a printer"
    );
    assert_eq!(read(&new).expect("a document").text, "To x\n");
}

#[test]
fn what_is_not_read_whole_is_not_rewritten() {
    let strange = b"<?xml version='1.0' encoding='latin1'?><w:t>\xff\xfe</w:t>";
    let entity = b"<!DOCTYPE x [<!ENTITY a \"more\">]><w:t>&a; words</w:t>";
    for odd in [strange.as_slice(), entity, b"<w:t>open \"quote <w:t a=\"b> words"] {
        let bytes = file(&[
            ("word/document.xml", b"<w:t>To ana.lopez@corp.example</w:t>"),
            ("word/x.xml", odd),
        ]);
        assert!(read(&bytes).expect("a document").cut);
        for words_alone in [false, true] {
            assert_eq!(changed(&bytes, MAIL, "x", words_alone), None);
        }
    }
    let twice = file(&[
        ("a.xml", b"<t>ana.lopez@corp.example</t>"),
        ("a.xml", b"<t>other</t>"),
    ]);
    assert_eq!(changed(&twice, MAIL, "x", false), None);
}

proptest! {
    #[test]
    fn what_was_replaced_is_gone_and_nothing_else_is(
        words in prop::collection::vec("(ana@x\\.example|[a-z<>&\"' é]{0,6})", 1..12),
        cut in prop::collection::vec(any::<bool>(), 12),
    ) {
        // Words in runs that begin anywhere.
        let mut xml = "<w:p><w:r><w:t>".to_owned();
        for (word, cut) in words.iter().zip(&cut) {
            for (at, c) in word.chars().enumerate() {
                match c {
                    '<' => xml.push_str("&lt;"),
                    '>' => xml.push_str("&#62;"),
                    '&' => xml.push_str("&amp;"),
                    c => xml.push(c),
                }
                if *cut && at % 2 == 1 {
                    xml.push_str("</w:t></w:r><w:r><w:t>");
                }
            }
        }
        xml.push_str("</w:t></w:r></w:p>");
        let bytes = file(&[("word/document.xml", xml.as_bytes())]);
        let before = read(&bytes).expect("a document");
        prop_assume!(before.text.contains("ana@x.example"));
        let new = changed(&bytes, "ana@x.example", "bz-1", false).expect("rewritten");
        let after = read(&new).expect("a document");
        prop_assert_eq!(after.text, before.text.replace("ana@x.example", "bz-1"));
    }

    #[test]
    fn damaged_archives_make_no_panic(at in 0_usize..600, byte in any::<u8>(), words_alone in any::<bool>()) {
        let mut bytes = file(&[("word/document.xml", b"<w:t>To ana.lopez@corp.example</w:t>"), ("word/media/a.png", b"\x89PNG\r\n\x1a\nxxxx")]);
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        let changes = [Change { range: 3..25, text: "x".to_owned() }];
        if let Some(new) = rewrite(&bytes, &changes, words_alone) {
            prop_assert!(read(&new).is_some());
        }
    }
}

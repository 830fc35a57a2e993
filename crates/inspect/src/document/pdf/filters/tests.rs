use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(dictionary: &str, data: &[u8], expected: Option<&[u8]>) {
    let mut out = Out::default();
    let plain = undone(dictionary.as_bytes(), data, &mut out);
    assert_eq!(plain.as_deref(), expected, "{dictionary}");
    assert!(!out.cut, "{dictionary}");
}

#[test]
fn each_filter_is_undone() {
    let text = b"BT (Ignore all previous) Tj ET";
    check("<< /Length 9 >>", text, Some(text));
    check("<< /Filter null >>", text, Some(text));
    check(
        "<< /Filter /ASCIIHexDecode >>",
        b"42 54\n2028 69297>",
        Some(b"BT (i)p"),
    );
    check("/Filter[/AHx]", b"42542>rest", Some(b"BT "));
    // Python: base64.a85encode(b"Man is distinguished", adobe=True).
    check(
        "/Filter /ASCII85Decode",
        b"9jqo^BlbD-BleB1\n DJ+*+F(f,q~>",
        Some(b"Man is distinguished"),
    );
    check("/Filter /A85", b"z9jqo~>", Some(b"\0\0\0\0Man"));
    check(
        "/Filter /RunLengthDecode",
        b"\x02abc\xfed\x80rest",
        Some(b"abcddd"),
    );
    // ISO 32000-1, 7.4.4.2, example 2.
    check(
        "/Filter /LZWDecode",
        b"\x80\x0b\x60\x50\x22\x0c\x0c\x85\x01",
        Some(&[45, 45, 45, 45, 45, 65, 45, 45, 45, 66]),
    );
}

#[test]
fn filters_are_undone_in_their_order() {
    check(
        "<< /Filter [ /ASCIIHexDecode /RunLengthDecode ] >>",
        b"02616263 FE64 80>",
        Some(b"abcddd"),
    );
    check("<< /Fil#74er [/ASCII#48exDecode] >>", b"616263>", Some(b"abc"));
}

#[test]
fn what_is_not_known_is_said() {
    for dictionary in [
        "/Filter /DCTDecode",
        "/Filter [/ASCII85Decode /Crypt]",
        "/Filter 7 0 R",
        "/Filter /AHx /Filter /A85",
        "/Filter [/AHx",
        "/Filter [/AHx /AHx /AHx /AHx /AHx /AHx /AHx /AHx /AHx]",
    ] {
        check(dictionary, b"6161>", None);
    }
    let mut out = Out::default();
    undone(b"/Filter /LZWDecode", b"\x80\x7f\xff", &mut out);
    assert!(out.cut, "a code that says nothing yet");
}

#[test]
fn codes_of_all_widths_are_read() {
    for early in [true, false] {
        let plain: Vec<u8> = (0..30_000_u32)
            .map(|at| (at * at / 7 % 11) as u8 + b'a')
            .collect();
        let dictionary = match early {
            true => "/Filter /LZW",
            false => "/Filter /LZW /DecodeParms << /EarlyChange 0 >>",
        };
        check(dictionary, &packed(&plain, early), Some(&plain));
    }
}

/// A writer of LZW that searches its table from the start.
fn packed(plain: &[u8], early: bool) -> Vec<u8> {
    let mut table: std::collections::BTreeMap<Vec<u8>, u32> = Default::default();
    let (mut bits, mut width, mut word) = (Vec::new(), 9, Vec::new());
    let put = |bits: &mut Vec<bool>, code: u32, width: u32| {
        bits.extend((0..width).rev().map(|bit| code >> bit & 1 == 1));
    };
    put(&mut bits, 256, 9);
    let code_of = |table: &std::collections::BTreeMap<Vec<u8>, u32>, word: &[u8]| match word {
        [byte] => Some(u32::from(*byte)),
        _ => table.get(word).copied(),
    };
    for byte in plain {
        let longer = [word.as_slice(), &[*byte]].concat();
        if code_of(&table, &longer).is_some() {
            word = longer;
            continue;
        }
        put(&mut bits, code_of(&table, &word).unwrap(), width);
        table.insert(longer, 258 + table.len() as u32);
        let next = 258 + table.len() as u32;
        if next + u32::from(early) > 1 << width {
            width += 1;
        }
        if next >= 4095 {
            put(&mut bits, 256, width);
            table.clear();
            width = 9;
        }
        word = vec![*byte];
    }
    put(&mut bits, code_of(&table, &word).unwrap(), width);
    put(&mut bits, 257, width);
    bits.chunks(8)
        .map(|byte| {
            (0..8).fold(0, |sum, at| {
                sum << 1 | u8::from(byte.get(at).copied().unwrap_or_default())
            })
        })
        .collect()
}

#[test]
fn bombs_are_cut() {
    for (dictionary, data) in [
        ("/Filter /A85", vec![b'z'; 8 << 20]),
        ("/Filter /RL", [0x81, b'a'].repeat(1 << 20)),
    ] {
        let mut out = Out::default();
        let plain = undone(dictionary.as_bytes(), &data, &mut out).unwrap();
        assert!(out.cut && plain.len() <= super::super::super::UNPACKED_MOST);
    }
}

proptest! {
    #[test]
    fn nothing_panics(
        data in proptest::collection::vec(any::<u8>(), 0..300),
        names in proptest::collection::vec("/(A85|AHx|RL|LZW|Fl|#4)", 0..4),
    ) {
        let mut out = Out { left: 1000, ..Out::default() };
        let plain = undone(format!("/Filter [{}]", names.concat()).as_bytes(), &data, &mut out);
        prop_assert!(plain.is_none_or(|plain| plain.len() <= 1000));
    }
}

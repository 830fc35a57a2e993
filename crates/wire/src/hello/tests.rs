use proptest::prelude::*;

use super::*;

/// A vector with a length of two bytes.
fn long(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
    [&length[..], bytes].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &long(data)].concat()
}

fn named(name: &str) -> Vec<u8> {
    extension(SERVER_NAME, &long(&[&[0][..], &long(name.as_bytes())].concat()))
}

/// A hello with these extensions, in one handshake message.
fn message(extensions: &[Vec<u8>]) -> Vec<u8> {
    let body = [
        &[3, 3][..],
        &[7; 32],
        &[0],
        &long(&[0x13, 0x01]),
        &[1, 0],
        &long(&extensions.concat()),
    ]
    .concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[CLIENT_HELLO][..], &length[1..], &body].concat()
}

fn record_of(fragment: &[u8]) -> Vec<u8> {
    [&[HANDSHAKE, 3, 1][..], &long(fragment)].concat()
}

fn read_all(bytes: &[u8]) -> Result<Option<Hello>, Wrong> {
    HelloReader::default().push(bytes)
}

fn check(extensions: &[Vec<u8>], expected: Result<(Option<&str>, bool), Wrong>) {
    let found = read_all(&record_of(&message(extensions)));
    let expected = expected.map(|(name, encrypted)| {
        Some(Hello {
            name: name.map(str::to_owned),
            encrypted,
        })
    });
    assert_eq!(found, expected, "{extensions:?}");
}

#[test]
fn a_hello_says_where_it_goes() {
    check(&[named("api.example.com")], Ok((Some("api.example.com"), false)));
    check(&[named("API.Example.COM")], Ok((Some("api.example.com"), false)));
    check(&[extension(43, &[2, 3, 4])], Ok((None, false)));
    check(&[], Ok((None, false)));
    check(
        &[named("outer.example"), extension(0xFE0D, &[0; 40])],
        Ok((Some("outer.example"), true)),
    );
    check(&[extension(0xFFCE, &[0; 40])], Ok((None, true)));
}

#[test]
fn what_two_readers_could_read_differently_is_refused() {
    let wrong = Err(Wrong::Malformed);
    check(&[named("a.example"), named("b.example")], wrong);
    check(&[extension(43, &[]), extension(43, &[])], wrong);
    for name in [
        "",
        "a.example.",
        "a.example:443",
        "10.0.0.1",
        "[::1]",
        "a b",
        "a\0.example",
        "ü.example",
    ] {
        check(&[named(name)], wrong);
    }
    let two = [&[0][..], &long(b"a.example"), &[0], &long(b"b.example")].concat();
    check(&[extension(SERVER_NAME, &long(&two))], wrong);
    let other = [&[1][..], &long(b"a.example")].concat();
    check(&[extension(SERVER_NAME, &long(&other))], wrong);
    let behind = [&long(&[&[0][..], &long(b"a.example")].concat())[..], b"x"].concat();
    check(&[extension(SERVER_NAME, &behind)], wrong);
    let mut trailing = message(&[named("a.example")]);
    trailing.push(0);
    assert_eq!(read_all(&record_of(&trailing)), Err(Wrong::Malformed));
}

#[test]
fn it_may_come_in_pieces_and_in_several_records() {
    let message = message(&[named("api.example.com")]);
    let records = [
        record_of(&message[..3]),
        record_of(&message[3..20]),
        record_of(&message[20..]),
    ]
    .concat();
    let mut reader = HelloReader::default();
    for byte in &records[..records.len() - 1] {
        assert_eq!(reader.push(&[*byte]), Ok(None));
    }
    // What follows it at once is kept.
    let found = reader.push(&[&records[records.len() - 1..], b"early"].concat());
    assert_eq!(found.unwrap().unwrap().name.as_deref(), Some("api.example.com"));
    assert_eq!(reader.into_bytes(), [&records[..], b"early"].concat());
}

#[test]
fn other_protocols_are_refused_by_their_first_byte() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"SSH-2.0-x",
        &[23, 3, 3, 0, 1, 0],
        &[22, 2, 0],
        &[0x80, 0x2E],
    ] {
        assert_eq!(read_all(bytes), Err(Wrong::Protocol), "{bytes:?}");
    }
    assert_eq!(read_all(&record_of(&[2, 0, 0, 0])), Err(Wrong::Protocol));
    assert_eq!(read_all(&[22, 3, 1, 0, 0]), Err(Wrong::Malformed));
    assert_eq!(read_all(&[22, 3, 1, 0xFF, 0xFF]), Err(Wrong::Malformed));
}

#[test]
fn one_that_never_ends_is_refused_at_the_bound() {
    let fragment = [&[CLIENT_HELLO, 0, 0x3F, 0xFF][..], &[0; 60]].concat();
    let mut reader = HelloReader::default();
    let mut pushed = 0;
    let ended = loop {
        let record = if pushed == 0 {
            record_of(&fragment)
        } else {
            record_of(&[0; 64])
        };
        pushed += record.len();
        match reader.push(&record) {
            Ok(None) => assert!(pushed < HELLO_BYTES),
            ended => break ended,
        }
    };
    assert_eq!(ended, Err(Wrong::TooLong));
    let long = [&[CLIENT_HELLO, 1, 0, 0][..], &[0; 60]].concat();
    assert_eq!(read_all(&record_of(&long)), Err(Wrong::TooLong));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), cut in 0_usize..600) {
        let mut reader = HelloReader::default();
        let cut = cut.min(bytes.len());
        let first = reader.push(&bytes[..cut]);
        if first == Ok(None) {
            // However it is cut, the same is read.
            prop_assert_eq!(reader.push(&bytes[cut..]), read_all(&bytes));
        }
    }

    #[test]
    fn a_changed_hello_never_panics(at in 0_usize..120, to: u8) {
        let mut bytes = record_of(&message(&[named("api.example.com"), extension(43, &[2, 3, 4])]));
        if let Some(byte) = bytes.get_mut(at) {
            *byte = to;
        }
        let read = read_all(&bytes);
        if let Ok(Some(Hello { name: Some(name), .. })) = read {
            prop_assert!(crate::site::Site::parse(&name, Some(443)).is_some());
        }
    }
}

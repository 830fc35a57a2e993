use proptest::prelude::*;

use super::*;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Everything that is said in these bytes, given in pieces of this size.
fn read(from: Side, most: usize, bytes: &[u8], piece: usize) -> Result<Vec<Said>, Wrong> {
    let mut reader = Reader::new(from, most);
    let mut said = Vec::new();
    for piece in bytes.chunks(piece.max(1)) {
        reader.push(piece);
        while let Some(one) = reader.read()? {
            said.push(one);
        }
    }
    Ok(said)
}

#[test]
fn the_examples_of_the_rfc_are_read() {
    // RFC 6455 section 5.7.
    let hello = || Said::Text("Hello".to_owned());
    let plain = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(read(Side::Server, 10, &plain, 1), Ok(vec![hello()]));
    let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(read(Side::Client, 10, &masked, 3), Ok(vec![hello()]));
    assert_eq!(frame(&hello(), Some(MASK)), masked);
    assert_eq!(frame(&hello(), None), plain);
    let pieces = [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f];
    assert_eq!(read(Side::Server, 5, &pieces, 2), Ok(vec![hello()]));
    let ping = [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(
        read(Side::Server, 0, &ping, 9),
        Ok(vec![Said::Ping(b"Hello".to_vec())])
    );
    let answered = [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(pong(b"Hello", Some(MASK)), answered);
}

#[test]
fn a_control_frame_may_stand_between_pieces() {
    let bytes = [
        0x01, 0x01, b'a', 0x89, 0x00, 0x80, 0x01, b'b', 0x88, 0x02, 0x03, 0xe8, 0x81, 0x01, b'c',
    ];
    let all = vec![
        Said::Ping(Vec::new()),
        Said::Text("ab".to_owned()),
        Said::Close(Some(1000)),
    ];
    // Nothing is read past a close.
    assert_eq!(read(Side::Server, 2, &bytes, 100), Ok(all));
}

#[test]
fn a_reason_that_is_too_long_is_cut_between_letters() {
    let bytes = closing(Some(1008), &"é".repeat(100), None);
    assert_eq!(bytes.len(), 2 + 2 + 122);
    assert_eq!(
        read(Side::Server, 0, &bytes, 9),
        Ok(vec![Said::Close(Some(1008))])
    );
    assert_eq!(closing(None, "why", None), [0x88, 0x00]);
}

#[test]
fn what_the_protocol_forbids_is_refused() {
    let server = |bytes: &[u8]| read(Side::Server, 200, bytes, 100).unwrap_err();
    for bytes in [
        &[0xc1, 0x00][..],         // a reserved bit, as packed messages have
        &[0x83, 0x00],             // an opcode of nobody's
        &[0x8b, 0x00],             // a control opcode of nobody's
        &[0x81, 0x80, 1, 2, 3, 4], // a server that masks
        &[0x09, 0x00],             // a control frame in pieces
        &[0x89, 0x7e, 0x00, 0x7e], // a control frame that is long
        &[0x80, 0x00],             // a piece of nothing
        &[0x01, 0x00, 0x81, 0x00], // a message in a message
        &[0x81, 0x7e, 0x00, 0x05], // a length that could be shorter
        &[0x81, 0x7f, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
        &[0x81, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0],
        &[0x88, 0x01, 0x03],       // half a close code
        &[0x88, 0x02, 0x03, 0xed], // 1005, which nobody sends
    ] {
        assert_eq!(server(bytes), Wrong::Frame, "{bytes:x?}");
    }
    assert_eq!(server(&[0x81, 0x01, 0xff]), Wrong::Utf8);
    assert_eq!(server(&[0x88, 0x03, 0x03, 0xe8, 0xff]), Wrong::Utf8);
    let client = read(Side::Client, 200, &[0x81, 0x00], 10);
    assert_eq!(client, Err(Wrong::Frame), "a client that does not mask");
    assert_eq!(
        [Wrong::Frame, Wrong::Utf8, Wrong::TooLarge].map(Wrong::close_code),
        [1002, 1007, 1009]
    );
}

#[test]
fn a_message_is_bounded_before_it_is_here() {
    let long = [0x82, 0x7e, 0x01, 0x00];
    assert_eq!(read(Side::Server, 255, &long, 10), Err(Wrong::TooLarge));
    assert_eq!(read(Side::Server, 256, &long, 10), Ok(Vec::new()));
    let pieces = [0x02, 0x02, 1, 2, 0x80, 0x02];
    assert_eq!(read(Side::Server, 3, &pieces, 10), Err(Wrong::TooLarge));
    let mut empty = vec![0x02, 0x00];
    empty.extend([0x00, 0x00].repeat(5000));
    assert_eq!(read(Side::Server, 3, &empty, 10_000), Err(Wrong::TooLarge));
}

proptest! {
    #[test]
    fn what_is_framed_is_read_again(
        text in ".{0,300}", bytes in prop::collection::vec(any::<u8>(), 0..70_000), mask: [u8; 4], piece in 1..5000_usize,
    ) {
        let said = vec![Said::Text(text), Said::Binary(bytes)];
        for (from, mask) in [(Side::Client, Some(mask)), (Side::Server, None)] {
            let all: Vec<u8> = said.iter().flat_map(|one| frame(one, mask)).collect();
            prop_assert_eq!(read(from, 80_000, &all, piece), Ok(said.clone()));
        }
    }

    #[test]
    fn any_bytes_end_within_bounds(bytes in prop::collection::vec(any::<u8>(), 0..2000), piece in 1..64_usize) {
        for from in [Side::Client, Side::Server] {
            let whole = read(from, 500, &bytes, 4000);
            prop_assert_eq!(&read(from, 500, &bytes, piece), &whole);
            let mut reader = Reader::new(from, 500);
            for piece in bytes.chunks(piece) {
                reader.push(piece);
                let mut read = reader.read();
                while let Ok(Some(_)) = read {
                    read = reader.read();
                }
                if read.is_err() {
                    break;
                }
                // What waits is the rest of one message, with the head of a frame.
                prop_assert!(reader.held() <= 500 + CONTROL_BYTES + HEAD_BYTES);
            }
        }
    }
}

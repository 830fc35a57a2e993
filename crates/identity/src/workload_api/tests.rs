use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use serde_json::Value;

use super::{frames::REQUEST, *};

fn vector() -> Value {
    serde_json::from_str(include_str!("../../vectors/workload_api.json")).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn message() -> Vec<u8> {
    bytes(&vector()["message"])
}

/// A field of wire type 2.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = content.len();
    while length > 0x7f {
        out.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    out.push(u8::try_from(length).unwrap());
    out.extend_from_slice(content);
    out
}

/// The vector's first SVID, with this in the place of one field.
fn svid(number: u8, other: &[u8]) -> Vec<u8> {
    let vector = vector();
    let mut content = Vec::new();
    let fields = [
        (1, vector["id"].as_str().unwrap().as_bytes().to_vec()),
        (2, bytes(&vector["leaf"])),
        (3, bytes(&vector["key"])),
        (4, bytes(&vector["bundles"]["example.org"])),
    ];
    for (at, value) in fields {
        let value = if at == number { other } else { value.as_slice() };
        content.extend(field(at, value));
    }
    field(1, &content)
}

fn domain(name: &str) -> TrustDomain {
    TrustDomain::new(name).unwrap()
}

#[test]
fn what_protobuf_itself_wrote_is_read() {
    let vector = vector();
    let update = WorkloadUpdate::parse(&message()).unwrap();
    assert_eq!(update.svid.id, vector["id"].as_str().unwrap());
    assert_eq!(update.svid.chain, [CertificateDer::from(bytes(&vector["leaf"]))]);
    assert_eq!(*update.svid.key.expose(), bytes(&vector["key"]));
    assert_eq!(
        update.svid.until.unix_seconds(),
        vector["until"].as_u64().unwrap()
    );
    assert_eq!(update.bundles.len(), 2);
    for name in ["example.org", "partner.example"] {
        assert_eq!(
            update.bundles[&domain(name)],
            [CertificateDer::from(bytes(&vector["bundles"][name]))]
        );
    }
    assert!(!format!("{update:?}").contains("MIG"), "a key shows");
}

#[test]
fn what_is_not_known_is_skipped_and_what_comes_twice_counts_once() {
    let mut more = message();
    // A number, a fixed 64, a fixed 32 and bytes under numbers that nobody gave yet.
    more.extend([0x78, 0x96, 0x01, 0x79, 1, 2, 3, 4, 5, 6, 7, 8, 0x7d, 1, 2, 3, 4]);
    more.extend(field(14, b"new"));
    assert_eq!(WorkloadUpdate::parse(&more).unwrap().bundles.len(), 2);
    // A federated bundle never stands in for our own.
    let own = bytes(&vector()["bundles"]["example.org"]);
    let other = bytes(&vector()["bundles"]["partner.example"]);
    let entry = [field(1, b"spiffe://example.org"), field(2, &other)].concat();
    let both = [svid(0, b""), field(3, &entry)].concat();
    let update = WorkloadUpdate::parse(&both).unwrap();
    assert_eq!(
        update.bundles[&domain("example.org")],
        [CertificateDer::from(own)]
    );
}

#[test]
fn what_does_not_hold_is_refused_whole() {
    let vector = vector();
    let leaf = bytes(&vector["leaf"]);
    let root = bytes(&vector["bundles"]["example.org"]);
    let entry = |key: &[u8], value: &[u8]| field(3, &[field(1, key), field(2, value)].concat());
    let cut = leaf.get(..leaf.len() - 1).unwrap();
    let nine = leaf.repeat(9);
    let whole = message();
    let with = |more: Vec<u8>| [whole.clone(), more].concat();
    for (name, bytes, expected) in [
        ("nothing", Vec::new(), WorkloadFault::Empty),
        ("bundles alone", entry(b"spiffe://a", &root), WorkloadFault::Empty),
        (
            "another id",
            svid(1, b"spiffe://example.org/second"),
            WorkloadFault::Id,
        ),
        ("no id", svid(1, b"example.org"), WorkloadFault::Id),
        ("an id that is no text", svid(1, &[0xff]), WorkloadFault::Id),
        ("no certificate", svid(2, b""), WorkloadFault::Certificate),
        ("half a certificate", svid(2, cut), WorkloadFault::Certificate),
        ("a long chain", svid(2, &nine), WorkloadFault::Certificate),
        ("no key", svid(3, b""), WorkloadFault::Key),
        ("no bundle", svid(4, b""), WorkloadFault::Bundle),
        ("a bundle that is none", svid(4, b"x"), WorkloadFault::Bundle),
        (
            "a second SVID that is none",
            with(field(1, b"")),
            WorkloadFault::Id,
        ),
        (
            "a revocation list",
            with(field(2, b"crl")),
            WorkloadFault::Revocations,
        ),
        (
            "a bundle of nobody",
            with(entry(b"partner.example", &root)),
            WorkloadFault::Bundle,
        ),
        (
            "a bundle with a path",
            with(entry(b"spiffe://a/b", &root)),
            WorkloadFault::Bundle,
        ),
        (
            "an empty bundle",
            with(entry(b"spiffe://a", b"")),
            WorkloadFault::Bundle,
        ),
        ("a group", with(vec![0x0b]), WorkloadFault::Malformed(whole.len())),
        (
            "the number 0",
            with(vec![0x02, 0]),
            WorkloadFault::Malformed(whole.len()),
        ),
        (
            "an endless number",
            with(vec![0xff; 11]),
            WorkloadFault::Malformed(whole.len()),
        ),
        (
            "more than there is",
            with(vec![0x7a, 5]),
            WorkloadFault::Malformed(whole.len()),
        ),
        (
            "too large",
            vec![0; MESSAGE_BYTES_MAX + 1],
            WorkloadFault::TooLarge,
        ),
    ] {
        assert_eq!(WorkloadUpdate::parse(&bytes).unwrap_err(), expected, "{name}");
    }
    WorkloadUpdate::parse(&svid(0, b"")).unwrap();
    // A root is no leaf, whatever it is called.
    let root_id = svid(2, &root);
    assert!(WorkloadUpdate::parse(&root_id).is_err());
}

#[test]
fn a_prefix_of_a_message_is_no_message_or_one_of_fewer_fields() {
    let whole = message();
    for end in 0..whole.len() {
        if let Ok(update) = WorkloadUpdate::parse(&whole[..end]) {
            assert_eq!(update.svid.id, "spiffe://example.org/bartizan/gateway");
        }
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[0], &length.to_be_bytes()[..], message].concat()
}

#[test]
fn frames_come_out_whole_however_they_are_cut() {
    let stream = [framed(b"one"), framed(b""), framed(&[7; 300])].concat();
    let expected = [b"one".to_vec(), Vec::new(), vec![7; 300]];
    for size in 1..=stream.len() {
        let mut frames = Frames::default();
        let found: Vec<Vec<u8>> = stream
            .chunks(size)
            .flat_map(|chunk| frames.push(chunk).unwrap())
            .collect();
        assert_eq!(found, expected, "{size}");
        assert!(!frames.is_cut());
    }
    let mut frames = Frames::default();
    assert!(frames.push(&stream[..6]).unwrap().is_empty());
    assert!(frames.is_cut());
    assert_eq!(Frames::default().push(&REQUEST), Ok(vec![Vec::new()]));
}

#[test]
fn frames_that_are_none_end_the_stream() {
    for (bytes, expected) in [
        (vec![1, 0, 0, 0, 0], WorkloadFault::Compressed),
        (vec![2, 0, 0, 0, 0], WorkloadFault::Malformed(0)),
        (vec![0, 0xff, 0xff, 0xff, 0xff], WorkloadFault::TooLarge),
        (
            [framed(b"one"), vec![9, 0, 0, 0, 0]].concat(),
            WorkloadFault::Malformed(8),
        ),
    ] {
        assert_eq!(Frames::default().push(&bytes), Err(expected));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(noise in prop::collection::vec(any::<u8>(), 0..400), at in 0_usize..1900) {
        let _ = WorkloadUpdate::parse(&noise);
        let mut spoiled = message();
        for (slot, byte) in spoiled.iter_mut().skip(at).zip(&noise) {
            *slot = *byte;
        }
        let _ = WorkloadUpdate::parse(&spoiled);
        let _ = Frames::default().push(&noise);
    }
}

use bartizan_types::Code;
use proptest::prelude::*;

use super::{Event, Fault, Splitter, encode};

#[derive(Debug, Clone, PartialEq, Eq)]
struct Owned {
    name: Option<String>,
    data: Option<String>,
    id: Option<String>,
    retry: Option<u64>,
}

/// Splits `stream` in the given chunks; returns the events, and all raw bytes put together.
fn split(chunks: &[&[u8]], event_bytes: usize) -> Result<(Vec<Owned>, Vec<u8>), Fault> {
    let mut events = Vec::new();
    let mut bytes = Vec::new();
    let mut each = |event: Event<'_>| {
        bytes.extend_from_slice(event.raw);
        events.push(Owned {
            name: event.name.map(str::to_owned),
            data: event.data.map(|data| data.into_owned()),
            id: event.id.map(str::to_owned),
            retry: event.retry,
        });
        Ok(())
    };
    let mut splitter = Splitter::new(event_bytes);
    for chunk in chunks {
        splitter.push(chunk, &mut each)?;
    }
    splitter.finish(&mut each)?;
    Ok((events, bytes))
}

fn datas(stream: &str) -> Vec<Option<String>> {
    let (events, bytes) = split(&[stream.as_bytes()], 1 << 20).expect("well formed");
    assert_eq!(bytes, stream.as_bytes());
    events.into_iter().map(|event| event.data).collect()
}

#[test]
fn the_standards_examples() {
    // WHATWG HTML section 9.2.6.
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        datas("data: YHOO\ndata: +2\ndata: 10\n\n"),
        [some("YHOO\n+2\n10")]
    );
    assert_eq!(
        datas(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"),
        [
            None,
            some("first event"),
            some("second event"),
            some(" third event")
        ]
    );
    assert_eq!(datas("data\n\ndata\ndata\n\n"), [some(""), some("\n")]);
    assert_eq!(datas("data:test\n\ndata: test\n\n"), [some("test"), some("test")]);
}

#[test]
fn line_ends_of_all_kinds() {
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        datas("data: a\r\rdata: b\r\n\r\ndata: c\n\ndata: d\r\n\ndata: e\n\r"),
        [some("a"), some("b"), some("c"), some("d"), some("e"),]
    );
    assert_eq!(datas("\u{FEFF}data: a\n\n"), [some("a")]);
    assert_eq!(datas("\u{FEFF}\ndata: a\n\n"), [None, some("a")]);
}

#[test]
fn an_event_does_not_wait_for_the_line_feed_of_its_last_line() {
    let mut seen = 0;
    let mut splitter = Splitter::new(64);
    let mut each = |event: Event<'_>| {
        seen += usize::from(event.data.is_some());
        Ok(())
    };
    splitter.push(b"data: a\r\r", &mut each).expect("fine");
    splitter.push(b"\n", &mut each).expect("fine");
    splitter.finish(&mut each).expect("fine");
    assert_eq!(seen, 1);
}

#[test]
fn faults_stop_for_good() {
    let mut splitter = Splitter::new(16);
    let mut none = |_: Event<'_>| Ok(());
    let fault = splitter
        .push(b"data: 0123456789abcdef", &mut none)
        .expect_err("too large");
    assert_eq!(fault.code, Code::EventTooLarge);
    assert_eq!(splitter.push(b"\n\ndata: a\n\n", &mut none), Err(fault));
    assert_eq!(splitter.finish(&mut none), Err(fault));
}

#[test]
fn encoding_reads_back() {
    let bytes = encode(Some("error\ndata: evil"), "a\nb\r\nc\rd");
    let (events, _) = split(&[&bytes], 1 << 20).expect("well formed");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].name.as_deref(), Some("error"));
    assert_eq!(events[0].data.as_deref(), Some("a\nb\nc\nd"));
}

fn stream() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("data: x"),
        Just("data:"),
        Just("event: e"),
        Just(": c"),
        Just("id: 7"),
        Just("retry: 10"),
        Just(": é"),
        Just("\n"),
        Just("\r"),
        Just("\r\n"),
        Just("\n\n"),
        Just("\r\n\r\n"),
        Just("\r\r"),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat() + "\n\n")
}

proptest! {
    #[test]
    fn chunks_do_not_matter(text in stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        let whole = split(&[text.as_bytes()], 1 << 20);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        at.sort_unstable();
        let mut chunks = Vec::new();
        let mut from = 0;
        for to in at.into_iter().chain([text.len()]) {
            chunks.push(&text.as_bytes()[from..to]);
            from = to;
        }
        let parted = split(&chunks, 1 << 20);
        let dispatched = |events: &[Owned]| events.iter().filter(|event| event.data.is_some()).cloned().collect::<Vec<_>>();
        let (whole, parted) = (whole.expect("well formed"), parted.expect("well formed"));
        prop_assert_eq!(dispatched(&whole.0), dispatched(&parted.0));
        prop_assert_eq!(&whole.1, text.as_bytes());
        prop_assert_eq!(&parted.1, text.as_bytes());
    }

    #[test]
    fn what_is_encoded_is_split(datas in prop::collection::vec("[^\r\u{FEFF}]{0,30}", 0..6)) {
        let bytes: Vec<u8> = datas.iter().flat_map(|data| encode(None, data)).collect();
        let (events, raw) = split(&[&bytes], 1 << 20).expect("well formed");
        prop_assert_eq!(raw, bytes);
        prop_assert_eq!(events.into_iter().map(|event| event.data.unwrap_or_default()).collect::<Vec<_>>(), datas);
    }
}

//! One conversation with a hostile server: an answer finds whoever asked and nobody else, once, and what is open stays
//! within its bounds. The first byte picks the era; then one message a line, `?` a request of ours, `!` giving one up.
#![no_main]

use std::collections::BTreeSet;

use bartizan_mcp::{
    Caller, Event, Link, Params,
    link::{MAX_ASKS, MAX_INPUTS, MAX_PENDING},
    message::{Face, Shape},
};
use bartizan_wire::json::Bounds;
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

fn face() -> Face {
    let can =
        RawValue::from_string(r#"{"sampling":{},"elicitation":{},"roots":{}}"#.to_owned()).expect("JSON");
    Face::read(None, Some(&can)).expect("a face")
}

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else {
        return;
    };
    let mut link = Link::new(face(), Bounds::default());
    let _opening = link.open(first & 1 == 1);
    let with_token =
        RawValue::from_string(r#"{"name":"t","_meta":{"progressToken":"p"}}"#.to_owned()).expect("JSON");
    let params = Params::strict(Some(&with_token)).expect("params");
    let (mut callers, mut waiting, mut asks) = (0_u64, BTreeSet::new(), BTreeSet::new());
    for line in data.split(|byte| *byte == b'\n').take(512) {
        match line {
            b"?" => {
                if link
                    .request(Caller(callers), "tools/call", &params, Shape::default())
                    .is_ok()
                {
                    waiting.insert(callers);
                }
                callers += 1;
            }
            b"!" => {
                let Some(oldest) = waiting.pop_first() else {
                    continue;
                };
                assert_eq!(link.cancel(Caller(oldest)).len(), 1);
            }
            line => {
                let mut events = Vec::new();
                if let Err(code) = link.receive(line, &mut events) {
                    let only = waiting.first().filter(|_| waiting.len() == 1);
                    events.extend(link.unread(line, code, only.map(|only| Caller(*only))));
                }
                for event in events {
                    match event {
                        Event::Answer { caller, .. } => {
                            assert!(waiting.remove(&caller.0), "an answer to nobody")
                        }
                        Event::Lost { caller, .. } => {
                            assert!(waiting.remove(&caller.0), "the end of nobody's request")
                        }
                        Event::InputRequired { caller, inputs, .. } => {
                            assert!(waiting.remove(&caller.0), "a question to nobody");
                            assert!(inputs.len() <= MAX_INPUTS);
                        }
                        Event::Progress { caller, params } => {
                            assert!(waiting.contains(&caller.0), "progress to nobody");
                            assert!(params.get().contains(r#""progressToken":"p""#));
                        }
                        Event::Asked { ask, .. } => assert!(asks.insert(ask), "a number given twice"),
                        Event::Withdrawn(ask) => assert!(asks.remove(&ask), "nothing to withdraw"),
                        _ => {}
                    }
                }
            }
        }
        assert_eq!(link.in_flight(), waiting.len());
        assert!(waiting.len() <= MAX_PENDING && asks.len() <= MAX_ASKS);
    }
    let left: BTreeSet<u64> = link.close().into_iter().map(|caller| caller.0).collect();
    assert_eq!(left, waiting);
});

//! Agents that go round in circles, and those that only seem to.

use std::collections::BTreeSet;

use bartizan_guard::loops::{LoopBounds, Loops};
use bartizan_types::{
    Actor, AgentId, AuthMethod, Code, Digest, Issuer, KeyId, Principal, SessionId, Timestamp,
};

fn principal(chain: &[&str]) -> Principal {
    let actor = |sub: &&str| Actor {
        sub: (*sub).to_owned(),
        iss: None,
        bounds: None,
        key: None,
    };
    Principal {
        agent: AgentId::new("a").unwrap(),
        user: None,
        act: chain.iter().map(actor).collect(),
        groups: Default::default(),
        scopes: BTreeSet::new(),
        issuer: Issuer::new("i").unwrap(),
        credential: KeyId::new("k").unwrap(),
        rests: Default::default(),
        method: AuthMethod::ApiKey,
        root: None,
        anchor: None,
        expires: None,
    }
}

fn session(number: u64) -> SessionId {
    SessionId::mint(Timestamp::from_unix_seconds(number), u128::from(number))
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(1_790_000_000 + seconds)
}

const A: Digest = Digest([1; 32]);
const B: Digest = Digest([2; 32]);

fn loops(same_call: u32, per_minute: u32) -> Loops {
    Loops::new(LoopBounds {
        same_call,
        per_minute,
        same_actor: 2,
    })
}

#[test]
fn the_same_call_ends_and_another_one_or_time_begins_anew() {
    let (mut loops, me) = (loops(3, 0), principal(&[]));
    let mut ask = |of: u64, what, when| loops.count(session(of), &me, what, at(when)).map(|bar| bar.code);
    for _ in 0..3 {
        assert_eq!(ask(1, A, 0), None);
    }
    assert_eq!(ask(1, A, 1), Some(Code::SameCall));
    assert_eq!(ask(1, A, 2), Some(Code::SameCall), "asking on changes nothing");
    assert_eq!(ask(2, A, 2), None, "another session's call is another");
    assert_eq!(ask(1, B, 3), None);
    for _ in 0..3 {
        assert_eq!(ask(1, A, 4), None);
    }
    assert_eq!(ask(1, A, 5), Some(Code::SameCall));
    assert_eq!(ask(1, A, 603), Some(Code::SameCall));
    assert_eq!(ask(1, A, 604), None);
}

#[test]
fn a_runaway_is_held_until_its_minute_is_over() {
    let (mut loops, me) = (loops(0, 4), principal(&[]));
    let mut ask = |number: u8, when| loops.count(session(1), &me, Digest([number; 32]), at(when));
    for number in 0..4 {
        assert_eq!(ask(number, 0), None);
    }
    let bar = ask(9, 20).unwrap();
    assert_eq!((bar.code, bar.retry_after_seconds), (Code::FanOut, Some(40)));
    assert_eq!(ask(9, 60), None);
}

#[test]
fn who_acts_for_himself_again_and_again_is_refused() {
    let mut loops = loops(0, 0);
    let mut ask = |chain: &[&str]| {
        let bar = loops.count(session(1), &principal(chain), A, at(0));
        bar.map(|bar| bar.code)
    };
    assert_eq!(ask(&[]), None);
    assert_eq!(ask(&["a", "b", "c", "d", "e", "f", "g", "h"]), None);
    assert_eq!(ask(&["a", "b", "a", "b"]), None);
    assert_eq!(ask(&["a", "b", "a", "b", "a"]), Some(Code::Recursion));
    assert_eq!(ask(&["a", "a", "a"]), Some(Code::Recursion));
}

#[test]
fn sessions_remembered_are_bounded() {
    let (mut loops, me) = (loops(2, 0), principal(&[]));
    for number in 0..40_000 {
        loops.count(session(number), &me, A, at(number / 100));
    }
    assert!(loops.sessions() <= 16_384);
    // Those that were heard of last are still known.
    assert_eq!(loops.count(session(39_999), &me, A, at(400)), None);
    assert!(loops.count(session(39_999), &me, A, at(400)).is_some());
}

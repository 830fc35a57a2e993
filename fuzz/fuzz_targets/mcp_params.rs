//! What an agent puts into a request and what a server gets of it: arguments byte for byte, nothing of the envelope, and
//! one reading. The first byte picks the server's revision.
#![no_main]

use bartizan_mcp::{
    Params, Revision,
    message::{Face, META_CAPABILITIES, Members, Rewrite},
};
use bartizan_wire::json::{Bounds, scan};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else {
        return;
    };
    let Ok(scanned) = scan(data, &Bounds::default()) else {
        return;
    };
    let raw: &RawValue = serde_json::from_str(scanned.text()).expect("strict");
    let Ok(params) = Params::strict(Some(raw)) else {
        return;
    };
    let face = Face::default();
    let revision = Revision::ALL[usize::from(*first) % Revision::ALL.len()];
    let mut rewrite = Rewrite::new(revision, &face);
    rewrite.shape.name = Some("own");
    let sent = params.rewritten(&rewrite, Some(7));
    let bounds = Bounds {
        depth: 130,
        ..Bounds::default()
    };
    scan(sent.as_bytes(), &bounds).expect("what is sent has one reading");
    let sent: &RawValue = serde_json::from_str(&sent).expect("JSON");
    let members = Members::read(sent).expect("an object");
    assert_eq!(
        members.find("arguments").map(RawValue::get),
        params.find("arguments").map(RawValue::get)
    );
    assert_eq!(members.find("name").map(RawValue::get), Some("\"own\""));
    assert!(members.find("inputResponses").is_none() && members.find("cursor").is_none());
    let meta = members
        .find("_meta")
        .map(|meta| Members::read(meta).expect("an object"));
    let said = meta.as_ref().and_then(|meta| meta.find(META_CAPABILITIES));
    assert_eq!(said.map(RawValue::get), revision.stateless().then_some("{}"));
});

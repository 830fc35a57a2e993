use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_unix_seconds(1)
}

fn server(name: &str) -> ServerName {
    ServerName::new(name).unwrap()
}

fn tools(pins: &mut ServerPins, list: &str) -> Catalog {
    let mut reader = Reader::new(ListKind::Tools);
    assert_eq!(reader.page(&raw(&format!(r#"{{"tools":{list}}}"#))), Ok(None));
    reader.finish(pins, None, now()).0
}

fn tool(name: &str) -> String {
    format!(r#"{{"name":"{name}","description":"d","inputSchema":{{"type":"object"}}}}"#)
}

#[test]
fn servers_are_merged_under_their_own_names_and_filtered() {
    let (mail, files) = (server("mail"), server("files"));
    let names = Names::new(vec![mail.clone(), files.clone()]).unwrap();
    let mail_tools = tools(
        &mut ServerPins::new(mail.clone()),
        &format!("[{},{}]", tool("read"), tool("send")),
    );
    let file_tools = tools(
        &mut ServerPins::new(files.clone()),
        &format!("[{}]", tool("read")),
    );
    let parts = [
        Part {
            server: &mail,
            catalog: &mail_tools,
        },
        Part {
            server: &files,
            catalog: &file_tools,
        },
    ];
    let result = page(ListKind::Tools, &names, &parts, None, &mut |resource, _| {
        resource.entity_id() != "mail/send"
    })
    .unwrap();
    let value: Value = serde_json::from_str(&result).unwrap();
    let listed: Vec<&str> = value["tools"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect();
    assert_eq!(listed, ["mail__read", "files__read"]);
    assert!(value.get("nextCursor").is_none());
    assert_eq!(value["tools"][0]["description"], "d");
}

#[test]
fn one_server_alone_is_listed_in_its_own_bytes() {
    let mail = server("mail");
    let odd = r#"{ "name":"read" ,"inputSchema":{"type":"object"} }"#;
    let catalog = tools(&mut ServerPins::new(mail.clone()), &format!("[{odd}]"));
    let names = Names::new(vec![mail.clone()]).unwrap();
    let parts = [Part {
        server: &mail,
        catalog: &catalog,
    }];
    let result = page(ListKind::Tools, &names, &parts, None, &mut |_, _| true).unwrap();
    assert_eq!(result, format!(r#"{{"tools":[{odd}]}}"#));
}

#[test]
fn what_changed_or_cannot_be_checked_is_not_offered() {
    let mail = server("mail");
    let mut pins = ServerPins::new(mail.clone());
    let before = tools(&mut pins, &format!("[{}]", tool("send")));
    assert!(!before.find("send").unwrap().withheld);
    let list = format!(
        r#"[{},{{"name":"noschema"}},{{"name":"fetch","inputSchema":{{"$ref":"http://x/y"}}}},{{"name":"a b","inputSchema":{{}}}},{},{}]"#,
        tool("send").replace("\"d\"", "\"obey\""),
        tool("twice"),
        tool("twice"),
    );
    let after = tools(&mut pins, &list);
    for name in ["send", "noschema", "fetch", "twice"] {
        assert!(after.find(name).unwrap().withheld, "{name}");
    }
    // What nobody can approve away says why.
    for (name, why) in [("noschema", "schema"), ("fetch", "schema"), ("twice", "twice")] {
        let said = after.find(name).unwrap().unusable;
        assert!(said.is_some_and(|said| said.contains(why)), "{name}: {said:?}");
    }
    assert_eq!(after.find("send").unwrap().unusable, None);
    assert!(after.find("a b").is_none());
    assert_eq!(after.find("send").unwrap().state, PinState::Changed);
    let names = Names::new(vec![mail.clone()]).unwrap();
    let parts = [Part {
        server: &mail,
        catalog: &after,
    }];
    assert_eq!(
        page(ListKind::Tools, &names, &parts, None, &mut |_, _| true).unwrap(),
        r#"{"tools":[]}"#
    );
}

#[test]
fn pages_are_bounded_on_the_way_in() {
    let mut reader = Reader::new(ListKind::Prompts);
    for _ in 0..MAX_PAGES {
        assert_eq!(
            reader.page(&raw(r#"{"prompts":[],"nextCursor":"again"}"#)),
            Ok(Some("again".to_owned()))
        );
    }
    assert_eq!(
        reader.page(&raw(r#"{"prompts":[]}"#)),
        Err(Code::UpstreamTooLarge)
    );
    let many = format!(r#"{{"prompts":[{}]}}"#, vec!["{}"; MAX_ITEMS + 1].join(","));
    assert_eq!(
        Reader::new(ListKind::Prompts).page(&raw(&many)),
        Err(Code::UpstreamTooLarge)
    );
    assert_eq!(
        Reader::new(ListKind::Prompts).page(&raw(r#"{"tools":[]}"#)),
        Err(Code::UpstreamMalformed)
    );
}

#[test]
fn pages_on_the_way_out_cover_everything_once() {
    let mail = server("mail");
    let list: Vec<String> = (0..2500).map(|at| tool(&format!("t{at}"))).collect();
    let catalog = tools(
        &mut ServerPins::new(mail.clone()),
        &format!("[{}]", list.join(",")),
    );
    let names = Names::new(vec![mail.clone()]).unwrap();
    let parts = [Part {
        server: &mail,
        catalog: &catalog,
    }];
    let (mut cursor, mut seen) = (None::<String>, Vec::new());
    loop {
        let result = page(ListKind::Tools, &names, &parts, cursor.as_deref(), &mut |_, _| {
            true
        })
        .unwrap();
        let value: Value = serde_json::from_str(&result).unwrap();
        seen.extend(
            value["tools"]
                .as_array()
                .unwrap()
                .iter()
                .map(|tool| tool["name"].as_str().unwrap().to_owned()),
        );
        match value["nextCursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!(seen.len(), 2500);
    assert_eq!(seen[2499], "t2499");
    // The cursor of a longer list is no cursor of what is left when something is filtered out.
    let first = page(ListKind::Tools, &names, &parts, None, &mut |_, _| true).unwrap();
    let value: Value = serde_json::from_str(&first).unwrap();
    let cursor = value["nextCursor"].as_str().unwrap();
    let other = page(ListKind::Tools, &names, &parts, Some(cursor), &mut |_, tool| {
        tool.name != "t7"
    });
    assert_eq!(other, Err(Code::MessageInvalid));
    assert_eq!(
        page(ListKind::Prompts, &names, &parts, Some(cursor), &mut |_, _| true),
        Err(Code::MessageInvalid)
    );
}

#[test]
fn uris_are_routed_by_template() {
    assert!(fits("file:///{path}", "file:///a/b"));
    assert!(fits("db://{table}/row/{id}", "db://users/row/7"));
    assert!(!fits("db://{table}/row/{id}", "db://users/7"));
    assert!(!fits("db://{table}", "file:///a"));
    assert!(fits("x://{a}.txt", "x://y.txt"));
    assert!(!fits("x://{a}.txt", "x://y.doc"));
    assert!(!fits("x://{a", "x://y"));
    assert!(fits("plain://x", "plain://x"));
}

proptest! {
    #[test]
    fn made_up_cursors_never_open(cursor in any::<String>(), stamp: u64) {
        prop_assert_eq!(open_cursor(&cursor, stamp), None);
    }

    #[test]
    fn our_cursors_open_for_their_list_alone(at: usize, stamp: u64, other: u64) {
        let cursor = seal_cursor(at, stamp);
        prop_assert_eq!(open_cursor(&cursor, stamp), Some(at));
        prop_assert_eq!(open_cursor(&cursor, other).is_some(), stamp == other);
    }

    #[test]
    fn routing_ends_on_any_text(template in any::<String>(), uri in any::<String>()) {
        let _ = fits(&template, &uri);
    }
}

#[test]
fn a_listing_is_bounded_in_bytes_over_all_its_pages() {
    let fat = format!(r#"{{"name":"t","description":"{}"}}"#, "x".repeat(1 << 20));
    let mut reader = Reader::new(ListKind::Tools);
    let page = raw(&format!(r#"{{"tools":[{fat}],"nextCursor":"n"}}"#));
    let read = (0..MAX_PAGES).find_map(|_| reader.page(&page).err());
    assert_eq!(read, Some(Code::UpstreamTooLarge));
    assert!(reader.raw.len() <= MAX_LISTING_BYTES >> 20);
}

use bartizan_types::Secret;
use proptest::prelude::*;

use super::*;
use crate::Bounds;

fn vault() -> Vault {
    Vault::new("session", Secret::new([7; 32]), Bounds::default())
}

fn now() -> Timestamp {
    Timestamp::from_unix_micros(1_000)
}

/// Cuts a text at character boundaries after the given lengths, in turn.
fn pieces<'t>(text: &'t str, lengths: &[usize]) -> Vec<&'t str> {
    let mut rest = text;
    let mut out = Vec::new();
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let at = rest.ceil_char_boundary((*length).max(1).min(rest.len()));
        let (piece, left) = rest.split_at(at);
        out.push(piece);
        rest = left;
    }
    out
}

fn restored(vault: &Vault, pieces: &[&str], may: bool) -> String {
    let mut restorer = Restorer::default();
    let mut out = String::new();
    for piece in pieces {
        restorer.push(vault, piece, now(), &mut |_| may, &mut out);
        assert!(
            restorer.held() <= crate::token::LONGEST + 1,
            "it holds back no more than a token"
        );
    }
    restorer.finish(vault, now(), &mut |_| may, &mut out);
    out
}

/// Finds `<…>` and runs of digits, so that values of any length and of two kinds that overlap are tried.
fn detect(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut open = None;
    let mut digits: Option<usize> = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (c, open) {
            ('<', _) => open = Some(at),
            ('>', Some(start)) => {
                found.push((start..at + 1, "secret"));
                open = None;
            }
            _ => {}
        }
        match (c.is_ascii_digit(), digits) {
            (true, None) => digits = Some(at),
            (false, Some(start)) => {
                if at - start >= 4 {
                    found.push((start..at, "card"));
                }
                digits = None;
            }
            _ => {}
        }
    }
    found
        .into_iter()
        .map(|(range, kind)| Found {
            range,
            kind: Kind::new(kind).unwrap(),
            shape: Shape::Token,
        })
        .collect()
}

fn masked(pieces: &[&str]) -> String {
    let mut masker = Masker::default();
    let mut out = String::new();
    let mut replace = |found: &Found, value: &str| format!("[{}:{}]", found.kind, value.len());
    for piece in pieces {
        masker.push(piece, &mut |window| detect(window.text), &mut replace, &mut out);
    }
    masker.finish(&mut |window| detect(window.text), &mut replace, &mut out);
    out
}

#[test]
fn a_value_over_a_stretch_s_end_is_masked_whole() {
    let line = "word ".repeat(12);
    let text = format!("{line}\n{line}<first\nsecond>{line}\n{line}12345\n");
    let out = masked(&[&text]);
    assert!(out.contains("[secret:14]") && out.contains("[card:5]"), "{out}");
    assert!(!out.contains("second") && !out.contains("12345"));
    // A key block is one stretch, however many lines it has.
    let block = format!(
        "-----BEGIN PRIVATE KEY-----\n{}-----END PRIVATE KEY-----\n",
        "abcdefgh\n".repeat(300)
    );
    assert_eq!(cut(&block), Some(block.len()));
    assert_eq!(cut(&block[..block.len() - 1]), None);
}

/// What follows the word `pin` is a value, if the word is near enough to be seen.
fn after_pin(text: &str) -> Vec<Found> {
    text.match_indices("pin ")
        .filter_map(|(at, word)| {
            let start = at + word.len();
            let length = text.get(start..)?.find(' ')?;
            (length > 0).then(|| Found {
                range: start..start + length,
                kind: Kind::new("pin").unwrap(),
                shape: Shape::Token,
            })
        })
        .collect()
}

#[test]
fn a_word_before_a_stretch_gives_a_value_in_it_away() {
    for front in 0..200 {
        let text = format!("{}pin abcdef and so on {}", "x ".repeat(front), "y ".repeat(120));
        for step in [1, 7, 1000] {
            let mut masker = Masker::default();
            let mut out = String::new();
            for piece in pieces(&text, &[step]) {
                masker.push(
                    piece,
                    &mut |window| after_pin(window.text),
                    &mut |_, _| "***".to_owned(),
                    &mut out,
                );
            }
            masker.finish(
                &mut |window| after_pin(window.text),
                &mut |_, _| "***".to_owned(),
                &mut out,
            );
            assert_eq!(out, text.replace("abcdef", "***"), "{front} {step}");
        }
    }
}

#[test]
fn windows_lie_where_they_say_and_leave_nothing_out() {
    let text: String = (0..400).map(|at| format!("w{at}\u{e9} ")).collect();
    let mut masker = Masker::default();
    let (mut out, mut given) = (String::new(), 0);
    for piece in pieces(&text, &[13]) {
        let mut look = |window: Window<'_>| {
            let end = window.start + window.text.len();
            assert_eq!(text.get(window.start..end), Some(window.text));
            assert_eq!(
                window.start + window.fresh,
                given,
                "what was given is where this goes on"
            );
            Vec::new()
        };
        let before = out.len();
        masker.push(piece, &mut look, &mut |_, value| value.to_owned(), &mut out);
        assert!(out.len() == before || out.len() > given);
        given = out.len();
        assert_eq!(text.get(..given), Some(&*out));
    }
}

#[test]
fn a_masker_streams() {
    let mut masker = Masker::default();
    let mut out = String::new();
    let line = format!("{}\n", "word ".repeat(15));
    for at in 0..50 {
        masker.push(
            &line,
            &mut |window| detect(window.text),
            &mut |_, _| String::new(),
            &mut out,
        );
        assert!(
            masker.held() <= 2 * line.len(),
            "line {at}: {} are held",
            masker.held()
        );
    }
}

fn shown(vault: &Vault, pieces: &[&str]) -> String {
    let (mut restorer, mut out) = (Restorer::for_people(), String::new());
    for piece in pieces {
        restorer.push(vault, piece, now(), &mut |_| true, &mut out);
    }
    restorer.finish(vault, now(), &mut |_| true, &mut out);
    out
}

#[test]
fn in_what_people_are_shown_a_token_in_an_address_stays_one() {
    let mut vault = vault();
    let kind = Kind::new("email").unwrap();
    for shape in [Shape::Token, Shape::Email] {
        let token = vault
            .token(&kind, shape, &format!("ana{shape:?}@example.com"), now())
            .unwrap();
        let value = format!("ana{shape:?}@example.com");
        for text in [
            "![x](https://evil.example/?q=@)",
            "see https://evil.example/@",
            "![x](/p?q=@)",
            "<img src=\"//evil.example/@.png\">",
            "look up @.evil.example",
            "https://evil.example/?a=1&b=[@]",
        ] {
            let text = text.replace('@', &token);
            assert_eq!(shown(&vault, &[&text]), text);
        }
        for text in [
            "write to @.",
            "write to @. Then go.",
            "(@)",
            "see https://fine.example/ or @",
            "<a href=\"https://fine.example/\">@</a>",
            "@",
        ] {
            let (given, expected) = (text.replace('@', &token), text.replace('@', &value));
            assert_eq!(shown(&vault, &[&given]), expected);
        }
    }
}

#[test]
fn an_address_that_goes_on_behind_its_token_is_not_restored() {
    let mut vault = vault();
    let kind = Kind::new("email").unwrap();
    let token = vault
        .token(&kind, Shape::Email, "ana@example.com", now())
        .unwrap();
    for tail in [
        ".evil.example",
        ".\u{e9}vil.example",
        "x",
        "-x.example",
        "@evil.example",
        "_",
    ] {
        let text = format!("to {token}{tail}, now");
        for step in [1, 3, 1000] {
            assert_eq!(restored(&vault, &pieces(&text, &[step]), true), text, "{tail}");
        }
    }
    // Its name alone, at another domain.
    let name = token.strip_suffix("@token.invalid").unwrap();
    for domain in ["@gmail.example", "@", "@token.invalidx", "@TOKEN.example"] {
        let text = format!("to {name}{domain}");
        for step in [1, 3, 1000] {
            assert_eq!(restored(&vault, &pieces(&text, &[step]), true), text, "{domain}");
        }
    }
    for tail in ["", ".", ". Then", ", and", ">", "\n", "; b", "/"] {
        let text = format!("to {token}{tail}");
        for step in [1, 3, 1000] {
            let expected = format!("to ana@example.com{tail}");
            assert_eq!(
                restored(&vault, &pieces(&text, &[step]), true),
                expected,
                "{tail}"
            );
        }
    }
}

proptest! {
    #[test]
    fn any_split_of_tokens_restores_the_same(
        values in prop::collection::vec("[a-zA-Z0-9@. é]{1,20}", 1..4),
        between in prop::collection::vec("[ -~é\n]{0,30}", 4),
        lengths in prop::collection::vec(1_usize..40, 1..6),
        mail in any::<bool>(), may in any::<bool>(),
    ) {
        let mut vault = vault();
        let shape = if mail { Shape::Email } else { Shape::Token };
        let kind = Kind::new("email").unwrap();
        let mut text = String::new();
        for (value, between) in values.iter().zip(&between) {
            text.push_str(between);
            text.push_str(&vault.token(&kind, shape, value, now()).unwrap());
        }
        text.push_str(&between[3]);
        let whole = restored(&vault, &[&text], may);
        prop_assert_eq!(&restored(&vault, &pieces(&text, &lengths), may), &whole);
        if !may {
            prop_assert_eq!(whole, text);
        }
    }

    #[test]
    fn any_split_of_what_people_are_shown_gives_the_same(
        parts in prop::collection::vec("([ -~é\n]{0,12}|https://a.b/|\\]\\(|\\.|\\.evil)", 1..6),
        lengths in prop::collection::vec(1_usize..24, 1..6), mail in any::<bool>(),
    ) {
        let mut vault = vault();
        let shape = if mail { Shape::Email } else { Shape::Token };
        let token = vault.token(&Kind::new("email").unwrap(), shape, "ana@example.com", now()).unwrap();
        let text = parts.join(&token);
        prop_assert_eq!(shown(&vault, &pieces(&text, &lengths)), shown(&vault, &[&text]));
    }

    #[test]
    fn a_token_split_anywhere_is_restored(value in "[a-z@.]{1,30}", at in 1_usize..40, iban in any::<bool>()) {
        let mut vault = vault();
        let shape = if iban { Shape::Iban } else { Shape::Email };
        let token = vault.token(&Kind::new("email").unwrap(), shape, &value, now()).unwrap();
        let text = format!("to {token}, now");
        let (one, two) = text.split_at(at.min(text.len()));
        prop_assert_eq!(restored(&vault, &[one, two], true), format!("to {value}, now"));
    }

    #[test]
    fn a_token_is_restored_as_models_write_it(
        value in "[a-z@.]{1,30}", upper in any::<bool>(), between in "[ \u{a0}\u{202f}-]?",
        lengths in prop::collection::vec(1_usize..24, 1..6), iban in any::<bool>(),
    ) {
        let mut vault = vault();
        let shape = if iban { Shape::Iban } else { Shape::Email };
        let token = vault.token(&Kind::new("email").unwrap(), shape, &value, now()).unwrap();
        let token = if iban {
            let groups = token.as_bytes().chunks(4);
            groups.map(|group| std::str::from_utf8(group).unwrap()).collect::<Vec<_>>().join(&between)
        } else {
            token
        };
        let token = if upper { token.to_ascii_uppercase() } else { token.to_ascii_lowercase() };
        let text = format!("to {token}, now");
        prop_assert_eq!(restored(&vault, &pieces(&text, &lengths), true), format!("to {value}, now"));
    }

    #[test]
    fn any_split_of_values_masks_the_same(
        text in "([ -~é\n]{0,60}(<[a-z \n]{1,90}>|[0-9]{4,30}|-----BEGIN K-----\n|-----END K-----\n)?){0,12}",
        lengths in prop::collection::vec(1_usize..90, 1..6),
    ) {
        prop_assert_eq!(masked(&pieces(&text, &lengths)), masked(&[&text]));
    }
}

use proptest::prelude::*;

use super::*;

fn at(micros: u64) -> Timestamp {
    Timestamp::from_unix_micros(micros)
}

fn seed(byte: u8) -> Secret<[u8; 32]> {
    Secret::new([byte; 32])
}

fn kind(word: &str) -> Kind {
    Kind::new(word).unwrap()
}

fn vault(scope: &str, byte: u8) -> Vault {
    Vault::new(scope, seed(byte), Bounds::default())
}

const SHAPES: [Shape; 8] = [
    Shape::Token,
    Shape::Email,
    Shape::Phone,
    Shape::Iban,
    Shape::Card,
    Shape::Date,
    Shape::Uuid,
    Shape::Integer {
        least: 1,
        most: 1_000_000,
    },
];

#[test]
fn values_are_found_in_a_text_for_as_long_as_they_are_held() {
    let mut vault = vault("s1", 1);
    for (word, shape, value) in [
        ("email", Shape::Email, "ana@example.com"),
        ("person", Shape::Token, "Ana Lopez"),
    ] {
        vault.token(&kind(word), shape, value, at(1)).unwrap();
    }
    let text = "Ana Lopez, ana@example.com; not ana@example.org";
    let found = |vault: &Vault, least: usize, now: Timestamp| {
        let places = vault.places(text, least, now).into_iter();
        let mut found: Vec<(usize, String)> = places
            .map(|(range, kind, _)| (range.start, kind.as_str().to_owned()))
            .collect();
        found.sort();
        found
    };
    let (person, email) = ((0, "person".to_owned()), (11, "email".to_owned()));
    assert_eq!(found(&vault, 6, at(1)), [person, email.clone()]);
    assert_eq!(found(&vault, 10, at(1)), std::slice::from_ref(&email));
    assert!(found(&vault, 6, at(2 + Bounds::default().life)).is_empty());
    assert_eq!(vault.erase_kind(&kind("person")), 1);
    assert_eq!(found(&vault, 6, at(1)), [email]);
    assert!(vault.places("ana", 6, at(1)).is_empty());
}

/// A full vault is looked through for what has expired once for all that is masked at one time: else this takes minutes.
#[test]
fn what_finds_no_room_is_told_at_once() {
    let bounds = Bounds {
        values: 2_000,
        ..Bounds::default()
    };
    let mut vault = Vault::new("s1", seed(1), bounds);
    let full = (0..100_000)
        .filter(|number| {
            let value = format!("ana{number}@example.com");
            vault.token(&kind("email"), Shape::Email, &value, at(1)).is_err()
        })
        .count();
    assert_eq!((vault.len(), full), (2_000, 98_000));
    // Room is made as soon as there is any.
    let later = at(2 + bounds.life);
    assert!(
        vault
            .token(&kind("email"), Shape::Email, "bob@example.com", later)
            .is_ok()
    );
    assert_eq!(vault.len(), 1);
}

#[test]
fn a_token_is_stable_and_comes_back() {
    let mut vault = vault("s1", 1);
    for shape in SHAPES {
        let token = vault
            .token(&kind("email"), shape, "ana@example.com", at(1))
            .unwrap();
        assert_eq!(
            vault
                .token(&kind("email"), shape, "ana@example.com", at(2))
                .unwrap(),
            token
        );
        assert_eq!(
            vault.restore(&token, at(3), |_| true),
            "ana@example.com",
            "{shape:?}"
        );
        assert_eq!(vault.restore(&token, at(3), |_| false), token.as_str());
        let text = format!("write to {token}!");
        let expected = if shape.is_unguessable() {
            "write to ana@example.com!".to_owned()
        } else {
            text.clone()
        };
        assert_eq!(vault.restore(&text, at(3), |_| true), expected, "{shape:?}");
    }
}

#[test]
fn a_stand_in_comes_back_as_people_write_such_things() {
    fn grouped(text: &str, length: usize, between: &str) -> String {
        let groups = text.as_bytes().chunks(length);
        let groups: Vec<&str> = groups.map(|group| std::str::from_utf8(group).unwrap()).collect();
        groups.join(between)
    }
    let mut vault = vault("s1", 1);
    let mut token = |shape| vault.token(&kind("thing"), shape, "the value", at(1)).unwrap();
    let (mail, iban) = (token(Shape::Email), token(Shape::Iban));
    let (card, phone, uuid) = (token(Shape::Card), token(Shape::Phone), token(Shape::Uuid));
    let written = [
        mail.to_ascii_uppercase(),
        mail.replacen("bz-thing", "Bz-Thing", 1),
        iban.to_ascii_lowercase(),
        grouped(&iban, 4, " "),
        grouped(&iban.to_ascii_lowercase(), 4, "\u{a0}"),
        grouped(&card, 4, " "),
        grouped(&card, 4, "-"),
        format!("+999 ({}) {}", &phone[4..7], grouped(&phone[7..], 3, "-")),
        phone[1..].to_owned(),
        uuid.to_ascii_uppercase(),
    ];
    for text in &written {
        assert_eq!(vault.restore(text, at(2), |_| true), "the value", "{text}");
        assert_eq!(vault.restore(text, at(2), |_| false), text.as_str());
    }
    // In the midst of a text those that can't be guessed, and of no other vault.
    for text in written.iter().take(5) {
        let text = format!("pay {text}, now");
        assert_eq!(vault.restore(&text, at(2), |_| true), "pay the value, now");
    }
    let other = self::vault("s2", 2);
    for text in &written {
        assert_eq!(other.restore(text, at(2), |_| true), text.as_str());
    }
    // A number of few digits is not read so.
    let shape = Shape::Integer {
        least: 4711,
        most: 4720,
    };
    let number = vault.token(&kind("thing"), shape, "the value", at(1)).unwrap();
    let text = grouped(&number, 2, "-");
    assert_eq!(vault.restore(&text, at(2), |_| true), text);
}

#[test]
fn no_token_restores_in_another_vault() {
    let mut one = vault("s1", 1);
    let token = one
        .token(&kind("card"), Shape::Token, "4111111111111111", at(1))
        .unwrap();
    // Another scope under the same key, another key under the same scope, and both.
    for (scope, byte) in [("s2", 1), ("s1", 2), ("s2", 2)] {
        let mut other = vault(scope, byte);
        let theirs = other
            .token(&kind("card"), Shape::Token, "4111111111111111", at(1))
            .unwrap();
        assert_ne!(theirs, token);
        assert_eq!(other.restore(&token, at(1), |_| true), token.as_str());
        assert_eq!(one.restore(&theirs, at(1), |_| true), theirs.as_str());
    }
    // The same value of another kind is another token.
    assert_ne!(
        one.token(&kind("phone"), Shape::Token, "4111111111111111", at(1))
            .unwrap(),
        token
    );
}

#[test]
fn what_is_nobodys_is_claimed_once_and_nothing_else_is() {
    let (mut base, mut one, mut two) = (vault("base", 1), vault("one", 2), vault("two", 3));
    let own = base
        .token(&kind("email"), Shape::Token, "own@x.example", at(1))
        .unwrap();
    base.set_unclaimed(true);
    let [loose, shown, masked] = ["loose", "shown", "masked"].map(|name| {
        let value = format!("{name}@x.example");
        base.token(&kind("email"), Shape::Token, &value, at(1)).unwrap()
    });
    let guessed = base
        .token(&kind("card"), Shape::Card, "4111111111111111", at(1))
        .unwrap();
    // What was masked before for this session stays its own.
    assert_eq!(
        base.token(&kind("email"), Shape::Token, "own@x.example", at(1))
            .unwrap(),
        own
    );
    base.set_unclaimed(false);
    assert!(base.owns(&shown, at(2)) && !base.owns("bz-email-x", at(2)));
    base.token(&kind("email"), Shape::Token, "masked@x.example", at(2))
        .unwrap();
    for name in [&own, &shown, &masked, &guessed] {
        assert!(base.claim(name, at(2)).is_none(), "{name}");
    }
    let claimed = base.claim(&loose, at(2)).unwrap();
    assert!(!format!("{claimed:?}").contains("loose"));
    one.adopt(claimed, at(2)).unwrap();
    assert!(base.claim(&loose, at(2)).is_none(), "it was claimed already");
    assert!(one.claim(&loose, at(2)).is_none(), "nor does it go on from there");
    assert_eq!(
        one.restore(&format!("to {loose}!"), at(3), |_| true),
        "to loose@x.example!"
    );
    assert_eq!(base.restore(&loose, at(3), |_| true), "loose@x.example");
    assert_eq!(two.restore(&loose, at(3), |_| true), loose.as_str());
    // The value has one token there, ends when it would have, and is not kept.
    assert_eq!(
        one.token(&kind("email"), Shape::Token, "loose@x.example", at(3))
            .unwrap(),
        loose
    );
    assert!(
        two.adopt(
            Claimed {
                name: String::new(),
                entry: long()
            },
            at(3)
        )
        .is_err()
    );
    let back = Vault::from_kept("one", &one.keep().unwrap(), Bounds::default(), at(4)).unwrap();
    assert!(back.is_empty());
    let late = at(3 + Bounds::default().life + 1);
    assert!(!one.holds(&loose, late) && base.claim(&loose, late).is_none());
}

fn long() -> Entry {
    Entry {
        kind: kind("email"),
        shape: Shape::Token,
        value: Secret::new("x".repeat(Bounds::default().longest + 1)),
        written: String::new(),
        attempt: None,
        used: at(1),
        unclaimed: false,
    }
}

#[test]
fn what_expired_or_was_erased_stays_a_token() {
    let bounds = Bounds {
        life: 10,
        ..Bounds::default()
    };
    let mut vault = Vault::new("s", seed(1), bounds);
    let token = vault
        .token(&kind("email"), Shape::Token, "a@b.example", at(100))
        .unwrap();
    assert_eq!(vault.restore(&token, at(110), |_| true), "a@b.example");
    assert_eq!(vault.restore(&token, at(111), |_| true), token.as_str());
    // Masked again it lives on.
    vault
        .token(&kind("email"), Shape::Token, "a@b.example", at(111))
        .unwrap();
    assert_eq!(vault.restore(&token, at(121), |_| true), "a@b.example");
    let other = vault
        .token(&kind("phone"), Shape::Token, "+442071838750", at(121))
        .unwrap();
    assert_eq!(vault.erase_kind(&kind("email")), 1);
    assert_eq!(vault.restore(&token, at(121), |_| true), token.as_str());
    assert_eq!(vault.restore(&other, at(121), |_| true), "+442071838750");
    assert_eq!(vault.expire(at(200)), 1);
    assert!(vault.is_empty());
}

#[test]
fn a_full_vault_makes_no_token_and_forgets_none() {
    let bounds = Bounds {
        values: 2,
        bytes: 16,
        longest: 10,
        life: 1000,
    };
    let mut vault = Vault::new("s", seed(1), bounds);
    let first = vault.token(&kind("a"), Shape::Token, "12345678", at(1)).unwrap();
    assert_eq!(
        vault.token(&kind("a"), Shape::Token, "12345678901", at(1)),
        Err(Full)
    );
    assert_eq!(
        vault.token(&kind("a"), Shape::Token, "123456789", at(1)),
        Err(Full)
    );
    vault.token(&kind("a"), Shape::Token, "1", at(1)).unwrap();
    assert_eq!(vault.token(&kind("a"), Shape::Token, "2", at(1)), Err(Full));
    assert_eq!(vault.restore(&first, at(1), |_| true), "12345678");
    // Room comes back with expiry.
    assert!(vault.token(&kind("a"), Shape::Token, "2", at(2000)).is_ok());
}

#[test]
fn stand_ins_of_few_bits_never_meet() {
    let mut vault = vault("s", 1);
    let shape = Shape::Integer { least: 1, most: 40 };
    let mut seen = std::collections::BTreeSet::new();
    for value in 100..130 {
        if let Ok(token) = vault.token(&kind("amount"), shape, &value.to_string(), at(1)) {
            assert!(seen.insert(token.clone()), "{token} stands for two");
            assert_eq!(vault.restore(&token, at(1), |_| true), value.to_string());
        }
    }
    assert!(seen.len() > 20, "{}", seen.len());
}

#[test]
fn nothing_shows_a_value() {
    let mut vault = vault("s", 1);
    vault
        .token(&kind("secret"), Shape::Token, "hunter2hunter2", at(1))
        .unwrap();
    let shown = format!("{vault:?} {:?}", vault.known(at(1)).len());
    assert!(!shown.contains("hunter2"));
    let token = vault
        .token(&kind("secret"), Shape::Token, "hunter2hunter2", at(1))
        .unwrap();
    assert!(!format!("{:?}", vault.whole(&token, at(1))).contains("hunter2"));
}

#[test]
fn a_kept_vault_comes_back_as_it_was_and_to_nobody_else() {
    let mut vault = vault("tenant", 3);
    let mut tokens = Vec::new();
    let shapes = SHAPES
        .into_iter()
        .chain([Shape::Integer { least: 0, most: 3 }; 4]);
    for (number, shape) in shapes.enumerate() {
        let value = format!("value {number}");
        if let Ok(token) = vault.token(&kind("thing"), shape, &value, at(5)) {
            tokens.push((token, value, shape));
        }
    }
    let kept = vault.keep().unwrap();
    let mut back = Vault::from_kept("tenant", &kept, Bounds::default(), at(6)).unwrap();
    for (token, value, shape) in &tokens {
        assert_eq!(back.restore(token, at(6), |_| true), value.as_str(), "{shape:?}");
        assert_eq!(&back.token(&kind("thing"), *shape, value, at(6)).unwrap(), token);
    }
    assert_eq!(
        Vault::from_kept("other", &kept, Bounds::default(), at(6)).err(),
        Some(VaultFault::OtherScope)
    );
    assert_eq!(
        Vault::from_kept("tenant", &Secret::new(b"{}".to_vec()), Bounds::default(), at(6)).err(),
        Some(VaultFault::Malformed)
    );
    let late = at(5 + Bounds::default().life + 1);
    assert!(
        Vault::from_kept("tenant", &kept, Bounds::default(), late)
            .unwrap()
            .is_empty()
    );
}

proptest! {
    #[test]
    fn masking_and_restoring_gives_the_text_back(
        before in "[ -~]{0,30}", value in "[ -~é]{1,40}", after in "[ -~]{0,30}", iban in any::<bool>(),
    ) {
        // What is written like a token before masking is escaped, so only our own come back.
        let (before, after) = (crate::escape(&before).into_owned() + " ", format!(" {}", crate::escape(&after)));
        let text = format!("{before}{value}{after}");
        let mut vault = vault("s", 9);
        let shape = if iban { Shape::Iban } else { Shape::Email };
        let found = crate::Found { range: before.len()..before.len() + value.len(), kind: kind("x"), shape };
        let masked = crate::mask(&text, &[found], |found, value| {
            vault.token(&found.kind, found.shape, value, at(1)).unwrap()
        });
        prop_assert!(!masked[before.len()..masked.len() - after.len()].contains(&value) || value.len() < 8);
        prop_assert_eq!(vault.restore(&masked, at(1), |_| true), text);
    }
}

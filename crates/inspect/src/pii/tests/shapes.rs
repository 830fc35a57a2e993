//! Values that are known by their shape and by the words around them, each beside what only looks like it.

use super::super::{Kind, find};

/// What is found of a kind: its exact name, and its text.
fn found(text: &str, kind: Kind) -> Vec<(&'static str, &str)> {
    let found = find(text).into_iter().filter(|one| one.kind == kind);
    found
        .filter_map(|one| Some((one.what, text.get(one.range)?)))
        .collect()
}

#[track_caller]
fn check(kind: Kind, text: &str, what: &str, value: &str) {
    assert_eq!(found(text, kind), [(what, value)], "{text}");
}

#[track_caller]
fn check_none(kind: Kind, texts: &[&str]) {
    for text in texts {
        let found = found(text, kind);
        assert!(found.is_empty(), "{text} {found:?}");
    }
}

#[test]
fn papers_count_behind_a_word() {
    for (text, what, value) in [
        ("Passport No. 512345678", "passport", "512345678"),
        ("passport: A08264517", "passport", "A08264517"),
        ("Passport number K7265410 (India)", "passport", "K7265410"),
        ("Pasaporte PAB402718", "passport", "PAB402718"),
        ("N° de passeport : GA302922", "passport", "GA302922"),
        ("passaporto YA1234067", "passport", "YA1234067"),
        ("Reisepass C01X00T47", "de_passport", "C01X00T47"),
        ("护照号码 E27015693", "passport", "E27015693"),
        ("パスポート番号 TK1836204", "passport", "TK1836204"),
        ("загранпаспорт 71 2036415", "passport", "71 2036415"),
        (
            "Паспорт 4510 123456 выдан 12.03.2010",
            "ru_passport",
            "4510 123456",
        ),
        ("паспорт серии 45 10 № 123456", "ru_passport", "45 10 № 123456"),
        ("паспорт 4510 No 123456", "ru_passport", "4510 No 123456"),
        (
            "Driver's license number D1234567 (California)",
            "driving_licence",
            "D1234567",
        ),
        (
            "driving licence MORGA753116SM9IJ",
            "gb_driving_licence",
            "MORGA753116SM9IJ",
        ),
        (
            "drivers license F255-921-50-094-0",
            "driving_licence",
            "F255-921-50-094-0",
        ),
        ("Driver License: 40178263", "driving_licence", "40178263"),
    ] {
        check(Kind::NationalId, text, what, value);
    }
    check_none(
        Kind::NationalId,
        &[
            "512345678",
            "build A08264517 of the model K7265410",
            "passport 123456789",
            "passport 000000000",
            "passport-jwt 4.0.1 and passport@0.7.0",
            "Passport application fee since 2023-10-12",
            "the passport must have 9 digits, e.g. <passport number>",
            "Reisepass AUSWEIS01",
            "позиция 4510 123456",
            "Паспорт 4570 123456",
            "Паспорт 0010 123456",
            "driver 40178263 of the display",
            "driving licence valid until 20301231",
            "driving licence valid until 31122030",
            "driving licence MORGA799916SM9IJ",
            "license number D1234567",
        ],
    );
}

#[test]
fn taxpayers_of_chile_in_all_spellings() {
    for value in ["8.089.468-6", "12.345.678-5", "12345678-5", "8089468-6"] {
        check(Kind::NationalId, &format!("RUT {value}"), "cl_rut", value);
    }
    check_none(
        Kind::NationalId,
        &[
            "8.089.468-6",
            "RUT 8.089.468-7",
            "run 8089468-6 of 12345678-5",
            "run 20250107",
            "from 1.000.000-9.999.999",
        ],
    );
}

#[test]
fn mails_that_are_spelt_out() {
    for (text, value) in [
        (
            "write to jane [at] acme [dot] com, please",
            "jane [at] acme [dot] com",
        ),
        ("jane(at)acme.com", "jane(at)acme.com"),
        ("<jane.doe[at]mail.acme.co.uk>", "jane.doe[at]mail.acme.co.uk"),
        (
            "jane [dot] doe [AT] acme [DOT] museum.",
            "jane [dot] doe [AT] acme [DOT] museum",
        ),
        ("jane {at} acme {dot} io", "jane {at} acme {dot} io"),
        ("j_doe ( at ) acme ( dot ) org", "j_doe ( at ) acme ( dot ) org"),
    ] {
        check(Kind::Email, text, "email", value);
    }
    check_none(
        Kind::Email,
        &[
            "look [at] this",
            "let byte = bytes.get(at).copied();",
            "if (at) this.at = 1;",
            "if (at) node.no += 1;",
            "match item(at) { b'.' => at.next() }",
            "[at](https://acme.com)",
            "values[at] as usize",
            "f(at)self.io.write(at)",
            "the sign (at) is read as at. Then comes com.",
            "[at] acme [dot] com",
        ],
    );
}

#[test]
fn addresses_in_french_and_japanese() {
    for (text, value) in [
        ("12 rue de la Paix, 75002 Paris", "12 rue de la Paix"),
        ("Adresse : 8 bis, avenue Victor Hugo", "8 bis, avenue Victor Hugo"),
        ("au 112 boulevard Saint-Germain.", "112 boulevard Saint-Germain"),
        ("3 Impasse de l'Église", "3 Impasse de l'Église"),
        (
            "27 place de la République, 13001 Marseille",
            "27 place de la République",
        ),
        ("14bis quai d'Orsay", "14bis quai d'Orsay"),
        (
            "〒100-0001 東京都千代田区千代田1-1",
            "〒100-0001 東京都千代田区千代田1-1",
        ),
        (
            "住所: 大阪府大阪市北区梅田3丁目1番3号です",
            "大阪府大阪市北区梅田3丁目1番3号",
        ),
        (
            "神奈川県横浜市西区みなとみらい 2-3-5",
            "神奈川県横浜市西区みなとみらい 2-3-5",
        ),
        ("〒150-0002\n渋谷区渋谷2-21-1", "〒150-0002\n渋谷区渋谷2-21-1"),
    ] {
        check(Kind::Address, text, "postal_address", value);
    }
    check_none(
        Kind::Address,
        &[
            "les 12 rues de la ville",
            "12 rue",
            "il y a 3 avenues et 2 place de parking",
            "5 cours de Français par semaine",
            "3 route handlers and 2 place Holders",
            "chapitre 4 place Vendôme",
            "v1.12 rue Foo",
            "4 chemin de fer",
            "東京都港区で2024年に開催",
            "東京都港区で3-4人",
            "東京都港区2024-05-01",
            "大阪市の人口は275万人",
            "郵便番号 100-0001",
            "第3章 1-1",
            "〒100-0001",
        ],
    );
}

#[test]
fn numbers_of_orders_are_hardly_cards() {
    let score = |text: &str| {
        let card = find(text).into_iter().find(|one| one.kind == Kind::Card);
        card.map(|one| one.score)
    };
    let number = "4929123456781236";
    for text in [
        format!("order {number}"),
        format!("Invoice no. {number} of May"),
        format!("tracking number: {number}"),
        format!("Bestellnummer {number}"),
        format!("order,sku\n{number},SKU-1\n"),
        format!("id\n4929123456781235\n{number}\n4929123456781237\n"),
    ] {
        assert_eq!(score(&text), Some(450), "{text}");
    }
    for text in [
        number.to_owned(),
        format!("the customer gave {number}"),
        format!("order paid with {number}"),
        format!("card of the order: {number}"),
        "order 4929 1234 5678 1236".to_owned(),
        // Cards of one issuer.
        format!("id\n4929121111111112\n{number}\n"),
    ] {
        assert!(score(&text).is_some_and(|score| score >= 850), "{text}");
    }
}

mod shapes;
mod vectors;

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, kind: Kind, expected: &[&str]) {
    let found: Vec<&str> = find(text)
        .into_iter()
        .filter(|personal| personal.kind == kind)
        .map(|personal| &text[personal.range])
        .collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn mails() {
    check(
        "Write to ana.b+x@mail.example.com, or <q@example.org>.",
        Kind::Email,
        &["ana.b+x@mail.example.com", "q@example.org"],
    );
    check(
        "mailto:someone@example.co.uk?subject=x",
        Kind::Email,
        &["someone@example.co.uk"],
    );
    check(
        "to=kim@example.com&cc=jörg@bücher.example",
        Kind::Email,
        &["kim@example.com", "jörg@bücher.example"],
    );
    check(
        "@decorator git@host a@b @ x@.com user@localhost",
        Kind::Email,
        &[],
    );
}

#[test]
fn cards() {
    check(
        "pay 4111 1111 1111 1111 now",
        Kind::Card,
        &["4111 1111 1111 1111"],
    );
    check(
        "card 378282246310005, 6011111111111117",
        Kind::Card,
        &["378282246310005", "6011111111111117"],
    );
    check(
        "5555-5555-5555-4444 exp 12/27",
        Kind::Card,
        &["5555-5555-5555-4444"],
    );
    check(
        "visa 4222222222222 and 3530111333300000",
        Kind::Card,
        &["4222222222222", "3530111333300000"],
    );
    check(
        "4111111111111112 1234567812345670 0000000000000000 id_4111111111111111",
        Kind::Card,
        &[],
    );
}

#[test]
fn accounts_and_wallets() {
    check(
        "IBAN DE89 3704 0044 0532 0130 00 please",
        Kind::Iban,
        &["DE89 3704 0044 0532 0130 00"],
    );
    check(
        "GB82WEST12345698765432; FR1420041010050500013M02606",
        Kind::Iban,
        &["GB82WEST12345698765432", "FR1420041010050500013M02606"],
    );
    check("DE89370400440532013001 XX12345678901234567890", Kind::Iban, &[]);
    check(
        "to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        Kind::Wallet,
        &["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"],
    );
    check(
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        Kind::Wallet,
        &["bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"],
    );
    check(
        "0x52908400098527886E0F7030069857D2E4169EE7",
        Kind::Wallet,
        &["0x52908400098527886E0F7030069857D2E4169EE7"],
    );
    check(
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
        Kind::Wallet,
        &[],
    );
}

#[test]
fn network_addresses() {
    check(
        "from 203.0.113.9:443 and 2001:db8::1.",
        Kind::Ip,
        &["203.0.113.9", "2001:db8::1"],
    );
    check(
        "version 1.2.3.4 and 1.2.3.4.5 and 300.1.1.1, time 10:20:30",
        Kind::Ip,
        &[],
    );
    check(
        "mac 00:1B:44:11:3A:B7 or 00-1b-44-11-3a-b7",
        Kind::Mac,
        &["00:1B:44:11:3A:B7", "00-1b-44-11-3a-b7"],
    );
}

#[test]
fn national_numbers_of_many_countries() {
    for (text, name) in [
        ("SSN 536-22-1234", "us_ssn"),
        ("NHS number 943 476 5919", "gb_nhs"),
        ("National Insurance AB 12 34 56 C", "gb_nino"),
        ("Steuer-ID 86 095 742 719", "de_steuer_id"),
        ("NIR 2 55 08 14 168 025 38", "fr_nir"),
        ("DNI 12345678Z", "es_dni"),
        ("NIE X1234567L", "es_nie"),
        ("codice fiscale RSSMRA85T10A562S", "it_codice_fiscale"),
        ("NIF 123456789", "pt_nif"),
        ("BSN 111222333", "nl_bsn"),
        ("PESEL 44051401359", "pl_pesel"),
        ("personnummer 811218-9876", "se_personnummer"),
        ("HETU 131052-308T", "fi_hetu"),
        ("isikukood 37605030299", "ee_isikukood"),
        ("rodné číslo 736028/5163", "cz_rodne_cislo"),
        ("CNP 1800101221144", "ro_cnp"),
        ("OIB 69435151530", "hr_oib"),
        ("AHV 756.9217.0769.85", "ch_ahv"),
        ("TC Kimlik 10000000146", "tr_tckn"),
        ("СНИЛС 112-233-445 95", "ru_snils"),
        ("Aadhaar 2341 2341 2346", "in_aadhaar"),
        ("PAN ABCPE1234F", "in_pan"),
        ("身份证 11010519491231002X", "cn_resident_id"),
        ("national ID A123456789", "tw_id"),
        ("NRIC S1234567D", "sg_nric"),
        ("TFN 123 456 782", "au_tfn"),
        ("SIN 130-692-544", "ca_sin"),
        ("CPF 529.982.247-25", "br_cpf"),
        ("CUIT 20-12345678-6", "ar_cuit"),
        ("CURP HEGG560427MVZRRL04", "mx_curp"),
        ("SA ID number 8001015009087", "za_id"),
    ] {
        let found = find(text);
        let what: Vec<&str> = found.iter().map(|personal| personal.what).collect();
        assert!(what.contains(&name), "{text}: {what:?}");
    }
}

#[test]
fn a_wrong_check_digit_is_no_national_number() {
    for text in [
        "PESEL 44051401358",
        "CPF 529.982.247-26",
        "DNI 12345678A",
        "OIB 69435151531",
        "SIN 130-692-545",
        "NRIC S1234567E",
    ] {
        assert!(
            find(text)
                .iter()
                .all(|personal| personal.kind != Kind::NationalId),
            "{text}: {:?}",
            find(text)
        );
    }
}

#[test]
fn phones_in_text() {
    check(
        "Call +44 20 7946 0958 or (212) 736-5000 ext 12.",
        Kind::Phone,
        &["+44 20 7946 0958", "(212) 736-5000 ext 12"],
    );
    check(
        "order 1234567890, 2024-01-02 10:20:30, id 4354588079, 192.168.1.1, v1.2.3, 12,345,678",
        Kind::Phone,
        &[],
    );
    check(
        "\"phone_number\": \"650-336-1313\"",
        Kind::Phone,
        &["650-336-1313"],
    );
}

#[test]
fn numbers_side_by_side_are_no_number_in_style() {
    for text in [
        "10.1.2.3 - - [03/Mar/2026:10:11:12 +0000] \"GET /a HTTP/1.1\" 200 181295 \"-\" \"curl/8.5.0\"",
        "files 301 234567",
        "301-234567",
        "404 123456 and 301 234567",
    ] {
        let ids = find(text).into_iter().filter(|one| one.kind == Kind::NationalId);
        assert_eq!(ids.count(), 0, "{text}");
    }
}

#[test]
fn ordinary_numbers_are_nobodys() {
    for text in [
        "250301-12-4512",
        "1234 5678 9012 3456",
        "2341 2341 2346 7781",
        "245 300 400",
        "1.245.300.400 and 612.345.678 inhabitants",
        "open ports 8080-8090",
        "hotline for ports 80808080",
        "GPU time 45.123456, 12.654321 ms",
        "transform: translate(12.345678, 45.678901)",
        "[12.345678, 45.678901, 13.456789, 46.789012]",
        "The bug was born on 2024-01-03",
        "Message-ID: <20260303101112.8F2A1@mail.corp.example>",
        "<8f14e45f-ceea-467f-a3c1-2b0d1c9e1f3a@host.example>",
        "boundary=\"===============8285110189257290749==\"",
        "tweet 4504000000123456789",
        "phone: +4930901827364 and card: +4930901827364",
        "Boston, MA 02110-1301 USA",
        "Boston, MA\n#  02110-1301, USA.",
        "Intel Corporation, mobile drivers, 2012-2022",
    ] {
        let found = find(text)
            .into_iter()
            .filter(|one| one.kind != Kind::Phone || !text.contains('+'));
        let what: Vec<&str> = found.map(|one| one.what).collect();
        assert!(
            what.iter()
                .all(|what| *what == "person_name" || *what == "postal_address"),
            "{text}: {what:?}"
        );
    }
}

#[test]
fn what_is_like_ordinary_numbers_is_found() {
    check("phone 245 300 400", Kind::Phone, &["245 300 400"]);
    check("telefon: 612 345 678", Kind::Phone, &["612 345 678"]);
    check(
        "at 45.12345, 12.65432",
        Kind::Coordinates,
        &["45.12345, 12.65432"],
    );
    check(
        "(45.123456, 12.654321)",
        Kind::Coordinates,
        &["45.123456, 12.654321"],
    );
    check("card 4539.4966.8896.6177", Kind::Card, &["4539.4966.8896.6177"]);
    check("card 4539.4966 8896.6177", Kind::Card, &[]);
    check("card 6304000000000000000", Kind::Card, &["6304000000000000000"]);
    check("mykad 250301-12-4512", Kind::NationalId, &["250301-12-4512"]);
    check(
        "<a.miller1985@mail.example> 4915112345678@sms.example",
        Kind::Email,
        &["a.miller1985@mail.example", "4915112345678@sms.example"],
    );
}

#[test]
fn births_in_other_shapes() {
    for (text, date) in [
        ("DOB 14MAR1985", "14MAR1985"),
        ("BDAY:19850314", "19850314"),
        ("patient (b. 3/14/85)", "3/14/85"),
        ("تاريخ الميلاد 14/03/1985", "14/03/1985"),
        ("Ημερομηνία γέννησης 14.03.1985", "14.03.1985"),
    ] {
        check(text, Kind::BirthDate, &[date]);
    }
    check(
        "built 14MAR1985, batch 19850314, DOB 19851399",
        Kind::BirthDate,
        &[],
    );
}

#[test]
fn a_word_announces_the_next_number_alone() {
    let text = "SSN: 310-62-3271\n{\"order\": \"836733911\"}";
    let found: Vec<&str> = find(text)
        .iter()
        .filter(|one| one.what == "us_ssn")
        .filter_map(|one| text.get(one.range.clone()))
        .collect();
    assert_eq!(found, ["310-62-3271"]);
}

#[test]
fn fields_between_commas_are_read() {
    check("phone,+65 6671 4092,home", Kind::Phone, &["+65 6671 4092"]);
    check("phone,970.705.0293,home", Kind::Phone, &["970.705.0293"]);
    check("sum 1,234,567 and 12,212 736 5000", Kind::Phone, &[]);
}

#[test]
fn births_places_and_names() {
    check(
        "Born 1980-05-17 in Lyon; meeting 2024-05-17",
        Kind::BirthDate,
        &["1980-05-17"],
    );
    check("Geburtsdatum: 17.05.1980", Kind::BirthDate, &["17.05.1980"]);
    check(
        "at 48.85837, 2.294481 today",
        Kind::Coordinates,
        &["48.85837, 2.294481"],
    );
    check(
        "{\"lat\": 48.85837, \"lon\": -2.29448}",
        Kind::Coordinates,
        &["48.85837, \"lon\": -2.29448"],
    );
    check("x = 0.12345, 3", Kind::Coordinates, &[]);
    check(
        "I met Maria Lopez and Dr. Okonkwo.",
        Kind::Name,
        &["Maria Lopez", "Okonkwo"],
    );
    check(
        "She lives at 12 Baker Street, London",
        Kind::Address,
        &["12 Baker Street"],
    );
    check(
        "Wohnhaft Lange Hauptstraße 12a",
        Kind::Address,
        &["Hauptstraße 12"],
    );
    check(
        "Adresse: Hauptstraße 12, Bonn",
        Kind::Address,
        &["Hauptstraße 12"],
    );
}

proptest! {
    #[test]
    fn nothing_panics_and_places_are_whole(text in "\\PC{0,200}") {
        for personal in find(&text) {
            prop_assert!(text.get(personal.range.clone()).is_some_and(|part| !part.is_empty()));
        }
    }

    #[test]
    fn digits_and_signs_never_panic(text in "[0-9A-Za-z+()./: @é-]{0,200}") {
        let mut last = 0;
        for personal in find(&text) {
            prop_assert!(personal.range.start >= last);
            last = personal.range.end;
            prop_assert!(text.get(personal.range).is_some());
        }
    }
}

//! Values of many countries as people write them, each beside what only looks like it. Written by hand, from the issuing
//! offices' own examples where there are any.

use super::super::{Kind, find};

/// National numbers: which, and how it is written. With its last digit changed none is one.
const IDS: &[(&str, &str, &str)] = &[
    ("us_ssn", "SSN ", "536-90-4399"),
    ("gb_nino", "NI number ", "AB 12 34 56 C"),
    ("gb_nhs", "NHS ", "943 476 5919"),
    ("de_steuer_id", "Steuer-ID ", "86 095 742 719"),
    ("es_dni", "DNI ", "12345678Z"),
    ("es_nie", "NIE ", "X1234567L"),
    ("it_codice_fiscale", "CF ", "RSSMRA85T10A562S"),
    ("pt_nif", "NIF contribuinte ", "123456789"),
    ("nl_bsn", "BSN ", "111222333"),
    ("be_rijksregister", "rijksregister ", "85.07.30-033.28"),
    ("pl_pesel", "PESEL ", "44051401359"),
    ("se_personnummer", "personnummer ", "811218-9876"),
    ("no_fodselsnummer", "fødselsnummer ", "15076500565"),
    ("dk_cpr", "CPR ", "211062-5629"),
    ("fi_hetu", "hetu ", "131052-308T"),
    ("ee_isikukood", "isikukood ", "37605030299"),
    ("lv_personas_kods", "personas kods ", "161175-19997"),
    ("cz_rodne_cislo", "rodné číslo ", "736028/5163"),
    ("ro_cnp", "CNP ", "1630615123457"),
    ("bg_egn", "ЕГН ", "7523169263"),
    ("hr_oib", "OIB ", "94577403194"),
    ("si_emso", "EMŠO ", "0101006500006"),
    ("hu_taj", "TAJ ", "111 111 110"),
    ("gr_afm", "ΑΦΜ ", "094259216"),
    ("gr_amka", "ΑΜΚΑ ", "01018012342"),
    ("is_kennitala", "kennitala ", "120174-3399"),
    ("ec_cedula", "cédula ", "1710034065"),
    ("th_id", "เลขประจำตัวประชาชน ", "1101700230708"),
    ("at_svnr", "SVNR ", "1237 010180"),
    ("ch_ahv", "AHV ", "756.9217.0769.85"),
    ("ie_pps", "PPS ", "1234567T"),
    ("tr_tckn", "TC Kimlik ", "10000000146"),
    ("ru_snils", "СНИЛС ", "112-233-445 95"),
    ("ru_inn", "ИНН ", "500100732259"),
    ("il_id", "תעודת זהות ", "123456782"),
    ("za_id", "SA ID ", "8001015009087"),
    ("in_aadhaar", "Aadhaar ", "2341 2341 2346"),
    ("cn_resident_id", "身份证 ", "11010519491231002X"),
    ("tw_id", "身分證 ", "A123456789"),
    ("hk_id", "HKID ", "A123456(3)"),
    ("jp_my_number", "マイナンバー ", "1234 5678 9018"),
    ("sg_nric", "NRIC ", "S1234567D"),
    ("au_tfn", "TFN ", "123 456 782"),
    ("nz_ird_short", "IRD ", "49-091-850"),
    ("nz_ird", "IRD ", "136-410-132"),
    ("br_cpf", "CPF ", "529.982.247-25"),
    ("br_cnpj", "CNPJ ", "11.222.333/0001-81"),
    ("cl_rut", "RUT ", "12.345.678-5"),
    ("cl_rut", "RUT ", "8.089.468-6"),
    ("cl_rut", "RUT: ", "12345678-5"),
    ("cl_rut", "RUT ", "8089468-6"),
    ("ar_cuit", "CUIT ", "20-12345678-6"),
    ("mx_curp", "CURP ", "BOXW310820HNERXN09"),
];

#[test]
fn national_numbers_are_found_and_their_neighbours_are_not() {
    for (name, word, value) in IDS {
        let found = |value: &str| {
            let text = format!("{word}{value} of the client");
            find(&text)
                .into_iter()
                .any(|one| one.what == *name && text[one.range] == *value)
        };
        assert!(found(value), "{name} {value}");
        // The last sign is a digit or a letter of a check in nearly all of them.
        if matches!(*name, "us_ssn" | "gb_nino" | "hk_id" | "dk_cpr" | "is_kennitala") {
            continue;
        }
        let last = value.chars().last().expect("some");
        let other = if last.is_ascii_digit() {
            char::from(b'0' + (last as u8 - b'0' + 1) % 10)
        } else if last == 'Z' {
            'A'
        } else {
            char::from(last as u8 + 1)
        };
        let wrong = format!("{}{other}", &value[..value.len() - 1]);
        assert!(!found(&wrong), "{name} {wrong}");
    }
}

#[track_caller]
fn check(kind: Kind, text: &str, value: &str) {
    let found = find(text);
    assert!(
        found
            .iter()
            .any(|one| one.kind == kind && text[one.range.clone()] == *value),
        "{text} {found:?}"
    );
}

#[test]
fn telephones_of_fifty_plans() {
    for number in [
        "+1 (415) 555-2671",
        "+44 7911 123456",
        "+49 (0)171 2345678",
        "+33 6 12 34 56 78",
        "+34 612 34 56 78",
        "+39 347 123 4567",
        "+31 6 12345678",
        "+32 470 12 34 56",
        "+41 79 123 45 67",
        "+43 664 1234567",
        "+46 70 123 45 67",
        "+47 406 12 345",
        "+45 20 12 34 56",
        "+358 40 1234567",
        "+48 512 345 678",
        "+420 601 123 456",
        "+36 20 123 4567",
        "+40 712 345 678",
        "+30 694 123 4567",
        "+351 912 345 678",
        "+353 85 123 4567",
        "+7 912 345-67-89",
        "+380 67 123 4567",
        "+90 532 123 45 67",
        "+972 50-123-4567",
        "+971 50 123 4567",
        "+966 50 123 4567",
        "+91 98765 43210",
        "+86 138 1234 5678",
        "+81 90-1234-5678",
        "+82 10-1234-5678",
        "+65 8123 4567",
        "+60 12-345 6789",
        "+66 81 234 5678",
        "+62 812-3456-7890",
        "+63 917 123 4567",
        "+84 91 234 56 78",
        "+61 412 345 678",
        "+64 21 123 4567",
        "+27 82 123 4567",
        "+234 803 123 4567",
        "+254 712 345678",
        "+20 100 123 4567",
        "+212 612-345678",
        "+55 (11) 91234-5678",
        "+52 55 1234 5678",
        "+54 9 11 1234-5678",
        "+56 9 1234 5678",
        "+57 301 234 5678",
        "+51 912 345 678",
    ] {
        check(Kind::Phone, &format!("please ring {number} today"), number);
    }
    for (word, number) in [
        ("Tel. ", "030 12345678"),
        ("Tél : ", "01 23 45 67 89"),
        ("Móvil: ", "612 345 678"),
        ("手机:", "13812345678"),
        ("電話: ", "03-1234-5678"),
        ("Телефон: ", "8 (912) 345-67-89"),
        ("Τηλέφωνο: ", "210 123 4567"),
        ("Handy ", "01712345678"),
    ] {
        check(Kind::Phone, &format!("{word}{number}"), number);
    }
}

#[test]
fn dates_of_birth_in_words() {
    for (text, date) in [
        ("date of birth March 12, 1985", "March 12, 1985"),
        ("born on 12 March 1985 in Bath", "12 March 1985"),
        ("born 3rd of October 1971", "3rd of October 1971"),
        ("geboren am 12. März 1985", "12. März 1985"),
        ("née le 1er août 1990", "1er août 1990"),
        ("nacido el 7 de diciembre de 1962", "7 de diciembre de 1962"),
        ("дата рождения 5 мая 1979", "5 мая 1979"),
        ("生年月日 1985年3月12日", "1985年3月12日"),
        ("생년월일 1985년 3월 12일", "1985년 3월 12일"),
    ] {
        check(Kind::BirthDate, text, date);
    }
    for text in [
        "released on 12 March 1985",
        "born to run, May 1985",
        "the birth of the web, 6 August 2091",
        "born 32 March 1985",
        "born of 12 marbles 1985",
    ] {
        assert!(find(text).iter().all(|one| one.kind != Kind::BirthDate), "{text}");
    }
}

#[test]
fn places_and_machines() {
    check(
        Kind::Coordinates,
        "at 48°08'14\"N 11°34'34\"E today",
        "48°08'14\"N 11°34'34\"E",
    );
    check(
        Kind::Coordinates,
        "33°51′35.9″S, 151°12′40″E",
        "33°51′35.9″S, 151°12′40″E",
    );
    check(Kind::Coordinates, "geo:48.2010,16.3695", "48.2010,16.3695");
    check(Kind::Mac, "mac 001A.2B3C.4D5E up", "001A.2B3C.4D5E");
    for text in [
        "matrix 0.1234, 0.5678",
        "translate(12.3456, 45.6789)",
        "loss 0.0123456, 0.9876543",
        "turn by 45° and 30' later",
        "it was 20°C 15'000 times",
        "1234.5678.9012",
        "a.b.c.d",
        "v2a3b.4c5d.6e7f8",
    ] {
        let found = find(text);
        assert!(
            found
                .iter()
                .all(|one| !matches!(one.kind, Kind::Coordinates | Kind::Mac)),
            "{text} {found:?}"
        );
    }
}

#[test]
fn numbers_and_addresses_that_are_nobodys() {
    for text in [
        "order 4111-2222-3333-4444-5555",
        "2026-02-11T10:01:07.123456789Z",
        "1700000000123",
        "ISBN 978-3-16-148410-0",
        "EAN 4006381333931",
        "UPC 036000291452",
        "tracking 1Z999AA10123456784",
        "DHL 00340434161094042557",
        "invoice 2026-000123",
        "PO 4500012345",
        "127.0.0.1",
        "0.0.0.0",
        "255.255.255.0",
        "sha 3f2a9c",
        "population 1,408,975,000",
        "pi 3.14159265358979",
        "price 1.234.567,89",
        "10115 Berlin",
        "1024x768",
        "12/03/1985 meeting",
        "user id 123456789",
        "hash 00:11:22:33:44",
        "10:20:30:40:50:60:70",
        "std::vec::Vec",
        "@media (max-width: 600px)",
        "git@github.com:acme/app.git",
        "react@18.2.0 and @types/node@20.1.0",
        "image@2x.png",
        "ABN 51 824 753 556",
        "DUNS 15-048-3782",
        "CAS 7732-18-5",
        "DOI 10.1000/182",
        "arXiv 2306.01234",
        "UUID 550e8400-e29b-41d4-a716-446655440000",
        "temperature 23.4567, humidity 45.6789",
        "DE00 0000 0000 0000 0000 00",
        "row 4111111111111112",
        "v2.10.3.4-beta",
        "A123456 model",
        "units(046454286)",
        "the run 12345678-5 failed 3 times",
        "pan 12 degrees",
    ] {
        let found = find(text);
        assert!(found.is_empty(), "{text} {found:?}");
    }
}

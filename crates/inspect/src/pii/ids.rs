//! National numbers of persons, each with its own arithmetic.
//!
//! Digits alone say little: one in ten or eleven passes a check digit by chance. So a number counts where its country's
//! way of writing it, or a word before it, says what it is; a few carry a date and two check digits and stand alone.

mod check;

use std::sync::LazyLock;

pub(super) use check::luhn;
use check::{
    ar_cuit, at_social, au_medicare, au_tfn, baltic, be_national, bg_egn, br_cnpj, br_cpf, ca_sin, ch_ahv,
    cl_rut, cn_resident, co_nit, cz_birth, de_pension, de_tax, dk_cpr, es_dni, es_nie, fi_hetu, fr_nir,
    gb_nhs, gb_nino, gr_afm, hk_id, hu_taj, ie_pps, il_id, in_aadhaar, in_pan, iso7064_11_10, it_fiscal,
    jp_my_number, kr_rrn, lv_code, mx_curp, my_nric, nl_bsn, no_birth, nz_ird, pl_pesel, pt_nif, ro_cnp,
    ru_inn, ru_snils, se_person, se_person_long, sg_nric, si_emso, th_id, tr_id, tw_id, ua_tax, us_itin,
    us_ssn, za_id,
};

/// How much must speak for a number besides its arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Its arithmetic is enough.
    Nothing,
    /// Its country's punctuation, or a word before it.
    Style,
    /// A word before it.
    Word,
}

/// A kind of number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Id {
    /// Its name in findings: country, then what it is called there.
    pub(super) name: &'static str,
    /// Digits and letters, with no signs between: `0` a digit, `A` a letter, `*` either.
    pub(super) shape: &'static str,
    /// The same as it is usually written, signs included; empty where there is no such way.
    pub(super) style: &'static str,
    /// Words that announce it, in lower case.
    pub(super) words: &'static [&'static str],
    /// Its arithmetic.
    pub(super) check: fn(&[u8]) -> bool,
    /// What else must be there.
    pub(super) needs: Needs,
}

const fn id(
    name: &'static str,
    shape: &'static str,
    style: &'static str,
    words: &'static [&'static str],
    check: fn(&[u8]) -> bool,
    needs: Needs,
) -> Id {
    Id {
        name,
        shape,
        style,
        words,
        check,
        needs,
    }
}

/// Most digits in a row that are told apart.
const LEAD: usize = 20;

/// Which kinds a number may be by how many digits it starts with.
struct Starts {
    /// Nothing goes on behind them.
    closed: Vec<Vec<&'static Id>>,
    /// A sign or a letter does.
    open: Vec<Vec<&'static Id>>,
    /// Kinds that start with a letter.
    lettered: Vec<&'static Id>,
}

static STARTS: LazyLock<Starts> = LazyLock::new(|| {
    let (lettered, digits): (Vec<&Id>, Vec<&Id>) = IDS.iter().partition(|id| id.shape.starts_with('A'));
    let lead = |shape: &str| shape.bytes().take_while(|sign| *sign == b'0').count();
    let dense = |shape: &str| {
        shape
            .bytes()
            .filter(|sign| matches!(sign, b'0' | b'A' | b'*'))
            .count()
    };
    let of = |fits: &dyn Fn(usize, &str) -> bool| {
        let of_lead = |count| {
            let may = |id: &&Id| fits(count, id.shape) || (!id.style.is_empty() && fits(count, id.style));
            digits.iter().copied().filter(may).collect()
        };
        (0..=LEAD).map(of_lead).collect()
    };
    Starts {
        closed: of(&|count, shape| count == dense(shape)),
        open: of(&|count, shape| lead(shape) <= count && count <= dense(shape)),
        lettered,
    }
});

/// The kinds that what starts here may be, in the order of [`IDS`].
pub(super) fn may(rest: &[u8], letters: bool) -> &'static [&'static Id] {
    if letters {
        return &STARTS.lettered;
    }
    let count = rest
        .iter()
        .take(LEAD)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let goes_on = rest
        .get(count)
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-' | b'+' | b'.' | b'/'));
    let list = if goes_on { &STARTS.open } else { &STARTS.closed };
    list.get(count).map_or(&[], Vec::as_slice)
}

/// All kinds. Sources are the issuing offices' publications and ISO 7064; each is named after its country.
pub(super) const IDS: &[Id] = &[
    id(
        "us_ssn",
        "000000000",
        "000-00-0000",
        &["ssn", "social security", "social sec"],
        us_ssn,
        Needs::Style,
    ),
    id(
        "us_itin",
        "000000000",
        "",
        &["itin", "taxpayer"],
        us_itin,
        Needs::Word,
    ),
    id(
        "gb_nhs",
        "0000000000",
        "000 000 0000",
        &["nhs"],
        gb_nhs,
        Needs::Word,
    ),
    id(
        "gb_nino",
        "AA000000A",
        "AA 00 00 00 A",
        &["national insurance", "nino", "ni number", "ni no"],
        gb_nino,
        Needs::Style,
    ),
    id(
        "de_steuer_id",
        "00000000000",
        "00 000 000 000",
        &["steuer", "idnr", "tin", "tax id"],
        de_tax,
        Needs::Word,
    ),
    id(
        "de_rvnr",
        "00000000A000",
        "00 000000 A 000",
        &["rentenversicherung", "sozialversicherung", "rvnr", "svnr"],
        de_pension,
        Needs::Style,
    ),
    id(
        "fr_nir",
        "000000*00000000",
        "0 00 00 00 000 000 00",
        &["nir", "sécurité sociale", "securite sociale", "insee", "sécu"],
        fr_nir,
        Needs::Nothing,
    ),
    id(
        "es_dni",
        "00000000A",
        "00000000-A",
        &["dni", "nif", "documento"],
        es_dni,
        Needs::Style,
    ),
    id(
        "es_nie",
        "A0000000A",
        "A-0000000-A",
        &["nie", "extranjero"],
        es_nie,
        Needs::Style,
    ),
    id(
        "it_codice_fiscale",
        "AAAAAA00A00A000A",
        "",
        &["codice fiscale", "cf"],
        it_fiscal,
        Needs::Nothing,
    ),
    id(
        "pt_nif",
        "000000000",
        "000 000 000",
        &["nif", "contribuinte"],
        pt_nif,
        Needs::Word,
    ),
    id(
        "nl_bsn",
        "000000000",
        "",
        &["bsn", "burgerservicenummer", "sofinummer"],
        nl_bsn,
        Needs::Word,
    ),
    id(
        "be_rijksregister",
        "00000000000",
        "00.00.00-000.00",
        &["rijksregister", "registre national", "insz", "niss"],
        be_national,
        Needs::Style,
    ),
    id(
        "pl_pesel",
        "00000000000",
        "",
        &["pesel"],
        pl_pesel,
        Needs::Nothing,
    ),
    id(
        "se_personnummer",
        "0000000000",
        "000000-0000",
        &["personnummer", "personal number", "pnr"],
        se_person,
        Needs::Style,
    ),
    id(
        "se_personnummer_long",
        "000000000000",
        "00000000-0000",
        &["personnummer", "personal number", "pnr"],
        se_person_long,
        Needs::Style,
    ),
    id(
        "no_fodselsnummer",
        "00000000000",
        "000000 00000",
        &["fødselsnummer", "fodselsnummer", "personnummer", "fnr"],
        no_birth,
        Needs::Nothing,
    ),
    id(
        "dk_cpr",
        "0000000000",
        "000000-0000",
        &["cpr", "personnummer"],
        dk_cpr,
        Needs::Word,
    ),
    id(
        "fi_hetu",
        "000000*000*",
        "000000-000*",
        &["hetu", "henkilötunnus", "personbeteckning"],
        fi_hetu,
        Needs::Style,
    ),
    id(
        "ee_isikukood",
        "00000000000",
        "",
        &["isikukood", "asmens kodas", "personal code"],
        baltic,
        Needs::Nothing,
    ),
    id(
        "lv_personas_kods",
        "00000000000",
        "000000-00000",
        &["personas kods"],
        lv_code,
        Needs::Word,
    ),
    id(
        "cz_rodne_cislo",
        "0000000000",
        "000000/0000",
        &["rodné číslo", "rodne cislo", "rodné čísla", "rč"],
        cz_birth,
        Needs::Style,
    ),
    id("bg_egn", "0000000000", "", &["егн", "egn"], bg_egn, Needs::Word),
    id(
        "ro_cnp",
        "0000000000000",
        "",
        &["cnp", "cod numeric"],
        ro_cnp,
        Needs::Nothing,
    ),
    id("hr_oib", "00000000000", "", &["oib"], iso7064_11_10, Needs::Word),
    id(
        "si_emso",
        "0000000000000",
        "",
        &["emšo", "emso", "jmbg"],
        si_emso,
        Needs::Nothing,
    ),
    id(
        "hu_taj",
        "000000000",
        "000 000 000",
        &["taj"],
        hu_taj,
        Needs::Word,
    ),
    id("gr_afm", "000000000", "", &["αφμ", "afm"], gr_afm, Needs::Word),
    id(
        "at_svnr",
        "0000000000",
        "0000 000000",
        &["svnr", "sozialversicherung", "sv-nummer"],
        at_social,
        Needs::Word,
    ),
    id(
        "ch_ahv",
        "0000000000000",
        "000.0000.0000.00",
        &["ahv", "avs", "oasi"],
        ch_ahv,
        Needs::Nothing,
    ),
    id("ie_pps", "0000000A", "", &["pps", "ppsn"], ie_pps, Needs::Word),
    id(
        "ie_pps_long",
        "0000000AA",
        "",
        &["pps", "ppsn"],
        ie_pps,
        Needs::Word,
    ),
    id(
        "tr_tckn",
        "00000000000",
        "",
        &["tckn", "tc kimlik", "t.c. kimlik", "kimlik"],
        tr_id,
        Needs::Nothing,
    ),
    id(
        "ru_snils",
        "00000000000",
        "000-000-000 00",
        &["снилс", "snils"],
        ru_snils,
        Needs::Style,
    ),
    id("ru_inn", "000000000000", "", &["инн", "inn"], ru_inn, Needs::Word),
    id(
        "ua_rnokpp",
        "0000000000",
        "",
        &["рнокпп", "іпн", "ipn"],
        ua_tax,
        Needs::Word,
    ),
    id(
        "il_id",
        "000000000",
        "",
        &["teudat zehut", "תעודת זהות", "israeli id", "ת.ז"],
        il_id,
        Needs::Word,
    ),
    id(
        "za_id",
        "0000000000000",
        "",
        &["south african id", "id number", "identity number", "sa id"],
        za_id,
        Needs::Word,
    ),
    id(
        "in_aadhaar",
        "000000000000",
        "0000 0000 0000",
        &["aadhaar", "aadhar", "uidai", "आधार"],
        in_aadhaar,
        Needs::Style,
    ),
    id(
        "in_pan",
        "AAAAA0000A",
        "",
        &["pan", "permanent account"],
        in_pan,
        Needs::Nothing,
    ),
    id(
        "cn_resident_id",
        "00000000000000000*",
        "",
        &["身份证", "resident id", "id card"],
        cn_resident,
        Needs::Nothing,
    ),
    id(
        "tw_id",
        "A000000000",
        "",
        &["身分證", "taiwan id", "national id"],
        tw_id,
        Needs::Word,
    ),
    id(
        "hk_id",
        "A000000*",
        "A000000(*)",
        &["hkid", "身份證", "hong kong id"],
        hk_id,
        Needs::Style,
    ),
    id(
        "kr_rrn",
        "0000000000000",
        "000000-0000000",
        &["주민등록번호", "rrn", "resident registration"],
        kr_rrn,
        Needs::Style,
    ),
    id(
        "jp_my_number",
        "000000000000",
        "0000 0000 0000",
        &["マイナンバー", "my number", "個人番号"],
        jp_my_number,
        Needs::Word,
    ),
    id(
        "sg_nric",
        "A0000000A",
        "",
        &["nric", "fin"],
        sg_nric,
        Needs::Nothing,
    ),
    id(
        "th_id",
        "0000000000000",
        "0-0000-00000-00-0",
        &["บัตรประชาชน", "thai id", "national id"],
        th_id,
        Needs::Style,
    ),
    id(
        "my_nric",
        "000000000000",
        "000000-00-0000",
        &["mykad", "nric", "ic no", "kad pengenalan"],
        my_nric,
        Needs::Style,
    ),
    id(
        "au_tfn",
        "000000000",
        "000 000 000",
        &["tfn", "tax file"],
        au_tfn,
        Needs::Word,
    ),
    id(
        "au_medicare",
        "0000000000",
        "0000 00000 0",
        &["medicare"],
        au_medicare,
        Needs::Word,
    ),
    id(
        "nz_ird",
        "000000000",
        "000-000-000",
        &["ird"],
        nz_ird,
        Needs::Word,
    ),
    id(
        "ca_sin",
        "000000000",
        "000-000-000",
        &["sin", "social insurance"],
        ca_sin,
        Needs::Word,
    ),
    id(
        "br_cpf",
        "00000000000",
        "000.000.000-00",
        &["cpf"],
        br_cpf,
        Needs::Style,
    ),
    id(
        "br_cnpj",
        "00000000000000",
        "00.000.000/0000-00",
        &["cnpj"],
        br_cnpj,
        Needs::Style,
    ),
    id(
        "cl_rut",
        "00000000*",
        "00.000.000-*",
        &["rut", "run"],
        cl_rut,
        Needs::Style,
    ),
    id(
        "ar_cuit",
        "00000000000",
        "00-00000000-0",
        &["cuit", "cuil"],
        ar_cuit,
        Needs::Style,
    ),
    id(
        "mx_curp",
        "AAAA000000AAAAAA*0",
        "",
        &["curp"],
        mx_curp,
        Needs::Nothing,
    ),
    id(
        "co_nit",
        "0000000000",
        "000.000.000-0",
        &["nit"],
        co_nit,
        Needs::Word,
    ),
];

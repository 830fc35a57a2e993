//! National numbers of persons, each with its own arithmetic.
//!
//! Digits alone say little: one in ten or eleven passes a check digit by chance. So a number counts where its country's
//! way of writing it, or a word before it, says what it is; a few carry a date and two check digits and stand alone.

mod check;
mod papers;

use std::sync::{LazyLock, OnceLock};

pub(super) use check::luhn;
use check::{
    ar_cuit, at_social, au_medicare, au_tfn, baltic, be_national, bg_egn, br_cnpj, br_cpf, ca_sin, ch_ahv,
    cl_rut, cn_resident, co_nit, cz_birth, de_pension, de_tax, dk_cpr, ec_cedula, es_dni, es_nie, fi_hetu,
    fr_nir, gb_nhs, gb_nino, gr_afm, gr_amka, hk_id, hu_taj, ie_pps, il_id, in_aadhaar, in_pan, is_kennitala,
    iso7064_11_10, it_fiscal, jp_my_number, kr_rrn, lv_code, mx_curp, my_nric, nl_bsn, no_birth, nz_ird,
    nz_ird_short, pl_pesel, pt_nif, ro_cnp, ru_inn, ru_snils, se_person, se_person_long, sg_nric, si_emso,
    th_id, tr_id, tw_id, ua_tax, us_itin, us_ssn, za_id,
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

/// Most digits in a row that are told apart, first and behind the first sign.
const LEAD: usize = 20;
const SECOND: usize = 12;

/// What stands behind the first digits of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// Nothing that a number goes on with.
    End,
    Upper,
    Lower,
    Space,
    Hyphen,
    Plus,
    Dot,
    Slash,
}

impl Sign {
    const COUNT: usize = 8;

    fn of(byte: Option<&u8>) -> Self {
        match byte {
            Some(b'A'..=b'Z') => Self::Upper,
            Some(b'a'..=b'z') => Self::Lower,
            Some(b' ') => Self::Space,
            Some(b'-') => Self::Hyphen,
            Some(b'+') => Self::Plus,
            Some(b'.') => Self::Dot,
            Some(b'/') => Self::Slash,
            _ => Self::End,
        }
    }

    /// Whether a sign of a shape may be this one.
    const fn fits(self, sign: u8) -> bool {
        match sign {
            b'A' => matches!(self, Self::Upper),
            b'*' => matches!(self, Self::Upper | Self::Lower | Self::Hyphen | Self::Plus),
            b'-' => matches!(self, Self::Hyphen | Self::Space),
            b'.' => matches!(self, Self::Dot),
            b'/' => matches!(self, Self::Slash),
            b' ' => matches!(self, Self::Space),
            b'+' => matches!(self, Self::Plus),
            _ => false,
        }
    }

    const fn is_letter(self) -> bool {
        matches!(self, Self::Upper | Self::Lower)
    }
}

/// How a number begins: so many digits, a sign, and so many digits behind it.
#[derive(Debug, Clone, Copy)]
struct Beginning {
    first: usize,
    sign: Sign,
    second: usize,
}

impl Beginning {
    fn of(rest: &[u8]) -> Self {
        let digits = |from: usize, most: usize| {
            let after = rest.iter().skip(from).take(most);
            after.take_while(|byte| byte.is_ascii_digit()).count()
        };
        let first = digits(0, LEAD);
        Self {
            first,
            sign: Sign::of(rest.get(first)),
            second: digits(first + 1, SECOND),
        }
    }

    const fn place(self) -> usize {
        (self.first * Sign::COUNT + self.sign as usize) * (SECOND + 1) + self.second
    }

    /// Whether what begins so may have a shape, as `scan::fit` reads it. What stands further on is not known, and may be
    /// anything.
    fn may_have(self, shape: &str) -> bool {
        let known = self.first + 1 + self.second;
        let mut at = 0;
        for sign in shape.bytes() {
            let digit = at != self.first;
            let fits = match sign {
                _ if at >= known => return self.sign != Sign::End,
                b'0' => digit,
                // A hyphen is often left out.
                b'-' if digit || self.sign.is_letter() => continue,
                b'*' if digit => true,
                sign => !digit && self.sign.fits(sign),
            };
            if !fits {
                return false;
            }
            at += 1;
        }
        // Where its shape ends, no more digits and letters follow.
        if at == self.first {
            let digits_follow = matches!(self.sign, Sign::Hyphen | Sign::Dot) && self.second > 0;
            return !self.sign.is_letter() && !digits_follow;
        }
        at >= known
    }
}

/// Which kinds a number may be by how it begins, told where it is first asked.
struct Starts {
    beginnings: Vec<OnceLock<Vec<&'static Id>>>,
    digits: Vec<&'static Id>,
    /// Kinds that start with a letter.
    lettered: Vec<&'static Id>,
}

static STARTS: LazyLock<Starts> = LazyLock::new(|| {
    let (lettered, digits): (Vec<&Id>, Vec<&Id>) = all().partition(|id| id.shape.starts_with('A'));
    let most = (LEAD + 1) * Sign::COUNT * (SECOND + 1);
    Starts {
        beginnings: (0..most).map(|_| OnceLock::new()).collect(),
        digits,
        lettered,
    }
});

/// The kinds that what starts here may be, in the order of [`all`].
pub(super) fn may(rest: &[u8], letters: bool) -> &'static [&'static Id] {
    if letters {
        return &STARTS.lettered;
    }
    let beginning = Beginning::of(rest);
    let Some(kinds) = STARTS.beginnings.get(beginning.place()) else {
        return &[];
    };
    kinds.get_or_init(|| {
        let may =
            |id: &&Id| beginning.may_have(id.shape) || (!id.style.is_empty() && beginning.may_have(id.style));
        STARTS.digits.iter().copied().filter(may).collect()
    })
}

/// All kinds.
pub(super) fn all() -> impl Iterator<Item = &'static Id> {
    IDS.iter().chain(papers::PAPERS)
}

/// What states number their people with. Sources are the issuing offices' publications and ISO 7064; each is named after
/// its country.
const IDS: &[Id] = &[
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
    id(
        "gr_amka",
        "00000000000",
        "",
        &["αμκα", "amka"],
        gr_amka,
        Needs::Word,
    ),
    id(
        "is_kennitala",
        "0000000000",
        "000000-0000",
        &["kennitala", "kt."],
        is_kennitala,
        Needs::Style,
    ),
    id(
        "ec_cedula",
        "0000000000",
        "000000000-0",
        &["cédula", "cedula"],
        ec_cedula,
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
        &["ประชาชน", "thai id", "national id"],
        th_id,
        Needs::Style,
    ),
    id(
        "my_nric",
        "000000000000",
        "000000-00-0000",
        &["mykad", "nric", "ic no", "kad pengenalan"],
        my_nric,
        // It has no arithmetic, and tickets are numbered alike.
        Needs::Word,
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
        "nz_ird_short",
        "00000000",
        "00-000-000",
        &["ird"],
        nz_ird_short,
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
    id("cl_rut", "0000000*", "0.000.000-*", &["rut"], cl_rut, Needs::Word),
    // Runs of a program are counted with hyphens.
    id("cl_rut", "00000000*", "00000000-*", &["rut"], cl_rut, Needs::Word),
    id("cl_rut", "0000000*", "0000000-*", &["rut"], cl_rut, Needs::Word),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_kind_is_tried() {
        for id in all().filter(|id| !id.shape.starts_with('A')) {
            for shape in [id.shape, id.style].into_iter().filter(|shape| !shape.is_empty()) {
                for (letter, hyphen) in [("K", "-"), ("x", ""), ("7", " "), ("A", "")] {
                    let spelt: String = shape
                        .chars()
                        .map(|sign| match sign {
                            '0' => "5".to_owned(),
                            'A' => "B".to_owned(),
                            '*' => letter.to_owned(),
                            '-' => hyphen.to_owned(),
                            other => other.to_string(),
                        })
                        .collect();
                    for end in ["", " ", ".", ", 5", "\n7", " 12", "/x"] {
                        let text = spelt.clone() + end;
                        let tried = may(text.as_bytes(), false);
                        assert!(
                            tried.iter().any(|kind| kind.name == id.name),
                            "{} {text}",
                            id.name
                        );
                    }
                }
            }
        }
    }
}

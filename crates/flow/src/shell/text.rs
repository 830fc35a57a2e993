//! Characters that no honest command line needs: they hide what runs, or look like something else.

use super::Unclear;

/// No control characters but tab and newline, nothing invisible, no direction marks, no blanks but the two of ASCII.
pub(super) fn plain(line: &str) -> Result<(), Unclear> {
    if line.chars().all(fine) {
        Ok(())
    } else {
        Err(Unclear::Characters)
    }
}

fn fine(c: char) -> bool {
    match c {
        '\t' | '\n' | ' ' => true,
        // A carriage return is part of a word to a shell and nothing to the eye.
        _ if c.is_control() || c.is_whitespace() => false,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{2800}'
        | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}' => false,
        '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' => false,
        '\u{2060}'..='\u{206F}' | '\u{FFF0}'..='\u{FFFB}' => false,
        '\u{FE00}'..='\u{FE0E}' | '\u{E0000}'..='\u{E0FFF}' => false,
        _ => true,
    }
}

/// A character that passes for one with a meaning to the shell, where no quotes say that it is only text.
pub(super) fn poses(c: char) -> bool {
    matches!(c,
        '\u{2010}'..='\u{2015}' | '\u{2018}'..='\u{201F}' | '\u{2032}' | '\u{2033}' | '\u{2043}' | '\u{2212}'
        | '\u{2215}' | '\u{2044}' | '\u{29F8}' | '\u{2024}' | '\u{2223}' | '\u{204E}' | '\u{2217}' | '\u{037E}'
        | '\u{FE31}'..='\u{FE32}' | '\u{FE50}'..='\u{FE6F}' | '\u{FF00}'..='\u{FF65}')
}

//! Errors in configuration and policy files, with the place, and for an unknown key the one that was meant.

use miette::{LabeledSpan, MietteDiagnostic, NamedSource, Report, Severity};

use super::file::ConfigFile;
use crate::{exit::Exit, failure::Failure};

/// How alike an unknown key and a known one must be for the known one to be suggested.
const ALIKE: f64 = 0.75;

/// Reads a file's text.
///
/// # Errors
/// One diagnostic with its place.
pub(crate) fn parse(name: &str, text: &str) -> Result<ConfigFile, Failure> {
    toml::from_str::<ConfigFile>(text).map_err(|error| {
        let (message, help) = explain(error.message());
        let report = report(name, text, error.span(), &message, help, Severity::Error);
        Failure::new(Exit::Config, format!("the configuration `{name}` is wrong"))
            .hint("`bartizan config reference` lists every key")
            .reports(vec![report])
    })
}

/// Turns serde's sentence about an unknown name into one of ours, with a suggestion.
fn explain(message: &str) -> (String, Option<String>) {
    let message = message.trim_end();
    for (start, noun) in [("unknown field `", "key"), ("unknown variant `", "value")] {
        let Some(rest) = message.strip_prefix(start) else {
            continue;
        };
        let Some((unknown, rest)) = rest.split_once('`') else {
            continue;
        };
        // serde lists the known names in backticks after `expected`.
        let known: Vec<_> = rest.split('`').skip(1).step_by(2).collect();
        let closest = known
            .iter()
            .map(|known| (strsim::jaro_winkler(unknown, known), *known))
            .filter(|(alike, _)| *alike >= ALIKE)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let help = match closest {
            Some((_, known)) => format!("did you mean `{known}`?"),
            None => format!("known here: {}", known.join(", ")),
        };
        return (format!("unknown {noun} `{unknown}`"), Some(help));
    }
    if message == "invalid socket address syntax" {
        let message = "this is no address: an IP address and a port".to_owned();
        return (message, Some("`127.0.0.1:4480`, say, or `[::1]:4480`".to_owned()));
    }
    let mut message = without_types(message);
    if let Some(first) = message.get(..1).map(str::to_lowercase) {
        message.replace_range(..1, &first);
    }
    (message, None)
}

/// serde's sentence without the names of Rust's types.
fn without_types(message: &str) -> String {
    const WORDS: [(&str, &str); 14] = [
        ("usize", "a whole number"),
        ("u64", "a whole number"),
        ("u32", "a whole number"),
        ("u16", "a whole number"),
        ("u8", "a whole number"),
        ("i64", "a whole number"),
        ("f64", "a number"),
        ("a boolean", "true or false"),
        ("a string", "a text"),
        ("path string", "a path"),
        ("a sequence", "a list"),
        ("a map", "a table"),
        ("struct", "a table"),
        ("socket address", "an address, such as `127.0.0.1:4480`"),
    ];
    let of_serde = message.starts_with("invalid type: ") || message.starts_with("invalid value: ");
    let Some((said, wanted)) = message.rsplit_once(", expected ").filter(|_| of_serde) else {
        return message.to_owned();
    };
    let said = said
        .replacen("invalid type: ", "", 1)
        .replacen("invalid value: ", "", 1)
        .replacen("string ", "the text ", 1)
        .replacen("integer ", "the number ", 1);
    let known = WORDS.iter().find(|(word, _)| wanted.starts_with(word));
    let wanted = known.map_or(wanted, |(_, word)| *word);
    format!("{said} does not fit here: it has to be {wanted}")
}

/// A diagnostic with the text around its place.
pub(crate) fn report(
    name: &str,
    text: &str,
    span: Option<std::ops::Range<usize>>,
    message: &str,
    help: Option<String>,
    severity: Severity,
) -> Report {
    let mut diagnostic = MietteDiagnostic::new(message).with_severity(severity);
    if let Some(help) = help {
        diagnostic = diagnostic.with_help(help);
    }
    if let Some(span) =
        span.filter(|span| span.end <= text.len() && span.start <= span.end && *span != (0..0))
    {
        diagnostic = diagnostic.with_label(LabeledSpan::at(span, "here"));
    }
    Report::new(diagnostic).with_source_code(NamedSource::new(name, text.to_owned()))
}

/// Policy diagnostics as reports; `text_of` finds a file's text by its name.
pub(crate) fn policy_reports<'a>(
    diagnostics: &[bartizan_policy::Diagnostic],
    text_of: impl Fn(&str) -> Option<&'a str>,
) -> Vec<Report> {
    let one = |diagnostic: &bartizan_policy::Diagnostic| {
        let text = text_of(&diagnostic.file).unwrap_or_default();
        let severity = match diagnostic.weight {
            bartizan_policy::Weight::Lint => Severity::Warning,
            bartizan_policy::Weight::Error => Severity::Error,
        };
        let message = if text.is_empty() {
            format!("{}: {}", diagnostic.file, diagnostic.message)
        } else {
            diagnostic.message.clone()
        };
        report(
            &diagnostic.file,
            text,
            Some(diagnostic.span.clone()),
            &message,
            diagnostic.help.clone(),
            severity,
        )
    };
    diagnostics.iter().map(one).collect()
}

/// How reports are drawn: colour only where standard error takes it, no links.
pub(crate) fn install(colour: bool) {
    // A second installation keeps the first, which is the same.
    let _ = miette::set_hook(Box::new(move |_| {
        let theme = if colour {
            miette::GraphicalTheme::unicode()
        } else {
            miette::GraphicalTheme::unicode_nocolor()
        };
        Box::new(
            miette::GraphicalReportHandler::new_themed(theme)
                .with_width(100)
                .with_links(false),
        )
    }));
}

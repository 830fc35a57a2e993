//! Markup of any kind: places stay in the input, and no tag costs more than its length.
#![no_main]

use bartizan_inspect::view::View;
use libfuzzer_sys::fuzz_target;

const PARTS: &[&str] = &[
    "<", ">", "</", "/>", "<!--", "-->", "<div style=\"", "display:none", "font-size:0", "opacity:0;", "color:#fff;background:#fff", "\"",
    "'", " hidden", " aria-hidden=true", "<img alt=\"", "<span>", "</span>", "&#x69;", "&amp;", "&", ";", "<br>", "text ", "é", "\n", "=",
    "<p title='", "&lt;", "<![CDATA[", "]]>", "<script>", "</script>", "rect(0", "-9999px",
];

fuzz_target!(|order: Vec<u8>| {
    let text: String = order.iter().map(|at| PARTS[usize::from(*at) % PARTS.len()]).collect();
    let view = View::new(text.as_bytes());
    for (index, layer) in view.layers().iter().enumerate() {
        let origin = view.origin(index, 0..layer.text.len());
        assert!(origin.start <= origin.end && origin.end <= text.len());
    }
    assert!(view.marks.iter().all(|mark| mark.origin.start <= mark.origin.end && mark.origin.end <= text.len()));
});

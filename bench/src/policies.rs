//! The benched policy file: 100 policies, at least 50 of which match a benched call by scope.

use std::fmt::Write as _;

/// How many policies the file holds.
pub(crate) const POLICIES: usize = 100;
/// How many of them have a scope that a benched call is in.
const MATCHING: usize = 60;

/// The file's text. Matching policies are forbids whose conditions are all evaluated and don't hold; two permits
/// let the calls through, and since neither is marked deferred, both calls are consequential: their records are
/// durable before they are forwarded.
pub(crate) fn text() -> String {
    let mut text = String::from("// Written by the bench.\n");
    for index in 0..MATCHING - 2 {
        let condition = match index % 5 {
            0 => format!("context.bytes > {}", 10_000_000 + index),
            1 => format!("context.act_depth > {}", 3 + index),
            2 => format!("context.findings.contains(\"kind-{index}\")"),
            3 => format!("context has user && context.user like \"contractor-{index}-*\""),
            _ => format!("context.issuer == \"https://issuer-{index}.invalid\" && context.worst >= 1"),
        };
        let scope = if index % 2 == 0 {
            "principal, action, resource".to_owned()
        } else {
            let actions = "[Bartizan::Action::\"generate\", Bartizan::Action::\"call_tool\"]";
            format!("principal is Bartizan::Agent, action in {actions}, resource")
        };
        let _ = writeln!(
            text,
            "@id(\"bench.limit.{index}\")\nforbid ({scope}) when {{ {condition} }};"
        );
    }
    text.push_str(
        "@id(\"bench.models\")\npermit (principal, action == Bartizan::Action::\"generate\", resource)\n\
         when { context.bytes < 1000000 };\n\
         @id(\"bench.tools\")\npermit (principal, action == Bartizan::Action::\"call_tool\", resource)\n\
         when { [\"same\", \"first\"].contains(context.pin) };\n",
    );
    for index in MATCHING..POLICIES {
        let _ = writeln!(
            text,
            "@id(\"bench.other.{index}\")\nforbid (principal == Bartizan::Agent::\"agent-{index}\", \
             action == Bartizan::Action::\"call_tool\", resource == Bartizan::Tool::\"server-{index}/tool\");"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_what_it_says() {
        let text = text();
        assert_eq!(text.matches("@id(").count(), POLICIES);
        assert_eq!(text.matches("bench.other").count(), POLICIES - MATCHING);
    }

    #[test]
    fn policy_loads_the_file() {
        let text = text();
        let source = bartizan_policy::Source {
            name: "bench.cedar",
            text: &text,
        };
        let loaded = bartizan_policy::Policy::load(Some(bartizan_policy::Pack::Balanced), &[source]);
        assert!(loaded.is_ok(), "{:?}", loaded.err());
    }
}

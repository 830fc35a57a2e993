use bartizan_guard::{Permit, Release};

fn forge(call: bartizan_types::CallId) -> (Permit<&'static str>, Release) {
    (Permit::mint(call, None, "bytes"), Release::mint(call))
}

fn main() {}

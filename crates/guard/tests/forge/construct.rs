use bartizan_guard::Permit;

fn forge(call: bartizan_types::CallId) -> Permit<&'static str> {
    Permit { call, receipt: None, outbound: "bytes" }
}

fn main() {}

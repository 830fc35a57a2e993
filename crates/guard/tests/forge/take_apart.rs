fn peel(permit: bartizan_guard::Permit<String>) -> String {
    let bartizan_guard::Permit { outbound, .. } = permit;
    outbound
}

fn main() {}

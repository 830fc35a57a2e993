fn twice(permit: bartizan_guard::Permit<String>) -> (String, String) {
    (permit.spend(), permit.spend())
}

fn main() {}

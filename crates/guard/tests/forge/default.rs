fn forge() -> bartizan_guard::Permit<String> {
    Default::default()
}

fn main() {}

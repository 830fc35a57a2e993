fn twice(release: bartizan_guard::Release) -> (bartizan_types::CallId, bartizan_types::CallId) {
    (release.spend(), release.spend())
}

fn main() {}

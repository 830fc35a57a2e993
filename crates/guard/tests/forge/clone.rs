use bartizan_guard::{Permit, Release};

fn twice(permit: &Permit<String>, release: &Release) -> (Permit<String>, Release) {
    (Permit::clone(permit), Release::clone(release))
}

fn main() {}

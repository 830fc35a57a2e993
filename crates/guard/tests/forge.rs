//! Invariant 1: nobody outside the guard can make, copy or keep a permit. Each file under `forge` must not compile.

#[test]
fn permits_cannot_be_forged() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/forge/*.rs");
}

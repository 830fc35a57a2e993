fn write<T: serde::Serialize>() {}
fn read<T: serde::de::DeserializeOwned>() {}

fn main() {
    write::<bartizan_guard::Permit<String>>();
    read::<bartizan_guard::Permit<String>>();
    write::<bartizan_guard::Release>();
    read::<bartizan_guard::Release>();
}

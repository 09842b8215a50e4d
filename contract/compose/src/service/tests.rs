use super::*;
use crate::input::ComposeInput;

#[test]
fn every_key_is_listed_once_and_has_a_reader() {
    let mut sorted = KEYS.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted, KEYS);
    for key in KEYS {
        let node = Node::text(At::default(), "x");
        let field = Field::new(&node, Path::Root);
        let input = ComposeInput::default();
        let mut cx = Context::new(&input);
        let mut draft = Draft::default();
        let known = process::read(key, &field, &mut draft, &mut cx)
            || network::read(key, &field, &mut draft, &mut cx)
            || storage::read(key, &field, &mut draft, &mut cx)
            || resources::read(key, &field, &mut draft, &mut cx)
            || platform::read(key, &field, &mut draft, &mut cx);
        assert!(known, "{key}");
    }
}

#[test]
fn a_better_name_is_proposed() {
    for (name, remedy) in [
        ("my_app", "call it `my-app`; its name is also its name in DNS"),
        ("a..b_", "call it `a-b`; its name is also its name in DNS"),
        ("__", "use letters, digits and `-`, at most 63"),
    ] {
        assert_eq!(proposed_name(name), remedy, "{name}");
    }
}

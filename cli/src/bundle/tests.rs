use std::collections::BTreeSet;

use super::{as_stack_name, collect_names};

#[test]
fn any_folder_gives_a_name() {
    for (folder, name) in [("shop", "shop"), ("My Shop (2)", "My-Shop-2"), ("--a__b--", "a-b"), ("...", "")] {
        assert_eq!(as_stack_name(folder), name);
    }
    let long = as_stack_name(&"a".repeat(62).replace("aaaaaaaaaa", "aaaaaaaaa-"));
    assert!(long.len() <= 63 && !long.ends_with('-'), "{long}");
}

#[test]
fn names_of_variables_are_found_where_a_file_can_use_them() {
    let text = "a: ${ONE:-${TWO}} $THREE $$FOUR\n- FIVE\n  - 'SIX'\nSEVEN:\nenvironment: [EIGHT, NINE=1]\nplain TEN\n";
    let mut names = BTreeSet::new();
    collect_names(text, &mut names);
    for used in ["ONE", "TWO", "THREE", "FIVE", "SIX", "SEVEN", "EIGHT"] {
        assert!(names.contains(used), "{used}: {names:?}");
    }
    for unused in ["NINE", "TEN"] {
        assert!(!names.contains(unused), "{unused}: {names:?}");
    }
}

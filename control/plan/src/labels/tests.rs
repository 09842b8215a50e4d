use super::*;

#[test]
fn a_long_name_is_cut_so_that_its_number_survives() {
    let long = format!("{}-{}-17", "s".repeat(60), "w".repeat(60));
    let short = shortened(&long);
    assert_eq!(short.len(), 64);
    assert!(short.ends_with("-17"));
    assert_eq!(shortened("shop-web-1"), "shop-web-1");
}

#[test]
fn the_engine_knows_a_container_by_name_and_uuid() {
    assert_eq!(engine_name("shop-web-1", "12345678-9abc"), "r-shop-web-1-12345678");
    assert_eq!(engine_name("ünder", "12345678-9abc"), "r-12345678-9abc");
    assert_eq!(engine_name("-a", "u"), "r-u");
}

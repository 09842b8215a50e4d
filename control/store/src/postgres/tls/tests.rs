use proptest::prelude::*;

use super::*;

proptest! {
    /// An address is typed by people; whatever it is, it is read or refused, and the password in it is not told.
    #[test]
    fn addresses_are_read_or_refused(
        host in "[a-z0-9.:%/\\[\\]@-]{0,12}",
        rest in "(/[a-z%]{0,4})?(\\?[a-z=&%/0-9_-]{0,16})?(&(sslmode|sslrootcert)=[a-z-]{0,11})?",
        junk in proptest::option::weighted(0.2, "\\PC{0,40}"),
    ) {
        let url = junk.unwrap_or_else(|| format!("postgres://me:Hush-Hush@{host}{rest}"));
        let told = match parse(&url, &StoreOptions::default()) {
            Ok(address) => address.place,
            Err(error) => format!("{error} {error:?}"),
        };
        prop_assert!(!told.contains("Hush"), "{told}");
    }
}

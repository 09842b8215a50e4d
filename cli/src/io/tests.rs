use std::collections::BTreeMap;

use super::wants_colours;

#[test]
fn colours_obey_the_usual_variables() {
    type Case = (&'static [(&'static str, &'static str)], (bool, bool));
    let cases: &[Case] = &[
        (&[], (true, false)),
        (&[("NO_COLOR", "1")], (false, false)),
        (&[("NO_COLOR", "")], (true, false)),
        (&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], (false, false)),
        (&[("CLICOLOR", "0")], (false, false)),
        (&[("CLICOLOR", "1")], (true, false)),
        (&[("CLICOLOR", "0"), ("CLICOLOR_FORCE", "1")], (true, true)),
        (&[("CLICOLOR_FORCE", "0")], (true, false)),
        (&[("TERM", "dumb")], (false, false)),
    ];
    for (given, expected) in cases {
        let variables: BTreeMap<String, String> =
            given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(wants_colours(&variables), *expected, "{given:?}");
    }
}

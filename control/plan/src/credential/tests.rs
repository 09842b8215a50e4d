use contract_values::{CredentialId, Duration, Timestamp};
use control_model::{Credential, CredentialIntent, CredentialKind, Tables, Transaction, apply};

use super::plan_credential;

const NOW: Timestamp = Timestamp(1_000_000_000);
const DAY: Duration = Duration::seconds(86_400);

fn tables(kind: CredentialKind, expires: Option<Timestamp>) -> Tables {
    let mut tables = Tables::default();
    let mut tx = Transaction::new(NOW);
    let intent = CredentialIntent { kind, expires, ..CredentialIntent::default() };
    tx.insert::<Credential>(CredentialId::new(7), "uuid".into(), intent);
    apply(&mut tables, &tx).unwrap();
    tables
}

#[test]
fn what_has_ended_goes_and_what_has_not_is_looked_at_when_it_does() {
    let (before, after) = (NOW + Duration::millis(-1), NOW + Duration::millis(1));
    for (kind, expires, goes, wake) in [
        (CredentialKind::Session, Some(before), true, None),
        (CredentialKind::Session, Some(NOW), true, None),
        (CredentialKind::Session, Some(after), false, Some(after)),
        (CredentialKind::ApiKey, Some(before), true, None),
        (CredentialKind::ApiKey, None, false, None),
        (CredentialKind::Password, None, false, None),
        // Who still has the command shall be told that its token has ended.
        (CredentialKind::RegistrationToken, Some(NOW), false, Some(NOW + Duration(7 * DAY.0))),
        (CredentialKind::RegistrationToken, Some(Timestamp(NOW.0 - 7 * DAY.0)), true, None),
        (CredentialKind::RegistrationToken, None, false, None),
    ] {
        let mut tables = tables(kind, expires);
        let plan = plan_credential(&tables, NOW, CredentialId::new(7));
        assert_eq!((!plan.tx.is_empty(), plan.wake), (goes, wake), "{kind:?} {expires:?}");
        apply(&mut tables, &plan.tx).unwrap();
        assert_eq!(tables.credentials.live().count(), usize::from(!goes));
        assert!(!goes || plan_credential(&tables, NOW, CredentialId::new(7)).tx.is_empty());
    }
}

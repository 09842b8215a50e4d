use contract_values::{StackId, Timestamp};
use control_model::{Stack, StackIntent, Transaction};

use super::*;
use crate::row::encode;

fn columns(id: i64) -> Columns {
    let mut transaction = Transaction::new(Timestamp(1));
    let intent = StackIntent { name: format!("stack-{id}"), ..StackIntent::default() };
    transaction.insert::<Stack>(StackId::new(id), format!("u{id}"), intent);
    encode(&transaction.writes[0].row)
}

const MANY: i64 = 20 * BATCH as i64 + 7;

#[test]
fn all_rows_arrive() {
    let tables = picture(|intake| {
        (1..=MANY).for_each(|id| intake.take(Kind::Stack, columns(id)));
        Ok(())
    })
    .unwrap();
    assert_eq!(tables.stacks.len() as i64, MANY);
    assert_eq!(tables.stacks.named("stack-77").count(), 1);
}

#[test]
fn a_fault_anywhere_is_told_and_nobody_waits_for_ever() {
    for every in [1, 300, MANY] {
        let error = picture(|intake| {
            for id in 1..=MANY {
                let mut columns = columns(id);
                if id % every == 0 {
                    columns.intent.json = "{".into();
                }
                intake.take(Kind::Stack, columns);
            }
            Ok(())
        })
        .unwrap_err();
        assert!(
            matches!(&error, DatabaseError::Damaged { detail } if detail.contains("intent of stack")),
            "{error:?}"
        );
    }
    let error = picture(|intake| {
        (1..=MANY).for_each(|id| intake.take(Kind::Stack, columns(id)));
        Err(DatabaseError::Unavailable { reason: "the disk fails", cause: None })
    })
    .unwrap_err();
    assert!(matches!(error, DatabaseError::Unavailable { .. }), "{error:?}");
}

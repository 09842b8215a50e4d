use contract_protocol::{NetworkSpec, VolumeSpec};
use contract_values::{Epoch, Revision};

use super::*;

fn target(revision: u64, volumes: &[&str]) -> Target {
    let assignment = Assignment {
        volumes: volumes.iter().map(|name| ((*name).to_owned(), VolumeSpec::default())).collect(),
        networks: [("n".to_owned(), NetworkSpec::default())].into(),
        ..Default::default()
    };
    Target {
        position: Position { epoch: Epoch(1), revision: Revision(revision) },
        assignment: Arc::new(assignment),
    }
}

fn words(messages: &[ToHost]) -> Vec<String> {
    messages
        .iter()
        .map(|message| match message {
            ToHost::Welcome(_) => "welcome".into(),
            ToHost::Refused { reason, .. } => format!("refused {reason:?}"),
            ToHost::Complete { position, assignment } => {
                format!("complete {} with {}", position.revision.0, assignment.volumes.len())
            }
            ToHost::Delta { from, to, changes } => {
                format!("step {}-{} with {}", from.revision.0, to.revision.0, changes.len())
            }
            ToHost::Acknowledge { outbox, sequence } => format!("acknowledge {outbox}/{sequence}"),
            ToHost::HeartbeatSeen { number } => format!("beat {number}"),
            ToHost::Unknown => "probe".into(),
        })
        .collect()
}

#[test]
fn steps_lead_from_what_was_sent_to_the_newest() {
    let (mailbox, mut sent) = (Mailbox::default(), None);
    mailbox.want_complete();
    assert_eq!(words(&mailbox.take(&mut sent)), [""; 0], "nothing is known yet");
    mailbox.set_target(target(1, &["a"]));
    mailbox.set_target(target(2, &["a", "b"]));
    assert_eq!(words(&mailbox.take(&mut sent)), ["complete 2 with 2"]);
    assert_eq!(words(&mailbox.take(&mut sent)), [""; 0]);
    mailbox.set_target(target(3, &["a"]));
    mailbox.set_target(target(4, &["c"]));
    assert_eq!(words(&mailbox.take(&mut sent)), ["step 2-4 with 3"]);
    // Nothing differs: the host stays where it stands.
    mailbox.set_target(target(5, &["c"]));
    assert_eq!(words(&mailbox.take(&mut sent)), [""; 0]);
    mailbox.set_target(target(6, &[]));
    assert_eq!(words(&mailbox.take(&mut sent)), ["step 4-6 with 1"]);
    mailbox.want_complete();
    assert_eq!(words(&mailbox.take(&mut sent)), ["complete 6 with 0"]);
    mailbox.want_complete();
    mailbox.set_target(target(7, &["d"]));
    assert_eq!(words(&mailbox.take(&mut sent)), ["complete 7 with 1"]);
    assert_eq!(words(&mailbox.take(&mut sent)), [""; 0]);
}

#[test]
fn small_messages_are_folded_and_a_refusal_is_the_last() {
    let (mailbox, mut sent) = (Mailbox::default(), None);
    for sequence in [1, 3, 2] {
        mailbox.acknowledge("a".into(), sequence);
        mailbox.heartbeat_seen(sequence);
    }
    mailbox.probe();
    mailbox.set_target(target(1, &[]));
    assert_eq!(words(&mailbox.take(&mut sent)), ["beat 2", "acknowledge a/3", "probe", "complete 1 with 0"]);
    mailbox.acknowledge("a".into(), 9);
    mailbox.acknowledge("b".into(), 1);
    mailbox.set_target(target(2, &["a"]));
    mailbox.refuse(Refusal::HostRemoved, String::new());
    assert_eq!(words(&mailbox.take(&mut sent)), ["refused HostRemoved"]);
}

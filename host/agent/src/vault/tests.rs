use contract_protocol::{Assignment, Position};
use contract_values::ContainerId;
use host_driver::{MemoryDisk, SeededRandom};

use super::*;

const CONTENT: &str = "aHVudGVyMg==";

fn container() -> ContainerAssignment {
    serde_json::from_value(serde_json::json!({
        "name": "web", "uuid": "u", "incarnation": 1, "run": "running", "rule": "keep_running",
        "spec": {
            "image": "web:1", "files": [{"path": "/run/secrets/a", "content": CONTENT}],
            "registry_login": {"server": "r", "username": "u", "password": "pass-word"}
        }
    }))
    .unwrap()
}

fn records() -> Vec<Record> {
    let assignment =
        Assignment { containers: [(ContainerId::new(1), container())].into(), ..Default::default() };
    let change = AssignmentChange::Container { id: ContainerId::new(1), to: Some(Box::new(container())) };
    vec![
        Record::Complete { position: Position::default(), assignment },
        Record::Changes { to: Position::default(), changes: vec![change] },
    ]
}

async fn vault(disk: &MemoryDisk) -> Vault {
    Vault::open(Arc::new(disk.clone()), Arc::new(SeededRandom::new(7))).await.unwrap()
}

#[tokio::test]
async fn what_is_sealed_opens_with_its_key_and_shows_nothing() {
    let disk = MemoryDisk::new();
    let records = records();
    let sealed = vault(&disk).await.seal(&records).await.unwrap().into_owned();
    let text = serde_json::to_string(&sealed).unwrap();
    assert!(!text.contains(CONTENT) && !text.contains("pass-word"), "{text}");
    assert_eq!(text.matches(FORMAT).count(), 4);
    let again = vault(&disk).await;
    let mut opened = sealed.clone();
    again.unseal(&mut opened).unwrap();
    assert_eq!(opened, records);

    // Each seal is another, also of the same text.
    let mut seals: Vec<_> = text.split('"').filter(|part| part.starts_with(FORMAT)).collect();
    seals.sort_unstable();
    seals.dedup();
    assert_eq!(seals.len(), 4);

    // Without the key, or with another one, nothing opens.
    disk.remove(FILE).await.unwrap();
    assert_eq!(vault(&disk).await.unseal(&mut sealed.clone()), Err(Unreadable));
    disk.replace(FILE, vec![1; KEY]).await.unwrap();
    assert_eq!(vault(&disk).await.unseal(&mut sealed.clone()), Err(Unreadable));
    disk.replace(FILE, vec![1; 3]).await.unwrap();
    assert_eq!(vault(&disk).await.unseal(&mut sealed.clone()), Err(Unreadable));
}

#[tokio::test]
async fn a_key_is_made_when_there_is_something_to_seal() {
    let disk = MemoryDisk::new();
    let mut vault = vault(&disk).await;
    let plain = [Record::Fence { epoch: contract_values::Epoch(1) }];
    assert!(matches!(vault.seal(&plain).await.unwrap(), Cow::Borrowed(_)));
    assert_eq!(disk.read(FILE).await.unwrap(), None);
    vault.seal(&records()).await.unwrap();
    assert_eq!(disk.read(FILE).await.unwrap().unwrap().len(), KEY);
}

#[tokio::test]
async fn what_was_tampered_with_does_not_open() {
    let disk = MemoryDisk::new();
    let mut vault = vault(&disk).await;
    let sealed = vault.seal(&records()).await.unwrap().into_owned();
    let text = serde_json::to_string(&sealed).unwrap();
    let at = text.find(FORMAT).unwrap() + FORMAT.len();
    for place in [0, 5, 20, 30] {
        let mut bytes = text.clone().into_bytes();
        let byte = &mut bytes[at + place];
        *byte = if *byte == b'A' { b'B' } else { b'A' };
        let mut changed: Vec<Record> = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(vault.unseal(&mut changed), Err(Unreadable), "changed at {place}");
    }
    for odd in ["", "====", "AAAA", "ä"] {
        let odd = text.replacen(&text[at..text[at..].find('"').unwrap() + at], odd, 1);
        let mut changed: Vec<Record> = serde_json::from_str(&odd).unwrap();
        assert_eq!(vault.unseal(&mut changed), Err(Unreadable));
    }
}

//! Rows like those of a real installation.

use std::net::IpAddr;

use contract_values::{ContainerId, HostId, Incarnation, ProjectId, ServiceId, StackId, Timestamp};
use control_model::{
    Container, ContainerDecision, ContainerIntent, ContainerObservation, ContainerRun, Host, HostIntent,
    Origin, RunReport, Service, ServiceIntent, Stack, StackIntent, Transaction,
};

/// A container of a service, as the service's controller makes it: with labels and an environment.
pub fn intent(project: ProjectId, id: i64) -> ContainerIntent {
    // Fifty of each service, from the first id on: one more or less, and controllers would see to it.
    let place = id - 1;
    let service = ServiceId::new(1 + place / 50);
    let index = 1 + u32::try_from(place % 50).unwrap_or_default();
    let create_index = u32::try_from(id).unwrap_or(u32::MAX);
    let name = format!("stack{}-service{}-{index}", place / 500, place / 50 % 10);
    let mut intent = ContainerIntent {
        project: Some(project),
        stack: Some(StackId::new(1 + place / 500)),
        origin: Origin::Service { service, index, create_index, launch_version: 1 },
        ..ContainerIntent::default()
    };
    intent.launch.image = Some("registry.example/shop/web:1.27.3".parse().expect("an image"));
    for (label, value) in [
        ("io.rancher.stack.name", format!("stack{}", place / 500)),
        ("io.rancher.container.name", name.clone()),
        ("com.example.team", "shop".to_owned()),
    ] {
        intent.launch.labels.insert(label.to_owned(), value);
    }
    for (variable, value) in
        [("DATABASE_URL", "postgres://db.shop.internal:5432/shop"), ("LOG_LEVEL", "info"), ("PORT", "8080")]
    {
        intent.launch.environment.insert(variable.to_owned(), value.to_owned());
    }
    intent.name = name;
    intent
}

/// A transaction that makes one container, for durable creates.
pub fn create(project: ProjectId, id: i64) -> Transaction {
    let mut transaction = Transaction::new(Timestamp(1_700_000_000_000 + id));
    transaction.insert::<Container>(ContainerId::new(id), uuid(id), intent(project, id));
    transaction
}

/// A host that has been connected.
pub fn host(transaction: &mut Transaction, project: ProjectId, id: i64) {
    let name = format!("host-{id}");
    let intent = HostIntent {
        project: Some(project),
        hostname: name.clone(),
        agent_uuid: uuid(1_000_000 + id),
        ..HostIntent::default()
    };
    transaction.insert::<Host>(HostId::new(id), uuid(id), intent);
}

/// A stack with its ten services of fifty containers each.
pub fn stack(transaction: &mut Transaction, project: ProjectId, id: i64) {
    let name = format!("stack{}", id - 1);
    let intent = StackIntent { project: Some(project), name, ..StackIntent::default() };
    transaction.insert::<Stack>(StackId::new(id), uuid(id), intent);
    for number in 0..10 {
        let intent = ServiceIntent {
            project: Some(project),
            stack: Some(StackId::new(id)),
            name: format!("service{number}"),
            scale: 50,
            active: true,
            launch_version: 1,
            launch: self::intent(project, 1).launch,
            ..ServiceIntent::default()
        };
        let service = 1 + (id - 1) * 10 + number;
        transaction.insert::<Service>(ServiceId::new(service), uuid(service), intent);
    }
}

/// A container on a host: nine of ten run, a person has stopped the others.
pub fn placed(transaction: &mut Transaction, project: ProjectId, id: i64, host: HostId) {
    let stopped = id % 10 == 0;
    let mut intent = intent(project, id);
    intent.run = if stopped { ContainerRun::Stopped } else { ContainerRun::Running };
    let decision = ContainerDecision {
        host: Some(host),
        incarnation: Incarnation(1),
        placed_at: Some(transaction.now),
        ..ContainerDecision::default()
    };
    let [.., middle, low] = id.to_be_bytes();
    let observation = ContainerObservation {
        host: Some(host),
        incarnation: Incarnation(1),
        starts: 1,
        rank: if stopped { RunReport::Stopped } else { RunReport::Running },
        docker_id: Some(format!("{id:064x}")),
        image_id: Some(format!("sha256:{:064x}", 7)),
        address: Some(IpAddr::from([10, 42, middle, low])),
        started_at: Some(Timestamp(1_700_000_000_000 + id)),
        ..ContainerObservation::default()
    };
    transaction.insert_seen::<Container>(ContainerId::new(id), uuid(id), intent, decision, observation);
}

fn uuid(id: i64) -> String {
    format!("00000000-0000-4000-8000-{id:012x}")
}

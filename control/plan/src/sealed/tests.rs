use contract_values::{CredentialId, RegistryId, Secret, SecretId};
use control_model::{
    Credential, CredentialIntent, CredentialKind, FileMount, Registry, RegistryIntent, Row, SealedSecret,
    SealedSecretIntent, SecretMount, Service, Transaction,
};

use crate::tests::testbed::{NOW, PROJECT, World, vault};
use crate::vault::{Vault, credential_place, secret_place};
use crate::{Progress, assign_container, assignment, dependency_progress};

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

/// A world with a container of `web`, a secret and a registry with two logins, of which the newer one counts.
fn world(image: &str) -> World {
    let mut w = World::of("host h1; service web; copy web 1 running on h1");
    let seal = |place: &str, text: &str| vault().seal(place, &secret(text), [7; Vault::NONCE]);
    let mut tx = Transaction::new(NOW);
    let value = SealedSecretIntent {
        project: Some(PROJECT),
        name: "db_password".into(),
        sealed: seal(&secret_place("s"), "aHVudGVyMg=="),
        ..Default::default()
    };
    tx.insert::<SealedSecret>(SecretId::new(1), "s".into(), value);
    let registry =
        RegistryIntent { project: Some(PROJECT), server: "r.example:5000".into(), ..Default::default() };
    tx.insert::<Registry>(RegistryId::new(1), "r".into(), registry);
    for (number, user) in [(1, "old"), (2, "new")] {
        let login = CredentialIntent {
            kind: CredentialKind::RegistryLogin,
            project: Some(PROJECT),
            registry: Some(RegistryId::new(1)),
            public_value: user.into(),
            sealed: Some(seal(&credential_place(user), &format!("password of {user}"))),
            ..Default::default()
        };
        tx.insert::<Credential>(CredentialId::new(number), user.into(), login);
    }
    let row = w.container("shop-web-1");
    let mut intent = row.intent.clone();
    intent.launch.image = Some(image.parse().unwrap());
    intent.launch.secrets = vec![SecretMount {
        secret: Some(SecretId::new(1)),
        name: "db_password".into(),
        target: "password".into(),
        uid: 7,
        gid: 8,
        mode: 0o400,
    }];
    intent.launch.files = vec![FileMount {
        config: "site".into(),
        target: "/etc/site.conf".into(),
        content: "c2l0ZQ==".into(),
        mode: 0o444,
        ..Default::default()
    }];
    tx.set_intent::<control_model::Container>(&row, intent);
    w.apply(&tx);
    w
}

#[test]
fn a_host_gets_the_secrets_of_its_containers_and_no_others() {
    let w = world("r.example:5000/team/web:1");
    let spec = assign_container(&w.tables, &vault(), &w.container("shop-web-1")).unwrap().spec;
    let files: Vec<_> = spec
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.content.expose(), file.uid, file.gid, file.mode))
        .collect();
    assert_eq!(
        files,
        [("/run/secrets/password", "aHVudGVyMg==", 7, 8, 0o400), ("/etc/site.conf", "c2l0ZQ==", 0, 0, 0o444)]
    );
    let login = spec.registry_login.unwrap();
    assert_eq!(
        (login.server.as_str(), login.username.as_str(), login.password.expose()),
        ("r.example:5000", "new", "password of new")
    );
    // Nothing of it is in what prints.
    let printed = format!("{:?}", assignment(&w.tables, &vault(), w.host("h1")));
    assert!(!printed.contains("aHVudGVyMg==") && !printed.contains("password of new"), "{printed}");
    // With another installation's key nothing opens.
    let other = Vault::new(&secret("another key"));
    let spec = assign_container(&w.tables, &other, &w.container("shop-web-1")).unwrap().spec;
    assert_eq!((spec.files.len(), spec.registry_login), (1, None));
}

#[test]
fn a_login_is_for_its_registry_only() {
    for image in ["web:1", "r.example/web", "r.example:5001/web:1", "r.example:5000.evil.example/web:1"] {
        let w = world(image);
        let spec = assign_container(&w.tables, &vault(), &w.container("shop-web-1")).unwrap().spec;
        assert_eq!(spec.registry_login, None, "{image}");
    }
}

#[test]
fn a_login_that_is_switched_off_or_gone_is_not_used() {
    let mut w = world("r.example:5000/web:1");
    let newest = |w: &World| {
        let spec = assign_container(&w.tables, &vault(), &w.container("shop-web-1")).unwrap().spec;
        spec.registry_login.map(|login| login.username)
    };
    let credential =
        |w: &World, id: i64| -> Row<Credential> { (**w.tables.credentials.get_raw(id).unwrap()).clone() };
    let mut tx = Transaction::new(NOW);
    let row = credential(&w, 2);
    tx.set_intent(&row, CredentialIntent { inactive: true, ..row.intent.clone() });
    w.apply(&tx);
    assert_eq!(newest(&w).as_deref(), Some("old"));
    let mut tx = Transaction::new(NOW);
    tx.finish_removal(&credential(&w, 1));
    w.apply(&tx);
    assert_eq!(newest(&w), None);
}

#[test]
fn a_service_without_its_secret_waits_and_says_so() {
    let mut w = world("web:1");
    let row = w.service_row("web");
    let mut intent = row.intent.clone();
    intent.launch.secrets = w.container("shop-web-1").intent.launch.secrets.clone();
    let mut tx = Transaction::new(NOW);
    tx.set_intent::<Service>(&row, intent);
    w.apply(&tx);
    assert_eq!(dependency_progress(&w.tables, &w.service_row("web")), Progress::Met);
    let gone = (**w.tables.secrets.get_raw(1).unwrap()).clone();
    let mut tx = Transaction::new(NOW);
    tx.finish_removal(&gone);
    w.apply(&tx);
    let Progress::Failed(text) = dependency_progress(&w.tables, &w.service_row("web")) else {
        panic!("it does not wait")
    };
    assert!(text.contains("db_password"), "{text}");
    // What runs keeps what it has: nothing is taken from its assignment but the file.
    let spec = assign_container(&w.tables, &vault(), &w.container("shop-web-1")).unwrap().spec;
    assert_eq!(spec.files.len(), 1);
}

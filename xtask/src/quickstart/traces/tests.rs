use super::without_docker;

#[test]
fn keeps_the_rules_of_others() {
    let before = "*filter\n:FORWARD DROP [5:300]\n:DOCKER - [0:0]\n:DOCKER-USER - [0:0]\n:mine - [0:0]\n\
        -A FORWARD -j DOCKER-USER\n-A FORWARD -o docker0 -j DOCKER\n-A FORWARD -i eth1 -j mine\nCOMMIT\n";
    let after = "*filter\n:FORWARD ACCEPT [5:300]\n:mine - [0:0]\n-A FORWARD -i eth1 -j mine\nCOMMIT\n";
    assert_eq!(without_docker(before, "ACCEPT"), after);
    assert!(without_docker(before, "DROP").contains(":FORWARD DROP"));
}

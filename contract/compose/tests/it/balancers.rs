//! Balancers of the old sort, which links and labels describe.

use serde_json::{Value, json};

use crate::apps::round_trip;
use crate::kit::{notices, read_all};

fn balancer(docker: &str, rancher: &str) -> Value {
    let text = format!("{docker}web: {{image: nginx}}\napi: {{image: nginx}}\n");
    let plan = read_all(&[("docker-compose.yml", &text), ("rancher-compose.yml", rancher)], &[])
        .unwrap_or_else(|errors| panic!("{errors}"));
    round_trip(&plan);
    let mut service = serde_json::to_value(&plan.services[0]).unwrap();
    let map = service.as_object_mut().unwrap();
    map.shift_remove("name");
    map.shift_remove("kind");
    if let Some(config) = map.get_mut("launchConfig").and_then(Value::as_object_mut) {
        config.shift_remove("labels");
    }
    service
}

#[test]
fn each_port_and_link_is_a_rule() {
    assert_eq!(
        balancer(
            "lb:\n  image: rancher/load-balancer-service\n  ports: ['80:8080', '5432:5432/tcp']\n  links: [web, api]\n",
            ""
        ),
        json!({
            "launchConfig": {"ports": ["80:80/tcp", "5432:5432/tcp"]},
            "lbConfig": {"port_rules": [
                {"source_port": 80, "protocol": "http", "service": "web", "target_port": 8080},
                {"source_port": 80, "protocol": "http", "service": "api", "target_port": 8080},
                {"source_port": 5432, "protocol": "tcp", "service": "web", "target_port": 5432},
                {"source_port": 5432, "protocol": "tcp", "service": "api", "target_port": 5432},
            ]},
        })
    );
}

#[test]
fn labels_say_hosts_and_paths() {
    let docker = "lb:
  image: rancher/load-balancer-service
  ports: ['80', '443:80']
  expose: ['8080']
  links: [web, api]
  labels:
    io.rancher.loadbalancer.target.web: example.org:443/shop=81, www.example.org, 8080=90
    io.rancher.loadbalancer.target.api: '9000'
    io.rancher.loadbalancer.ssl.ports: '443'
    io.rancher.loadbalancer.proxy-protocol.ports: '443'
";
    assert_eq!(
        balancer(docker, "")["lbConfig"],
        json!({
            "config": "frontend 443\n  accept-proxy\n",
            "port_rules": [
                {"source_port": 80, "protocol": "http", "service": "web", "hostname": "www.example.org", "target_port": 80},
                {"source_port": 80, "protocol": "http", "service": "api", "target_port": 9000},
                {"source_port": 443, "protocol": "https", "service": "web", "hostname": "example.org", "path": "/shop", "target_port": 81},
                {"source_port": 443, "protocol": "https", "service": "web", "hostname": "www.example.org", "target_port": 80},
                {"source_port": 443, "protocol": "https", "service": "api", "target_port": 9000},
                {"source_port": 8080, "protocol": "http", "service": "web", "hostname": "www.example.org", "target_port": 8080},
                {"source_port": 8080, "protocol": "http", "service": "web", "target_port": 90},
                {"source_port": 8080, "protocol": "http", "service": "api", "target_port": 9000},
            ],
        })
    );
}

#[test]
fn old_settings_are_taken_over() {
    let rancher = "lb:
  certs: [a]
  default_cert: b
  load_balancer_config:
    haproxy_config:
      global: |
        maxconn 10
      defaults: |
        timeout client 5
          timeout server 6
    lb_cookie_stickiness_policy: {name: p, cookie: c, indirect: true}
";
    assert_eq!(
        balancer(
            "lb: {image: rancher/load-balancer-service, ports: ['443:80'], external_links: ['s/x']}\n",
            rancher
        )["lbConfig"],
        json!({
            "certs": ["a"], "default_cert": "b",
            "config": "global\n  maxconn 10\ndefaults\n  timeout client 5\n  timeout server 6\n",
            "stickiness_policy": {"name": "p", "cookie": "c", "indirect": true},
            "port_rules": [{"source_port": 443, "protocol": "http", "service": "s/x", "target_port": 80}],
        })
    );
}

#[test]
fn a_selector_is_a_rule_and_rules_stay_as_they_are() {
    let docker = "lb:\n  image: rancher/load-balancer-service\n  ports: ['80:80']\n  labels: {io.rancher.service.selector.link: 'a=b'}\n";
    assert_eq!(
        balancer(docker, "")["lbConfig"]["port_rules"],
        json!([{"source_port": 80, "protocol": "http", "selector": "a=b", "target_port": 80}])
    );
    let text = "version: '2'\nservices:\n  lb:\n    image: rancher/lb-service-haproxy:v0.9.1\n    ports: ['80:80']\n    links: [web]\n    lb_config: {port_rules: [{source_port: 80, target_port: 8080, service: web}]}\n  web: {image: x}\n";
    let said = notices(text);
    assert!(said.contains("services.lb.links: `links` have no effect on a balancer with rules"), "{said}");
}

#[test]
fn inner_ports_lead_to_others() {
    assert_eq!(
        balancer(
            "lb: {image: rancher/load-balancer-service, expose: ['80:8080', '5432:5433/tcp'], links: [web]}\n",
            ""
        ),
        json!({
            "launchConfig": {"expose": ["80", "5432"]},
            "lbConfig": {"port_rules": [
                {"source_port": 80, "protocol": "http", "service": "web", "target_port": 8080},
                {"source_port": 5432, "protocol": "tcp", "service": "web", "target_port": 5433},
            ]},
        })
    );
}

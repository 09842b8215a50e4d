use super::{Endpoint, Rule, SocketKind};

/// `path -> endpoint rule`.
#[test]
fn every_path_has_an_endpoint_and_every_endpoint_a_rule() {
    let table = [
        ("/", Endpoint::Root, Rule::Everybody),
        ("/ping", Endpoint::Ping, Rule::Everybody),
        ("/api-view/view.js", Endpoint::PageFile, Rule::Everybody),
        ("/api-view/other.js", Endpoint::Page, Rule::Everybody),
        ("/v1/dockersocket/", Endpoint::Socket(SocketKind::DockerSocket), Rule::TokenInUrl),
        ("/healthcheck", Endpoint::HealthCheck, Rule::Everybody),
        ("/v1/scripts/ca.pem", Endpoint::CaCertificate, Rule::Everybody),
        ("/v1/scripts/api.crt", Endpoint::ApiCertificate, Rule::Everybody),
        ("/v1/scripts/agent/x86_64", Endpoint::AgentProgram, Rule::Everybody),
        ("/v1/scripts/AB:1:xyz", Endpoint::Script, Rule::TokenInUrl),
        ("/v1/scripts/transform", Endpoint::Api, Rule::Schemas),
        ("/v1/agent/register", Endpoint::AgentRegister, Rule::Registration),
        ("/v1/agent/connect", Endpoint::AgentConnect, Rule::Agent),
        ("/v1/exec/", Endpoint::Socket(SocketKind::Exec), Rule::TokenInUrl),
        ("/v1/logs/", Endpoint::Socket(SocketKind::Logs), Rule::TokenInUrl),
        ("/v1/stats", Endpoint::Socket(SocketKind::HostStats), Rule::TokenInUrl),
        ("/v1/stats/abc", Endpoint::Socket(SocketKind::ContainerStats), Rule::TokenInUrl),
        ("/v1/containerstats", Endpoint::Socket(SocketKind::ContainerStats), Rule::TokenInUrl),
        ("/v1/containerstats/service/", Endpoint::Socket(SocketKind::ContainerStats), Rule::TokenInUrl),
        ("/v1/hoststats/project/", Endpoint::Socket(SocketKind::HostStats), Rule::TokenInUrl),
        ("//V1//Agent/CONNECT/", Endpoint::AgentConnect, Rule::Agent),
        ("/v2-beta/agent/connect", Endpoint::Api, Rule::Schemas),
        ("/v2-beta", Endpoint::Api, Rule::Schemas),
        ("/v1/stacks/1e5", Endpoint::Api, Rule::Schemas),
        ("/containers", Endpoint::Page, Rule::Everybody),
        ("/env/1a5/apps", Endpoint::Page, Rule::Everybody),
    ];
    for (path, endpoint, rule) in table {
        assert_eq!(Endpoint::of(path), endpoint, "{path}");
        assert_eq!(endpoint.rule(), rule, "{path}");
    }
}

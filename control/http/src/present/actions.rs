//! Which actions a state allows, and from which states a thing can be deleted at once.

/// The actions that are offered for a thing of a type in a state, before roles.
pub fn offered(type_name: &str, state: &str) -> Vec<&'static str> {
    match type_name {
        "container" => {
            let mut actions = match state {
                "creating" => vec!["remove", "start", "stop"],
                "error" | "erroring" | "requested" => vec!["remove"],
                "restarting" | "starting" => vec!["stop"],
                "running" => vec!["restart", "stop", "update"],
                "stopped" => vec!["remove", "start", "update"],
                "updating-running" | "updating-stopped" => vec!["remove", "stop"],
                _ => vec![],
            };
            if state == "running" {
                actions.push("execute");
            }
            if matches!(state, "running" | "stopped" | "stopping" | "restarting" | "starting") {
                actions.push("logs");
            }
            actions
        }
        "service" => {
            let mut actions = match state {
                "activating" | "updating-active" => vec!["deactivate", "remove", "update", "upgrade"],
                "active" => vec!["deactivate", "remove", "restart", "update", "upgrade"],
                "deactivating" | "registering" | "requested" => vec!["remove"],
                "inactive" => vec!["activate", "remove", "update", "upgrade"],
                "restarting" => vec!["activate", "deactivate", "remove"],
                "updating-inactive" => vec!["deactivate", "remove"],
                _ => return vec![],
            };
            // A service that was just made may be started before its controller has looked at it.
            if state == "registering" {
                actions.insert(0, "activate");
            }
            actions.extend(["addservicelink", "removeservicelink", "setservicelinks"]);
            actions
        }
        "stack" => match state {
            "removing" | "removed" => vec![],
            "active" => {
                vec!["remove", "update", "upgrade", "activateservices", "deactivateservices", "exportconfig"]
            }
            _ => vec!["remove", "upgrade", "activateservices", "deactivateservices", "exportconfig"],
        },
        "host" => match state {
            "active" => vec!["deactivate", "dockersocket", "evacuate", "update"],
            "reconnecting" | "disconnected" => vec!["deactivate", "dockersocket", "update"],
            "registering" | "activating" => vec!["activate", "deactivate", "dockersocket", "remove"],
            "inactive" => vec!["activate", "dockersocket", "evacuate", "remove", "update"],
            _ => vec![],
        },
        "volume" => match state {
            "active" => vec!["update"],
            "inactive" | "detached" => vec!["remove", "update"],
            _ => vec![],
        },
        "project" => match state {
            "active" => vec!["deactivate", "delete", "setmembers", "update"],
            "inactive" => vec!["activate", "delete", "remove", "setmembers", "update"],
            _ => vec![],
        },
        "account" | "apiKey" | "registrationToken" | "registry" | "registryCredential" => match state {
            "active" => vec!["deactivate", "update"],
            "inactive" => vec!["activate", "remove", "update"],
            _ => vec![],
        },
        "password" => match state {
            "active" => vec!["changesecret", "deactivate", "update"],
            "inactive" => vec!["activate", "changesecret", "remove", "update"],
            _ => vec![],
        },
        "secret" | "projectTemplate" => match state {
            "active" => vec!["remove"],
            _ => vec![],
        },
        "certificate" => match state {
            "active" => vec!["remove", "update"],
            _ => vec![],
        },
        "projectMember" => match state {
            "active" => vec!["deactivate", "remove", "update"],
            _ => vec![],
        },
        _ => vec![],
    }
}

/// Whether DELETE works from a state. Where it does not, old clients stop or deactivate first and try again.
pub fn delete_allowed(type_name: &str, state: &str) -> bool {
    match type_name {
        "host" => matches!(state, "inactive" | "registering" | "disconnected" | "removing"),
        "account" | "password" | "registrationToken" => state == "inactive",
        // Keys are deleted by programs that made them for an hour's work; nothing hangs on a key but itself.
        "apiKey" | "projectMember" | "registry" | "registryCredential" => {
            matches!(state, "active" | "inactive")
        }
        "secret" | "certificate" | "projectTemplate" => state == "active",
        "volume" => matches!(state, "inactive" | "detached" | "removing"),
        "container" | "service" | "stack" | "project" => state != "removed",
        _ => false,
    }
}

"""What scripts of the old product do, with the client that they do it with: make, wait, act, follow, list, change and
delete an object of every type that the schemas name. It knows nothing of this server but its URL and keys; a type that
can be made and has no sample here is a failure, so that no new type is forgotten."""

import base64
import os
import sys
import time

import cattle
from gdapi import ApiError

URL = os.environ["SERVER_URL"]
KEYS = {"access_key": os.environ["ACCESS_KEY"], "secret_key": os.environ["SECRET_KEY"]}
IMAGE = "docker:" + os.environ["IMAGE"]
COUNTS = {"types": 0, "created": 0, "actions": 0, "links": 0, "listed": 0, "deleted": 0}


def client(path):
    return cattle.Client(url=URL + path, **KEYS)


def fail(message):
    print("FAILED: " + message)
    sys.exit(1)


def until(what, look, limit=60):
    end = time.time() + limit
    while True:
        found = look()
        if found:
            return found
        if time.time() > end:
            fail("waited in vain: " + what)
        time.sleep(0.05)


def has(obj, name):
    return name in obj.__dict__ and obj.__dict__[name] is not None


def settle(api, obj):
    """Waits as old scripts do: until the object is no longer on its way."""
    if has(obj, "transitioning"):
        return api.wait_success(obj, timeout=60)
    return obj


def find(api, obj, listed):
    """Looks an object up under its own type, or under that of the list where its own has none."""
    own = api.schema.types.get(obj.type)
    return api.by_id(obj.type if own is not None and has(own.links, "collection") else listed, obj.id)


def act(api, obj, name, **input):
    if name not in obj.actions.__dict__:
        fail("%s %s in state %s has no action %s, only %s" % (obj.type, obj.id, obj.state, name, sorted(obj.actions.__dict__)))
    COUNTS["actions"] += 1
    return api.action(obj, name, **input)


def follow(obj):
    """Follows every link of an object."""
    for name, url in sorted(obj.links.__dict__.items()):
        call = getattr(obj, name + "_link", None) or getattr(obj, name)
        if not callable(call):
            fail("%s.%s cannot be followed" % (obj.type, name))
        if name in ("registrationUrl",):
            continue
        try:
            found = call()
        except ApiError as error:
            # A reference may name what has been removed for good since.
            if error.error.status != 404:
                fail("%s.%s: %s" % (obj.type, name, error))
            continue
        COUNTS["links"] += 1
        if found is None:
            fail("%s.%s led nowhere" % (obj.type, name))


def lists(api, type):
    found = api.list(type)
    for filter in ({"limit": 1}, {"limit": -1}, {"sort": "id"}, {"removed_null": True}, {"nonsense": "x"}):
        api.list(type, **filter)
    COUNTS["listed"] += 1
    for obj in list(found.data)[:3]:
        again = find(api, obj, type)
        if again is None or again.id != obj.id:
            fail("%s %s is listed and not found" % (obj.type, obj.id))
        follow(obj)
    return found


def gone(api, obj):
    def look():
        found = api.by_id(obj.type, obj.id)
        return found is None or found.state in ("removed", "purged")

    until("%s %s is gone" % (obj.type, obj.id), look)


def delete(api, obj):
    """As `rm` of the old command line: delete, and where that is not allowed yet, stop or deactivate first."""
    try:
        api.delete(obj)
    except ApiError as error:
        if error.error.status != 405:
            raise
        obj = api.reload(obj)
        for name in ("stop", "deactivate"):
            if name in obj.actions.__dict__:
                obj = settle(api, act(api, obj, name))
                break
        api.delete(obj)
    COUNTS["deleted"] += 1
    if obj.type not in ("activeSetting", "setting"):
        gone(api, obj)


def stack_sample(api):
    stack = settle(api, api.create_stack(name="cattle-ground"))
    return {"stack": stack.id}


def container_actions(api, obj):
    for name, states in (("stop", ["stopped"]), ("start", ["running"]), ("restart", ["running"])):
        obj = settle(api, act(api, obj, name, **({"timeout": 0} if name == "stop" else {})))
        if obj.state not in states:
            fail("container after %s: %s" % (name, obj.state))
    for name, input in (("logs", {"lines": 5}), ("execute", {"command": ["true"]})):
        access = act(api, obj, name, **input)
        if access.type != "hostAccess" or not access.url.startswith("ws") or not access.token:
            fail("container %s: %r" % (name, access))
    return api.reload(obj)


def service_actions(api, obj):
    obj = settle(api, act(api, obj, "activate"))
    if obj.state != "active":
        fail("service after activate: " + obj.state)
    obj = settle(api, api.update(obj, scale=2))
    until("two copies run", lambda: len([one for one in obj.instances() if one.state == "running"]) == 2)
    act(api, obj, "setservicelinks", serviceLinks=[])
    obj = settle(api, act(api, api.reload(obj), "restart", rollingRestartStrategy={"batchSize": 1, "intervalMillis": 100}))
    obj = settle(api, act(api, api.reload(obj), "deactivate"))
    if obj.state != "inactive":
        fail("service after deactivate: " + obj.state)
    return obj


def stack_actions(api, obj):
    settle(api, act(api, obj, "activateservices"))
    config = act(api, api.reload(obj), "exportconfig")
    if "busybox" not in config.dockerComposeConfig:
        fail("exportconfig: %r" % config)
    settle(api, act(api, api.reload(obj), "deactivateservices"))
    return api.reload(obj)


def on_and_off(api, obj):
    obj = settle(api, act(api, obj, "deactivate"))
    if obj.state != "inactive":
        fail("%s after deactivate: %s" % (obj.type, obj.state))
    obj = settle(api, act(api, obj, "activate"))
    if obj.state != "active":
        fail("%s after activate: %s" % (obj.type, obj.state))
    return obj


def password_actions(api, obj):
    act(api, obj, "changesecret", oldSecret="a first password", newSecret="a second password")
    return api.reload(obj)


COMMAND = ["sh", "-c", "echo hello; while true; do sleep 1; done"]

# Each type that can be made: what of, and what is done with it.
SAMPLES = {
    "account": (lambda ground: {"name": "cattle-person", "kind": "user"}, on_and_off),
    "apiKey": (lambda ground: {"name": "cattle-key"}, on_and_off),
    "password": (
        lambda ground: {"publicValue": "cattle-user", "secretValue": "a first password", "accountId": ground.get("account")},
        password_actions,
    ),
    "project": (lambda ground: {"name": "cattle-project"}, on_and_off),
    "projectMember": (lambda ground: {"externalId": ground["account"], "externalIdType": "rancher_id", "role": "member", "projectId": "1a5"}, None),
    "registrationToken": (lambda ground: {"name": "cattle-token"}, on_and_off),
    "setting": (lambda ground: {"name": "cattle.test", "value": "1"}, None),
    "stack": (
        lambda ground: {
            "name": "cattle-stack",
            "dockerCompose": "services: {job: {image: '%s', command: sleep 600, stop_grace_period: 1s}}" % IMAGE[7:],
        },
        stack_actions,
    ),
    "service": (
        lambda ground: {
            "name": "cattle-service",
            "stackId": ground["stack"],
            "launchConfig": {"imageUuid": IMAGE, "command": COMMAND, "stopTimeout": 1},
        },
        service_actions,
    ),
    "container": (
        lambda ground: {"name": "cattle-container", "imageUuid": IMAGE, "command": COMMAND, "stopTimeout": 1},
        container_actions,
    ),
    "secret": (lambda ground: {"name": "cattle-secret", "value": base64.b64encode(b"hidden").decode()}, None),
    "certificate": (
        lambda ground: {"name": "cattle-certificate", "cert": os.environ["CERTIFICATE"], "key": os.environ["CERTIFICATE_KEY"]},
        None,
    ),
    "registry": (lambda ground: {"serverAddress": "registry.example.test"}, on_and_off),
    "registryCredential": (
        lambda ground: {"registryId": ground["registry"], "publicValue": "someone", "secretValue": "a password"},
        on_and_off,
    ),
    "volume": (lambda ground: {"name": "cattle-volume", "driver": "local"}, None),
    "volumeTemplate": (lambda ground: {"name": "cattle-template", "driver": "local", "stackId": ground["stack"]}, None),
    "projectTemplate": (lambda ground: {"name": "cattle-draft", "stacks": []}, None),
}

# These are made in other ways: by signing in, by listening.
ELSEWHERE = {"token", "subscribe"}


def work(path, ground):
    api = client(path)
    for name, schema in sorted(api.schema.types.items()):
        if not hasattr(schema.links, "collection"):
            continue
        COUNTS["types"] += 1
        if schema.listable and name not in ELSEWHERE:
            lists(api, name)
        if not schema.creatable or name in ELSEWHERE:
            continue
        if name not in SAMPLES:
            fail("there is no sample of the type %s" % name)
        sample, actions = SAMPLES[name]
        values = {key: value for key, value in sample(ground).items() if value is not None}
        # Accounts have passwords; inside an environment there is nobody to give one to.
        if name == "password" and "/projects/" in path:
            continue
        try:
            obj = getattr(api, "create_" + name)(**values)
        except ApiError as error:
            fail("a %s could not be made: %s" % (name, error))
        COUNTS["created"] += 1
        obj = settle(api, obj)
        if find(api, obj, name).id != obj.id:
            fail("%s is not found by its id" % name)
        follow(obj)
        if schema.updatable and "description" in schema.resourceFields.__dict__:
            if schema.resourceFields.description.update:
                changed = settle(api, api.update(obj, description="noted"))
                if changed.description != "noted":
                    fail("%s did not take a description" % name)
        if actions:
            obj = actions(api, find(api, obj, name))
        listed = api.list(name, limit=-1)
        if obj.id not in [one.id for one in listed.data]:
            fail("%s %s is not in the list" % (name, obj.id))
        if schema.deletable:
            delete(api, obj)
    return api


def main():
    root = client("/v2-beta/schemas")
    account = root.create_account(name="cattle-ground", kind="user")
    inside = client("/v2-beta/projects/1a5/schemas")
    stack = settle(inside, inside.create_stack(name="cattle-ground"))
    ground = {"account": account.id, "stack": stack.id}
    if "registry" in inside.schema.types:
        ground["registry"] = settle(inside, inside.create_registry(serverAddress="ground.example.test")).id
    work("/v2-beta/projects/1a5/schemas", ground)
    work("/v2-beta/schemas", ground)
    # The older version, as far as its words differ.
    older = client("/v1/projects/1a5/schemas")
    environment = settle(older, older.create_environment(name="cattle-older"))
    if not environment.id.startswith("1e") or environment.type != "environment":
        fail("an environment of v1 is %s %s" % (environment.type, environment.id))
    service = older.create_service(
        name="web", environmentId=environment.id, launchConfig={"imageUuid": IMAGE, "command": COMMAND}
    )
    if settle(older, service).environmentId != environment.id:
        fail("a service of v1 is in %s" % service.environmentId)
    if [one.id for one in environment.services().data] != [service.id]:
        fail("the services of an environment of v1")
    delete(older, older.reload(environment))
    if COUNTS["created"] < 12 or COUNTS["links"] < 50 or COUNTS["actions"] < 20:
        fail("too little was done: %r" % COUNTS)
    print("done: %r" % COUNTS)


main()

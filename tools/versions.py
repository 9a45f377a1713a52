"""The versions of a stack's functions: which of them is called, and which are kept.

A deployment publishes a version of each function that it changes, and points the alias `live` to it. What calls a function calls the alias.
CloudFormation also keeps the versions of an update that it rolled back. Callers get none of them, and the next deployment deletes them.
"""

from dataclasses import dataclass, field

ALIAS = "live"
# Lambda keeps all versions of an account's functions within 75 GB (AWS Lambda, "Lambda quotas"). A version is one package of 4 to 5 MB.
KEPT = 10


@dataclass
class Update:
    """An update of the stack: when it began and ended, in UTC, and whether CloudFormation rolled it back."""

    began: str
    ended: str
    failed: bool

    def published(self, time):
        return self.began <= time <= self.ended


@dataclass
class Function:
    """A function with its versions, by number with the time at which each was published: the one that is called, the one that the stack
    has, and those that any alias calls, also with a share of the calls."""

    name: str
    called: int
    deployed: int
    versions: dict[int, str]
    in_use: set[int] = field(default_factory=set)

    def before(self, updates):
        """The version to go back to from one that the last of these updates published, or None."""
        done = [update for update in updates if not update.failed]
        if not done or not done[-1].published(self.versions.get(self.called, "")):
            return None
        failed = [update for update in updates if update.failed]
        was_called = lambda time: time < done[-1].began and not any(update.published(time) for update in failed)
        return max((number for number, time in self.versions.items() if was_called(time)), default=None)

    @property
    def obsolete(self):
        return [number for number in sorted(self.versions)[:-KEPT] if number not in self.in_use | {self.deployed}]

    def left_over(self, updates):
        """The versions that a failed update published after the one that the stack has, and that no alias calls."""
        failed = [update for update in updates if update.failed]
        return [
            number for number, time in self.versions.items()
            if number > self.deployed and number not in self.in_use and any(update.published(time) for update in failed)
        ]


def milliseconds(time):
    """A time as Lambda writes it, without its zone, which is always UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.%f")[:23]


def updates_of(session, stack):
    """The updates of a stack that have ended, the oldest first. CloudFormation keeps events for 90 days."""
    pages = session.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=stack)
    events = [event for page in pages for event in page["StackEvents"] if event["PhysicalResourceId"] == event["StackId"]]
    found, began = [], None
    for event in reversed(events):
        state, time = event["ResourceStatus"], milliseconds(event["Timestamp"])
        if state == "UPDATE_IN_PROGRESS":
            began = time
        elif began and state in ("UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"):
            found.append(Update(began, time, failed=state == "UPDATE_ROLLBACK_COMPLETE"))
            began = None
    return found


def is_complete(session, stack):
    """Whether the last update of a stack, or its rollback, has ended, and has not failed."""
    (found,) = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return found["StackStatus"].endswith("_COMPLETE")


def functions(session, stack):
    """The functions of a stack that have a version."""
    pages = session.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
    resources = [resource for page in pages for resource in page["StackResourceSummaries"] if exists(resource)]
    of_type = lambda kind: [each["PhysicalResourceId"] for each in resources if each["ResourceType"] == f"AWS::Lambda::{kind}"]
    # arn:aws:lambda:REGION:ACCOUNT:function:NAME:NUMBER
    deployed = {arn.split(":")[6]: int(arn.split(":")[7]) for arn in of_type("Version")}
    client = session.client("lambda")
    return [read(client, name, deployed[name]) for name in sorted(of_type("Function")) if name in deployed]


def exists(resource):
    """Whether a resource of a stack is one of its current template. SAM gives each version of a function another logical ID, and
    CloudFormation lists those from before, which it keeps, as DELETE_SKIPPED."""
    return bool(resource.get("PhysicalResourceId")) and not resource["ResourceStatus"].startswith("DELETE_")


def read(client, name, deployed):
    pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=name)
    found = [version for page in pages for version in page["Versions"] if version["Version"] != "$LATEST"]
    called = client.get_alias(FunctionName=name, Name=ALIAS)["FunctionVersion"]
    pages = client.get_paginator("list_aliases").paginate(FunctionName=name)
    aliases = [alias for page in pages for alias in page["Aliases"]]
    shares = [(alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights", {}) for alias in aliases]
    calls = {alias["FunctionVersion"] for alias in aliases}.union(*shares) - {"$LATEST"}
    return Function(name, int(called), deployed, {int(each["Version"]): each["LastModified"][:23] for each in found}, set(map(int, calls)))


def move(session, function, version):
    """Has callers call a version, and no share of them another one."""
    session.client("lambda").update_alias(
        FunctionName=function.name, Name=ALIAS, FunctionVersion=str(version), RoutingConfig={"AdditionalVersionWeights": {}},
    )


def rolled_back(session, stack):
    """The functions of which callers get another version than the one that the stack has, as after `make rollback`."""
    return [function for function in functions(session, stack) if function.called != function.deployed]


def move_to_deployed(session, stack):
    """Undoes a rollback. CloudFormation does not know of one, so that it leaves the alias of a function that an update does not change."""
    moved = rolled_back(session, stack)
    for function in moved:
        move(session, function, function.deployed)
    return [function.name for function in moved]


def delete_obsolete(session, stack):
    """Deletes all but the newest versions. Returns how many."""
    return delete(session, [(function.name, number) for function in functions(session, stack) for number in function.obsolete])


def delete_left_over(session, stack):
    """Deletes what failed updates published. Lambda publishes no version without a change since the last one, and CloudFormation refuses
    the last one if it did not publish it itself ("A version for this Lambda function exists"), so that the same change would fail again.
    Returns how many."""
    # CloudFormation may still need each version.
    if not is_complete(session, stack):
        return 0
    updates = updates_of(session, stack)
    return delete(session, [(function.name, number) for function in functions(session, stack) for number in function.left_over(updates)])


def delete(session, versions):
    client = session.client("lambda")
    for name, number in versions:
        client.delete_function(FunctionName=name, Qualifier=str(number))
    return len(versions)

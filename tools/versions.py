"""The versions of a stack's functions: which of them is called, and which are kept.

A deployment publishes a version of each function that it changes, and points the alias `live` to it. What calls a function calls the alias.
CloudFormation keeps also the versions of an update that it rolled back, which were never called.
"""

from dataclasses import dataclass

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
    """A function with its versions, by number with the time at which each was published: the one that is called, and the one that the
    stack has."""

    name: str
    called: int
    deployed: int
    versions: dict[int, str]

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
        return [number for number in sorted(self.versions)[:-KEPT] if number not in (self.called, self.deployed)]


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


def functions(session, stack):
    """The functions of a stack."""
    pages = session.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
    resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
    of_type = lambda kind: [each["PhysicalResourceId"] for each in resources if each["ResourceType"] == f"AWS::Lambda::{kind}"]
    # arn:aws:lambda:REGION:ACCOUNT:function:NAME:NUMBER
    deployed = {arn.split(":")[6]: int(arn.split(":")[7]) for arn in of_type("Version")}
    client = session.client("lambda")
    return [read(client, name, deployed[name]) for name in sorted(of_type("Function"))]


def read(client, name, deployed):
    pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=name)
    found = [version for page in pages for version in page["Versions"] if version["Version"] != "$LATEST"]
    called = client.get_alias(FunctionName=name, Name=ALIAS)["FunctionVersion"]
    return Function(name, int(called), deployed, {int(each["Version"]): each["LastModified"][:23] for each in found})


def move(session, function, version):
    """Has callers call a version, and no share of them another one."""
    session.client("lambda").update_alias(
        FunctionName=function.name, Name=ALIAS, FunctionVersion=str(version), RoutingConfig={"AdditionalVersionWeights": {}},
    )


def move_to_deployed(session, stack):
    """Undoes a rollback. CloudFormation does not know of one, so that it leaves the alias of a function that an update does not change."""
    moved = [function for function in functions(session, stack) if function.called != function.deployed]
    for function in moved:
        move(session, function, function.deployed)
    return [function.name for function in moved]


def delete_obsolete(session, stack):
    """Deletes all but the newest versions. Returns how many."""
    client = session.client("lambda")
    obsolete = [(function.name, number) for function in functions(session, stack) for number in function.obsolete]
    for name, number in obsolete:
        client.delete_function(FunctionName=name, Qualifier=str(number))
    return len(obsolete)

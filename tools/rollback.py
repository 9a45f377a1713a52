"""Goes back to the functions from before the last update, within seconds: `make rollback STAGE=production`.

It moves the alias of each function that the last update published a version of, and nothing else: tables, queues and alarms stay as
they are. A person confirms it, or YES=1.
"""

import os
import sys
import tomllib

import boto3
import versions
from botocore.exceptions import BotoCoreError, ClientError
from deploy import ROOT, Problem, stages


def main(stage=""):
    sections = stages(tomllib.loads((ROOT / "samconfig.toml").read_text()))
    if stage not in sections:
        raise Problem(f"STAGE: {stage or 'is missing'}; expected one of {', '.join(sorted(sections))}")
    stack = (sections["default"] | sections[stage])["stack_name"]
    session = boto3.Session(region_name=os.environ.get("AWS_REGION") or sections[stage].get("region"))
    (found,) = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    if found["StackStatus"].endswith("_IN_PROGRESS"):
        raise Problem(f"{stack} is being updated: `aws cloudformation cancel-update-stack --stack-name {stack}` goes back")
    updates = versions.updates_of(session, stack)
    back = [(function, function.before(updates)) for function in versions.functions(session, stack)]
    back = [(function, version) for function, version in back if version]
    if not back:
        raise Problem(f"there is nothing to go back from: the last update of {stack} published no version that is called")
    print(f"Back to the functions from before the last update of {stack}:")
    for function, version in back:
        print(f"  {function.name}: {function.called} -> {version}")
    if not os.environ.get("YES"):
        if not sys.stdin.isatty():
            raise Problem("there is no terminal to ask: YES=1 confirms it")
        if input("Go back? [y/N] ").strip().lower() != "y":
            raise Problem("nothing was changed")
    for function, version in back:
        versions.move(session, function, version)
    print("Done. Deploy a version that works soon: the next `make deploy` moves all functions to the versions of the stack.")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (Problem, BotoCoreError, ClientError) as error:
        sys.exit(f"make rollback: {error}")
    except (KeyboardInterrupt, EOFError):
        sys.exit("\nmake rollback: interrupted")

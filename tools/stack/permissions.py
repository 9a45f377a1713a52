"""Notes which permissions of a role are used, so that a test can find those that a policy gives and no code needs.

The policies are enforced: a request without its permission is refused. This is the other direction.
"""

import itertools
import json


class Permissions:
    """Appends a JSON line for each new fact to a file, which stacks may share.

    - `{"role": R, "granted": [A, P]}`: the policies of the role R allow the action A on resources of the pattern P
    - `{"role": R, "used": [A, P]}`: a request needed that permission
    """

    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8", buffering=1)
        self.known = set()

    def note(self, role, fact, action, resource):
        if (role, fact, action, resource) in self.known:
            return
        self.known.add((role, fact, action, resource))
        self.file.write(json.dumps({"role": role, fact: [action, resource]}) + "\n")

    def follow(self, iam_evaluator):
        """Notes the permissions of every request that a role makes."""
        evaluate = iam_evaluator.evaluate

        def evaluate_and_note(context, policies, *limits):
            result = evaluate(context, policies, *limits)
            if context.principal_type == "AssumedRole":
                self.note_request(iam_evaluator, context, policies)
            return result

        iam_evaluator.evaluate = evaluate_and_note

    def note_request(self, iam_evaluator, context, policies):
        # arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION
        role = context.principal_arn.split("/")[1]
        for statement in (statement for policy in policies for statement in policy if statement.effect == "Allow"):
            for action, resource in itertools.product(statement.actions, statement.resources):
                self.note(role, "granted", action, resource)
                is_used = (role, "used", action, resource) in self.known
                if not is_used and matches(iam_evaluator, context, action, resource):
                    self.note(role, "used", action, resource)


def matches(iam_evaluator, context, action, resource):
    return iam_evaluator.fnmatch_iam(context.action, action) and iam_evaluator.fnmatch_iam_cs(context.resource_arn, resource)

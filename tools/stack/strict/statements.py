"""Statements in PartiQL: their permissions, and the items that they write.

ministack requires a permission with the name of the operation, such as `dynamodb:BatchExecuteStatement`, which AWS does not have.
Sources, of the Amazon DynamoDB Developer Guide: "IAM security policies with PartiQL for DynamoDB", and "Running batch operations with
PartiQL for DynamoDB" (each statement of a batch succeeds or fails by itself).
"""

import json

OPERATIONS = {"ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"}


def parsed_statements(dynamodb, data):
    """The statements of a request as ministack parses them; None for one that cannot be parsed."""
    for member in data.get("Statements") or data.get("TransactStatements") or [data]:
        try:
            yield dynamodb._parse_partiql(member.get("Statement", ""), member.get("Parameters", []))
        except ValueError:
            yield None


def check_statements_by_their_permissions(dynamodb, iam_actions):
    """Checks each statement by the permission for its kind, on its table or index."""
    checks_of = iam_actions.dynamodb_transaction_checks

    def checks(iam_action, body, region, account):
        if iam_action.removeprefix("dynamodb:") not in OPERATIONS:
            return checks_of(iam_action, body, region, account)
        statements = filter(None, parsed_statements(dynamodb, json.loads(body)))
        return [permission(iam_actions, statement, region, account) for statement in statements]

    iam_actions.dynamodb_transaction_checks = checks


def permission(iam_actions, statement, region, account):
    is_read = statement["op"] in ("SELECT", "EXISTS")
    kind = "Select" if is_read else statement["op"].title()
    # EXISTS has the statement that it tests.
    target = statement.get("select") or statement
    table = iam_actions._dynamodb_table_arn(target["table"], region, account)
    return f"dynamodb:PartiQL{kind}", f"{table}/index/{target['index']}" if target.get("index") else table


def write_of(dynamodb, statement):
    """The table and the key of the item that a statement updates or deletes, in the form of a single write, or None."""
    if not statement or statement["op"] not in ("UPDATE", "DELETE"):
        return None
    table = dynamodb._tables.get(statement["table"]) or {}
    names = {table.get("pk_name"), table.get("sk_name")}
    key = {name: value for name, operator, value in statement["conditions"] if operator == "=" and name in names}
    return {"TableName": statement["table"], "Key": key}


async def execute_without(dynamodb, data, refused, error, execute):
    """Executes a batch without the statements that are refused, each of which has this error in the response. `refused` says for
    each statement whether it is, and `execute` gets the request to execute."""
    rest = [member for member, is_refused in zip(data["Statements"], refused) if not is_refused]
    responses = iter(())
    if rest:
        status, headers, body = await execute({**data, "Statements": rest})
        if status != 200:
            return status, headers, body
        responses = iter(json.loads(body)["Responses"])
    merged = [{"Error": error} if is_refused else next(responses) for is_refused in refused]
    return dynamodb.json_response({"Responses": merged})

"""DynamoDB: what an item may consist of.

Source: Amazon DynamoDB, "Constraints": an attribute name is "at least one character long, but no greater than 64 KB"; a partition
key has 1 to 2,048 bytes, a sort key 1 to 1,024.
"""

from .writes import requests_of

LONGEST_NAME = 65_535
LONGEST_PARTITION_KEY = 2_048
LONGEST_SORT_KEY = 1_024


def problem_of(dynamodb, action, data):
    """Why DynamoDB refuses the items of a request, or None. An item that ministack itself refuses has no problem here."""
    for kind, request in requests_of(action, data):
        if kind == "Put" and isinstance(item := request.get("Item"), dict):
            found = problem_of_names(item) or problem_of_keys(dynamodb, request.get("TableName"), item)
            if found:
                return found
    return None


def problem_of_names(attributes):
    for name, value in attributes.items():
        if not 1 <= len(name.encode("utf-8", "surrogatepass")) <= LONGEST_NAME:
            return "One or more parameter values were invalid: an attribute name has 1 byte to 64 KB"
        if found := problem_of_value(value):
            return found
    return None


def problem_of_value(value):
    if not isinstance(value, dict):
        return None
    if isinstance(members := value.get("M"), dict):
        return problem_of_names(members)
    return next(filter(None, map(problem_of_value, value.get("L") or [])), None)


def problem_of_keys(dynamodb, table_name, item):
    table = dynamodb._tables.get(dynamodb._normalize_table_name(table_name)) if table_name else None
    if not table:
        return None
    for name, longest in ((table["pk_name"], LONGEST_PARTITION_KEY), (table["sk_name"], LONGEST_SORT_KEY)):
        text = item.get(name, {}).get("S") if name else None
        if text is not None and len(text.encode("utf-8", "surrogatepass")) > longest:
            return f"One or more parameter values were invalid: the key {name} has more than {longest} bytes"
    return None

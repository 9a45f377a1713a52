"""Gradual deployments, which ministack does not have.

SAM decides by the values of parameters whether a template has anything of CodeDeploy, and ministack's transform has their defaults only.
A deployment group is checked as CodeDeploy does, and an alias with a group is updated unless an alarm of the group rings, before which
CodeDeploy would have moved no call. Otherwise it is updated at once: there is no time in which two versions run. Sources: AWS CodeDeploy
User Guide, "Monitor deployments with CloudWatch alarms in CodeDeploy"; AWS CodeDeploy API Reference, "AlarmConfiguration"; AWS
CloudFormation, "UpdatePolicy attribute", "CodeDeployLambdaAliasUpdate".
"""

from contextvars import ContextVar

from samtranslator.translator import transform as sam

MOST_ALARMS = 10
CONFIGURATIONS = "CodeDeployDefault.Lambda"


def give_parameters_to_sam(*modules):
    """Gives SAM the values of parameters. `modules` are those of ministack that apply the transforms of a template."""
    values = ContextVar("values", default={})
    translate = sam.transform
    engine = modules[0]
    apply = engine._apply_transforms

    def apply_with_values(template, provided=None, previous=None):
        values.set(engine._transform_parameters(template, provided, previous or {}))
        return apply(template, provided, previous)

    sam.transform = lambda template, _parameters, policies: translate(template, dict(values.get()), policies)
    for module in modules:
        module._apply_transforms = apply_with_values


def heed_update_policies(engine):
    """Counts what an update policy refers to as what its resource depends on, so that a circle fails."""
    depends_on = engine._extract_deps

    def extract(resource, names):
        found = depends_on(resource, names)
        return found | depends_on({"Properties": resource.get("UpdatePolicy", {})}, names)

    engine._extract_deps = extract


def add_deployments(resources, cloudwatch):
    """Adds the applications and deployment groups to CloudFormation's resources, and has aliases heed their alarms."""
    groups = {}
    alias = resources["AWS::Lambda::Alias"]
    update_alias = alias["update"]

    def create_application(logical_id, properties, stack):
        name = properties.get("ApplicationName") or f"{stack}-{logical_id}"
        return name, {}

    def create_group(logical_id, properties, stack):
        name = properties.get("DeploymentGroupName") or f"{stack}-{logical_id}"
        check_group(properties)
        groups[name] = properties
        return name, {}

    def update_group(name, _old, properties, _stack):
        check_group(properties)
        groups[name] = properties
        return name, {}

    def update(alias_arn, old, new, stack, logical_id=None):
        # The names that SAM gives the alias `live` and the group of a function.
        function = (logical_id or "").removesuffix("Aliaslive")
        if old.get("FunctionVersion") != new.get("FunctionVersion"):
            heed_alarms(cloudwatch, groups.get(f"{stack}-{function}DeploymentGroup"))
        return update_alias(alias_arn, old, new, stack, logical_id)

    resources["AWS::CodeDeploy::Application"] = {"create": create_application, "delete": lambda *_: None}
    resources["AWS::CodeDeploy::DeploymentGroup"] = {
        "create": create_group,
        "update": update_group,
        "delete": lambda name, _properties: groups.pop(name, None),
    }
    resources["AWS::Lambda::Alias"] = {**alias, "update": update, "update_with_logical_id": True}


def check_group(properties):
    alarms = names_of_alarms(properties)
    if len(alarms) > MOST_ALARMS:
        raise ValueError(f"The maximum number of alarms for a deployment group ({MOST_ALARMS}) was exceeded.")
    if len(set(alarms)) < len(alarms):
        raise ValueError("Each alarm name can be used only once in a list of alarms.")
    if not properties["DeploymentConfigName"].startswith(CONFIGURATIONS):
        raise ValueError(f"No deployment configuration found for name: {properties['DeploymentConfigName']}")
    if ":role/" not in properties.get("ServiceRoleArn", ""):
        raise ValueError("The role that CodeDeploy assumes is missing")


def heed_alarms(cloudwatch, group):
    """Fails if an alarm of the group rings, or if there is no such alarm."""
    for name in names_of_alarms(group or {}):
        alarm = cloudwatch._alarms.get(name)
        if alarm is None:
            raise ValueError(f"The deployment was stopped: the state of the alarm {name} cannot be retrieved")
        if alarm["StateValue"] == "ALARM":
            raise ValueError(f"One or more alarms have been activated according to the Amazon CloudWatch metrics: {name}")


def names_of_alarms(group):
    configuration = group.get("AlarmConfiguration") or {}
    return [alarm["Name"] for alarm in configuration.get("Alarms", [])] if configuration.get("Enabled") else []

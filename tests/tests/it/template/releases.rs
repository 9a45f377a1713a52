//! How a new version of the functions comes into use.

use std::collections::BTreeSet;

use super::{file, of_type, resources, value};

/// The part of the template between two lines.
fn between(from: &str, to: &str) -> String {
    let template = file("template.yaml");
    let (_, rest) = template.split_once(from).unwrap_or_else(|| panic!("no {from}"));
    rest.split_once(to).unwrap_or_else(|| panic!("no {to} after {from}")).0.to_owned()
}

/// The names that a text of the template refers to, without those of AWS.
fn references(text: &str) -> BTreeSet<String> {
    let name = |rest: &str| rest.split(|end: char| !end.is_ascii_alphanumeric()).next().unwrap_or_default().to_owned();
    let after = |mark: &str| text.split(mark).skip(1).map(name).collect::<Vec<_>>();
    let found = [after("!Ref "), after("${"), after("!If ["), after("!If\n- "), after("!Condition ")].concat();
    found.into_iter().filter(|name| !name.is_empty() && name != "AWS").collect()
}

/// The parameters that these names are, or that decide the conditions among them.
fn parameters_of(names: &BTreeSet<String>) -> BTreeSet<String> {
    let parameters = between("\nParameters:\n", "\nMetadata:\n");
    let conditions = between("\nConditions:\n", "\nGlobals:\n");
    let mut found = BTreeSet::new();
    for name in names {
        if parameters.lines().any(|line| line == format!("  {name}:")) {
            found.insert(name.clone());
        } else if let Some(condition) = value(&conditions.replace("\n  ", "\n"), name) {
            found.extend(parameters_of(&references(condition)));
        }
    }
    found
}

/// What Lambda keeps in a version of a function: not its permissions, its triggers and its reserved concurrency.
fn version_of(function: &str) -> String {
    let (before, _) = function.split_once("Policies:\n").unwrap();
    let lines = before.lines().filter(|line| !line.starts_with("ReservedConcurrentExecutions"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Without it a deployment with another value of a parameter would change what no caller calls.
#[test]
fn each_parameter_of_a_function_makes_a_new_version() {
    let globals = between("\nGlobals:\n", "\nResources:\n");
    let (before, rest) = globals.split_once("    DeploymentPreference:\n").unwrap();
    let (_, after) = rest.split_once("    Environment:\n").unwrap();
    let mut names = references(&[before, after].concat());
    for function in of_type("AWS::Serverless::Function").values() {
        names.extend(references(&version_of(function)));
    }
    let settings = &resources()["SettingsVersion"];
    let listed = references(settings.split_once("Content: !Sub |\n").unwrap().1);
    assert_eq!(listed, parameters_of(&names));
    let lines = listed.iter().filter(|name| settings.contains(&format!("{name}: ${{{name}}}\n")));
    assert_eq!(lines.count(), listed.len(), "each line has the name of its parameter");
    assert!(after.contains("SETTINGS_VERSION: !Ref SettingsVersion\n"));
}

#[test]
fn each_function_publishes_a_version_of_all_its_properties() {
    assert!(between("\nGlobals:\n", "\nResources:\n").contains("    AutoPublishAlias: live\n"));
    for (name, function) in of_type("AWS::Serverless::Function") {
        assert_eq!(value(&function, "AutoPublishAliasAllProperties"), Some("true"), "{name}");
        assert_eq!(value(&function, "VersionDescription"), Some("!Sub Settings ${SettingsVersion}"), "{name}");
    }
}

/// A caller of the function itself would get what is not released, or is not released any more.
#[test]
fn whatever_calls_a_function_calls_its_alias() {
    let functions = of_type("AWS::Serverless::Function");
    let callers = ["AWS::Lambda::EventSourceMapping", "AWS::Lambda::Permission", "AWS::Events::Rule"].map(of_type);
    let mut calls = 0;
    for (name, caller) in callers.iter().flatten() {
        let called = ["FunctionName", "Arn"].into_iter().filter_map(|property| value(caller, property));
        // The canary calls a queue.
        for called in called.filter(|called| !called.contains("Queue")) {
            let function = called.trim_start_matches("!Ref ").trim_end_matches(".Alias");
            assert!(functions.contains_key(function), "{name}: {called}");
            assert_eq!(called, format!("!Ref {function}.Alias"), "{name}");
            calls += 1;
        }
    }
    assert!(calls >= functions.len(), "{calls}");
}

// AWS CodeDeploy API Reference, "AlarmConfiguration": a maximum of 10 alarms.
#[test]
fn alarms_that_end_a_shift_are_at_most_ten_and_silent_at_rest() {
    let listed = between("\n      Alarms:\n", "\n    Environment:\n");
    let name = |line: &str| line.trim_start_matches("        - !").trim_start_matches("Ref ").to_owned();
    let named: Vec<_> = listed.lines().map(name).collect();
    assert!(named.len() <= 10, "{named:?}");
    let alarms = of_type("AWS::CloudWatch::Alarm");
    for name in &named {
        let id = name.rsplit('-').next().unwrap();
        // A shift without traffic is not stopped.
        assert_eq!(value(&alarms[id], "TreatMissingData"), Some("notBreaching"), "{id}");
        if let Some(text) = name.strip_prefix("Sub ") {
            assert_eq!(value(&alarms[id], "AlarmName"), Some(format!("!Sub {text}").as_str()), "{id}");
        }
    }
    assert_eq!(named.iter().collect::<BTreeSet<_>>().len(), named.len());
}

// Each is a deployment configuration of CodeDeploy (AWS CodeDeploy User Guide, "Predefined deployment configurations for an AWS
// Lambda compute platform"), or needs no CodeDeploy.
#[test]
fn each_deployment_type_is_in_the_mapping_of_shifts() {
    let parameter = between("\n  DeploymentType:\n", "\n  AlarmTopicArn:\n");
    let allowed = parameter.lines().find_map(|line| line.trim().strip_prefix("AllowedValues: [")).unwrap();
    let allowed: Vec<_> = allowed.trim_end_matches(']').split(", ").collect();
    let shifts = between("\n  Shifts:\n", "\n\nConditions:\n");
    let gradual = |name: &str| format!("    {name}: {{ Gradual: \"{}\" }}", name != "AllAtOnce");
    assert_eq!(shifts.lines().collect::<Vec<_>>(), allowed.into_iter().map(gradual).collect::<Vec<_>>());
}

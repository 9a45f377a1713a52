//! Everything that can stand still has an alarm, and the operator finds it in docs/operate.md, "What can stand still".

use std::collections::BTreeMap;

use super::{file, of_type, resources, value};

/// The types of resources that can stand still.
const KINDS: [&str; 6] = [
    "AWS::SQS::Queue",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Events::Rule",
    "AWS::Serverless::Function",
    "AWS::Serverless::HttpApi",
    "AWS::DynamoDB::Table",
];

/// The rows of the table: the names in backticks, by column.
fn rows() -> Vec<Vec<Vec<String>>> {
    let operate = file("docs/operate.md");
    let (_, section) = operate.split_once("\n### What can stand still\n").unwrap();
    let section = section.split("\n#").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    rows.map(|row| row.trim_matches('|').split('|').map(names).collect()).collect()
}

/// The functions of all test files, in Rust and in Python.
fn tests() -> String {
    let folders = ["tests/tests/it", "tests/tests/it/e2e", "tests/tests/it/template", "tools/stack/tests"];
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(root.join(folder)).unwrap());
    let files = files.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files.map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn whatever_can_stand_still_is_in_the_operators_table() {
    let (rows, tests, resources) = (rows(), tests(), resources());
    let listed: Vec<_> = rows.iter().flat_map(|row| row[0].clone()).collect();
    for name in KINDS.iter().flat_map(|kind| of_type(kind).into_keys()) {
        assert!(listed.contains(&name), "docs/operate.md does not say which alarm rings for {name}");
    }
    for row in &rows {
        assert!(row[0].iter().all(|name| resources.contains_key(name)), "no resource: {row:?}");
        assert!(!row[1].is_empty(), "no alarm: {row:?}");
        for alarm in &row[1] {
            assert!(resources.get(alarm).is_some_and(|text| text.contains("CloudWatch::Alarm")), "no alarm: {alarm}");
        }
        for test in &row[2] {
            assert!(
                tests.contains(&format!("fn {test}(")) || tests.contains(&format!("def {test}(")),
                "no test: {test}"
            );
        }
    }
}

/// The alarms for a metric of a resource.
fn alarms_for(metric: &str, resource: &str) -> BTreeMap<String, String> {
    let is_for = |alarm: &String| value(alarm, "MetricName") == Some(metric) && alarm.contains(resource);
    of_type("AWS::CloudWatch::Alarm").into_iter().filter(|(_, alarm)| is_for(alarm)).collect()
}

#[test]
fn every_queue_has_an_alarm() {
    for name in of_type("AWS::SQS::Queue").keys() {
        let resource = format!("!GetAtt {name}.QueueName");
        let metrics = ["ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"];
        assert!(metrics.iter().any(|metric| !alarms_for(metric, &resource).is_empty()), "{name}");
    }
}

#[test]
fn every_reader_of_a_stream_has_an_alarm_for_its_age() {
    let mappings = of_type("AWS::Lambda::EventSourceMapping");
    for (name, mapping) in mappings.iter().filter(|(_, mapping)| mapping.contains("StreamArn")) {
        let function = value(mapping, "FunctionName").unwrap();
        assert!(!alarms_for("IteratorAge", function).is_empty(), "{name}");
    }
}

/// A run that did not happen writes no log line, so its alarm has to ring without data.
#[test]
fn every_schedule_has_an_alarm_that_rings_without_a_run() {
    let (rules, filters) = (of_type("AWS::Events::Rule"), of_type("AWS::Logs::MetricFilter"));
    for (name, rule) in &rules {
        let function = value(rule, "Arn").unwrap().trim_start_matches("!GetAtt ").trim_end_matches(".Arn");
        let log_group = format!("LogGroupName: !Ref {}LogGroup", function.trim_end_matches("Function"));
        let mut metrics = filters.iter().filter(|(_, filter)| filter.contains(&log_group)).map(|(metric, _)| metric);
        let rings = metrics.any(|metric| {
            alarms_for(metric, "").values().any(|alarm| value(alarm, "TreatMissingData") == Some("breaching"))
        });
        assert!(rings, "{name}");
        let settings = "EventInvokeConfig: { MaximumRetryAttempts: 0";
        assert!(of_type("AWS::Serverless::Function")[function].contains(settings), "{function} is repeated by Lambda");
    }
    assert_eq!(rules.len(), 2);
}

/// The lines of a function's own code with the field `alarm`.
#[test]
fn every_function_that_logs_an_alarm_has_its_filter() {
    let filters = of_type("AWS::Logs::MetricFilter");
    for function in of_type("AWS::Serverless::Function").keys() {
        let name = function.trim_end_matches("Function");
        if code_of(&format!("functions/{}/src", name.to_lowercase())).contains("alarm = \"") {
            let (group, field) = (format!("!Ref {name}LogGroup"), "$.fields.alarm = ");
            let has_filter = filters.values().any(|filter| filter.contains(&group) && filter.contains(field));
            assert!(has_filter, "{function}");
        }
    }
}

/// All source files below a folder.
fn code_of(folder: &str) -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let (mut folders, mut code) = (vec![root], String::new());
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                code.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    code
}

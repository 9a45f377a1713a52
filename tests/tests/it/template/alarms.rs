//! Everything that can stand still has an alarm, and the operator finds it in docs/operate.md, "What can stand still".

use std::{collections::BTreeMap, fs, path::Path};

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

/// The rows of the table of a section: the names in backticks, by column.
fn rows(section: &str) -> Vec<Vec<Vec<String>>> {
    let operate = file("docs/operate.md");
    let (_, section) = operate.split_once(&format!("\n### {section}\n")).unwrap();
    let section = section.split("\n#").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    rows.map(|row| row.trim_matches('|').split('|').map(names).collect()).collect()
}

/// The functions of all test files, in Rust and in Python.
fn tests() -> String {
    let folders = [
        "tests/tests/it",
        "tests/tests/it/e2e",
        "tests/tests/it/e2e/alarms",
        "tests/tests/it/template",
        "tools/stack/tests",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = folders.iter().flat_map(|folder| fs::read_dir(root.join(folder)).unwrap());
    let files = files.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files.map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn whatever_can_stand_still_is_in_the_operators_table() {
    let (rows, tests, resources) = (rows("What can stand still"), tests(), resources());
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
        let function = value(mapping, "FunctionName").unwrap().trim_end_matches(".Alias");
        assert!(!alarms_for("IteratorAge", function).is_empty(), "{name}");
    }
}

/// A run that did not happen writes no log line, so its alarm has to ring without data.
#[test]
fn every_schedule_has_an_alarm_that_rings_without_a_run() {
    let (mut rules, filters) = (of_type("AWS::Events::Rule"), of_type("AWS::Logs::MetricFilter"));
    // The canary's calls no function, and its alarm is for what it brings about.
    rules.retain(|name, rule| rule.contains("ScheduleExpression: ") && name != "CanarySchedule");
    assert!(of_type("AWS::CloudWatch::Alarm")["CanaryAlarm"].contains("TreatMissingData: !If [HasCanary, breaching,"));
    for (name, rule) in &rules {
        let function = value(rule, "Arn").unwrap().trim_start_matches("!Ref ").trim_end_matches(".Alias");
        let log_group = format!("LogGroupName: !Ref {}LogGroup", function.trim_end_matches("Function"));
        let mut metrics = filters.iter().filter(|(_, filter)| filter.contains(&log_group)).map(|(metric, _)| metric);
        let rings = metrics.any(|metric| {
            alarms_for(metric, "").values().any(|alarm| value(alarm, "TreatMissingData") == Some("breaching"))
        });
        assert!(rings, "{name}");
        let settings = "EventInvokeConfig: { MaximumRetryAttempts: 0";
        assert!(of_type("AWS::Serverless::Function")[function].contains(settings), "{function} is repeated by Lambda");
    }
    assert_eq!(rules.len(), 3);
}

/// The folders of functions.
fn functions() -> Vec<String> {
    let folders = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions")).unwrap();
    folders.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// The folders of what every function may call.
const SHARED: [&str; 2] = ["shared/src", "shared/stores/src"];

fn own_sources(function: &str) -> Vec<String> {
    sources_in(vec![format!("functions/{function}/src")])
}

/// The sources whose log lines are a function's.
fn sources_of(function: &str) -> Vec<String> {
    [own_sources(function), sources_in(SHARED.map(str::to_owned).into())].concat()
}

fn sources_in(mut folders: Vec<String>) -> Vec<String> {
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for entry in fs::read_dir(root.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                folders.push(path);
            } else if !path.ends_with("tests.rs") {
                sources.push(file(&path));
            }
        }
    }
    sources
}

/// The values of the field `alarm` in a source: `alarm = "refused"`, `alarm = is_refused.then_some("refused")`.
fn alarms_in(source: &str) -> Vec<String> {
    let values = source.split("alarm = ").skip(1).filter_map(|rest| {
        let (value, _) = rest.split_once(['\n', ';']).unwrap_or((rest, ""));
        value.split('"').nth(1)
    });
    values.map(str::to_owned).collect()
}

/// Whether a pattern such as `{ $.fields.alarm = "*" && $.fields.alarm != "paused" }` counts this value.
fn counts(pattern: &str, alarm: &str) -> bool {
    let terms = pattern.trim_matches(['\'', '{', '}', ' ']).split("&&").map(str::trim);
    let counted: Vec<_> = terms
        .map(|term| match term.strip_prefix("$.fields.alarm ")?.split_once(' ')? {
            ("=", "\"*\"") => Some(true),
            ("=", value) => Some(value.trim_matches('"') == alarm),
            ("!=", value) => Some(value.trim_matches('"') != alarm),
            _ => None,
        })
        .collect();
    counted.iter().all(|term| *term == Some(true))
}

#[test]
fn every_alarm_line_of_a_function_is_counted() {
    let filters = of_type("AWS::Logs::MetricFilter");
    let mut lines = 0;
    for function in functions() {
        // The folder `sendgrid-events` belongs to `SendGridEventsLogGroup`.
        let group = format!("!Ref {}LogGroup", function.replace('-', ""));
        let patterns: Vec<_> = filters
            .values()
            .filter(|filter| value(filter, "LogGroupName").is_some_and(|name| name.eq_ignore_ascii_case(&group)))
            .filter_map(|filter| value(filter, "FilterPattern"))
            .collect();
        for alarm in sources_of(&function).iter().flat_map(|source| alarms_in(source)) {
            let counting = patterns.iter().filter(|pattern| counts(pattern, &alarm)).count();
            assert_eq!(counting, 1, "{function}: lines with alarm = {alarm} are counted {counting} times");
            lines += 1;
        }
    }
    assert!(lines > 20, "{lines}");
}

#[test]
fn every_alarm_line_is_explained_to_the_operator() {
    let rows = rows("Lines with `alarm`");
    let explains = |alarm: &String, function: Option<&String>| {
        rows.iter().any(|row| row[0].contains(alarm) && function.is_none_or(|function| row[1].contains(function)))
    };
    let alarms = |sources: Vec<String>| sources.iter().flat_map(|source| alarms_in(source)).collect::<Vec<_>>();
    let mut logged = alarms(sources_in(SHARED.map(str::to_owned).into()));
    for alarm in &logged {
        assert!(explains(alarm, None), "docs/operate.md does not explain alarm = {alarm}");
    }
    for function in functions() {
        for alarm in alarms(own_sources(&function)) {
            assert!(explains(&alarm, Some(&function)), "docs/operate.md: alarm = {alarm} of {function}");
            logged.push(alarm);
        }
    }
    for alarm in rows.iter().flat_map(|row| &row[0]) {
        assert!(logged.contains(alarm), "no function logs alarm = {alarm}");
    }
}

#[test]
fn paused_template_rings_at_once() {
    let alarm = &of_type("AWS::CloudWatch::Alarm")["TemplateAlarm"];
    let number = |property: &str| value(alarm, property).unwrap().parse::<u32>().unwrap();
    assert_eq!((number("Period") * number("EvaluationPeriods"), number("Threshold")), (60, 0));
    assert_eq!(value(alarm, "MetricName"), Some("TemplateWarnings"));
    let filters = of_type("AWS::Logs::MetricFilter");
    for group in ["TemplateEventsLogGroup", "TemplateSyncLogGroup"] {
        let counts_templates = |filter: &&String| {
            filter.contains(&format!("!Ref {group}\n"))
                && filter.contains("MetricName: TemplateWarnings,")
                && value(filter, "FilterPattern").is_some_and(|pattern| counts(pattern, "template"))
        };
        assert_eq!(filters.values().filter(counts_templates).count(), 1, "{group}");
    }
}

#[test]
fn refused_webhooks_ring_within_five_minutes() {
    let alarm = &of_type("AWS::CloudWatch::Alarm")["RefusedWebhooksAlarm"];
    let number = |property: &str| value(alarm, property).unwrap().parse::<u32>().unwrap();
    assert_eq!((number("Period") * number("EvaluationPeriods"), number("Threshold")), (300, 5));
    assert_eq!(value(alarm, "MetricName"), Some("RefusedWebhooks"));
    let filters = of_type("AWS::Logs::MetricFilter");
    for group in ["InboundLogGroup", "StatusLogGroup", "TemplateEventsLogGroup", "SendGridEventsLogGroup"] {
        let counts_refused = |filter: &&String| {
            filter.contains(&format!("!Ref {group}\n"))
                && filter.contains("MetricName: RefusedWebhooks,")
                && value(filter, "FilterPattern").is_some_and(|pattern| counts(pattern, "refused"))
        };
        assert_eq!(filters.values().filter(counts_refused).count(), 1, "{group}");
    }
}

/// The line is that of `webhook_that_is_not_stored_is_spooled_with_an_alarm` (`shared/src/webhook/receive/tests.rs`).
#[test]
fn spooled_webhooks_ring_at_once() {
    let alarm = &of_type("AWS::CloudWatch::Alarm")["WebhooksSpooledAlarm"];
    let number = |property: &str| value(alarm, property).unwrap().parse::<u32>().unwrap();
    assert_eq!((number("Period") * number("EvaluationPeriods"), number("Threshold")), (60, 0));
    assert_eq!(value(alarm, "MetricName"), Some("WebhooksSpooled"));
    let filters = of_type("AWS::Logs::MetricFilter");
    for group in ["InboundLogGroup", "StatusLogGroup"] {
        let counts_spooled = |filter: &&String| {
            filter.contains(&format!("!Ref {group}\n"))
                && filter.contains("MetricName: WebhooksSpooled,")
                && value(filter, "FilterPattern").is_some_and(|pattern| counts(pattern, "spooled"))
        };
        assert_eq!(filters.values().filter(counts_spooled).count(), 1, "{group}");
    }
}

/// Single blocks are people in countries that are not allowed.
#[test]
fn many_blocked_codes_ring_within_five_minutes() {
    let alarm = &of_type("AWS::CloudWatch::Alarm")["VerifyBlockedAlarm"];
    let number = |property: &str| value(alarm, property).unwrap().parse::<u32>().unwrap();
    assert_eq!((number("Period") * number("EvaluationPeriods"), number("Threshold")), (300, 10));
    let filter = &of_type("AWS::Logs::MetricFilter")["VerifyBlocked"];
    assert_eq!(value(filter, "LogGroupName"), Some("!Ref VerifyLogGroup"));
    assert!(filter.contains("MetricName: VerifyBlocked,") && value(alarm, "MetricName") == Some("VerifyBlocked"));
    assert!(value(filter, "FilterPattern").is_some_and(|pattern| counts(pattern, "verify_blocked")));
}

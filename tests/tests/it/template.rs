//! What the template has to say about what stands still. Needs no stack.

use std::{collections::BTreeMap, fs, path::Path};

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

/// The template's resources by their logical id.
fn resources() -> BTreeMap<String, String> {
    let template = file("template.yaml");
    let (_, resources) = template.split_once("\nResources:\n").unwrap();
    let (resources, _) = resources.split_once("\nOutputs:\n").unwrap();
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut name = String::new();
    for line in resources.lines().filter(|line| !line.trim_start().starts_with('#')) {
        match line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')).and_then(|rest| rest.strip_suffix(':')) {
            Some(id) => id.clone_into(&mut name),
            None => found.entry(name.clone()).or_default().extend([line.trim(), "\n"]),
        }
    }
    found
}

fn of_type(kind: &str) -> BTreeMap<String, String> {
    resources().into_iter().filter(|(_, text)| text.contains(&format!("Type: {kind}\n"))).collect()
}

fn value<'a>(resource: &'a str, property: &str) -> Option<&'a str> {
    resource.lines().find_map(|line| line.strip_prefix(property)?.strip_prefix(": "))
}

#[test]
fn stream_records_are_tried_again_by_their_age_alone() {
    let mappings = of_type("AWS::Lambda::EventSourceMapping");
    let streams: Vec<_> = mappings.iter().filter(|(_, text)| text.contains("StreamArn")).collect();
    assert!(streams.len() >= 4, "{streams:?}");
    for (name, mapping) in streams {
        assert_eq!(value(mapping, "MaximumRetryAttempts"), Some("-1"), "{name}");
        assert_eq!(value(mapping, "MaximumRecordAgeInSeconds"), Some("43200"), "{name}");
        assert!(mapping.contains("Destination: !GetAtt UnpublishedQueue.Arn"), "{name}");
    }
}

#[test]
fn every_notification_queue_has_an_alarm_for_its_age() {
    let alarms = of_type("AWS::CloudWatch::Alarm");
    let threshold = |queue: &str| {
        let is_of = |alarm: &&String| {
            alarm.contains(&format!("!GetAtt {queue}.QueueName"))
                && value(alarm, "MetricName") == Some("ApproximateAgeOfOldestMessage")
        };
        let alarm = alarms.values().find(is_of).unwrap_or_else(|| panic!("{queue} has no alarm"));
        value(alarm, "Threshold").unwrap().parse::<u32>().unwrap()
    };
    let [urgent, outbound, marketing] = ["UrgentQueue", "OutboundQueue", "MarketingQueue"].map(threshold);
    assert!(urgent < 600, "a one-time password expires after ten minutes");
    assert!(urgent < outbound && outbound <= marketing);
    assert!(outbound > 900, "SQS delays a message for at most 15 minutes, which counts as age");
}

#[test]
fn whatever_stands_still_has_an_alarm() {
    let alarms = of_type("AWS::CloudWatch::Alarm");
    let rings = |metric: &str, subject: &str| {
        alarms.values().any(|alarm| value(alarm, "MetricName") == Some(metric) && alarm.contains(subject))
    };
    for function in ["InboundFunction", "StatusFunction", "SendFunction", "PublishFunction", "ReleaseFunction"] {
        assert!(rings("Throttles", &format!("!Ref {function}")), "{function}");
    }
    assert!(rings("RecursiveInvocationsDropped", "!Ref SendFunction"));
    assert!(rings("RepeatedFailures", "!Ref AWS::StackName"));
    let filters = of_type("AWS::Logs::MetricFilter");
    let pattern = value(&filters["RepeatedFailures"], "FilterPattern");
    assert_eq!(pattern, Some(r#"'{ $.fields.alarm = "repeated" }'"#));
}

#[test]
fn every_alarm_is_explained_to_the_operator() {
    let operate = file("docs/operate.md");
    for name in of_type("AWS::CloudWatch::Alarm").keys() {
        assert!(operate.contains(&format!("`{name}`")), "docs/operate.md does not name {name}");
    }
}

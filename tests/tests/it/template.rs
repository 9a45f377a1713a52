//! What the template has to say about what stands still. Needs no stack.

use std::{collections::BTreeMap, fs, path::Path};

use domain::limits::{EXPIRES_AT_AHEAD, MEDIA_RETENTION, QUEUE_RETENTION, SEND_AT_AHEAD, TWILIO_QUEUE};
use jiff::SignedDuration;

mod alarms;
mod dashboard;
mod documented;
mod encryption;
mod event_bus;
mod kept;
mod limits;
mod media;
mod media_domain;
mod policies;
mod releases;

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

pub(crate) fn of_type(kind: &str) -> BTreeMap<String, String> {
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
    for function in [
        "InboundFunction",
        "StatusFunction",
        "SendFunction",
        "PublishFunction",
        "ReleaseFunction",
        "StoreMediaFunction",
        "ApplyWebhooksFunction",
    ] {
        assert!(rings("Throttles", &format!("!Ref {function}")), "{function}");
    }
    assert!(rings("RecursiveInvocationsDropped", "!Ref SendFunction"));
    assert!(rings("RepeatedFailures", "!Ref AWS::StackName"));
    let filters = of_type("AWS::Logs::MetricFilter");
    let pattern = value(&filters["RepeatedFailures"], "FilterPattern");
    assert_eq!(pattern, Some(r#"'{ $.fields.alarm = "repeated" }'"#));
}

#[test]
fn forms_that_are_not_understood_ring_an_alarm() {
    let filters = of_type("AWS::Logs::MetricFilter");
    for function in ["Inbound", "Status", "Reconcile", "ApplyWebhooks"] {
        let filter = &filters[&format!("{function}NotUnderstood")];
        assert_eq!(value(filter, "LogGroupName"), Some(format!("!Ref {function}LogGroup").as_str()));
        let pattern = value(filter, "FilterPattern");
        assert_eq!(pattern, Some(r#"'{ $.fields.unreadable_parameters = "*" }'"#), "{function}");
        assert!(filter.contains("MetricName: NotUnderstood,"), "{function}");
    }
    let alarm = &of_type("AWS::CloudWatch::Alarm")["NotUnderstoodAlarm"];
    assert_eq!((value(alarm, "MetricName"), value(alarm, "Threshold")), (Some("NotUnderstood"), Some("0")));
}

/// Both functions record a message from a person and a status, so they need the same of the tables.
#[test]
fn both_webhooks_have_the_same_permissions_and_environment() {
    let functions = of_type("AWS::Serverless::Function");
    let part = |name: &str, from: &str, to: &str| {
        let (_, rest) = functions[name].split_once(from).unwrap();
        let lines = rest.split_once(to).unwrap().0.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    for (from, to) in [("Variables:", "Policies:"), ("Policies:", "Events:")] {
        assert_eq!(part("InboundFunction", from, to), part("StatusFunction", from, to), "{from}");
    }
}

/// What the other two cannot store, this one stores by the same code.
#[test]
fn spooled_webhooks_are_recorded_with_the_same_settings() {
    let functions = of_type("AWS::Serverless::Function");
    let part = |name: &str, from: &str, to: &str| {
        let (_, rest) = functions[name].split_once(from).unwrap();
        rest.split_once(to).unwrap().0.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let (of_inbound, of_apply) =
        (part("InboundFunction", "Variables:", "Policies:"), part("ApplyWebhooksFunction", "Variables:", "Policies:"));
    // To verify webhooks, which it does not.
    let of_door = ["TWILIO_SECRET_ID", "SECRET_MAX_AGE_SECONDS", "PUBLIC_BASE_URL", "#"];
    for line in of_inbound.iter().filter(|line| !of_door.iter().any(|name| line.starts_with(name))) {
        assert!(of_apply.contains(line), "{line}");
    }
    let tables = |name: &str| {
        let policies = part(name, "Policies:", "Resource: !GetAtt ContactsTable.Arn");
        policies.into_iter().filter(|line| !line.starts_with('#')).collect::<Vec<_>>()
    };
    assert_eq!(tables("InboundFunction"), tables("ApplyWebhooksFunction"));
}

#[test]
fn every_alarm_is_explained_to_the_operator() {
    let operate = file("docs/operate.md");
    for name in of_type("AWS::CloudWatch::Alarm").keys() {
        assert!(operate.contains(&format!("`{name}`")), "docs/operate.md does not name {name}");
    }
}

#[test]
fn every_alarm_can_be_practised_by_the_operator() {
    let observability = file("docs/observability.md");
    let (_, table) =
        observability.split_once("| alarm | cause | where the reason is | end it |\n|---|---|---|---|\n").unwrap();
    let rows = table.lines().take_while(|line| line.starts_with("| "));
    let named: Vec<_> =
        rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2)).map(str::to_owned).collect();
    let mut sorted = named.clone();
    sorted.sort();
    assert_eq!(sorted, of_type("AWS::CloudWatch::Alarm").into_keys().collect::<Vec<_>>());
}

/// The metrics, and the number of values of their dimensions.
#[test]
fn documented_metrics_are_those_of_the_template() {
    let observability = file("docs/observability.md");
    let (_, section) = observability.split_once("\n## Metrics\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows: Vec<Vec<&str>> =
        section.lines().filter(|line| line.starts_with("| `")).map(|row| row.split('|').collect()).collect();
    let mut documented: Vec<_> =
        rows.iter().flat_map(|row| row[1].split('`').skip(1).step_by(2)).map(str::to_owned).collect();
    documented.sort();
    let filters = of_type("AWS::Logs::MetricFilter");
    let metric = |filter: &String| {
        let (_, rest) = filter.split_once("MetricName: ").unwrap();
        rest.split([',', ' ']).next().unwrap().to_owned()
    };
    let metrics: std::collections::BTreeSet<_> = filters.values().map(metric).collect();
    assert_eq!(documented, metrics.into_iter().collect::<Vec<_>>());
    for filter in filters.values().filter(|filter| filter.contains("{ Key: ")) {
        let (_, key) = filter.split_once("{ Key: ").unwrap();
        let key = format!("`{}`", key.split(',').next().unwrap());
        let row = rows.iter().find(|row| row[1].contains(&format!("`{}`", metric(filter)))).unwrap();
        assert!(row[2].contains(&key), "{row:?}");
    }
}

#[test]
fn media_outlives_the_latest_notification_that_uses_it() {
    let buckets = resources();
    let days: i64 = value(&buckets["MediaBucket"], "ExpirationInDays").unwrap().parse().unwrap();
    assert_eq!(SignedDuration::from_hours(24 * days), MEDIA_RETENTION);
    assert!(MEDIA_RETENTION >= SEND_AT_AHEAD + QUEUE_RETENTION, "it waits on a queue, and then until send_at");
    assert!(MEDIA_RETENTION >= EXPIRES_AT_AHEAD + TWILIO_QUEUE, "Twilio may fetch it as late as that");
    let [api, operate] = ["docs/api.md", "docs/operate.md"].map(file);
    assert!(
        api.contains(&format!("Files are deleted after {days} days"))
            && operate.contains(&format!("| media bucket | {days} days |"))
    );
}

#[test]
fn pages_of_listed_origins_alone_may_use_media_links() {
    let template = file("template.yaml");
    let parameter = template.split_once("\n  MediaCorsOrigins:\n").unwrap().1;
    assert!(parameter.lines().take(2).any(|line| line.trim() == r#"Default: """#), "no page by default");
    let bucket = &resources()["MediaBucket"];
    assert!(bucket.contains("CorsConfiguration: !If\n- HasMediaCorsOrigins\n"), "{bucket}");
    assert!(bucket.contains("AllowedOrigins: !Ref MediaCorsOrigins\nAllowedMethods: [GET, PUT]\n"), "{bucket}");
    let headers = value(bucket, "AllowedHeaders").unwrap();
    // Those that an upload link is signed with (functions/presign/src/media_bucket.rs).
    assert_eq!(headers, "[content-length, content-type, if-none-match]");
}

/// The pattern of the parameter, and the parser of the functions, which is laxer.
#[test]
fn public_base_url_may_have_a_path() {
    let template = file("template.yaml");
    let (_, parameter) = template.split_once("\n  PublicBaseUrl:\n").unwrap();
    let (parameter, _) = parameter.split_once("\n  AwsEndpointUrl:").unwrap();
    let pattern = parameter.lines().find_map(|line| line.trim().strip_prefix("AllowedPattern: ")).unwrap();
    assert_eq!(pattern, r"^(https?://[^/?#\s]+(/[^/?#\s]+)*)?$");
    for url in ["https://wa.example.com", "https://api.example.com/wa", "http://127.0.0.1:8080/a/b"] {
        assert_eq!(url.parse::<twilio_types::base_url::BaseUrl>().unwrap().as_str(), url);
    }
}

#[test]
fn stack_whose_media_links_a_role_signs_has_no_iam_user() {
    let template = file("template.yaml");
    let (_, parameter) = template.split_once("\n  MediaSigner:\n").unwrap();
    assert_eq!(parameter.lines().nth(1), Some("    Default: role"));
    let of_user: Vec<_> = ["AWS::IAM::User", "AWS::IAM::AccessKey"].iter().flat_map(|kind| of_type(kind)).collect();
    assert_eq!(of_user.len(), 2);
    for (name, resource) in
        of_user.into_iter().chain([("MediaSignerSecret".to_owned(), resources()["MediaSignerSecret"].clone())])
    {
        assert_eq!(value(&resource, "Condition"), Some("SignsWithUser"), "{name}");
    }
    for name in ["MediaReaderRole", "MediaReaderPermission"] {
        assert_eq!(value(&resources()[name], "Condition"), Some("SignsWithRole"), "{name}");
    }
}

#[test]
fn signers_of_media_links_can_only_read_objects() {
    for name in ["MediaReaderRole", "MediaSignerUser"] {
        let signer = &resources()[name];
        let actions: Vec<_> =
            signer.lines().filter(|line| line.contains("Action: s3") || line.contains("- s3")).collect();
        assert_eq!(actions, ["Action: s3:GetObject"], "{name}");
        assert!(signer.contains("Resource: !Sub ${MediaBucket.Arn}/*"), "{name}");
    }
    let role = &resources()["MediaReaderRole"];
    assert!(role.contains("Principal: { AWS: !GetAtt SendFunctionRole.Arn }"), "{role}");
    assert_eq!(value(role, "MaxSessionDuration"), Some("3600"));
}

#[test]
fn changed_serial_of_the_media_key_restarts_send() {
    let send = &resources()["SendFunction"];
    let serial = value(send, "MEDIA_SIGNER_SERIAL");
    assert_eq!(serial, Some("!If [SignsWithUser, !Ref MediaSignerSerial, !Ref AWS::NoValue]"));
    let secret = value(send, "MEDIA_SIGNER_SECRET_ID");
    assert_eq!(secret, Some("!If [SignsWithUser, !GetAtt MediaSignerSecret.Id, !Ref AWS::NoValue]"));
}

#[test]
fn every_reader_of_the_secret_has_its_age_and_its_alarm() {
    let readers =
        of_type("AWS::Serverless::Function").into_iter().filter(|(_, text)| text.contains("TWILIO_SECRET_ID"));
    let readers: Vec<_> = readers.collect();
    assert_eq!(readers.len(), 10);
    for (name, reader) in readers {
        assert_eq!(value(&reader, "SECRET_MAX_AGE_SECONDS"), Some("!Ref SecretMaxAgeSeconds"), "{name}");
        let log_group = format!("LogGroupName: {}", value(&reader, "LogGroup").unwrap());
        let counts = |filter: &String| {
            let pattern = value(filter, "FilterPattern").unwrap_or_default();
            let is_for_it = pattern.contains(r#"alarm = "secret""#) || pattern.contains(r#"alarm = "*""#);
            filter.contains(&log_group) && is_for_it && filter.contains("MetricName: NeedsOperator")
        };
        assert!(of_type("AWS::Logs::MetricFilter").values().any(counts), "{name}");
    }
}

//! The dashboard shows every metric and every alarm of the template, and nothing that does not exist.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{file, of_type, resources, value};

/// The metrics of AWS's services, with the resource by which each is found. Sources: AWS Lambda, "Types of metrics for Lambda
/// functions"; Amazon SQS, "Available `CloudWatch` metrics for Amazon SQS"; Amazon API Gateway, "Monitor `CloudWatch` metrics for
/// HTTP APIs".
const OF_AWS: [(&str, &str, &str); 11] = [
    ("AWS/Lambda", "FunctionName", "Errors"),
    ("AWS/Lambda", "FunctionName", "Duration"),
    ("AWS/Lambda", "FunctionName", "Throttles"),
    ("AWS/Lambda", "FunctionName", "IteratorAge"),
    ("AWS/Lambda", "FunctionName", "RecursiveInvocationsDropped"),
    ("AWS/SQS", "QueueName", "ApproximateAgeOfOldestMessage"),
    ("AWS/SQS", "QueueName", "ApproximateNumberOfMessagesVisible"),
    ("AWS/ApiGateway", "ApiId", "Count"),
    ("AWS/ApiGateway", "ApiId", "4xx"),
    ("AWS/ApiGateway", "ApiId", "5xx"),
    ("AWS/ApiGateway", "ApiId", "Latency"),
];

/// The dashboard, with the names of what it refers to, as in `${SendFunction}`.
fn dashboard() -> Value {
    let dashboards = of_type("AWS::CloudWatch::Dashboard");
    let (_, body) = dashboards["OverviewDashboard"].split_once("DashboardBody: !Sub |\n").unwrap();
    serde_json::from_str(body).unwrap()
}

fn widgets() -> Vec<Value> {
    dashboard()["widgets"].as_array().unwrap().clone()
}

/// A metric on the dashboard: its namespace, its name, and its dimensions with their values, which a search does not have.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shown {
    namespace: String,
    name: String,
    dimensions: Vec<(String, Option<String>)>,
}

fn shown(metric: &Value) -> Option<Shown> {
    let parts = metric.as_array().unwrap();
    let texts: Vec<_> = parts.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if let [namespace, name, dimensions @ ..] = &texts[..] {
        let dimensions = dimensions.chunks(2).map(|pair| (pair[0].clone(), Some(pair[1].clone()))).collect();
        return Some(Shown { namespace: namespace.clone(), name: name.clone(), dimensions });
    }
    // SEARCH('{"namespace",dimension} MetricName="name"', 'Sum', 300)
    let expression = parts[0]["expression"].as_str().unwrap();
    let quoted: Vec<_> = expression.strip_prefix("SEARCH(")?.split('"').collect();
    let dimension = quoted[2].trim_start_matches(',').split('}').next().unwrap().to_owned();
    Some(Shown { namespace: quoted[1].to_owned(), name: quoted[3].to_owned(), dimensions: vec![(dimension, None)] })
}

fn all_shown() -> Vec<Shown> {
    let metrics = widgets()
        .into_iter()
        .flat_map(|widget| widget["properties"]["metrics"].as_array().cloned().unwrap_or_default());
    metrics.filter_map(|metric| shown(&metric)).collect()
}

/// The metrics of the template's filters, with the name of their dimension.
fn of_filters() -> BTreeMap<String, Option<String>> {
    let name_of = |text: &str, before: &str| {
        let (_, rest) = text.split_once(before)?;
        Some(rest.split([',', ' ', '}']).next().unwrap().to_owned())
    };
    let filters = of_type("AWS::Logs::MetricFilter");
    filters.values().map(|filter| (name_of(filter, "MetricName: ").unwrap(), name_of(filter, "{ Key: "))).collect()
}

#[test]
fn every_metric_on_the_dashboard_exists() {
    let (filters, resources) = (of_filters(), resources());
    let shown = all_shown();
    assert!(shown.len() > 60, "{}", shown.len());
    for metric in shown {
        let dimensions: Vec<_> = metric.dimensions.iter().map(|(name, _)| name.as_str()).collect();
        if metric.namespace == "${AWS::StackName}" {
            let known = filters.get(&metric.name).unwrap_or_else(|| panic!("no filter: {metric:?}"));
            assert_eq!(dimensions, known.iter().map(String::as_str).collect::<Vec<_>>(), "{metric:?}");
        } else {
            let [(dimension, Some(resource))] = &metric.dimensions[..] else { panic!("{metric:?}") };
            assert!(OF_AWS.contains(&(&metric.namespace, dimension, &metric.name)), "{metric:?}");
            let resource = resource.trim_start_matches("${").trim_end_matches('}').trim_end_matches(".QueueName");
            assert!(resources.contains_key(resource), "{metric:?}");
        }
    }
}

#[test]
fn every_metric_is_on_the_dashboard_or_in_an_alarm() {
    let shown: BTreeSet<_> = all_shown().into_iter().map(|metric| metric.name).collect();
    let alarms = of_type("AWS::CloudWatch::Alarm");
    let alarmed: BTreeSet<_> = alarms.values().filter_map(|alarm| value(alarm, "MetricName")).collect();
    for name in of_filters().into_keys() {
        assert!(shown.contains(&name) || alarmed.contains(name.as_str()), "nothing uses the metric {name}");
    }
    for name in alarmed {
        assert!(shown.contains(name), "the dashboard does not show {name}, for which there is an alarm");
    }
}

/// Without the dashboard its metrics cost nothing, and no alarm is without its metric.
#[test]
fn metrics_of_the_dashboard_alone_exist_with_it() {
    let alarms = of_type("AWS::CloudWatch::Alarm");
    for (name, filter) in of_type("AWS::Logs::MetricFilter") {
        let (_, metric) = filter.split_once("MetricName: ").unwrap();
        let metric = metric.split([',', ' ']).next().unwrap();
        let has_alarm = alarms.values().any(|alarm| value(alarm, "MetricName") == Some(metric));
        assert_eq!(value(&filter, "Condition"), (!has_alarm).then_some("HasDashboard"), "{name}");
    }
}

#[test]
fn dashboard_shows_every_alarm() {
    let widgets = widgets();
    let shown = widgets.iter().find(|widget| widget["type"] == "alarm").unwrap()["properties"]["alarms"].clone();
    let shown: BTreeSet<_> = shown.as_array().unwrap().iter().map(|arn| arn.as_str().unwrap().to_owned()).collect();
    let alarms = of_type("AWS::CloudWatch::Alarm").into_keys().map(|name| format!("${{{name}.Arn}}"));
    assert_eq!(shown, alarms.collect());
}

#[test]
fn dashboard_shows_every_function_and_every_queue() {
    let shown = all_shown();
    let resources = |name: &str| -> BTreeSet<String> {
        let of_metric = shown.iter().filter(|metric| metric.name == name);
        of_metric.filter_map(|metric| metric.dimensions[0].1.clone()).collect()
    };
    let functions: BTreeSet<_> =
        of_type("AWS::Serverless::Function").into_keys().map(|name| format!("${{{name}}}")).collect();
    assert_eq!((resources("Errors"), resources("Throttles")), (functions.clone(), functions));
    let ages = resources("ApproximateAgeOfOldestMessage");
    for queue in of_type("AWS::SQS::Queue").keys() {
        let name = format!("${{{queue}.QueueName}}");
        assert!(ages.contains(&name) || resources("ApproximateNumberOfMessagesVisible").contains(&name), "{queue}");
    }
}

/// Two widgets at the same place would hide each other.
#[test]
fn widgets_do_not_overlap() {
    let mut places = BTreeSet::new();
    for widget in widgets() {
        let number = |name: &str| widget[name].as_u64().unwrap();
        assert!(number("x") + number("width") <= 24, "{widget}");
        for x in number("x")..number("x") + number("width") {
            for y in number("y")..number("y") + number("height") {
                assert!(places.insert((x, y)), "{}", widget["properties"]["title"]);
            }
        }
    }
}

/// SAM gives the functions the permission for X-Ray unless the property is `Disabled` (samtranslator, `sam_resources.py`).
#[test]
fn functions_are_traced_by_parameter_only() {
    let template = file("template.yaml");
    let (_, parameter) = template.split_once("\n  Tracing:\n").unwrap();
    assert_eq!(parameter.lines().nth(1), Some("    Default: Disabled"));
    assert_eq!(parameter.lines().nth(2), Some("    AllowedValues: [Disabled, Active]"));
    let (_, globals) = template.split_once("\nGlobals:\n").unwrap();
    let globals = globals.split("\nResources:\n").next().unwrap();
    assert!(globals.contains("\n    Tracing: !Ref Tracing\n"));
    assert!(!template.contains("xray:"), "no permission of our own");
}

//! The event bus in the template and in the samples.

use shared::event_bus::EVENT_SOURCE;

use super::{file, of_type, resources, value};

#[test]
fn bus_that_does_not_exist_is_refused_by_a_rule() {
    let rule = &resources()["EventBusRule"];
    assert_eq!(value(rule, "Type"), Some("AWS::Events::Rule"));
    assert_eq!(
        (value(rule, "Condition"), value(rule, "EventBusName")),
        (Some("HasEventBus"), Some("!Ref EventBusName"))
    );
    assert!(!rule.contains("Targets:"), "it delivers to nothing");
}

#[test]
fn publish_alone_may_use_the_bus_and_only_if_there_is_one() {
    for (name, function) in of_type("AWS::Serverless::Function") {
        let statement = "- !If\n- HasEventBus\n- Effect: Allow\nAction: events:PutEvents\n\
                         Resource: !Sub arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/${EventBusName}\n\
                         - !Ref AWS::NoValue\n";
        assert_eq!(function.contains("events:PutEvents"), name == "PublishFunction", "{name}");
        assert_eq!(function.contains(statement), name == "PublishFunction", "{name}");
    }
}

#[test]
fn rules_of_the_samples_select_by_the_source_of_the_events() {
    for path in ["samples/consumers/consumer.yaml", "samples/consumers/kafka-pipe.yaml"] {
        assert!(file(path).contains(&format!("source: [{EVENT_SOURCE}]")), "{path}");
    }
    assert!(resources()["EventBusRule"].contains(&format!("source: [{EVENT_SOURCE}]")));
    assert!(file("docs/schema/asyncapi.yaml").contains(&format!("source: {{ const: {EVENT_SOURCE} }}")));
    assert!(file("docs/events.md").contains(&format!("| `source` | `{EVENT_SOURCE}` |")));
}

/// What a consumer fails to process, and what EventBridge cannot deliver to it, is in its own dead-letter queue.
#[test]
fn queues_of_the_samples_allow_their_rule_and_have_dead_letters() {
    for path in ["samples/consumers/consumer.yaml", "samples/consumers/kafka-pipe.yaml"] {
        let template = file(path);
        for needed in [
            "DeadLetterConfig: { Arn: !GetAtt DeadLetterQueue.Arn }",
            "deadLetterTargetArn: !GetAtt DeadLetterQueue.Arn",
            "Principal: { Service: events.amazonaws.com }",
            "ArnEquals: { aws:SourceArn: !GetAtt Rule.Arn }",
        ] {
            assert!(template.contains(needed), "{path}: {needed}");
        }
    }
}

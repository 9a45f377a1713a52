//! Who may do what: no statement gives more than it names, and a service acts for this account alone.

use std::collections::BTreeMap;

use super::file;

/// A statement of a policy: the resource that has it, and its lines.
#[derive(Debug)]
struct Statement {
    resource: String,
    lines: Vec<String>,
}

impl Statement {
    /// The values of an element, which is one value, a list on its line, or a list below it.
    fn values(&self, element: &str) -> Vec<String> {
        let start = format!("{element}: ");
        let Some(place) = self.lines.iter().position(|line| line.starts_with(&start) || *line == format!("{element}:"))
        else {
            return Vec::new();
        };
        let inline = self.lines[place].strip_prefix(&start).unwrap_or_default();
        let listed = || self.lines[place + 1..].iter().map_while(|line| line.strip_prefix("- "));
        let values: Vec<&str> = match inline.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(list) => list.split(", ").collect(),
            None if inline.is_empty() => listed().collect(),
            None => vec![inline],
        };
        values.into_iter().map(|value| value.trim_matches('"').to_owned()).collect()
    }

    fn is_denial(&self) -> bool {
        self.lines.iter().any(|line| line == "Effect: Deny")
    }

    /// The services among its principals.
    fn services(&self) -> Vec<String> {
        let principal = self.lines.iter().filter_map(|line| line.strip_prefix("Principal: { Service: "));
        principal.map(|rest| rest.trim_end_matches([' ', '}']).replace("!Sub ", "").replace('"', "")).collect()
    }

    fn text(&self) -> String {
        self.lines.join("\n")
    }
}

/// The statements of all policies of a template. Each begins with its Sid, or with its Effect.
fn statements(template: &str) -> Vec<Statement> {
    let mut found: Vec<Statement> = Vec::new();
    let (mut resource, mut depth) = (String::new(), None);
    for line in template.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let indent = line.len() - line.trim_start().len();
        if let Some(id) =
            line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')).and_then(|rest| rest.strip_suffix(':'))
        {
            id.clone_into(&mut resource);
        }
        let text = line.trim();
        let begins = text.strip_prefix("- ").filter(|rest| rest.starts_with("Effect: ") || rest.starts_with("Sid: "));
        if let Some(first) = begins {
            depth = Some(indent);
            found.push(Statement { resource: resource.clone(), lines: vec![first.to_owned()] });
        } else if let Some(start) = depth {
            match found.last_mut().filter(|_| indent > start || text.is_empty()) {
                Some(statement) => statement.lines.push(text.to_owned()),
                None => depth = None,
            }
        }
    }
    found
}

/// The templates that create policies.
fn templates() -> Vec<(&'static str, Vec<Statement>)> {
    let paths = [
        "template.yaml",
        "samples/kms/key.yaml",
        "samples/consumers/consumer.yaml",
        "samples/consumers/kafka-pipe.yaml",
    ];
    paths.map(|path| (path, statements(&file(path)))).into()
}

/// Actions with a wildcard that are allowed, and why.
const WIDE_ACTIONS: [(&str, &str, &str); 3] = [
    // Otherwise the key could not be managed any more (AWS KMS, "Default key policy").
    ("samples/kms/key.yaml", "Key", "kms:*"),
    // Each is a pair of the same action with and without a plain text (AWS KMS, "Key policies").
    ("samples/kms/key.yaml", "Key", "kms:ReEncrypt*"),
    ("samples/kms/key.yaml", "Key", "kms:GenerateDataKey*"),
];

#[test]
fn no_policy_allows_an_action_by_a_wildcard() {
    let mut used = Vec::new();
    for (path, statements) in templates() {
        for statement in statements.iter().filter(|statement| !statement.is_denial()) {
            let actions = statement.values("Action");
            assert!(!actions.is_empty(), "{path}: {statement:?}");
            for action in actions.iter().filter(|action| action.contains('*')) {
                let exception = (path, statement.resource.as_str(), action.as_str());
                let exception = WIDE_ACTIONS.iter().find(|known| **known == exception);
                used.push(exception.unwrap_or_else(|| panic!("{path}: {statement:?}")));
            }
        }
    }
    assert!(WIDE_ACTIONS.iter().all(|exception| used.contains(&exception)), "an exception that is not needed");
}

/// Actions on every resource, and why. In the policy of a key it is the key itself.
const WIDE_RESOURCES: [(&str, &str, &str); 3] = [
    // It supports no narrower resource (Service Authorization Reference, "Actions, resources, and condition keys for Amazon DynamoDB").
    ("template.yaml", "PublishFunction", "dynamodb:ListStreams"),
    ("template.yaml", "ReconcileFunction", "dynamodb:ListStreams"),
    ("samples/kms/key.yaml", "Key", "kms:"),
];

#[test]
fn no_policy_allows_an_action_on_every_resource() {
    let mut used = Vec::new();
    for (path, statements) in templates() {
        let allowed = statements.iter().filter(|statement| !statement.is_denial());
        for statement in allowed.filter(|statement| statement.values("Resource").iter().any(|resource| resource == "*"))
        {
            for action in statement.values("Action") {
                let exception = WIDE_RESOURCES.iter().find(|(of, resource, start)| {
                    (*of, *resource) == (path, statement.resource.as_str()) && action.starts_with(start)
                });
                used.push(exception.unwrap_or_else(|| panic!("{path}: {statement:?}")));
            }
        }
    }
    assert!(WIDE_RESOURCES.iter().all(|exception| used.contains(&exception)), "an exception that is not needed");
}

/// Patterns that are wider than the names that this stack gives, and why.
const WIDE_PATTERNS: [(&str, &str, &str); 1] = [
    // A request that lists alarms is authorized on `alarm:*`, whatever names it asks for: "not authorized to perform:
    // cloudwatch:DescribeAlarms on resource: arn:aws:cloudwatch:...:alarm:*" (issue 1 of aws-samples/amazon-cloudwatch-auto-alarms).
    ("template.yaml", "DeploymentRole", "cloudwatch:DescribeAlarms"),
];

/// A pattern in a resource is a folder of a bucket, or the names that this stack gives.
#[test]
fn patterns_of_resources_begin_with_something_of_the_stack() {
    let mut used = Vec::new();
    for (path, statements) in templates() {
        for statement in statements.iter().filter(|statement| !statement.is_denial()) {
            let of_bucket = |resource: &str| resource.starts_with("!Sub ${") && resource.contains("Bucket.Arn}/");
            let of_stack =
                |resource: &str| resource.ends_with(":${AWS::StackName}-*") && resource.contains("${AWS::AccountId}");
            let resources = statement.values("Resource").into_iter();
            let is_wide = |resource: &String| resource.contains('*') && resource != "*";
            for resource in resources.filter(|one| is_wide(one) && !of_bucket(one) && !of_stack(one)) {
                let actions = statement.values("Action");
                let exception = WIDE_PATTERNS.iter().find(|(of, owner, action)| {
                    (*of, *owner) == (path, statement.resource.as_str()) && actions == [*action]
                });
                assert!(resource.contains("${AWS::AccountId}"), "{path}: {}: {resource}", statement.resource);
                used.push(exception.unwrap_or_else(|| panic!("{path}: {}: {resource}", statement.resource)));
            }
        }
    }
    assert!(WIDE_PATTERNS.iter().all(|exception| used.contains(&exception)), "an exception that is not needed");
}

/// Service principals without a condition, and why.
const UNCONDITIONAL: [(&str, &str, &str); 1] = [
    // A role of a service is given to it by who deploys, with iam:PassRole, which does not work across accounts (AWS IAM, "Grant a user
    // permissions to pass a role to an AWS service"). CodeDeploy documents no condition for it ("Create a service role for CodeDeploy").
    ("template.yaml", "DeploymentRole", "codedeploy.amazonaws.com"),
];

/// Otherwise another account could have the service act on what is here (AWS IAM, "The confused deputy problem").
#[test]
fn every_service_acts_for_this_account_alone() {
    let (mut seen, mut used) = (BTreeMap::new(), Vec::<&(&str, &str, &str)>::new());
    for (path, statements) in templates() {
        for statement in &statements {
            for service in statement.services() {
                *seen.entry(path).or_insert(0) += 1;
                let text = statement.text().to_lowercase();
                // Of CloudWatch Logs the encryption context names the log groups, with their account.
                let names_source = ["aws:sourcearn: ", "aws:sourceaccount: ", "kms:encryptioncontext:aws:logs:arn: "];
                let has_condition = text.contains("condition:") && names_source.iter().any(|key| text.contains(key));
                let exception = (path, statement.resource.as_str(), service.as_str());
                let exception = UNCONDITIONAL.iter().find(|known| **known == exception);
                assert!(has_condition != exception.is_some(), "{path}: {statement:?}");
                used.extend(exception);
            }
        }
    }
    assert_eq!(used.len(), UNCONDITIONAL.len());
    assert_eq!(seen["template.yaml"], 3, "CodeDeploy, CloudFront and EventBridge");
    assert_eq!(seen["samples/kms/key.yaml"], 3, "CloudWatch Logs, CloudFront and EventBridge");
}

/// A service that the policy of a queue or a bucket permits needs the key too, if its contents are encrypted with it.
#[test]
fn sample_key_lets_each_service_of_the_template_use_it() {
    let statements_of = |path: &str, owner: &str| -> Vec<Statement> {
        statements(&file(path)).into_iter().filter(|statement| statement.resource.ends_with(owner)).collect()
    };
    let of_key = statements_of("samples/kms/key.yaml", "Key");
    let services: Vec<_> = statements_of("template.yaml", "Policy").iter().flat_map(Statement::services).collect();
    assert_eq!(services, ["events.amazonaws.com", "cloudfront.amazonaws.com"]);
    for service in services {
        let permitted = of_key.iter().find(|statement| statement.services() == [service.as_str()]);
        let permitted = permitted.unwrap_or_else(|| panic!("{service} may not use the key"));
        assert!(permitted.values("Action").iter().any(|action| action == "kms:Decrypt"), "{permitted:?}");
        // A message is encrypted with a data key, and that with this key.
        let sends = service == "events.amazonaws.com";
        assert_eq!(permitted.values("Action").iter().any(|action| action == "kms:GenerateDataKey"), sends);
    }
}

/// SAM writes those of the API's routes, with their ARN.
#[test]
fn every_permission_to_invoke_names_its_caller() {
    let permissions = super::of_type("AWS::Lambda::Permission");
    assert_eq!(
        permissions.len(),
        super::of_type("AWS::Events::Rule").len() - 2,
        "each rule but that which keeps the event bus, and that which writes to a queue"
    );
    for (name, permission) in permissions {
        let source = super::value(&permission, "SourceArn").unwrap_or_else(|| panic!("{name} has no SourceArn"));
        assert!(source.starts_with("!GetAtt ") && source.ends_with(".Arn"), "{name}: {source}");
        assert_eq!(super::value(&permission, "Action"), Some("lambda:InvokeFunction"), "{name}");
    }
}

/// Only denials name everyone: `aws:SecureTransport`. The policy of a key names the callers of this account.
#[test]
fn no_policy_allows_everyone() {
    for (path, statements) in templates() {
        let everyone = |statement: &&Statement| {
            let text = statement.text();
            text.contains("Principal: \"*\"") || text.contains("Principal: { AWS: \"*\" }")
        };
        for statement in statements.iter().filter(everyone) {
            let of_account = statement.text().contains("kms:CallerAccount: !Ref AWS::AccountId");
            assert!(statement.is_denial() || of_account, "{path}: {statement:?}");
        }
    }
}

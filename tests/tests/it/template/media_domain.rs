//! Media links on a domain of the operator: what is deployed for them, and only if it is wanted.

use super::{file, of_type, resources, value};

/// Everything that the parameter `MediaBaseUrl` adds.
fn of_the_domain() -> Vec<(String, String)> {
    let is_of_it = |name: &str, text: &str| text.contains("Type: AWS::CloudFront::") || name == "MediaKeySecret";
    resources().into_iter().filter(|(name, text)| is_of_it(name, text)).collect()
}

#[test]
fn stack_whose_media_links_lead_to_s3_has_no_distribution() {
    let (template, of_the_domain) = (file("template.yaml"), of_the_domain());
    for parameter in ["MediaBaseUrl", "MediaCertificateArn", "MediaPublicKeyA", "MediaPublicKeyB"] {
        let definition = template.split_once(&format!("\n  {parameter}:\n")).unwrap().1;
        assert_eq!(definition.lines().nth(1), Some(r#"    Default: """#), "{parameter}");
    }
    assert_eq!(of_the_domain.len(), 7);
    for (name, resource) in &of_the_domain {
        let condition = value(resource, "Condition").unwrap();
        let expected = match name.as_str() {
            "MediaKeySecret" => "HasMediaDomain",
            "MediaKeyA" | "MediaKeyB" => &format!("Has{name}"),
            _ => "HasMediaDistribution",
        };
        assert_eq!(condition, expected, "{name}");
    }
    for function in ["SendFunction", "PresignFunction"] {
        let function = &resources()[function];
        assert_eq!(
            value(function, "MEDIA_BASE_URL"),
            Some("!If [HasMediaDomain, !Ref MediaBaseUrl, !Ref AWS::NoValue]")
        );
    }
}

#[test]
fn distribution_gives_files_to_signed_requests_alone() {
    let resources = resources();
    let distribution = &resources["MediaDistribution"];
    for (property, expected) in [
        ("TrustedKeyGroups", "[!Ref MediaKeyGroup]"),
        ("ViewerProtocolPolicy", "https-only"),
        ("AllowedMethods", "[GET, HEAD, OPTIONS]"),
        ("MinimumProtocolVersion", "TLSv1.2_2021"),
        // The managed policy CachingDisabled.
        ("CachePolicyId", "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"),
    ] {
        assert_eq!(value(distribution, property), Some(expected));
    }
    assert_eq!(distribution.matches("TargetOriginId").count(), 1, "one behavior for all paths");
    let policy = &resources["MediaBucketPolicy"];
    let statement = policy.split_once("- Sid: MediaDistribution\n").unwrap().1;
    let lines: Vec<_> = statement.lines().take(6).collect();
    assert_eq!(
        lines,
        [
            "Effect: Allow",
            "Principal: { Service: cloudfront.amazonaws.com }",
            "Action: s3:GetObject",
            "Resource: !Sub ${MediaBucket.Arn}/*",
            "Condition:",
            "StringEquals:",
        ]
    );
    assert!(statement.contains(
        "AWS:SourceArn: !Sub arn:${AWS::Partition}:cloudfront::${AWS::AccountId}:distribution/${MediaDistribution}"
    ));
}

#[test]
fn every_reader_of_the_media_key_has_its_age_and_its_alarm() {
    let functions = of_type("AWS::Serverless::Function");
    let readers: Vec<_> = functions.iter().filter(|(_, text)| text.contains("MEDIA_KEY_SECRET_ID")).collect();
    assert_eq!(readers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["PresignFunction", "SendFunction"]);
    for (name, reader) in readers {
        assert_eq!(value(reader, "SECRET_MAX_AGE_SECONDS"), Some("!Ref SecretMaxAgeSeconds"), "{name}");
        assert!(reader.contains("!GetAtt MediaKeySecret.Id"), "{name}");
        let log_group = format!("LogGroupName: {}", value(reader, "LogGroup").unwrap());
        let counts = |filter: &String| {
            let pattern = value(filter, "FilterPattern").unwrap_or_default();
            filter.contains(&log_group) && pattern.contains("alarm = ") && filter.contains("MetricName: NeedsOperator")
        };
        assert!(of_type("AWS::Logs::MetricFilter").values().any(counts), "{name}");
    }
}

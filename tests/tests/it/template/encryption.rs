//! Everything that the stack stores is encrypted with the key of `KmsKeyArn`, where that is set.

use super::{file, of_type, value};

/// The types of resources that store something, and the property with which AWS names the key.
const STORES: [(&str, &str); 6] = [
    ("AWS::AppConfig::ConfigurationProfile", "KmsKeyIdentifier"),
    ("AWS::DynamoDB::Table", "KMSMasterKeyId"),
    ("AWS::SQS::Queue", "KmsMasterKeyId"),
    ("AWS::S3::Bucket", "KMSMasterKeyID"),
    ("AWS::SecretsManager::Secret", "KmsKeyId"),
    ("AWS::Logs::LogGroup", "KmsKeyId"),
];

#[test]
fn every_store_is_encrypted_with_the_given_key() {
    for (kind, property) in STORES {
        let stores = of_type(kind);
        assert!(!stores.is_empty(), "{kind}");
        for (name, store) in stores {
            let names_it =
                |line: &str| line.contains("HasKmsKey") || line.contains(&format!("{property}: !Ref KmsKeyArn"));
            let lines: String = store.lines().filter(|line| names_it(line)).collect();
            assert!(lines.contains("HasKmsKey") && lines.contains(property), "{name}: {store}");
        }
    }
}

#[test]
fn settings_of_functions_are_encrypted_with_the_given_key() {
    let template = file("template.yaml");
    let (_, globals) = template.split_once("\nGlobals:\n").unwrap();
    let (globals, _) = globals.split_once("\nResources:\n").unwrap();
    let key = globals.lines().find_map(|line| value(line.trim(), "KmsKeyArn"));
    assert_eq!(key, Some("!If [HasKmsKey, !Ref KmsKeyArn, !Ref AWS::NoValue]"));
}

#[test]
fn sample_key_lets_each_store_use_it() {
    let key = file("samples/kms/key.yaml");
    for service in ["appconfig", "dynamodb", "lambda", "s3", "secretsmanager", "sqs"] {
        assert!(key.contains(&format!("- !Sub {service}.${{AWS::Region}}.amazonaws.com\n")), "{service}");
    }
    for principal in [r#""logs.${AWS::Region}.amazonaws.com""#, "cloudfront.amazonaws.com"] {
        assert!(key.contains(principal), "{principal}");
    }
}

//! Tables for one test, without streams.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
        ScalarAttributeType,
    },
};

/// The keys of each table in `template.yaml`, and of the index that the function reads.
const TABLES: [(&str, &[&str]); 4] = [
    ("MESSAGES_TABLE", &["subject", "event"]),
    ("CONTACTS_TABLE", &["contact", "facet"]),
    ("NOTIFICATIONS_TABLE", &["notification"]),
    ("RATE_LIMITS_TABLE", &["sender"]),
];
const BY_OPEN: [&str; 2] = ["open", "open_until"];

/// Creates them, and gives their names by their variables.
pub(super) async fn create_tables(dynamodb: &Client) -> HashMap<&'static str, String> {
    let mut tables = HashMap::new();
    for (variable, keys) in TABLES {
        tables.insert(variable, create_table(dynamodb, variable, keys).await);
    }
    tables
}

/// Creates a table with these keys, and the index of open notifications in that of the notifications.
async fn create_table(dynamodb: &Client, variable: &str, keys: &[&str]) -> String {
    let name = format!("sweep-{}-{}", variable.to_lowercase(), uuid::Uuid::new_v4().simple());
    let schema = |keys: &[&str]| -> Vec<KeySchemaElement> {
        let keys = keys.iter().zip([KeyType::Hash, KeyType::Range]);
        keys.map(|(key, kind)| KeySchemaElement::builder().attribute_name(*key).key_type(kind).build().unwrap())
            .collect()
    };
    let mut create = dynamodb.create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
    create = create.set_key_schema(Some(schema(keys)));
    let mut attributes = keys.to_vec();
    if variable == "NOTIFICATIONS_TABLE" {
        let projection = Projection::builder()
            .projection_type(ProjectionType::Include)
            .non_key_attributes("message_sid")
            .non_key_attributes("open_lookups");
        let index = GlobalSecondaryIndex::builder().index_name("by_open").set_key_schema(Some(schema(&BY_OPEN)));
        create = create.global_secondary_indexes(index.projection(projection.build()).build().unwrap());
        attributes.extend(BY_OPEN);
    }
    for attribute in attributes {
        let definition = AttributeDefinition::builder().attribute_name(attribute);
        create = create.attribute_definitions(definition.attribute_type(ScalarAttributeType::S).build().unwrap());
    }
    create.send().await.unwrap();
    name
}

//! The tables of an earlier version, for its binaries.

use anyhow::{Context as _, Result};
use aws_sdk_dynamodb::{
    Client,
    types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType},
};
use serde_json::Value;
use stack::Stack;

/// The tables that the webhook functions of commit 457901e use.
#[derive(Debug)]
pub(super) struct BaseTables {
    /// The environment variable of each table, and the table's name.
    names: Vec<(&'static str, String)>,
}

/// The keys of each table in that version's template. Its indexes are not used by the webhooks.
const TABLES: [(&str, &[&str]); 3] = [
    ("MESSAGES_TABLE", &["message_sid", "event"]),
    ("CONTACTS_TABLE", &["contact", "facet"]),
    ("NOTIFICATIONS_TABLE", &["notification"]),
];

impl BaseTables {
    /// Creates them beside those of the stack. They have no streams.
    pub(super) async fn create(stack: &Stack) -> Result<Self> {
        let client = Client::new(&stack.aws());
        let run = uuid::Uuid::new_v4().simple();
        let mut names = Vec::new();
        for (variable, keys) in TABLES {
            let name = format!("base-{}-{run}", variable.to_lowercase());
            let mut create = client.create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
            for (key, key_type) in keys.iter().zip([KeyType::Hash, KeyType::Range]) {
                let attribute = AttributeDefinition::builder().attribute_name(*key);
                let schema = KeySchemaElement::builder().attribute_name(*key).key_type(key_type);
                create = create
                    .attribute_definitions(attribute.attribute_type(ScalarAttributeType::S).build()?)
                    .key_schema(schema.build()?);
            }
            create.send().await.with_context(|| format!("cannot create the table {name}"))?;
            names.push((variable, name));
        }
        Ok(Self { names })
    }

    /// A function's environment with these tables.
    pub(super) fn environment(&self, mut environment: Value) -> Value {
        if let Some(variables) = environment.as_object_mut() {
            variables.extend(self.names.iter().map(|(name, table)| ((*name).to_owned(), table.clone().into())));
        }
        environment
    }
}

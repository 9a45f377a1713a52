//! What the functions have counted and planned for a later time is forgotten when the clock is set back. Otherwise the next
//! messages would wait until that time: a sender's next free time, and the time at which a person may get another message,
//! would lie far ahead.

use anyhow::{Context as _, Result};
use aws_sdk_dynamodb::{Client, types::AttributeValue};
use stores::{contacts::is_pair_attribute, rate_limits::holds_a_time};

use crate::stack::Stack;

/// Has these times forgotten each time the clock of a stack was set back, before its functions run again.
pub(crate) fn forget_when_set_back(stack: &Stack) {
    let Some(shared) = stack.clock.shared() else { return };
    let dynamodb = Client::new(&stack.aws());
    let (rates, contacts) = (stack.outputs.rate_limits_table_name.clone(), stack.outputs.contacts_table_name.clone());
    shared.after_set_back(move || {
        let (dynamodb, rates, contacts) = (dynamodb.clone(), rates.clone(), contacts.clone());
        Box::pin(async move {
            let forgotten = async {
                forget_rates(&dynamodb, &rates).await?;
                forget_pairs(&dynamodb, &contacts).await
            };
            if let Err(error) = forgotten.await {
                eprintln!("The clock was set back, and messages may wait for the later time: {error:#}");
            }
        })
    });
}

async fn forget_rates(dynamodb: &Client, table: &str) -> Result<()> {
    let scan = dynamodb.scan().table_name(table).projection_expression("sender").into_paginator().items().send();
    for item in scan.collect::<Result<Vec<_>, _>>().await.context("cannot read the rate limits")? {
        let Some(Ok(key)) = item.get("sender").map(AttributeValue::as_s) else { continue };
        if holds_a_time(key) {
            let key = AttributeValue::S(key.clone());
            dynamodb.delete_item().table_name(table).key("sender", key).send().await?;
        }
    }
    Ok(())
}

async fn forget_pairs(dynamodb: &Client, table: &str) -> Result<()> {
    let scan = dynamodb.scan().table_name(table).into_paginator().items().send();
    for item in scan.collect::<Result<Vec<_>, _>>().await.context("cannot read the contacts")? {
        let pairs: Vec<_> = item.keys().filter(|name| is_pair_attribute(name)).collect();
        let (Some(contact), Some(facet)) = (item.get("contact"), item.get("facet")) else { continue };
        if pairs.is_empty() {
            continue;
        }
        let placeholders: Vec<_> = (0..pairs.len()).map(|number| format!("#pair{number}")).collect();
        let mut update = dynamodb.update_item().table_name(table).key("contact", contact.clone());
        update = update.key("facet", facet.clone());
        update = update.update_expression(format!("REMOVE {}", placeholders.join(", ")));
        for (placeholder, name) in placeholders.into_iter().zip(pairs) {
            update = update.expression_attribute_names(placeholder, name);
        }
        update.send().await?;
    }
    Ok(())
}

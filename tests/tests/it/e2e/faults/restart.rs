//! Functions that start again, so that what they read once is read while faults happen.

use serde_json::{Value, json};
use stack::deploy::STACK_NAME;

use crate::world::World;

/// Changes every function's configuration: a process with the earlier one is not used any more.
pub(super) async fn all(world: &World, why: &str) {
    let listed = lambda(world, "GET", "functions/", &Value::Null).await;
    for function in listed["Functions"].as_array().unwrap_or_else(|| panic!("{listed}")) {
        let name = function["FunctionName"].as_str().unwrap();
        if name.starts_with(STACK_NAME) {
            let change = json!({"Description": why, "Timeout": function["Timeout"]});
            lambda(world, "PUT", &format!("functions/{name}/configuration"), &change).await;
            // The alias is what is invoked.
            let published = lambda(world, "POST", &format!("functions/{name}/versions"), &json!({})).await;
            let version = json!({"FunctionVersion": published["Version"]});
            lambda(world, "PUT", &format!("functions/{name}/aliases/live"), &version).await;
        }
    }
}

async fn lambda(world: &World, method: &str, path: &str, body: &Value) -> Value {
    let url = format!("{}/2015-03-31/{path}", world.stack.aws_endpoint);
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = world.signed("lambda", method, &url, &body).send().await.unwrap();
    assert!(answer.status().is_success(), "{method} {path}: {}", answer.status());
    answer.json().await.unwrap()
}

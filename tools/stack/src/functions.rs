//! What runs the functions by hand beside a running stack, with the environment that they were deployed with: files in the
//! stack's folder for `sam local`, which runs them in containers, and for `cargo lambda watch`.

use std::{collections::BTreeMap, fs, net::Ipv4Addr, path::Path};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::json;

use crate::{
    deploy::{BUILT_TEMPLATE, STACK_NAME, architecture},
    signed::{UnsignedRequest, signed},
    stack::Stack,
};

/// For `sam local`, and the events in `events/`.
const ENVIRONMENTS: &str = "env.json";
/// For `sam local start-api`, which is called at its own address.
const API_ENVIRONMENTS: &str = "env-start-api.json";
/// What makes the options of `sam local` short.
const CONFIGURATION: &str = "samconfig.toml";
/// For `cargo lambda watch`, which has one environment for all functions.
const VARIABLES: &str = "functions.env";

/// The domain that the events in `events/` are signed for.
const EVENTS: &str = "https://wa.example.com";
/// Where `sam local start-api` listens. Source: AWS SAM, "sam local start-api", options `--host` and `--port`.
const START_API: &str = "http://127.0.0.1:3000";
/// The functions that verify the URL under which they are called.
const CALLED_BY_TWILIO: [&str; 2] = ["InboundFunction", "StatusFunction"];

/// The variables of each function, by the function's logical id.
type Environments = BTreeMap<String, BTreeMap<String, String>>;

/// Writes the files. Containers find AWS and the sandbox at the address `bridge`, where there is one.
pub(crate) async fn write(stack: &Stack, folder: &Path, bridge: Option<Ipv4Addr>) -> Result<()> {
    let deployed = deployed(stack).await.context("cannot read the functions' environments")?;
    for (name, content) in files(deployed, folder, bridge, architecture()?)? {
        let path = folder.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Functions {
    functions: Vec<Function>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Function {
    function_name: String,
    environment: Environment,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Environment {
    variables: BTreeMap<String, String>,
}

/// Source: AWS Lambda API, "ListFunctions": up to 50 functions in one answer.
async fn deployed(stack: &Stack) -> Result<Environments> {
    let url = format!("{}/2015-03-31/functions/", stack.aws_endpoint);
    let list = UnsignedRequest { service: "lambda", method: "GET", url: &url, body: "" };
    let request = signed(&reqwest::Client::new(), &stack.administrator.credentials(), list)?;
    let listed: Functions = request.send().await?.error_for_status()?.json().await?;
    let named = listed.functions.into_iter().map(|Function { function_name, environment }| {
        let logical_id = logical_id(&function_name).with_context(|| format!("the stack has no {function_name}"))?;
        Ok((logical_id.to_owned(), environment.variables))
    });
    named.collect()
}

/// Source: AWS CloudFormation, "Name type": the stack's name, the logical id, and what makes the name unique.
fn logical_id(name: &str) -> Option<&str> {
    let (id, _unique) = name.strip_prefix(STACK_NAME)?.strip_prefix('-')?.rsplit_once('-')?;
    Some(id)
}

fn files(
    deployed: Environments,
    folder: &Path,
    bridge: Option<Ipv4Addr>,
    architecture: &str,
) -> Result<[(&'static str, String); 4]> {
    let here = called_at(EVENTS, deployed);
    let in_containers = bridge.map_or_else(|| here.clone(), |address| reaching(address, here.clone()));
    let api = called_at(START_API, in_containers.clone());
    Ok([
        (ENVIRONMENTS, serde_json::to_string_pretty(&in_containers)?),
        (API_ENVIRONMENTS, serde_json::to_string_pretty(&api)?),
        (CONFIGURATION, configuration(folder, architecture)),
        (VARIABLES, variables(here)),
    ])
}

fn called_at(url: &str, mut environments: Environments) -> Environments {
    for function in CALLED_BY_TWILIO {
        environments.entry(function.to_owned()).or_default().insert("PUBLIC_BASE_URL".to_owned(), url.to_owned());
    }
    environments
}

/// The environments of functions that reach this machine at another address. Where Twilio reaches it does not change.
fn reaching(address: Ipv4Addr, mut environments: Environments) -> Environments {
    let (own, address) = (Ipv4Addr::LOCALHOST.to_string(), address.to_string());
    for variables in environments.values_mut() {
        for name in ["AWS_ENDPOINT_URL", "TWILIO_API_BASE_URL"] {
            if let Some(url) = variables.get_mut(name) {
                *url = url.replace(&own, &address);
            }
        }
    }
    environments
}

/// One environment for all functions: the webhooks' functions say where they are called.
fn variables(mut environments: Environments) -> String {
    let last = CALLED_BY_TWILIO.map(|function| environments.remove(function).unwrap_or_default());
    let all: BTreeMap<_, _> = environments.into_values().chain(last).flatten().collect();
    let lines: Vec<_> = all.into_iter().map(|(name, value)| format!("{name}='{value}'\n")).collect();
    lines.concat()
}

/// The options of SAM's commands, as TOML: a string of JSON is one of TOML, too.
fn configuration(folder: &Path, architecture: &str) -> String {
    let file = |name: &str| json!(folder.join(name));
    let overrides = json!([format!("Architecture={architecture}")]);
    let command = |name: &str, environments: &str| {
        format!(
            "\n[default.{name}.parameters]\ntemplate_file = {}\nenv_vars = {}\nparameter_overrides = {overrides}\n",
            file(BUILT_TEMPLATE),
            file(environments),
        )
    };
    let commands =
        [("local_invoke", ENVIRONMENTS), ("local_start_lambda", ENVIRONMENTS), ("local_start_api", API_ENVIRONMENTS)];
    format!("version = 0.1\n{}", commands.map(|(name, environments)| command(name, environments)).concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployed() -> Environments {
        let deployed = json!({
            "InboundFunction": {"PUBLIC_BASE_URL": "http://127.0.0.1:8080", "AWS_ENDPOINT_URL": "http://127.0.0.1:4566"},
            "SendFunction": {
                "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
                "PUBLIC_BASE_URL": "http://127.0.0.1:8080",
                "SEND_POLICY": r#"{"on_unknown": {}}"#,
                "TWILIO_API_BASE_URL": "http://127.0.0.1:8090",
            },
        });
        serde_json::from_value(deployed).unwrap()
    }

    fn written() -> BTreeMap<&'static str, String> {
        files(deployed(), Path::new("/a \"b\""), Some(Ipv4Addr::new(172, 17, 0, 1)), "arm64").unwrap().into()
    }

    #[test]
    fn a_function_is_named_by_its_logical_id() {
        assert_eq!(logical_id("whatsapp-local-SendFunction-74E94104CB715"), Some("SendFunction"));
        assert_eq!(logical_id("another-SendFunction-74E94104CB715"), None);
    }

    #[test]
    fn a_container_reaches_everything_at_the_bridge() {
        let environments: Environments = serde_json::from_str(&written()[ENVIRONMENTS]).unwrap();
        let (inbound, send) = (&environments["InboundFunction"], &environments["SendFunction"]);
        assert_eq!(send["AWS_ENDPOINT_URL"], "http://172.17.0.1:4566");
        assert_eq!(send["TWILIO_API_BASE_URL"], "http://172.17.0.1:8090");
        assert_eq!(send["SEND_POLICY"], r#"{"on_unknown": {}}"#);
        // Statuses come to the deployed function.
        assert_eq!(send["PUBLIC_BASE_URL"], "http://127.0.0.1:8080");
        assert_eq!(inbound["PUBLIC_BASE_URL"], "https://wa.example.com");
        let environments: Environments = serde_json::from_str(&written()[API_ENVIRONMENTS]).unwrap();
        assert_eq!(environments["InboundFunction"]["PUBLIC_BASE_URL"], "http://127.0.0.1:3000");
        assert_eq!(environments["InboundFunction"]["AWS_ENDPOINT_URL"], "http://172.17.0.1:4566");
    }

    #[test]
    fn without_containers_everything_is_where_it_was_deployed() {
        let expected = [
            "AWS_ENDPOINT_URL='http://127.0.0.1:4566'",
            "PUBLIC_BASE_URL='https://wa.example.com'",
            r#"SEND_POLICY='{"on_unknown": {}}'"#,
            "TWILIO_API_BASE_URL='http://127.0.0.1:8090'",
        ];
        assert_eq!(written()[VARIABLES].lines().collect::<Vec<_>>(), expected);
        let files: BTreeMap<_, _> = files(deployed(), Path::new("/"), None, "arm64").unwrap().into();
        let environments: Environments = serde_json::from_str(&files[ENVIRONMENTS]).unwrap();
        assert_eq!(environments["SendFunction"], deployed()["SendFunction"]);
    }

    #[test]
    fn the_configuration_names_the_built_template_and_this_machines_processor() {
        let configuration = &written()[CONFIGURATION];
        let of_invoke = [
            "[default.local_invoke.parameters]",
            r#"template_file = "/a \"b\"/build/template.yaml""#,
            r#"env_vars = "/a \"b\"/env.json""#,
            r#"parameter_overrides = ["Architecture=arm64"]"#,
        ];
        assert!(configuration.contains(&of_invoke.join("\n")), "{configuration}");
        assert!(configuration.contains(r#"env_vars = "/a \"b\"/env-start-api.json""#), "{configuration}");
    }
}

//! Writes files into the stack's folder with which the functions can be run by hand beside a running stack, with the
//! environment they were deployed with: for `sam local`, which runs them in containers, and for `cargo lambda watch`.

use std::{collections::BTreeMap, fs, net::Ipv4Addr, path::Path};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::json;

use crate::{
    deploy::{BUILT_TEMPLATE, STACK_NAME, architecture},
    signed::{UnsignedRequest, signed},
    stack::Stack,
};

/// The environments for `sam local` with the events in `events/`.
const ENVIRONMENTS: &str = "env.json";
/// The environments for `sam local start-api`, where the functions verify signatures for that command's address.
const API_ENVIRONMENTS: &str = "env-start-api.json";
/// The configuration that replaces most options of `sam local`.
const CONFIGURATION: &str = "samconfig.toml";
/// The environment for `cargo lambda watch`, which has only one for all functions.
const VARIABLES: &str = "functions.env";

/// The domain that the events in `events/` are signed for.
const EVENTS_URL: &str = "https://wa.example.com";
/// Where `sam local start-api` listens. Source: AWS SAM, "sam local start-api", options `--host` and `--port`.
const START_API_URL: &str = "http://127.0.0.1:3000";
/// The role that only the deployed function can assume. By hand a function runs with the administrator's keys, and signs media
/// links with them.
const MEDIA_READER_ROLE_ARN: &str = "MEDIA_READER_ROLE_ARN";
/// The functions that verify the URL under which they are called.
const CALLED_BY_TWILIO: [&str; 3] = ["InboundFunction", "StatusFunction", "TemplateEventsFunction"];

/// The variables of each function, by the function's logical id.
type Environments = BTreeMap<String, BTreeMap<String, String>>;

/// Writes the files. With an address `bridge`, containers reach AWS and the sandbox there.
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
struct FunctionList {
    functions: Vec<DeployedFunction>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeployedFunction {
    function_name: String,
    environment: FunctionEnvironment,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FunctionEnvironment {
    variables: BTreeMap<String, String>,
}

/// The environments of the deployed functions. One page of the list is enough, because it has up to 50 functions. Source:
/// AWS Lambda API, `ListFunctions`.
async fn deployed(stack: &Stack) -> Result<Environments> {
    let url = format!("{}/2015-03-31/functions/", stack.aws_endpoint);
    let list = UnsignedRequest { service: "lambda", method: "GET", url: &url, body: "" };
    let request = signed(&reqwest::Client::new(), &stack.administrator.credentials(), list, stack.clock.now())?;
    let listed: FunctionList = request.send().await?.error_for_status()?.json().await?;
    let named = listed.functions.into_iter().map(|DeployedFunction { function_name, mut environment }| {
        environment.variables.remove(MEDIA_READER_ROLE_ARN);
        let logical_id =
            logical_id(&function_name).with_context(|| format!("{function_name} is not a function of the stack"))?;
        Ok((logical_id.to_owned(), environment.variables))
    });
    named.collect()
}

/// The logical id in a generated name: the stack's name, the logical id and a unique suffix, separated by hyphens. Source:
/// AWS CloudFormation, "Name type".
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
    let on_host = called_at(EVENTS_URL, deployed);
    let in_containers = bridge.map_or_else(|| on_host.clone(), |address| with_address(address, on_host.clone()));
    let api = called_at(START_API_URL, in_containers.clone());
    Ok([
        (ENVIRONMENTS, serde_json::to_string_pretty(&in_containers)?),
        (API_ENVIRONMENTS, serde_json::to_string_pretty(&api)?),
        (CONFIGURATION, configuration(folder, architecture)),
        (VARIABLES, variables(on_host)),
    ])
}

fn called_at(url: &str, mut environments: Environments) -> Environments {
    for function in CALLED_BY_TWILIO {
        environments.entry(function.to_owned()).or_default().insert("PUBLIC_BASE_URL".to_owned(), url.to_owned());
    }
    environments
}

/// The environments of functions that reach this machine at another address. The URL at which Twilio calls the functions
/// does not change.
fn with_address(address: Ipv4Addr, mut environments: Environments) -> Environments {
    let (loopback, address) = (Ipv4Addr::LOCALHOST.to_string(), address.to_string());
    for variables in environments.values_mut() {
        for name in ["AWS_ENDPOINT_URL", "TWILIO_API_BASE_URL"] {
            if let Some(url) = variables.get_mut(name) {
                *url = url.replace(&loopback, &address);
            }
        }
    }
    environments
}

/// One environment for all functions. The variables of the webhooks' functions have precedence, because these verify the
/// URL at which they are called.
fn variables(mut environments: Environments) -> String {
    let last = CALLED_BY_TWILIO.map(|function| environments.remove(function).unwrap_or_default());
    let all: BTreeMap<_, _> = environments.into_values().chain(last).flatten().collect();
    let lines: Vec<_> = all.into_iter().map(|(name, value)| format!("{name}='{value}'\n")).collect();
    lines.concat()
}

/// The options of SAM's commands as TOML. A JSON string is also a valid TOML string.
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
    fn function_name_contains_its_logical_id() {
        assert_eq!(logical_id("whatsapp-local-SendFunction-74E94104CB715"), Some("SendFunction"));
        assert_eq!(logical_id("another-SendFunction-74E94104CB715"), None);
    }

    #[test]
    fn container_environment_has_the_address_of_the_bridge() {
        let environments: Environments = serde_json::from_str(&written()[ENVIRONMENTS]).unwrap();
        let (inbound, send) = (&environments["InboundFunction"], &environments["SendFunction"]);
        let template_events = &environments["TemplateEventsFunction"];
        assert_eq!(send["AWS_ENDPOINT_URL"], "http://172.17.0.1:4566");
        assert_eq!(send["TWILIO_API_BASE_URL"], "http://172.17.0.1:8090");
        assert_eq!(send["SEND_POLICY"], r#"{"on_unknown": {}}"#);
        // Status callbacks go to the deployed function.
        assert_eq!(send["PUBLIC_BASE_URL"], "http://127.0.0.1:8080");
        assert_eq!(inbound["PUBLIC_BASE_URL"], "https://wa.example.com");
        assert_eq!(template_events["PUBLIC_BASE_URL"], "https://wa.example.com");
        let environments: Environments = serde_json::from_str(&written()[API_ENVIRONMENTS]).unwrap();
        assert_eq!(environments["InboundFunction"]["PUBLIC_BASE_URL"], "http://127.0.0.1:3000");
        assert_eq!(environments["InboundFunction"]["AWS_ENDPOINT_URL"], "http://172.17.0.1:4566");
    }

    #[test]
    fn environment_without_bridge_is_the_deployed_one() {
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
    fn configuration_names_the_built_template_and_the_processor() {
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

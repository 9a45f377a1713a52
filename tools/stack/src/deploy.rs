//! Runs `sam build` and `sam deploy`, which deploy the project's template to the emulator.

use std::{env::consts::ARCH, ffi::OsString, path::Path};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use tokio::process::Command;

use crate::{
    account::TwilioAccount,
    process::{Group, log_to, run_logged, tail},
    stack::{Administrator, Outputs, aws_environment},
};

/// The name of the CloudFormation stack, as in samconfig.toml.
pub const STACK_NAME: &str = "whatsapp-local";

/// The template that [`build`] writes. It is in the folder of the stack, so that a stack can run while another is built.
pub const BUILT_TEMPLATE: &str = "build/template.yaml";

/// The parameters of a deployment to the emulator that are not in samconfig.toml.
#[derive(Debug, Clone, Copy)]
pub struct Parameters<'a> {
    /// The template that [`build`] wrote.
    pub template: &'a Path,
    /// The endpoint at which the functions call AWS.
    pub aws_endpoint: &'a str,
    /// The administrator, whose keys SAM uses.
    pub administrator: &'a Administrator,
    /// The Twilio account.
    pub account: &'a TwilioAccount,
    /// The send policy as JSON; `None` is the template's default.
    pub send_policy: Option<&'a str>,
    /// What a STOP covers; `None` is the template's default.
    pub opt_out_scope: Option<&'a str>,
    /// The added and removed words for STOP and START as JSON; `None` is the template's default.
    pub opt_out_keywords: Option<&'a str>,
    /// Further parameters, as `Name=value`.
    pub further: &'a [String],
}

/// Compiles the functions with the options of `sam build`. Cargo's progress is shown on the terminal, which SAM would hide.
pub async fn compile(root: &Path) -> Result<()> {
    let mut command = Command::new("cargo");
    command.args(["lambda", "build", "--release"]).current_dir(root).env("PATH", path_with_tools(root)?);
    // The same option as SAM's: with other options Cargo would compile everything again.
    if architecture()? == "arm64" {
        command.arg("--arm64");
    }
    let status = Group::spawn(&mut command)?.wait().await?;
    if !status.success() {
        bail!("the functions do not compile: see Cargo's errors above");
    }
    Ok(())
}

/// Packages the functions for deployment.
pub async fn build(root: &Path, scratch: &Path) -> Result<()> {
    let mut command = sam(root)?;
    command.args(["build", "--parameter-overrides", &format!("Architecture={}", architecture()?)]);
    command.arg("--build-dir").args(scratch.join(BUILT_TEMPLATE).parent());
    run_logged(&mut command, &scratch.join("sam-build.log")).await
}

/// Deploys the functions that [`build`] packaged, with logs in the folder `scratch`.
pub async fn deploy(root: &Path, scratch: &Path, parameters: &Parameters<'_>) -> Result<Outputs> {
    let mut command = sam(root)?;
    command.args(["deploy", "--config-env", "local"]);
    // Without this option SAM looks for the file beside the built template.
    command.arg("--config-file").arg(root.join("samconfig.toml"));
    command.arg("--template-file").arg(parameters.template);
    command.arg("--parameter-overrides").args(overrides(parameters, architecture()?));
    command.envs(aws_environment(parameters.aws_endpoint, parameters.administrator));
    run_logged(&mut command, &scratch.join("sam-deploy.log")).await?;
    outputs(root, scratch, parameters).await
}

/// The template's parameters in SAM's form. SAM accepts no empty values; a missing parameter has its default.
fn overrides(parameters: &Parameters<'_>, architecture: &str) -> Vec<String> {
    let Parameters { aws_endpoint, account, send_policy, opt_out_scope, opt_out_keywords, further, .. } = parameters;
    let always = [
        format!("Architecture={architecture}"),
        format!("AwsEndpointUrl={aws_endpoint}"),
        format!("PublicBaseUrl={}", account.public_base_url),
        format!("TwilioApiBaseUrl={}", account.api_base_url),
        format!("TwilioAccountSid={}", account.account_sid),
        // The default is for a new AWS account; this machine's limit is its memory.
        "SendConcurrency=10".to_owned(),
        // What is created in the sandbox is known soon.
        "TemplateSyncMinutes=1".to_owned(),
        // The shortest time that a bucket locks its objects for.
        "EvidenceRetentionDays=1".to_owned(),
        // The bus that every account has, so that every event takes this way too.
        "EventBusName=default".to_owned(),
    ];
    let service = account.messaging_service_sid.as_ref().map(|sid| format!("MessagingServiceSid={sid}"));
    let verify = account.verify_service_sid.as_ref().map(|sid| format!("VerifyServiceSid={sid}"));
    // SAM splits values at spaces and removes quotes that are not escaped.
    let quoted = |name: &str, json: &str| format!("{name}=\"{}\"", json.replace('"', "\\\""));
    let policy = send_policy.map(|policy| quoted("SendPolicy", policy));
    let keywords = opt_out_keywords.map(|keywords| quoted("OptOutKeywords", keywords));
    let scope = opt_out_scope.map(|scope| format!("OptOutScope={scope}"));
    let sendgrid = account.sendgrid.as_ref().map(|sendgrid| {
        let settings = serde_json::json!({"from": sendgrid.from, "unsubscribe_groups": {"marketing": 1234}});
        let settings = quoted("EmailSettings", &settings.to_string());
        [settings, format!("SendGridApiBaseUrl={}", sendgrid.api_base_url)]
    });
    let always = always.into_iter().chain(sendgrid.into_iter().flatten());
    let further = further.iter().cloned();
    always.chain(service).chain(verify).chain(policy).chain(scope).chain(keywords).chain(further).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    output_key: String,
    output_value: String,
}

async fn outputs(root: &Path, scratch: &Path, parameters: &Parameters<'_>) -> Result<Outputs> {
    let log = scratch.join("sam-outputs.json");
    let mut command = sam(root)?;
    command.args(["list", "stack-outputs", "--stack-name", STACK_NAME, "--output", "json"]);
    command.envs(aws_environment(parameters.aws_endpoint, parameters.administrator));
    log_to(&mut command, &log)?;
    command.stderr(std::process::Stdio::null());
    let status = Group::spawn(&mut command)?.wait().await?;
    if !status.success() {
        bail!("`sam list stack-outputs` failed ({status}):\n{}", tail(&log));
    }
    let outputs: Vec<Output> = serde_json::from_slice(&tokio::fs::read(&log).await?)?;
    let outputs = outputs.into_iter().map(|output| (output.output_key, output.output_value.into())).collect();
    serde_json::from_value(serde_json::Value::Object(outputs))
        .context("the template's outputs are not the expected ones")
}

fn sam(root: &Path) -> Result<Command> {
    let program = root.join(".tools/sam/bin/sam");
    if !program.exists() {
        bail!("{} is missing: `make tools` installs it", program.display());
    }
    let mut command = Command::new(program);
    command.current_dir(root).env("PATH", path_with_tools(root)?).env("SAM_CLI_TELEMETRY", "0");
    Ok(command)
}

/// The variable `PATH` with the folder of cargo-lambda, which SAM and Cargo look for there.
fn path_with_tools(root: &Path) -> Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(root.join(".tools/sam/bin")).chain(std::env::split_paths(&path));
    Ok(std::env::join_paths(folders)?)
}

/// Lambda's name of this machine's processor, because the emulator runs the functions as processes of this machine.
pub(crate) fn architecture() -> Result<&'static str> {
    match ARCH {
        "x86_64" => Ok("x86_64"),
        "aarch64" => Ok("arm64"),
        other => bail!("Lambda has no {other} processors, so the functions cannot run on this machine"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::account;

    #[test]
    fn parameter_without_a_value_is_left_to_the_template() {
        let sender = [("TWILIO_MESSAGING_SERVICE_SID", ""), ("TWILIO_WHATSAPP_FROM", "whatsapp:+14155238886")];
        let (service, sender) = (account(&[]), account(&sender));
        let always = [
            "Architecture=arm64",
            "AwsEndpointUrl=http://aws",
            "PublicBaseUrl=https://wa.example.com",
            "TwilioApiBaseUrl=https://api.twilio.com",
            "TwilioAccountSid=AC000000000000000000000000000000aa",
            "SendConcurrency=10",
            "TemplateSyncMinutes=1",
            "EvidenceRetentionDays=1",
            "EventBusName=default",
        ];
        let administrator = &Administrator::random();
        let template = Path::new(BUILT_TEMPLATE);
        let parameters = Parameters {
            template,
            aws_endpoint: "http://aws",
            administrator,
            account: &sender,
            send_policy: None,
            opt_out_scope: None,
            opt_out_keywords: None,
            further: &[],
        };
        assert_eq!(overrides(&parameters, "arm64"), always);
        let parameters = Parameters {
            account: &service,
            send_policy: Some(r#"{"a": 1}"#),
            opt_out_scope: Some("sender"),
            opt_out_keywords: Some(r#"{"es": {}}"#),
            further: &["MediaSigner=user".to_owned()],
            ..parameters
        };
        let service = "MessagingServiceSid=MG000000000000000000000000000000aa";
        let policy = r#"SendPolicy="{\"a\": 1}""#;
        let more = [service, policy, "OptOutScope=sender", r#"OptOutKeywords="{\"es\": {}}""#, "MediaSigner=user"];
        assert_eq!(overrides(&parameters, "arm64"), [&always[..], &more[..]].concat());
    }
}

//! The deployed stack, as CloudFormation describes it.

use std::{collections::BTreeMap, fmt::Display, str::FromStr};

use aws_sdk_cloudformation::{Client, error::ProvideErrorMetadata as _, types::Stack as Described};
use aws_types::SdkConfig;
use domain::{
    account_settings::OptOutSettings,
    limits::Retention,
    opt_out_keywords::{KeywordChanges, Keywords, Languages},
    policy::Policy,
    template_settings::TemplateSettings,
    templates::Locales,
};
use shared::secrets::SecretMaxAge;
use twilio_types::{
    base_url::BaseUrl,
    sid::{AccountSid, MessagingServiceSid},
};

pub use domain::callback_url::STATUS_PATH;

use crate::{error::CommandError, redaction::redacted_debug};

/// The route of inbound messages.
pub const INBOUND_PATH: &str = "/twilio/inbound";

#[derive(Clone)]
pub struct DeployedStack {
    pub name: String,
    /// The AWS account, as the stack's ARN names it.
    aws_account: Option<String>,
    /// The status of the last deployment, as in `UPDATE_COMPLETE`.
    pub status: String,
    /// The parameter `TwilioAccountSid`: the account of a notification that names none.
    pub account_sid: AccountSid,
    pub messaging_service_sid: Option<MessagingServiceSid>,
    pub twilio_api_base_url: BaseUrl,
    /// The output `ApiUrl`: the base of the URLs that Twilio calls and signs. It is `PublicBaseUrl` if that is set.
    pub api_url: BaseUrl,
    /// The parameter `SendPolicy`.
    pub policy: Policy,
    /// The parameters `TemplateDefaultLocale` and `TemplateFallbackLocales`.
    pub template_settings: TemplateSettings,
    /// The parameter `SecretMaxAgeSeconds`.
    pub secret_max_age: SecretMaxAge,
    outputs: BTreeMap<String, String>,
    parameters: BTreeMap<String, String>,
}

redacted_debug!(DeployedStack);

impl DeployedStack {
    /// Reads the stack's description from CloudFormation.
    pub async fn find(aws: &SdkConfig, name: &str) -> Result<Self, CommandError> {
        let what = format!("reading the stack {name}");
        let answer = Client::new(aws).describe_stacks().stack_name(name).send().await.map_err(|error| {
            // CloudFormation has no error code for a stack that does not exist: it is a ValidationError like others
            // (AWS CloudFormation API, "DescribeStacks").
            let missing = error.message().is_some_and(|message| message.contains("does not exist"));
            if missing { no_such_stack(aws, name) } else { CommandError::of_sdk(&what, error) }
        })?;
        let described = answer.stacks.unwrap_or_default().into_iter().next();
        Self::read(name, described.ok_or_else(|| no_such_stack(aws, name))?)
    }

    fn read(name: &str, described: Described) -> Result<Self, CommandError> {
        let pairs = |key: Option<String>, value: Option<String>| Some((key?, value.filter(|value| !value.is_empty())?));
        // arn:aws:cloudformation:us-east-1:123456789012:stack/NAME/ID
        let aws_account = described.stack_id.as_deref().and_then(|arn| arn.split(':').nth(4)).map(str::to_owned);
        let status = described.stack_status.map(|status| status.as_str().to_owned()).unwrap_or_default();
        let outputs = described.outputs.unwrap_or_default().into_iter();
        let outputs = outputs.filter_map(|output| pairs(output.output_key, output.output_value)).collect();
        let parameters = described.parameters.unwrap_or_default().into_iter();
        let parameters = parameters.filter_map(|found| pairs(found.parameter_key, found.parameter_value)).collect();
        let description = StackDescription { name, outputs, parameters };
        Ok(Self {
            account_sid: description.required("TwilioAccountSid")?,
            messaging_service_sid: description.parameter("MessagingServiceSid")?,
            twilio_api_base_url: description.required("TwilioApiBaseUrl")?,
            api_url: description.parse("ApiUrl", output(name, &description.outputs, "ApiUrl")?)?,
            policy: description.parameter("SendPolicy")?.unwrap_or_default(),
            template_settings: template_settings(&description)?,
            secret_max_age: description.parameter("SecretMaxAgeSeconds")?.unwrap_or_default(),
            name: name.to_owned(),
            aws_account,
            status,
            outputs: description.outputs,
            parameters: description.parameters,
        })
    }

    /// Whether Twilio itself sends, and not a stand-in for tests such as the sandbox.
    pub fn sends_by_twilio(&self) -> bool {
        let host = self.twilio_api_base_url.as_str().split_once("://").map_or("", |(_, rest)| rest);
        host == "api.twilio.com" || (host.starts_with("api.") && host.ends_with(".twilio.com"))
    }

    /// An output of the template, as in `ContactsTableName`.
    pub fn output(&self, key: &str) -> Result<&str, CommandError> {
        output(&self.name, &self.outputs, key)
    }

    /// Which stack and which accounts this is, for a person who is about to change something in it.
    pub fn place(&self, aws: &SdkConfig, account_sid: &AccountSid) -> String {
        let region = aws.region().map_or("an unknown region", |region| region.as_ref());
        let account = self.aws_account.as_deref().unwrap_or("unknown");
        format!("stack {} in {region}, AWS account {account}, Twilio account {account_sid}", self.name)
    }

    /// The parameters `OptOutLanguages`, `OptOutKeywords` and `OptOutScope`.
    pub fn opt_out(&self) -> Result<OptOutSettings, CommandError> {
        let languages = self.parsed::<Languages>("OptOutLanguages")?.unwrap_or_default();
        let changes = self.parsed::<KeywordChanges>("OptOutKeywords")?.unwrap_or_default();
        let keywords =
            Keywords::configured(&languages, &changes).map_err(|error| self.invalid("OptOutKeywords", error))?;
        Ok(OptOutSettings::new(keywords, self.parsed("OptOutScope")?.unwrap_or_default()))
    }

    /// The parameter `MessageRetentionDays`.
    pub fn message_retention(&self) -> Result<Retention, CommandError> {
        Ok(self.parsed("MessageRetentionDays")?.unwrap_or_default())
    }

    fn parsed<T: FromStr<Err: Display>>(&self, key: &str) -> Result<Option<T>, CommandError> {
        self.parameter(key).map(|value| value.parse().map_err(|error| self.invalid(key, error))).transpose()
    }

    fn invalid(&self, key: &str, problem: impl Display) -> CommandError {
        CommandError::usage(format!("the stack {}: {key}: {problem}", self.name))
    }

    /// The value of a parameter, if it is not empty.
    pub fn parameter(&self, key: &str) -> Option<&str> {
        self.parameters.get(key).map(String::as_str)
    }
}

/// The outputs and parameters, before they are parsed.
struct StackDescription<'a> {
    name: &'a str,
    outputs: BTreeMap<String, String>,
    parameters: BTreeMap<String, String>,
}

impl StackDescription<'_> {
    fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(&self, key: &str, value: &str) -> Result<T, CommandError> {
        let name = self.name;
        value.parse().map_err(|error| CommandError::usage(format!("the stack {name}: {key}: {error}")))
    }

    fn parameter<T: std::str::FromStr<Err: std::fmt::Display>>(&self, key: &str) -> Result<Option<T>, CommandError> {
        self.parameters.get(key).map(|value| self.parse(key, value)).transpose()
    }

    fn required<T: std::str::FromStr<Err: std::fmt::Display>>(&self, key: &str) -> Result<T, CommandError> {
        self.parameter(key)?.ok_or_else(|| wrong_template(self.name, key))
    }
}

/// A stack without the parameters has the defaults, and an empty list is none.
fn template_settings(description: &StackDescription<'_>) -> Result<TemplateSettings, CommandError> {
    let mut settings = TemplateSettings::default();
    if let Some(locale) = description.parameter("TemplateDefaultLocale")? {
        settings.default_locale = locale;
    }
    if description.parameters.contains_key("TemplateDefaultLocale") {
        let locales = description.parameter::<Locales>("TemplateFallbackLocales")?;
        settings.fallback_locales = locales.map_or_else(Vec::new, |locales| locales.0);
    }
    Ok(settings)
}

fn output<'a>(name: &str, outputs: &'a BTreeMap<String, String>, key: &str) -> Result<&'a str, CommandError> {
    outputs.get(key).map(String::as_str).ok_or_else(|| wrong_template(name, key))
}

fn wrong_template(name: &str, key: &str) -> CommandError {
    let remedy = "it was not deployed from this template, or is still being deployed, or an older version is";
    CommandError::not_found(format!("the stack {name} has no {key}: {remedy}"))
}

fn no_such_stack(aws: &SdkConfig, name: &str) -> CommandError {
    let region = aws.region().map_or("this region", |region| region.as_ref()).to_owned();
    let remedy = "name it with --stack (or WA_STACK), its region with --region, its account with --profile";
    CommandError::not_found(format!("there is no stack {name} in {region}: {remedy}"))
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudformation::types::{Output, Parameter, StackStatus};

    use super::*;

    fn described(parameters: &[(&str, &str)]) -> Described {
        let parameters = parameters
            .iter()
            .map(|(key, value)| Parameter::builder().parameter_key(*key).parameter_value(*value).build());
        Described::builder()
            .stack_name("whatsapp")
            .stack_id("arn:aws:cloudformation:eu-central-1:111111111111:stack/whatsapp/1")
            .creation_time(std::time::SystemTime::UNIX_EPOCH.into())
            .stack_status(StackStatus::CreateComplete)
            .outputs(Output::builder().output_key("ApiUrl").output_value("https://wa.example.com").build())
            .set_parameters(Some(parameters.collect()))
            .build()
    }

    const ACCOUNT: (&str, &str) = ("TwilioAccountSid", "AC00000000000000000000000000000001");
    const BASE: (&str, &str) = ("TwilioApiBaseUrl", "https://api.twilio.com");

    #[test]
    fn an_empty_parameter_has_its_default() {
        let stack = DeployedStack::read("whatsapp", described(&[ACCOUNT, BASE, ("MessagingServiceSid", "")])).unwrap();
        assert_eq!(stack.messaging_service_sid, None);
        assert_eq!(stack.output("ApiUrl").unwrap(), "https://wa.example.com");
        assert_eq!(stack.output("ContactsTableName").unwrap_err().code(), 3);
        assert_eq!(stack.parameter("TwilioAccountSid"), Some(ACCOUNT.1));
        assert!(stack.sends_by_twilio());
        for (url, expected) in [
            ("https://api.dublin.ie1.twilio.com", true),
            ("http://127.0.0.1:8090", false),
            ("https://nottwilio.com", false),
        ] {
            let described = described(&[ACCOUNT, ("TwilioApiBaseUrl", url)]);
            assert_eq!(DeployedStack::read("whatsapp", described).unwrap().sends_by_twilio(), expected, "{url}");
        }
    }

    #[test]
    fn a_place_names_stack_region_and_both_accounts() {
        let stack = DeployedStack::read("whatsapp", described(&[ACCOUNT, BASE])).unwrap();
        let aws = SdkConfig::builder().region(aws_types::region::Region::new("eu-central-1")).build();
        let expected =
            format!("stack whatsapp in eu-central-1, AWS account 111111111111, Twilio account {}", ACCOUNT.1);
        assert_eq!(stack.place(&aws, &stack.account_sid), expected);
    }

    #[test]
    fn a_stack_of_another_template_is_refused() {
        let error = DeployedStack::read("other", described(&[BASE])).unwrap_err();
        assert!(error.to_string().starts_with("the stack other has no TwilioAccountSid"), "{error}");
        let error = DeployedStack::read("whatsapp", described(&[ACCOUNT, BASE, ("SendPolicy", "{]")])).unwrap_err();
        assert!(error.to_string().starts_with("the stack whatsapp: SendPolicy: expected a policy"), "{error}");
    }
}

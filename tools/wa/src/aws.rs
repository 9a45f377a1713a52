//! Which AWS credentials and which region a command uses: those that the AWS CLI would use.
//!
//! 1. `--profile` comes before everything: the credentials of the environment do not count, because the operator named an
//!    account, and they may be another's.
//! 2. Without it, the credentials of the environment come before those of the profile in `AWS_PROFILE`.
//! 3. The region is that of `--region`, else of `AWS_REGION` or `AWS_DEFAULT_REGION`, else the profile's.
//! 4. A profile that does not exist is an error, wherever its name comes from.
//!
//! Source: AWS CLI user guide, "Configuring settings for the AWS CLI" and "Configuring environment variables for the AWS CLI",
//! and `botocore/credentials.py` of AWS CLI 2, which removes the provider of the environment if the profile was named by an
//! option.

use std::{collections::BTreeSet, env, time::Duration};

use aws_config::{
    BehaviorVersion, Region,
    ecs::EcsCredentialsProvider,
    imds::credentials::ImdsCredentialsProvider,
    meta::credentials::CredentialsProviderChain,
    profile::{self, ProfileFileCredentialsProvider},
    provider_config::ProviderConfig,
    retry::RetryConfig,
    timeout::TimeoutConfig,
};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::{
    SdkConfig,
    os_shim_internal::{Env, Fs},
};

use crate::{call_log, error::CommandError, globals::Globals};

/// Another continent is 300 ms away, and opening a connection takes three round trips.
const CONNECT: Duration = Duration::from_secs(5);
/// An answer that takes longer was lost.
const ATTEMPT: Duration = Duration::from_secs(10);
/// People wait about this long in front of a terminal before they press Ctrl-C.
const OPERATION: Duration = Duration::from_secs(30);
/// The AWS CLI's default.
const ATTEMPTS: u32 = 3;

/// In the order of AWS CLI 2.
const PROFILE_VARIABLES: [&str; 2] = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"];

/// Where the name of the profile was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProfileOrigin {
    /// By `--profile`.
    Option,
    /// By this variable.
    Variable(&'static str),
}

impl ProfileOrigin {
    const fn name(self) -> &'static str {
        match self {
            Self::Option => "--profile",
            Self::Variable(name) => name,
        }
    }
}

/// The profile that was named.
#[derive(Debug, PartialEq, Eq)]
struct NamedProfile {
    name: String,
    origin: ProfileOrigin,
}

impl NamedProfile {
    fn find(option: Option<&str>, variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        if let Some(name) = option {
            return Some(Self { name: name.to_owned(), origin: ProfileOrigin::Option });
        }
        PROFILE_VARIABLES.into_iter().find_map(|name| {
            let origin = ProfileOrigin::Variable(name);
            variable(name).map(|name| Self { name, origin })
        })
    }

    fn require(&self, existing: &BTreeSet<String>) -> Result<(), CommandError> {
        if existing.contains(&self.name) {
            return Ok(());
        }
        let Self { name, origin } = self;
        let known = match existing.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [] => "there are no profiles in ~/.aws/config (AWS_CONFIG_FILE)".to_owned(),
            names => format!("expected one of {}", names.join(", ")),
        };
        Err(CommandError::usage(format!("{}: there is no AWS profile {name}: {known}", origin.name())))
    }
}

/// The names of the profiles in the AWS CLI's files.
pub async fn profile_names() -> Result<BTreeSet<String>, CommandError> {
    names_in(&Fs::real(), &Env::real()).await
}

#[expect(clippy::default_trait_access, reason = "the type is not public in a crate that this one depends on")]
async fn names_in(files: &Fs, environment: &Env) -> Result<BTreeSet<String>, CommandError> {
    let profiles = profile::load(files, environment, &Default::default(), None).await;
    let profiles =
        profiles.map_err(|error| CommandError::usage("the AWS CLI's files cannot be read").because(error))?;
    Ok(profiles.profiles().map(str::to_owned).collect())
}

/// The configuration of AWS clients.
pub async fn load(globals: &Globals) -> Result<SdkConfig, CommandError> {
    let profile = NamedProfile::find(globals.profile.as_deref(), |name| env::var(name).ok());
    if let Some(profile) = &profile {
        profile.require(&profile_names().await?)?;
    }
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(timeouts.build())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
    if globals.debug {
        loader = loader.http_client(call_log::aws_http_client());
    }
    if let Some(profile) = &profile {
        loader = loader.profile_name(&profile.name);
    }
    if let Some(region) = &globals.region {
        loader = loader.region(Region::new(region.clone()));
    }
    let config = loader.load().await;
    if config.region().is_none() {
        let remedy = "name one with --region or AWS_REGION, or a profile that has one with --profile";
        return Err(CommandError::usage(format!("no AWS region: {remedy}")));
    }
    Ok(match profile {
        Some(NamedProfile { name, origin: ProfileOrigin::Option }) => with_credentials_of(&name, config, globals.debug),
        _ => config,
    })
}

/// The same configuration with the credentials of this profile alone. A profile without credentials has those of the container
/// or the machine, as in the AWS CLI.
fn with_credentials_of(profile: &str, config: SdkConfig, debug: bool) -> SdkConfig {
    let mut provider = ProviderConfig::without_region().with_region(config.region().cloned());
    if debug {
        provider = provider.with_http_client(call_log::aws_http_client());
    }
    let of_profile = ProfileFileCredentialsProvider::builder().profile_name(profile).configure(&provider).build();
    let of_container = EcsCredentialsProvider::builder().configure(&provider).build();
    let of_machine = ImdsCredentialsProvider::builder().configure(&provider).build();
    let chain = CredentialsProviderChain::first_try("Profile", of_profile)
        .or_else("EcsContainer", of_container)
        .or_else("Ec2InstanceMetadata", of_machine);
    config.into_builder().credentials_provider(SharedCredentialsProvider::new(chain)).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_preferred_to_the_variables_of_a_profile() {
        let find = |option: Option<&str>, variables: &[(&str, &str)]| {
            let read = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
            NamedProfile::find(option, read).map(|profile| (profile.name, profile.origin.name()))
        };
        let expected = |name: &str, origin| Some((name.to_owned(), origin));
        let both = [("AWS_DEFAULT_PROFILE", "b"), ("AWS_PROFILE", "a")];
        assert_eq!(find(Some("stg"), &both), expected("stg", "--profile"));
        assert_eq!(find(None, &both), expected("a", "AWS_PROFILE"));
        assert_eq!(find(None, &both[..1]), expected("b", "AWS_DEFAULT_PROFILE"));
        assert_eq!(find(None, &[]), None);
    }

    #[tokio::test]
    async fn a_profile_that_does_not_exist_is_refused_with_those_that_do() {
        let files = Fs::from_slice(&[
            ("/config", "[default]\nregion = us-east-1\n[profile stg]\nregion = eu-central-1\n"),
            ("/credentials", "[prod]\naws_access_key_id = a\naws_secret_access_key = b\n"),
        ]);
        let environment =
            Env::from_slice(&[("AWS_CONFIG_FILE", "/config"), ("AWS_SHARED_CREDENTIALS_FILE", "/credentials")]);
        let existing = names_in(&files, &environment).await.unwrap();
        let require =
            |name: &str| NamedProfile { name: name.to_owned(), origin: ProfileOrigin::Option }.require(&existing);
        assert!(require("stg").is_ok() && require("prod").is_ok() && require("default").is_ok());
        let refused = require("nope").unwrap_err();
        assert_eq!(refused.code(), 2);
        let expected = "--profile: there is no AWS profile nope: expected one of default, prod, stg";
        assert_eq!(refused.to_string(), expected);
    }
}

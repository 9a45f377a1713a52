//! The options of every command.

use std::env;

use clap_complete::engine::ArgValueCandidates;
use twilio_types::sid::AccountSid;

use crate::{completion, output::Format};

const STACK_VARIABLE: &str = "WA_STACK";
const DEFAULT_STACK: &str = "whatsapp";

/// The variables are read here and not by clap: it shows an option whose variable is set as if the option was required.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Globals {
    #[arg(long, help = "The name of the deployed stack [env: WA_STACK]", global = true, default_value_t = default_stack(), value_name = "NAME", add = ArgValueCandidates::new(completion::stacks))]
    pub stack: String,
    #[arg(long, help = "The AWS profile, as in the AWS CLI: its credentials are used even if AWS_ACCESS_KEY_ID is set [env: AWS_PROFILE]", global = true, value_name = "NAME", add = ArgValueCandidates::new(completion::profiles))]
    pub profile: Option<String>,
    #[arg(long, help = "The AWS region [env: AWS_REGION] [default: the region of the profile]", global = true, value_name = "REGION", value_parser = region, add = ArgValueCandidates::new(completion::regions))]
    pub region: Option<String>,
    /// The Twilio account [default: the one that the stack sends from]
    #[arg(long, global = true, value_name = "SID")]
    pub account_sid: Option<AccountSid>,
    /// The format of the output
    #[arg(long, short, value_enum, default_value_t, global = true, value_name = "FORMAT")]
    pub output: Format,
    /// Answer every question with yes: for scripts
    #[arg(long, short, global = true)]
    pub yes: bool,
    /// Print each request to AWS and to Twilio on the standard error, without secrets, bodies and values of parameters
    #[arg(long, global = true)]
    pub debug: bool,
}

fn default_stack() -> String {
    env::var(STACK_VARIABLE).ok().filter(|name| !name.is_empty()).unwrap_or_else(|| DEFAULT_STACK.to_owned())
}

/// A text with other characters would become a part of the host that is called.
fn region(text: &str) -> Result<String, &'static str> {
    let is_region = !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if is_region { Ok(text.to_owned()) } else { Err("expected the code of a region, as in eu-central-1") }
}

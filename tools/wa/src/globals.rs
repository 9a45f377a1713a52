//! The options of every command.

use twilio_types::sid::AccountSid;

use crate::output::Format;

#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Globals {
    /// The name of the deployed stack
    #[arg(long, env = "WA_STACK", default_value = "whatsapp", global = true, value_name = "NAME")]
    pub stack: String,
    /// The AWS profile, as in the AWS command line
    #[arg(long, env = "AWS_PROFILE", global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// The AWS region
    #[arg(long, env = "AWS_REGION", global = true, value_name = "REGION")]
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
}

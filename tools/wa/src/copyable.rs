//! Commands for people to copy. Each is complete: it names the stack, the profile and the region that this run used.

use std::fmt::Write as _;

/// What the commands that this run prints have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyableCommands {
    pub stack: String,
    pub profile: Option<String>,
    pub region: Option<String>,
}

impl CopyableCommands {
    #[cfg(test)]
    pub(crate) fn of_test() -> Self {
        Self { stack: "whatsapp".to_owned(), profile: None, region: None }
    }

    /// A command of this program, as in `doctor --fix`.
    pub fn wa(&self, arguments: &str) -> String {
        format!("wa --stack {}{} {arguments}", quoted(&self.stack), self.aws_options())
    }

    /// A command of the AWS command line, as in `sqs list-queues`.
    pub fn aws(&self, arguments: &str) -> String {
        format!("aws {arguments}{}", self.aws_options())
    }

    /// What a function has logged in the last hour, by the logical id of its log group.
    pub fn log_of(&self, log_group: &str) -> String {
        let find = format!(
            "cloudformation describe-stack-resource --stack-name {} --logical-resource-id {log_group} --query \
             StackResourceDetail.PhysicalResourceId --output text",
            quoted(&self.stack)
        );
        self.aws(&format!("logs tail --since 1h \"$({})\"", self.aws(&find)))
    }

    /// A deployment that changes these parameters, as in `SendConcurrency=10`, and keeps the others.
    pub fn deploy(&self, parameters: &str) -> String {
        let (stack, options) = (quoted(&self.stack), self.aws_options());
        format!(
            "make build && .tools/sam/bin/sam deploy --stack-name {stack} --s3-prefix {stack}{options} --parameter-overrides \
             {parameters}"
        )
    }

    fn aws_options(&self) -> String {
        let mut options = String::new();
        for (name, value) in [("profile", &self.profile), ("region", &self.region)] {
            if let Some(value) = value {
                // Writing to a String cannot fail.
                let _ = write!(options, " --{name} {}", quoted(value));
            }
        }
        options
    }
}

/// A value as one word of a POSIX shell.
pub fn quoted(value: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@,+".contains(&byte);
    if !value.is_empty() && value.bytes().all(is_plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_names_stack_profile_and_region() {
        let commands = CopyableCommands {
            stack: "whatsapp-staging".to_owned(),
            profile: Some("my staging".to_owned()),
            region: Some("eu-west-1".to_owned()),
        };
        assert_eq!(
            commands.wa("doctor --fix"),
            "wa --stack whatsapp-staging --profile 'my staging' --region eu-west-1 doctor --fix"
        );
        assert_eq!(commands.aws("sqs list-queues"), "aws sqs list-queues --profile 'my staging' --region eu-west-1");
        let short = CopyableCommands::of_test();
        assert_eq!(short.wa("pause list"), "wa --stack whatsapp pause list");
        assert!(short.deploy("A=1").ends_with("--stack-name whatsapp --s3-prefix whatsapp --parameter-overrides A=1"));
    }

    #[test]
    fn value_is_one_word_of_a_shell() {
        for (value, expected) in
            [("+14155550123", "+14155550123"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("", "''")]
        {
            assert_eq!(quoted(value), expected);
        }
    }
}

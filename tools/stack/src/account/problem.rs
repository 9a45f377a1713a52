//! The problems of the file `.env`, each printed as one line.

use std::fmt;

use super::NAMES;

/// A problem of `.env`. It never contains a value, because values may be secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvFileProblem {
    /// The file does not exist.
    NoFile,
    /// A line is not a variable.
    Line {
        /// The name of the last variable before the line.
        after: Option<String>,
    },
    /// A required variable is not set.
    Missing {
        /// The variable's name.
        name: &'static str,
        /// A description of the expected value.
        expected: &'static str,
    },
    /// A variable has the wrong form.
    Malformed {
        /// The variable's name.
        name: &'static str,
        /// The error and the expected form.
        error: String,
    },
    /// A variable is unknown, probably because of a typing mistake.
    Unknown {
        /// The variable's name.
        name: String,
    },
    /// Neither a Messaging Service nor a sender is set.
    NoSender,
    /// The public URL is not set.
    NoTunnel {
        /// The port to which the tunnel has to lead.
        api_port: u16,
    },
    /// The public URL is a local address, which Twilio cannot reach.
    Unreachable,
}

impl fmt::Display for EnvFileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFile => f.write_str(".env is missing: copy .env.example to .env and fill it in"),
            Self::Line { after: None } => f.write_str(".env: the first line is not a variable: expected NAME=value"),
            Self::Line { after: Some(name) } => {
                write!(f, ".env: the line after {name} is not a variable: expected NAME=value")
            }
            Self::Missing { name, expected } => write!(f, "{name} is not set in .env: expected {expected}"),
            Self::Malformed { name, error } => write!(f, "{name}: {error}"),
            Self::Unknown { name } => {
                let [others @ .., last] = NAMES;
                write!(f, "{name}: unknown variable: expected {} or {last}", others.join(", "))
            }
            Self::NoSender => f.write_str(
                "TWILIO_MESSAGING_SERVICE_SID or TWILIO_WHATSAPP_FROM is not set in .env: expected one of them, as in MG and 32 \
                 hexadecimal digits, or whatsapp:+14155238886",
            ),
            Self::NoTunnel { api_port } => write!(
                f,
                "PUBLIC_BASE_URL is not set in .env: expected the URL of a tunnel to this machine, as `cloudflared tunnel --url \
                 http://127.0.0.1:{api_port}` or `ngrok http {api_port}` prints it"
            ),
            Self::Unreachable => f.write_str(
                "PUBLIC_BASE_URL: Twilio cannot reach this machine by itself: expected the URL of a tunnel",
            ),
        }
    }
}

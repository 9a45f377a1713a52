//! What is wrong with `.env`, one line for each variable.

use std::fmt;

use super::NAMES;

/// Something that is wrong with `.env`. Values are not repeated: they may be secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// There is none.
    NoFile,
    /// A line that is no variable, after this one.
    Line {
        /// The last that could be read.
        after: Option<String>,
    },
    /// A variable that has to be there.
    Missing {
        /// The variable.
        name: &'static str,
        /// What belongs there.
        expected: &'static str,
    },
    /// A variable that has another form than it should.
    Malformed {
        /// The variable.
        name: &'static str,
        /// What was wrong and what is right.
        error: String,
    },
    /// A variable that nobody reads: a typing mistake.
    Unknown {
        /// The variable.
        name: String,
    },
    /// Neither a Messaging Service nor a sender.
    NoSender,
    /// Nothing that Twilio could call.
    NoTunnel {
        /// Where a tunnel would have to lead.
        api_port: u16,
    },
    /// An address of this machine.
    Unreachable,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFile => f.write_str(".env is missing: copy .env.example to .env and fill it in"),
            Self::Line { after: None } => f.write_str(".env: its first line is no variable: expected NAME=value"),
            Self::Line { after: Some(name) } => {
                write!(f, ".env: the line after {name} is no variable: expected NAME=value")
            }
            Self::Missing { name, expected } => write!(f, "{name} is not set in .env: expected {expected}"),
            Self::Malformed { name, error } => write!(f, "{name}: {error}"),
            Self::Unknown { name } => {
                let [others @ .., last] = NAMES;
                write!(f, "{name}: not known here: expected {} or {last}", others.join(", "))
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

//! Who calls a route that IAM protects: an identity of AWS, as the settings of an account list it.

use std::fmt;

use serde::Deserialize;

/// A role or a user of IAM, or a whole AWS account: `arn:aws:iam::123456789012:role/shop`, `.../user/ava`, `.../root`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Caller {
    account: String,
    identity: Identity,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Identity {
    /// Every identity of the account.
    Account,
    /// By its name alone: the ARN of a session does not have the role's path.
    Role(String),
    User(String),
    /// Another identity, which only the whole account covers.
    Other,
}

/// Not the ARN of an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected the ARN of a role, a user or an account, as in arn:aws:iam::123456789012:role/shop, \
     arn:aws:iam::123456789012:user/ava or arn:aws:iam::123456789012:root"
)]
pub struct InvalidCaller;

impl fmt::Debug for Caller {
    /// The names of users may be those of people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("account", &self.account).finish_non_exhaustive()
    }
}

impl TryFrom<String> for Caller {
    type Error = InvalidCaller;

    fn try_from(arn: String) -> Result<Self, InvalidCaller> {
        Self::listed(&arn).ok_or(InvalidCaller)
    }
}

impl Caller {
    /// Source: AWS IAM, "IAM identifiers".
    fn listed(arn: &str) -> Option<Self> {
        let (account, identity) = parts(arn, "iam")?;
        let identity = match identity.split_once('/') {
            None if identity == "root" => Identity::Account,
            Some(("role", name)) => Identity::Role(last_segment(name)?),
            Some(("user", name)) => Identity::User(last_segment(name)?),
            _ => return None,
        };
        Some(Self { account: account.to_owned(), identity })
    }

    /// The identity behind the ARN of a request, as API Gateway gives it (`userArn`). A session of a role is the role:
    /// `arn:aws:sts::123456789012:assumed-role/shop/session`. A federated user has no identity of IAM:
    /// `arn:aws:sts::123456789012:federated-user/ava`. Source: AWS IAM, "`AWS` JSON policy elements: Principal".
    fn of_request(arn: &str) -> Option<Self> {
        let Some((account, session)) = parts(arn, "sts") else { return Self::listed(arn) };
        let identity = match session.split_once('/')? {
            ("assumed-role", session) => Identity::Role(session.split_once('/')?.0.to_owned()),
            ("federated-user", _) => Identity::Other,
            _ => return None,
        };
        Some(Self { account: account.to_owned(), identity })
    }

    /// Whether a request with this ARN comes from this caller.
    pub fn is(&self, arn: &str) -> bool {
        let Some(caller) = Self::of_request(arn) else { return false };
        self.account == caller.account && (self.identity == Identity::Account || self.identity == caller.identity)
    }
}

/// The account and the resource of an ARN of this service, in any partition: `arn:aws:iam::123456789012:role/shop`.
fn parts<'a>(arn: &'a str, service: &str) -> Option<(&'a str, &'a str)> {
    let mut parts = arn.splitn(6, ':');
    let is_of_service = parts.next()? == "arn" && !parts.next()?.is_empty() && parts.next()? == service;
    let (_region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    (is_of_service && is_account).then_some((account, resource))
}

fn last_segment(name: &str) -> Option<String> {
    name.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(arn: &str) -> Result<Caller, InvalidCaller> {
        Caller::try_from(arn.to_owned())
    }

    #[test]
    fn caller_is_recognised_by_the_arn_of_its_request() {
        let shop = caller("arn:aws:iam::123456789012:role/teams/shop").unwrap();
        let ava = caller("arn:aws:iam::123456789012:user/ava").unwrap();
        let everyone = caller("arn:aws:iam::123456789012:root").unwrap();
        for (arn, expected) in [
            ("arn:aws:sts::123456789012:assumed-role/shop/i-0123", (true, false, true)),
            ("arn:aws:sts::123456789012:assumed-role/shop/shop/x", (true, false, true)),
            ("arn:aws:sts::123456789012:assumed-role/other/shop", (false, false, true)),
            ("arn:aws:iam::123456789012:user/staff/ava", (false, true, true)),
            ("arn:aws:iam::123456789012:user/shop", (false, false, true)),
            ("arn:aws:iam::123456789012:root", (false, false, true)),
            ("arn:aws:sts::123456789012:federated-user/ava", (false, false, true)),
            ("arn:aws:sts::210987654321:assumed-role/shop/i-0123", (false, false, false)),
            ("arn:aws:sts::123456789012:assumed-role/shop", (false, false, false)),
            ("shop", (false, false, false)),
            ("", (false, false, false)),
        ] {
            assert_eq!((shop.is(arn), ava.is(arn), everyone.is(arn)), expected, "{arn}");
        }
    }

    #[test]
    fn caller_that_is_no_identity_is_refused() {
        for arn in [
            "",
            "shop",
            "*",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:group/shop",
            "arn:aws:iam::12345:role/shop",
            "arn:aws:sts::123456789012:assumed-role/shop/session",
        ] {
            assert_eq!(caller(arn), Err(InvalidCaller), "{arn}");
        }
        assert!(caller("arn:aws-cn:iam::123456789012:role/shop").is_ok());
    }
}

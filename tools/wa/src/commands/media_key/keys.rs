//! Which key is where, and which one may sign.

use secrecy::SecretString;
use shared::media_domain::LinkKeyPair;

use super::store::LinkKeySecret;
use crate::{error::CommandError, stack::DeployedStack};

/// One of the two parameters of the template with a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyParameter {
    A,
    B,
}

/// What the stack has for a parameter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct DeployedKey {
    /// The value of the parameter.
    pub(super) public_key: Option<String>,
    /// The id that CloudFront gave it.
    pub(super) key_pair_id: Option<String>,
}

/// The secret and the stack.
pub(super) struct LinkKeyState {
    pub(super) secret: LinkKeySecret,
    pub(super) deployed_keys: [DeployedKey; 2],
}

impl KeyParameter {
    pub(super) const ALL: [Self; 2] = [Self::A, Self::B];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::A => "MediaPublicKeyA",
            Self::B => "MediaPublicKeyB",
        }
    }

    const fn output(self) -> &'static str {
        match self {
            Self::A => "MediaKeyPairIdA",
            Self::B => "MediaKeyPairIdB",
        }
    }

    pub(super) fn deployed(self, stack: &DeployedStack) -> DeployedKey {
        DeployedKey {
            public_key: stack.parameter(self.name()).map(str::to_owned),
            key_pair_id: stack.output(self.output()).ok().map(str::to_owned),
        }
    }
}

impl LinkKeyState {
    pub(super) fn next_pair(&self) -> Result<Option<LinkKeyPair>, CommandError> {
        let pair = self.secret.next().map(LinkKeyPair::of_private_key).transpose();
        pair.map_err(|error| CommandError::refused("the next key in the secret of media keys").because(error))
    }

    /// The value of the parameter for the next key.
    pub(super) fn next_public_key(&self) -> Result<Option<String>, CommandError> {
        let parameter = self.next_pair()?.map(|pair| pair.public_key_parameter()).transpose();
        parameter.map_err(|error| CommandError::refused("the next key in the secret of media keys").because(error))
    }

    /// The parameter for the next key: the one that has it already, or an empty one. A key is never replaced by another one, because
    /// CloudFormation refuses that.
    pub(super) fn parameter_for_next(&self) -> Result<KeyParameter, CommandError> {
        let next = self.next_public_key()?;
        let with = |public_key: Option<&String>| {
            let mut deployed_keys = self.deployed_keys.iter().zip(KeyParameter::ALL);
            deployed_keys
                .find(|(deployed, _)| deployed.public_key.as_ref() == public_key)
                .map(|(_, parameter)| parameter)
        };
        next.as_ref().and_then(|next| with(Some(next))).or_else(|| with(None)).ok_or_else(|| {
            let remedy = "deploy with an empty one for the key that signs nothing, as `wa media-key show` says";
            CommandError::refused(format!("MediaPublicKeyA and MediaPublicKeyB have both a key: {remedy}"))
        })
    }

    /// The next key, as soon as CloudFront knows it: its id and the private key.
    pub(super) fn usable_next(&self) -> Result<(String, SecretString), CommandError> {
        let (Some(private_key), Some(public_key)) = (self.secret.next(), self.next_public_key()?) else {
            return Err(CommandError::refused("there is no new key: `wa media-key create` makes one"));
        };
        let deployed = self.deployed_keys.iter().find(|deployed| deployed.public_key.as_ref() == Some(&public_key));
        let id = deployed.and_then(|deployed| deployed.key_pair_id.clone());
        let id = id.ok_or_else(|| {
            let remedy = "deploy with the parameter that `wa media-key create` prints";
            CommandError::refused(format!("CloudFront does not know the new key: {remedy}"))
        })?;
        Ok((id, private_key.clone()))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;
    use serde_json::{Value, json};

    use super::*;

    fn state(secret: &Value, deployed_keys: [Option<(&str, &str)>; 2]) -> LinkKeyState {
        let deployed_keys = deployed_keys.map(|key| match key {
            None => DeployedKey::default(),
            Some((public_key, id)) => DeployedKey {
                public_key: Some(public_key.to_owned()),
                key_pair_id: Some(id.to_owned()).filter(|id| !id.is_empty()),
            },
        });
        LinkKeyState { secret: LinkKeySecret::parse(None, &secret.to_string()).unwrap(), deployed_keys }
    }

    fn pair() -> (LinkKeyPair, Value, String) {
        let pair = LinkKeyPair::generate().unwrap();
        let private_key = json!({"private_key": pair.private_key().unwrap().expose_secret()});
        let public_key = pair.public_key_parameter().unwrap();
        (pair, private_key, public_key)
    }

    #[test]
    fn key_gets_an_empty_parameter_and_keeps_it() {
        let (_, next, public_key) = pair();
        let without = json!({"signing": null});
        let with = json!({"signing": null, "next": next});
        for (secret, deployed_keys, expected) in [
            (&without, [None, None], Some(KeyParameter::A)),
            (&without, [Some(("old", "K1")), None], Some(KeyParameter::B)),
            (&without, [None, Some(("old", "K1"))], Some(KeyParameter::A)),
            (&without, [Some(("old", "K1")), Some(("older", "K2"))], None),
            (&with, [Some(("old", "K1")), Some((public_key.as_str(), "K2"))], Some(KeyParameter::B)),
        ] {
            let parameter = state(secret, deployed_keys).parameter_for_next();
            assert_eq!(parameter.ok(), expected, "{deployed_keys:?}");
        }
    }

    #[test]
    fn key_is_used_as_soon_as_cloudfront_knows_it() {
        let (_, next, public_key) = pair();
        let secret = json!({"signing": {"key_pair_id": "K1", "private_key": "old"}, "next": next});
        let error = |state: LinkKeyState| state.usable_next().map(|(id, _)| id).unwrap_err().to_string();
        assert!(error(state(&json!({}), [None, None])).contains("there is no new key"));
        assert!(error(state(&secret, [None, None])).contains("does not know"));
        assert!(error(state(&secret, [Some((&public_key, "")), None])).contains("does not know"), "being deployed");
        assert!(error(state(&secret, [Some(("other", "K1")), None])).contains("does not know"));
        let (id, private_key) =
            state(&secret, [Some(("other", "K1")), Some((&public_key, "K2"))]).usable_next().unwrap();
        assert_eq!((id.as_str(), private_key.expose_secret()), ("K2", next["private_key"].as_str().unwrap()));
    }

    #[test]
    fn next_key_leaves_the_one_that_signs() {
        let signing = json!({"key_pair_id": "K1", "private_key": "old"});
        let secret = LinkKeySecret::parse(None, &json!({ "signing": signing }).to_string()).unwrap();
        let with_next: Value = serde_json::from_str(secret.with_next(&"new".into()).expose_secret()).unwrap();
        assert_eq!(with_next, json!({"signing": signing, "next": {"private_key": "new"}}));
        assert_eq!(secret.signing_id().as_deref(), Some("K1"));
    }

    #[test]
    fn malformed_secret_is_refused_without_its_content() {
        let error = LinkKeySecret::parse(None, r#"{"signing": hidden}"#).err().unwrap().to_string();
        assert!(error.contains("see docs/media-domain.md") && !error.contains("hidden"), "{error}");
    }
}

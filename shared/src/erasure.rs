//! The key under which erased people are remembered: [`domain::erasure`].

use aws_sdk_secretsmanager::Client;
use aws_types::SdkConfig;
use domain::erasure::ErasureKey;
use serde::Deserialize;

use crate::{
    env,
    secrets::{self, SecretsError},
    start::StartError,
};

/// The content of the secret, which CloudFormation made: `{"key": "..."}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ErasureSecret {
    key: ErasureKey,
}

/// Reads the key at the cold start from the secret that `ERASURE_KEY_SECRET_ID` names. It never changes, so it is not read
/// again.
///
/// `template.yaml` gives every function that reads people this variable. One that is run by hand without it has tables in
/// which no person was erased.
pub async fn key_from_env(config: &SdkConfig) -> Result<ErasureKey, StartError> {
    let Some(secret_id) = env::optional("ERASURE_KEY_SECRET_ID") else { return Ok(ErasureKey::of_no_erasure()) };
    Ok(read_key(&Client::new(config), &secret_id).await?)
}

/// Reads the key from a secret.
pub async fn read_key(client: &Client, secret_id: &str) -> Result<ErasureKey, SecretsError> {
    let secret: ErasureSecret = secrets::read(client, secret_id).await?;
    Ok(secret.key)
}

#[cfg(test)]
mod tests {
    use domain::contact_key::ContactKey;
    use serde_json::json;

    use super::*;
    use crate::secrets::tests::secrets_manager;

    async fn read(secret: &str) -> Result<ErasureKey, SecretsError> {
        let answer = json!({"ARN": "arn", "Name": "erasure", "SecretString": secret}).to_string();
        read_key(&secrets_manager(vec![answer]).await, "erasure").await
    }

    #[tokio::test]
    async fn key_is_read_and_a_short_one_refused_unseen() {
        let key = read(&json!({"key": "k".repeat(64)}).to_string()).await.unwrap();
        assert_eq!(key.hash(&ContactKey::stored("AC1#+1")).len(), 64);
        let error = read(r#"{"key": "too-short"}"#).await.unwrap_err().to_string();
        assert!(error.contains("key: ") && !error.contains("too-short"), "{error}");
    }
}

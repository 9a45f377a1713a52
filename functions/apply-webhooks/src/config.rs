//! The cold start.

use shared::{
    aws, env,
    queues::{DeadLetterQueue, SpoolQueue},
    start::StartError,
    webhook::WebhookRecorder,
};

use crate::ApplyWebhooksFunction;

impl ApplyWebhooksFunction {
    /// Reads the environment, builds the clients and opens the connection to DynamoDB.
    pub async fn from_env() -> Result<Self, StartError> {
        let spool_url = env::required("SPOOL_QUEUE_URL")?;
        let dead_letter_url = env::required("SPOOL_DEAD_LETTER_QUEUE_URL")?;
        let config = aws::for_webhooks(&aws::config().await?);
        let sqs = aws_sdk_sqs::Client::new(&config);
        Ok(Self {
            recorder: WebhookRecorder::from_env(&config).await?,
            spool: SpoolQueue::new(sqs.clone(), spool_url),
            dead_letters: DeadLetterQueue::new(sqs, dead_letter_url),
        })
    }
}

//! The cold start.

use jiff::SignedDuration;
use shared::{
    env,
    queues::{LaneQueues, LaneUrls},
    start::StartError,
};
use stores::{notifications::Notifications, pauses::PauseStore};

use crate::ReleaseFunction;

const PAUSE_ALARM_MINUTES: u32 = 60;

impl ReleaseFunction {
    /// Reads the environment and builds the clients. No one waits for a run, so no connection is opened ahead.
    pub async fn from_env() -> Result<Self, StartError> {
        let notifications_table = env::required("NOTIFICATIONS_TABLE")?;
        let rate_limits_table = env::required("RATE_LIMITS_TABLE")?;
        let urls = LaneUrls::from_env()?;
        let pause_alarm: u32 = env::optional_parsed("PAUSE_ALARM_MINUTES")?.unwrap_or(PAUSE_ALARM_MINUTES);
        let config = shared::aws::config().await?;
        let dynamodb = aws_sdk_dynamodb::Client::new(&config);
        Ok(Self {
            notifications: Notifications::new(dynamodb.clone(), notifications_table),
            pauses: PauseStore::new(dynamodb, rate_limits_table),
            queues: LaneQueues::new(aws_sdk_sqs::Client::new(&config), urls),
            pause_alarm: SignedDuration::from_mins(pause_alarm.into()),
        })
    }
}

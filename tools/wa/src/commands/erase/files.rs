//! The person's files in the media bucket.

use std::collections::BTreeSet;

use aws_sdk_s3::{Client, operation::head_object::HeadObjectError};
use twilio_types::sid::MessageSid;

use super::{at_twilio::TwilioMessages, receipt::Step};
use crate::{
    error::CommandError,
    personal_data::{PersonalData, folder},
    session::Session,
};

const DELETING: &str = "deleting files of the media bucket";

/// The files that a person sent, and those that were sent to no other person.
pub(in crate::commands) struct MediaFolder {
    pub(in crate::commands) keys: BTreeSet<String>,
}

impl MediaFolder {
    pub(in crate::commands) async fn of(
        session: &Session,
        data: &PersonalData,
        messages: &TwilioMessages,
    ) -> Result<Self, CommandError> {
        let with_files = data.inbound().into_iter().filter(|(_, files)| *files > 0).map(|(sid, _)| sid);
        let with_files: BTreeSet<MessageSid> = with_files.chain(messages.with_files().cloned()).collect();
        let (client, bucket) = (client(session).await?, bucket(session).await?);
        let mut keys = BTreeSet::new();
        for message_sid in with_files {
            let prefix = folder(data.identities.account_sid(), &message_sid);
            let mut pages = client.list_objects_v2().bucket(&bucket).prefix(prefix).into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| CommandError::of_sdk("listing files of the media bucket", error))?;
                keys.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key));
            }
        }
        for upload in &data.uploads {
            let head = client.head_object().bucket(&bucket).key(upload.as_str()).send().await;
            match head {
                Ok(_) => drop(keys.insert(upload.as_str().to_owned())),
                Err(error) if error.as_service_error().is_some_and(HeadObjectError::is_not_found) => {}
                Err(error) => return Err(CommandError::of_sdk("reading the media bucket", error)),
            }
        }
        Ok(Self { keys })
    }

    pub(in crate::commands) async fn delete(&self, session: &Session) -> Result<Step, CommandError> {
        let (client, bucket) = (client(session).await?, bucket(session).await?);
        for key in &self.keys {
            let delete = client.delete_object().bucket(&bucket).key(key).send().await;
            delete.map_err(|error| CommandError::of_sdk(DELETING, error))?;
        }
        Ok(Step::files().done(self.keys.len()))
    }
}

async fn client(session: &Session) -> Result<Client, CommandError> {
    Ok(Client::from_conf(shared::aws::s3_config(session.aws().await?).build()))
}

async fn bucket(session: &Session) -> Result<String, CommandError> {
    Ok(session.stack().await?.output("MediaBucketName")?.to_owned())
}

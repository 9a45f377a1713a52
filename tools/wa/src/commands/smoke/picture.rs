//! The picture of a smoke test, in the stack's media bucket while it is sent.

use aws_sdk_s3::{Client, primitives::ByteStream};
use domain::media::MediaKey;
use twilio_types::media::MediaType;

use crate::{error::CommandError, session::Session};

const PICTURE: &[u8] = include_bytes!("picture.png");
const PNG: &str = "image/png";

pub(super) struct UploadedPicture {
    client: Client,
    bucket: String,
    key: MediaKey,
}

impl UploadedPicture {
    pub(super) async fn upload(session: &Session) -> Result<Self, CommandError> {
        let client = Client::from_conf(shared::aws::s3_config(session.aws().await?).build());
        let bucket = session.stack().await?.output("MediaBucketName")?.to_owned();
        let media_type: MediaType =
            PNG.parse().map_err(|_| CommandError::usage("image/png is no type of a file that can be sent"))?;
        let key = MediaKey::for_upload(&media_type, None);
        let put = client.put_object().bucket(&bucket).key(key.as_str()).content_type(PNG);
        let put = put.body(ByteStream::from_static(PICTURE)).send().await;
        put.map_err(|error| CommandError::of_sdk("uploading the picture to the media bucket", error))?;
        Ok(Self { client, bucket, key })
    }

    pub(super) fn key(&self) -> &str {
        self.key.as_str()
    }

    /// The bucket's lifecycle deletes it later if this fails.
    pub(super) async fn delete(self, session: &Session) {
        let delete = self.client.delete_object().bucket(&self.bucket).key(self.key.as_str()).send().await;
        if let Err(error) = delete {
            let error = CommandError::of_sdk("deleting the picture from the media bucket", error);
            session.terminal.warn(&error.describe());
        }
    }
}

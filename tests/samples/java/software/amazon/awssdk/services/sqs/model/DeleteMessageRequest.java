package software.amazon.awssdk.services.sqs.model;

import com.google.gson.JsonObject;

public final class DeleteMessageRequest {
    public static final class Builder {
        public final JsonObject json = new JsonObject();

        public Builder queueUrl(String url) {
            json.addProperty("QueueUrl", url);
            return this;
        }

        public Builder receiptHandle(String handle) {
            json.addProperty("ReceiptHandle", handle);
            return this;
        }
    }
}

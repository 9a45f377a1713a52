package software.amazon.awssdk.services.sqs.model;

import com.google.gson.JsonObject;

public final class ReceiveMessageRequest {
    public static final class Builder {
        public final JsonObject json = new JsonObject();

        public Builder queueUrl(String url) {
            json.addProperty("QueueUrl", url);
            return this;
        }

        public Builder maxNumberOfMessages(Integer number) {
            json.addProperty("MaxNumberOfMessages", number);
            return this;
        }

        public Builder waitTimeSeconds(Integer seconds) {
            json.addProperty("WaitTimeSeconds", seconds);
            return this;
        }
    }
}

package software.amazon.awssdk.services.sqs.model;

import com.google.gson.JsonObject;

public final class SendMessageRequest {
    public static final class Builder {
        public final JsonObject json = new JsonObject();

        public Builder queueUrl(String url) {
            json.addProperty("QueueUrl", url);
            return this;
        }

        public Builder messageBody(String body) {
            json.addProperty("MessageBody", body);
            return this;
        }
    }
}

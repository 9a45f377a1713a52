package software.amazon.awssdk.services.sqs.model;

public record SendMessageResponse(String messageId) {}

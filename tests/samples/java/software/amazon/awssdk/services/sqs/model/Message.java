package software.amazon.awssdk.services.sqs.model;

public record Message(String body, String receiptHandle) {}

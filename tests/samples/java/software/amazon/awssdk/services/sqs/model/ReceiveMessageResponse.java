package software.amazon.awssdk.services.sqs.model;

import java.util.List;

public record ReceiveMessageResponse(List<Message> messages) {}

package software.amazon.awssdk.services.sqs;

import java.util.function.Consumer;
import software.amazon.awssdk.services.sqs.model.DeleteMessageRequest;
import software.amazon.awssdk.services.sqs.model.DeleteMessageResponse;
import software.amazon.awssdk.services.sqs.model.ReceiveMessageRequest;
import software.amazon.awssdk.services.sqs.model.ReceiveMessageResponse;
import software.amazon.awssdk.services.sqs.model.SendMessageRequest;
import software.amazon.awssdk.services.sqs.model.SendMessageResponse;

/**
 * The part of the AWS SDK for Java 2 that the samples use, with its names and signatures, over the same protocol.
 *
 * <p>The SDK itself is in Maven's registry only, which the tests do without.
 */
public interface SqsClient {
    static SqsClient create() {
        return new SignedSqsClient();
    }

    SendMessageResponse sendMessage(Consumer<SendMessageRequest.Builder> request);

    ReceiveMessageResponse receiveMessage(Consumer<ReceiveMessageRequest.Builder> request);

    DeleteMessageResponse deleteMessage(Consumer<DeleteMessageRequest.Builder> request);
}

import com.google.gson.Gson;
import java.util.Map;
import software.amazon.awssdk.services.sqs.SqsClient;

/**
 * Puts a notification on the queue: {@code CONTENT_SID=HX... java Producer +14155550123 18473}.
 *
 * <p>OUTBOUND_QUEUE_URL is an output of the stack, CONTENT_SID a template of the Twilio account.
 */
class Producer {
    static final SqsClient SQS = SqsClient.create();

    /** If this throws, the notification may be on the queue or not: call it again with the same id, which is sent once. */
    static void send(Map<String, Object> notification) {
        String body = new Gson().toJson(notification);
        SQS.sendMessage(message -> message.queueUrl(System.getenv("OUTBOUND_QUEUE_URL")).messageBody(body));
    }

    static void orderShipped(String to, String order) {
        send(Map.of(
            // Says what the message is about, so that a repetition has the same id.
            "id", "order-" + order + "-shipped",
            "to", to,
            "category", "utility",
            "content", Map.of(
                "type", "template",
                "content_sid", System.getenv("CONTENT_SID"),
                "variables", Map.of("1", "Ava", "2", order)),
            "metadata", Map.of("order", order)));
    }

    public static void main(String[] arguments) {
        orderShipped(arguments[0], arguments[1]);
    }
}

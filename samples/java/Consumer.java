import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import software.amazon.awssdk.services.sqs.SqsClient;
import software.amazon.awssdk.services.sqs.model.Message;

/** Receives the events of the system, until SIGTERM or Ctrl-C. EVENTS_QUEUE_URL is an output of the stack. */
class Consumer {
    static final SqsClient SQS = SqsClient.create();
    static final String QUEUE = System.getenv("EVENTS_QUEUE_URL");
    static volatile boolean ended = false;

    /** An event may come twice, with the same event_id: store that with what you do, and skip an id that is stored. */
    static void handle(JsonObject event) {
        switch (text(event, "event_type")) {
            case "twilio_inbound" ->
                System.out.println("message " + text(event, "from") + " " + text(event, "body"));
            case "twilio_status" ->
                System.out.println("status " + text(event, "notification_id") + " " + text(event, "status"));
            case "notification_failed", "notification_suppressed" ->
                System.out.println("not sent " + text(event, "notification_id") + " " + text(event, "outcome") + " "
                    + text(event, "reason"));
            case "contact_opted_out", "contact_opted_in", "contact_consent" ->
                System.out.println(text(event, "event_type") + " " + text(event, "contact"));
            // New types may be added.
            default -> System.out.println("ignored " + text(event, "event_type"));
        }
    }

    static String text(JsonObject event, String field) {
        return event.has(field) && !event.get(field).isJsonNull() ? event.get(field).getAsString() : "";
    }

    public static void main(String[] arguments) {
        Thread main = Thread.currentThread();
        // It handles what it has received, and then ends.
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            ended = true;
            try {
                main.join();
            } catch (InterruptedException ignored) {
                // The virtual machine ends anyway.
            }
        }));
        while (!ended) {
            var received = SQS.receiveMessage(request ->
                request.queueUrl(QUEUE).maxNumberOfMessages(10).waitTimeSeconds(20));
            for (Message message : received.messages()) {
                try {
                    handle(JsonParser.parseString(message.body()).getAsJsonObject());
                } catch (RuntimeException error) {
                    // It is received again after a minute. What was received after it waits too, so that the events of a
                    // person stay in order. After ten failures SQS moves it to the dead-letter queue.
                    System.out.println("failed, and tried again: " + error);
                    break;
                }
                SQS.deleteMessage(request -> request.queueUrl(QUEUE).receiptHandle(message.receiptHandle()));
            }
        }
    }
}

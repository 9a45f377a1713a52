package software.amazon.awssdk.services.sqs;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.function.Consumer;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import software.amazon.awssdk.services.sqs.model.DeleteMessageRequest;
import software.amazon.awssdk.services.sqs.model.DeleteMessageResponse;
import software.amazon.awssdk.services.sqs.model.Message;
import software.amazon.awssdk.services.sqs.model.ReceiveMessageRequest;
import software.amazon.awssdk.services.sqs.model.ReceiveMessageResponse;
import software.amazon.awssdk.services.sqs.model.SendMessageRequest;
import software.amazon.awssdk.services.sqs.model.SendMessageResponse;

/** Calls SQS over its JSON protocol, with the endpoint, region and keys of the environment. */
final class SignedSqsClient implements SqsClient {
    private final HttpClient http = HttpClient.newHttpClient();
    private final URI endpoint = URI.create(System.getenv("AWS_ENDPOINT_URL"));
    private final String region = System.getenv("AWS_REGION");

    @Override
    public SendMessageResponse sendMessage(Consumer<SendMessageRequest.Builder> request) {
        var fields = new SendMessageRequest.Builder();
        request.accept(fields);
        return new SendMessageResponse(call("SendMessage", fields.json).get("MessageId").getAsString());
    }

    @Override
    public ReceiveMessageResponse receiveMessage(Consumer<ReceiveMessageRequest.Builder> request) {
        var fields = new ReceiveMessageRequest.Builder();
        request.accept(fields);
        JsonElement received = call("ReceiveMessage", fields.json).get("Messages");
        List<Message> messages = new ArrayList<>();
        if (received != null) {
            for (JsonElement each : received.getAsJsonArray()) {
                JsonObject message = each.getAsJsonObject();
                String handle = message.get("ReceiptHandle").getAsString();
                messages.add(new Message(message.get("Body").getAsString(), handle));
            }
        }
        return new ReceiveMessageResponse(messages);
    }

    @Override
    public DeleteMessageResponse deleteMessage(Consumer<DeleteMessageRequest.Builder> request) {
        var fields = new DeleteMessageRequest.Builder();
        request.accept(fields);
        call("DeleteMessage", fields.json);
        return new DeleteMessageResponse();
    }

    private JsonObject call(String action, JsonObject fields) {
        String body = fields.toString();
        String time = ZonedDateTime.now(ZoneOffset.UTC).format(DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'"));
        String target = "AmazonSQS." + action;
        try {
            HttpRequest request = HttpRequest.newBuilder(endpoint.resolve("/"))
                .header("Content-Type", "application/x-amz-json-1.0")
                .header("X-Amz-Date", time)
                .header("X-Amz-Target", target)
                .header("Authorization", authorization(time, target, body))
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
            HttpResponse<String> response = http.send(request, HttpResponse.BodyHandlers.ofString());
            if (response.statusCode() != 200) {
                throw new IllegalStateException(response.statusCode() + " " + response.body());
            }
            return response.body().isEmpty() ? new JsonObject() : JsonParser.parseString(response.body()).getAsJsonObject();
        } catch (IOException | InterruptedException | GeneralSecurityException error) {
            throw new IllegalStateException(error);
        }
    }

    /** Signature version 4 (IAM User Guide, "Create a signed AWS API request"). */
    private String authorization(String time, String target, String body) throws GeneralSecurityException {
        String signed = "content-type;host;x-amz-date;x-amz-target";
        String host = endpoint.getHost() + (endpoint.getPort() < 0 ? "" : ":" + endpoint.getPort());
        String canonical = "POST\n/\n\ncontent-type:application/x-amz-json-1.0\nhost:" + host + "\nx-amz-date:" + time
            + "\nx-amz-target:" + target + "\n\n" + signed + "\n" + sha256(body);
        String day = time.substring(0, 8);
        String scope = day + "/" + region + "/sqs/aws4_request";
        String text = "AWS4-HMAC-SHA256\n" + time + "\n" + scope + "\n" + sha256(canonical);
        byte[] key = ("AWS4" + System.getenv("AWS_SECRET_ACCESS_KEY")).getBytes(StandardCharsets.UTF_8);
        for (String part : List.of(day, region, "sqs", "aws4_request", text)) {
            key = hmac(key, part);
        }
        return "AWS4-HMAC-SHA256 Credential=" + System.getenv("AWS_ACCESS_KEY_ID") + "/" + scope + ", SignedHeaders="
            + signed + ", Signature=" + HexFormat.of().formatHex(key);
    }

    private static String sha256(String text) throws GeneralSecurityException {
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
        return HexFormat.of().formatHex(digest);
    }

    private static byte[] hmac(byte[] key, String text) throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return mac.doFinal(text.getBytes(StandardCharsets.UTF_8));
    }
}

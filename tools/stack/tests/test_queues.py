"""The limits of SQS, on queues of ministack without its server."""

import unittest
from unittest.mock import patch

from ministack.services import sqs

from strict import queues
from support import call_sqs, restore_after

KIBIBYTE = "x" * 1_024


def text(value):
    return {"DataType": "String", "StringValue": value}


class QueueTest(unittest.TestCase):
    def setUp(self):
        restore_after(self, sqs, sqs._HANDLERS)
        self.addCleanup(sqs.reset)
        self.now = 1_800_000_000.0
        clock = patch("time.time", lambda: self.now)
        clock.start()
        self.addCleanup(clock.stop)
        queues.check_sent_messages(sqs)
        queues.limit_messages_in_flight(sqs)
        queues.check_changed_visibility(sqs)
        self.url = call_sqs(sqs, "CreateQueue", QueueName="queue")["QueueUrl"]

    def call(self, action, **request):
        return call_sqs(sqs, action, QueueUrl=self.url, **request)

    def send(self, body="body", **request):
        return self.call("SendMessage", MessageBody=body, **request)

    def receive(self, **request):
        response = self.call("ReceiveMessage", **request)
        return response if isinstance(response, str) else response.get("Messages", [])


class SentMessagesTest(QueueTest):
    def test_character_outside_the_set_is_refused_everywhere(self):
        for character in ("\ufffe", "\uffff", "\x00", "\x0b", "\x1f"):
            self.assertEqual(self.send(f"a{character}"), "InvalidMessageContents")
            attributes = {"reason": text(character)}
            self.assertEqual(self.send(MessageAttributes=attributes), "InvalidMessageContents")
            entries = [{"Id": "good", "MessageBody": "a"}, {"Id": "bad", "MessageBody": character},
                       {"Id": "named", "MessageBody": "a", "MessageAttributes": attributes}]
            answer = self.call("SendMessageBatch", Entries=entries)
            self.assertEqual([entry["Id"] for entry in answer["Successful"]], ["good"])
            self.assertEqual([(entry["Id"], entry["Code"]) for entry in answer["Failed"]],
                             [("bad", "InvalidMessageContents"), ("named", "InvalidMessageContents")])
        for character in ("\t", "\n", "\r", "\ud7ff", "\ue000", "\ufffd", "\U00010000", "\U0010ffff"):
            self.assertIn("MessageId", self.send(character))

    def test_attributes_count_as_part_of_the_message(self):
        largest = KIBIBYTE * 1_024
        self.assertIn("MessageId", self.send(largest))
        self.assertEqual(self.send(largest + "x"), "InvalidParameterValue")
        # The attribute has 7 bytes.
        self.assertEqual(self.send(largest[6:], MessageAttributes={"a": text("")}), "InvalidParameterValue")
        self.assertIn("MessageId", self.send(largest[7:], MessageAttributes={"a": text("")}))
        binary = {"a": {"DataType": "Binary", "BinaryValue": "AAAA"}}
        self.assertIn("MessageId", self.send(largest[10:], MessageAttributes=binary), "three bytes in base64")
        self.assertEqual(self.send(largest[9:], MessageAttributes=binary), "InvalidParameterValue")

    def test_limit_of_the_queue_counts(self):
        self.call("SetQueueAttributes", Attributes={"MaximumMessageSize": "1024"})
        self.assertIn("MessageId", self.send(KIBIBYTE))
        self.assertEqual(self.send(KIBIBYTE, MessageAttributes={"a": text("b")}), "InvalidParameterValue")

    def test_messages_of_a_batch_share_one_mebibyte(self):
        half = {"MessageBody": KIBIBYTE * 512}
        entries = [{"Id": "a", **half}, {"Id": "b", **half}]
        self.assertEqual(len(self.call("SendMessageBatch", Entries=entries)["Successful"]), 2)
        entries[1]["MessageAttributes"] = {"a": text("b")}
        self.assertEqual(self.call("SendMessageBatch", Entries=entries), "BatchRequestTooLong")
        self.assertEqual(len(self.receive(MaxNumberOfMessages=10)), 2, "none of the refused batch")

    def test_delay_is_up_to_fifteen_minutes(self):
        for seconds in (-1, 901):
            self.assertEqual(self.send(DelaySeconds=seconds), "InvalidParameterValue")
            entries = [{"Id": "a", "MessageBody": "a", "DelaySeconds": seconds}]
            (failed,) = self.call("SendMessageBatch", Entries=entries)["Failed"]
            self.assertEqual(failed["Code"], "InvalidParameterValue")
        self.send(DelaySeconds=900)
        self.now += 899
        self.assertEqual(self.receive(), [])
        self.now += 1
        self.assertEqual(len(self.receive()), 1)

    def test_message_has_at_most_ten_attributes(self):
        attributes = {f"a{number}": text("b") for number in range(11)}
        self.assertEqual(self.send(MessageAttributes=attributes), "InvalidParameterValue")
        del attributes["a0"]
        self.assertIn("MessageId", self.send(MessageAttributes=attributes))

    def test_batch_has_at_most_ten_messages_with_different_ids(self):
        entries = [{"Id": str(number), "MessageBody": "a"} for number in range(11)]
        self.assertEqual(self.call("SendMessageBatch", Entries=entries), "TooManyEntriesInBatchRequest")
        self.assertEqual(self.call("SendMessageBatch", Entries=[entries[0]] * 2), "BatchEntryIdsNotDistinct")
        self.assertEqual(self.call("SendMessageBatch", Entries=[]), "EmptyBatchRequest")


class InFlightTest(QueueTest):
    def setUp(self):
        super().setUp()
        self.call("TagQueue", Tags={queues.QUOTA_TAG: "3"})
        for number in range(5):
            self.send(str(number))

    def test_nothing_is_received_beyond_the_quota(self):
        self.assertEqual(len(self.receive(MaxNumberOfMessages=10)), 3)
        self.assertEqual(sqs._receive_messages_for_esm(self.url, 10), [], "by a function's poller")
        self.assertEqual(self.receive(), "OverLimit", "by a short poll")
        # In one second, so that the clock of the test must pass while the poll waits.
        with patch("time.time", side_effect=(self.now + second for second in range(1_000))):
            self.assertEqual(self.receive(WaitTimeSeconds=1), [], "by a long poll")

    def test_deleted_or_visible_message_is_not_in_flight(self):
        first, *_ = self.receive(MaxNumberOfMessages=10)
        self.call("DeleteMessage", ReceiptHandle=first["ReceiptHandle"])
        self.assertEqual(len(self.receive(MaxNumberOfMessages=10)), 1)
        self.now += 31
        self.assertEqual(len(self.receive(MaxNumberOfMessages=10)), 3, "their visibility timeout is over")

    def test_delayed_message_is_not_in_flight(self):
        for _ in range(3):
            self.send(DelaySeconds=900)
        self.assertEqual(len(self.receive(MaxNumberOfMessages=10)), 3)

    def test_quota_is_that_of_aws_without_the_tag(self):
        self.call("UntagQueue", TagKeys=[queues.QUOTA_TAG])
        self.assertEqual(queues.quota(sqs._get_q(self.url)), 120_000)
        self.assertEqual(len(self.receive(MaxNumberOfMessages=10)), 5)

    def test_parameters_of_a_receive_have_ranges(self):
        for parameter, highest in {"VisibilityTimeout": 43_200, "WaitTimeSeconds": 20}.items():
            for value in (-1, highest + 1):
                self.assertEqual(self.receive(**{parameter: value}), "InvalidParameterValue")
        self.assertEqual(len(self.receive(VisibilityTimeout=43_200, WaitTimeSeconds=20)), 1)


class VisibilityTest(QueueTest):
    def change(self, handle, seconds):
        """The refusals of a change by the single and by the batch call."""
        entries = [{"Id": "a", "ReceiptHandle": handle, "VisibilityTimeout": seconds}]
        batch = self.call("ChangeMessageVisibilityBatch", Entries=entries)
        single = self.call("ChangeMessageVisibility", ReceiptHandle=handle, VisibilityTimeout=seconds)
        return single or None, batch["Failed"][0]["Code"] if batch["Failed"] else None

    def received(self):
        self.send()
        (message,) = self.receive()
        return message["ReceiptHandle"]

    def test_message_that_is_visible_again_is_not_in_flight(self):
        handle = self.received()
        self.assertEqual(self.change(handle, 20), (None, None))
        self.now += 20
        self.assertEqual(self.change(handle, 20), ("MessageNotInflight", "MessageNotInflight"))

    def test_message_is_hidden_for_twelve_hours_at_most(self):
        handle = self.received()
        for seconds in (-1, 43_201):
            self.assertEqual(self.change(handle, seconds), ("InvalidParameterValue", "InvalidParameterValue"))
        self.assertEqual(self.change(handle, 43_200), (None, None))
        self.now += 3_600
        self.assertEqual(self.change(handle, 43_200), ("InvalidParameterValue", "InvalidParameterValue"), "13 hours in all")
        self.assertEqual(self.change(handle, 39_600), (None, None))

    def test_next_receive_begins_another_twelve_hours(self):
        handle = self.received()
        self.now += 3_600
        (message,) = self.receive()
        self.assertEqual(self.change(message["ReceiptHandle"], 43_200), (None, None))
        self.assertEqual(self.change("unknown", 1), ("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid"))
        self.assertEqual(self.change(handle, 1), ("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid"))

    def test_message_is_visible_at_once_with_a_timeout_of_zero(self):
        handle = self.received()
        self.call("ChangeMessageVisibility", ReceiptHandle=handle, VisibilityTimeout=0)
        self.assertEqual(len(self.receive()), 1)


if __name__ == "__main__":
    unittest.main()

package klamm.compat;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.kafka.annotation.PartitionOffset;
import org.springframework.kafka.annotation.TopicPartition;
import org.springframework.stereotype.Component;

/** The two ways to listen; each record becomes an event line. */
@Component
class Listeners {
    private final Lines lines;

    Listeners(Lines lines) {
        this.lines = lines;
    }

    /** Three consumers share the partitions. Spring commits after each batch of a poll (AckMode.BATCH). */
    @KafkaListener(id = "group", groupId = "${klamm.group}", topics = "${klamm.topic}", concurrency = "3")
    void group(ConsumerRecord<byte[], byte[]> record) {
        tell("group", record);
    }

    /**
     * No group decides here: partition 0 from offset 2, partition 1 from its beginning, partition 2 from its end less 1.
     * The test starts it when there are records: in an empty partition the offset 2 would be out of range.
     */
    @KafkaListener(
            id = "offsets",
            autoStartup = "false",
            groupId = "${klamm.group}-offsets",
            topicPartitions =
                    @TopicPartition(
                            topic = "${klamm.topic}",
                            partitionOffsets = {
                                @PartitionOffset(partition = "0", initialOffset = "2"),
                                @PartitionOffset(partition = "1", initialOffset = "0"),
                                @PartitionOffset(partition = "2", initialOffset = "-1")
                            }))
    void offsets(ConsumerRecord<byte[], byte[]> record) {
        tell("offsets", record);
    }

    private void tell(String listener, ConsumerRecord<byte[], byte[]> record) {
        List<List<Object>> headers = new ArrayList<>();
        for (Header header : record.headers()) {
            List<Object> pair = new ArrayList<>();
            pair.add(header.key());
            pair.add(header.value());
            headers.add(pair);
        }
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("topic", record.topic());
        shown.put("partition", record.partition());
        shown.put("offset", record.offset());
        shown.put("timestamp", record.timestamp());
        shown.put("timestamp_type", record.timestampType().name);
        shown.put("leader_epoch", record.leaderEpoch().orElse(null));
        shown.put("key", record.key());
        shown.put("value", record.value());
        shown.put("headers", headers);
        lines.event("records", listener, "records", List.of(shown));
    }
}

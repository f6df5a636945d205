# Lines of Kafka's own quickstarts and of common tutorials, as they stand there. test_tutorial.py puts a free port for
# 9092 and a folder of its own for /tmp, runs this in a folder laid by `klamm link-commands bin`, and looks at the output.

echo "=== 1.0"
bin/zookeeper-server-start.sh -daemon config/zookeeper.properties
bin/kafka-server-start.sh -daemon config/old.properties --override num.partitions=2
bin/kafka-topics.sh --create --zookeeper localhost:2181 --replication-factor 1 --partitions 1 --topic test
bin/kafka-topics.sh --list --zookeeper localhost:2181/kafka
printf 'This is a message\nThis is another message\n' | bin/kafka-console-producer.sh --broker-list localhost:9092 --topic test
bin/kafka-console-consumer.sh --bootstrap-server localhost:9092 --topic test --from-beginning --max-messages 2
bin/kafka-topics.sh --describe --zookeeper localhost:2181 --topic test
bin/kafka-topics.sh --zookeeper localhost:2181 --alter --topic test --partitions 4
bin/kafka-configs.sh --zookeeper localhost:2181 --alter --entity-type topics --entity-name test --add-config max.message.bytes=128000
bin/kafka-configs.sh --zookeeper localhost:2181 --describe --entity-type topics --entity-name test
bin/kafka-topics.sh --zookeeper localhost:2181 --delete --topic test
bin/kafka-server-stop.sh
bin/zookeeper-server-stop.sh
rm -rf /tmp/kafka-logs /tmp/zookeeper

echo "=== 2.x"
bin/zookeeper-server-start.sh config/zookeeper.properties & zookeeper=$!
bin/kafka-server-start.sh -daemon config/server.properties
bin/kafka-topics.sh --create --topic quickstart-events --bootstrap-server localhost:9092 --partitions 2 --replication-factor 1
bin/kafka-topics.sh --describe --topic quickstart-events --bootstrap-server localhost:9092
printf 'k:v\n' | bin/kafka-console-producer.sh --topic quickstart-events --broker-list localhost:9092 --property parse.key=true --property key.separator=:
bin/kafka-console-consumer.sh --topic quickstart-events --from-beginning --bootstrap-server localhost:9092 localhost:9092 --max-messages 1 --property print.key=true --consumer-property group.id=g
bin/kafka-consumer-groups.sh --bootstrap-server localhost:9092 --list
bin/kafka-consumer-groups.sh --bootstrap-server localhost:9092 --describe --group g
bin/kafka-server-stop.sh
bin/zookeeper-server-stop.sh
wait $zookeeper
rm -rf /tmp/kraft-combined-logs

echo "=== 3.x"
KAFKA_CLUSTER_ID="$(bin/kafka-storage.sh random-uuid)"
bin/kafka-storage.sh format -t $KAFKA_CLUSTER_ID -c config/kraft/server.properties
bin/kafka-server-start.sh -daemon config/kraft/server.properties
echo "the id is $KAFKA_CLUSTER_ID"
bin/kafka-cluster.sh cluster-id --bootstrap-server localhost:9092
bin/kafka-server-stop.sh
rm -rf /tmp/kraft-combined-logs

echo "=== 4.x"
bin/kafka-storage.sh format --standalone -t $KAFKA_CLUSTER_ID -c config/server.properties
bin/kafka-storage.sh info -c config/server.properties
bin/kafka-server-start.sh -daemon config/server.properties
bin/kafka-topics.sh --create --topic quickstart-events --bootstrap-server localhost:9092
printf 'first event\n' | bin/kafka-console-producer.sh --topic quickstart-events --bootstrap-server localhost:9092 --producer.config config/producer.properties
bin/kafka-console-consumer.sh --topic quickstart-events --from-beginning --bootstrap-server localhost:9092 --max-messages 1 --consumer.config config/consumer.properties
bin/kafka-consumer-groups.sh --bootstrap-server localhost:9092 --describe --group test-consumer-group
bin/kafka-topics.sh --delete --topic quickstart-events --bootstrap-server localhost:9092
bin/kafka-server-stop.sh --node-id=1
rm -rf /tmp/kafka-logs /tmp/kraft-combined-logs

echo "=== Kafka 4.3's own file"
bin/kafka-server-start.sh -daemon config/of-kafka-4.3.properties
bin/kafka-topics.sh --list --bootstrap-server localhost:9092
bin/kafka-server-stop.sh

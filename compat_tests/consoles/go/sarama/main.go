// What lag exporters in Go ask, by way of sarama (kafka_exporter, Burrow, kaf, kafkactl): one JSON object on stdout.
//
//	sarama ADDRESS KAFKA_VERSION
package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"time"

	"github.com/IBM/sarama"
)

const offsetsTopic = "__consumer_offsets"

type topic struct {
	Oldest  []int64           `json:"oldest"`
	Newest  []int64           `json:"newest"`
	Configs map[string]string `json:"configs"`
}

type member struct {
	ClientID string             `json:"client_id"`
	Assigned map[string][]int32 `json:"assigned"`
}

type group struct {
	State   string                     `json:"state"`
	Members []member                   `json:"members"`
	Offsets map[string]map[int32]int64 `json:"offsets"`
}

type report struct {
	Brokers    []string         `json:"brokers"`
	Controller string           `json:"controller"`
	Topics     map[string]topic `json:"topics"`
	Groups     map[string]group `json:"groups"`
	// What the records of __consumer_offsets say themselves: group, topic, partition, offset.
	Commits map[string]map[string]map[int32]int64 `json:"commits"`
	// Each change, and "" or the error it ended in.
	Changes [][2]string `json:"changes"`
}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func main() {
	config := sarama.NewConfig()
	config.Version = must(sarama.ParseKafkaVersion(os.Args[2]))
	client := must(sarama.NewClient([]string{os.Args[1]}, config))
	admin := must(sarama.NewClusterAdminFromClient(client))
	found := report{Topics: topics(client, admin), Commits: commits(client)}
	for _, broker := range client.Brokers() {
		found.Brokers = append(found.Brokers, broker.Addr())
	}
	found.Controller = must(client.Controller()).Addr()
	found.Groups = groups(client, admin, found.Topics)
	found.Changes = changes(admin)
	must(0, json.NewEncoder(os.Stdout).Encode(found))
}

func topics(client sarama.Client, admin sarama.ClusterAdmin) map[string]topic {
	found := map[string]topic{}
	for name, detail := range must(admin.ListTopics()) {
		one := topic{Configs: map[string]string{}}
		for key, value := range detail.ConfigEntries {
			one.Configs[key] = *value
		}
		partitions := must(client.Partitions(name))
		sort.Slice(partitions, func(i, j int) bool { return partitions[i] < partitions[j] })
		for _, partition := range partitions {
			one.Oldest = append(one.Oldest, must(client.GetOffset(name, partition, sarama.OffsetOldest)))
			one.Newest = append(one.Newest, must(client.GetOffset(name, partition, sarama.OffsetNewest)))
		}
		found[name] = one
	}
	return found
}

func groups(client sarama.Client, admin sarama.ClusterAdmin, topics map[string]topic) map[string]group {
	names := []string{}
	for name := range must(admin.ListConsumerGroups()) {
		names = append(names, name)
	}
	asked := map[string][]int32{}
	for name, one := range topics {
		for partition := range one.Newest {
			asked[name] = append(asked[name], int32(partition))
		}
	}
	found := map[string]group{}
	for _, description := range must(admin.DescribeConsumerGroups(names)) {
		one := group{State: description.State, Offsets: map[string]map[int32]int64{}}
		for _, joined := range description.Members {
			assignment := must(joined.GetMemberAssignment())
			one.Members = append(one.Members, member{joined.ClientId, assignment.Topics})
		}
		for name, blocks := range must(admin.ListConsumerGroupOffsets(description.GroupId, asked)).Blocks {
			for partition, block := range blocks {
				must(0, nothing(block.Err))
				if block.Offset >= 0 {
					if one.Offsets[name] == nil {
						one.Offsets[name] = map[int32]int64{}
					}
					one.Offsets[name][partition] = block.Offset
				}
			}
		}
		found[description.GroupId] = one
	}
	return found
}

func nothing(code sarama.KError) error {
	if code == sarama.ErrNoError {
		return nil
	}
	return code
}

// Burrow's way: the offsets topic is read from its beginning, and its records are decoded here.
func commits(client sarama.Client) map[string]map[string]map[int32]int64 {
	found := map[string]map[string]map[int32]int64{}
	consumer := must(sarama.NewConsumerFromClient(client))
	for _, partition := range must(client.Partitions(offsetsTopic)) {
		end := must(client.GetOffset(offsetsTopic, partition, sarama.OffsetNewest))
		if end == 0 {
			continue
		}
		reader := must(consumer.ConsumePartition(offsetsTopic, partition, sarama.OffsetOldest))
		for at := int64(-1); at < end-1; {
			select {
			case message := <-reader.Messages():
				at = message.Offset
				commit(found, message.Key, message.Value)
			case <-time.After(20 * time.Second):
				must(0, fmt.Errorf("partition %d ends at %d of %d", partition, at, end))
			}
		}
		must(0, reader.Close())
	}
	return found
}

func text(data []byte) (string, []byte) {
	size := binary.BigEndian.Uint16(data)
	return string(data[2 : 2+size]), data[2+size:]
}

func commit(found map[string]map[string]map[int32]int64, key, value []byte) {
	if version := binary.BigEndian.Uint16(key); version > 1 || value == nil {
		return
	}
	name, rest := text(key[2:])
	topic, rest := text(rest)
	if found[name] == nil {
		found[name] = map[string]map[int32]int64{}
	}
	if found[name][topic] == nil {
		found[name][topic] = map[int32]int64{}
	}
	found[name][topic][int32(binary.BigEndian.Uint32(rest))] = int64(binary.BigEndian.Uint64(value[2:]))
}

func changes(admin sarama.ClusterAdmin) [][2]string {
	hour, bad := "3600000", "never"
	steps := []struct {
		name string
		run  func() error
	}{
		{"create", func() error {
			return admin.CreateTopic("made", &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false)
		}},
		{"create again", func() error {
			return admin.CreateTopic("made", &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false)
		}},
		{"more partitions", func() error { return admin.CreatePartitions("made", 3, nil, false) }},
		{"fewer partitions", func() error { return admin.CreatePartitions("made", 2, nil, false) }},
		{"config", func() error {
			return admin.AlterConfig(sarama.TopicResource, "made", map[string]*string{"retention.ms": &hour}, false)
		}},
		{"bad config", func() error {
			return admin.AlterConfig(sarama.TopicResource, "made", map[string]*string{"retention.ms": &bad}, false)
		}},
		{"records", func() error { return admin.DeleteRecords("orders", map[int32]int64{2: 3}) }},
		{"records behind the end", func() error { return admin.DeleteRecords("orders", map[int32]int64{2: 1000}) }},
		{"group with members", func() error { return admin.DeleteConsumerGroup("classic") }},
		{"group", func() error { return admin.DeleteConsumerGroup("idle") }},
		{"group again", func() error { return admin.DeleteConsumerGroup("idle") }},
		{"log dirs", func() error { _, err := admin.DescribeLogDirs([]int32{1}); return err }},
		{"delete", func() error { return admin.DeleteTopic("made") }},
		{"delete again", func() error { return admin.DeleteTopic("made") }},
	}
	done := [][2]string{}
	for _, step := range steps {
		told := ""
		if err := step.run(); err != nil {
			told = err.Error()
		}
		done = append(done, [2]string{step.name, told})
	}
	return done
}

// What consoles in Go ask, by way of franz-go's kadm (kminion, Redpanda Console, kcl): one JSON object on stdout.
//
//	franz ADDRESS
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

type report struct {
	Release      string                      `json:"release"`
	Brokers      []string                    `json:"brokers"`
	Topics       map[string][]int64          `json:"topics"`
	Configs      map[string]string           `json:"configs"`
	BrokerConfig int                         `json:"broker_configs"`
	LogDirBytes  map[string]int64            `json:"log_dir_bytes"`
	States       map[string]string           `json:"states"`
	Members      map[string][]string         `json:"members"`
	Lag          map[string]map[string]int64 `json:"lag"`
	Committed    []int64                     `json:"committed"`
	Producers    int                         `json:"producers"`
	Transactions map[string]string           `json:"transactions"`
	Changes      [][2]string                 `json:"changes"`
	Read         []string                    `json:"read"`
}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func told(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func main() {
	within, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	client := must(kgo.NewClient(kgo.SeedBrokers(os.Args[1]), kgo.ConsumeTopics("orders"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())))
	defer client.Close()
	admin := kadm.NewClient(client)
	found := report{
		Topics: map[string][]int64{}, Configs: map[string]string{}, LogDirBytes: map[string]int64{},
		States: map[string]string{}, Members: map[string][]string{}, Lag: map[string]map[string]int64{},
		Transactions: map[string]string{},
	}

	versions := must(admin.ApiVersions(within))
	for _, one := range versions.Sorted() {
		found.Release = one.VersionGuess()
	}
	for _, broker := range must(admin.ListBrokers(within)) {
		found.Brokers = append(found.Brokers, fmt.Sprintf("%s:%d", broker.Host, broker.Port))
	}
	for name := range must(admin.ListTopics(within)) {
		found.Topics[name] = nil
	}
	ends := must(admin.ListEndOffsets(within))
	for name := range found.Topics {
		for partition := int32(0); ; partition++ {
			end, there := ends.Lookup(name, partition)
			if !there {
				break
			}
			must(0, end.Err)
			found.Topics[name] = append(found.Topics[name], end.Offset)
		}
	}
	for _, resource := range must(admin.DescribeTopicConfigs(within, "orders")) {
		must(0, resource.Err)
		for _, config := range resource.Configs {
			if config.Source.String() == "DYNAMIC_TOPIC_CONFIG" {
				found.Configs[config.Key] = config.MaybeValue()
			}
		}
	}
	for _, resource := range must(admin.DescribeBrokerConfigs(within, 1)) {
		must(0, resource.Err)
		found.BrokerConfig = len(resource.Configs)
	}
	must(admin.DescribeAllLogDirs(within, nil)).Each(func(dir kadm.DescribedLogDir) {
		must(0, dir.Err)
		dir.Topics.Each(func(one kadm.DescribedLogDirPartition) { found.LogDirBytes[one.Topic] += one.Size })
	})
	must(admin.Lag(within)).Each(func(group kadm.DescribedGroupLag) {
		must(0, group.Error())
		found.States[group.Group] = group.State
		for _, member := range group.Members {
			found.Members[group.Group] = append(found.Members[group.Group], member.ClientID)
		}
		found.Lag[group.Group] = map[string]int64{}
		for _, one := range group.Lag.TotalByTopic() {
			found.Lag[group.Group][one.Topic] = one.Lag
		}
	})
	// Lag leaves groups of KIP-848 out: a console asks for their offsets.
	for _, one := range must(admin.FetchOffsets(within, "modern")).Sorted() {
		found.Committed = append(found.Committed, one.At)
	}
	must(admin.DescribeProducers(within, kadm.TopicsSet{"paid": {0: {}}})).Each(func(topic kadm.DescribedProducersTopic) {
		for _, partition := range topic.Partitions {
			must(0, partition.Err)
			found.Producers += len(partition.ActiveProducers)
		}
	})
	for name, one := range must(admin.ListTransactions(within, nil, nil)) {
		found.Transactions[name] = one.State
	}
	for _, one := range must(admin.DescribeTransactions(within, "payments")) {
		found.Transactions[one.TxnID] += fmt.Sprintf(" of %d ms", one.TimeoutMillis)
	}

	found.Changes = changes(within, admin)
	// Not more than is there, and not less: the client is a consumer without a group.
	for len(found.Read) < 60 {
		fetched := client.PollFetches(within)
		must(0, fetched.Err0())
		fetched.EachRecord(func(record *kgo.Record) { found.Read = append(found.Read, string(record.Value)) })
	}
	sort.Strings(found.Read)
	must(0, json.NewEncoder(os.Stdout).Encode(found))
}

func changes(within context.Context, admin *kadm.Client) [][2]string {
	two := "2"
	steps := []struct {
		name string
		run  func() error
	}{
		{"create", func() error { _, err := admin.CreateTopic(within, 1, 1, nil, "made"); return err }},
		{"create again", func() error { _, err := admin.CreateTopic(within, 1, 1, nil, "made"); return err }},
		{"more partitions", func() error {
			answers, err := admin.UpdatePartitions(within, 2, "made")
			if err == nil {
				err = answers.Error()
			}
			return err
		}},
		{"config", func() error {
			answers, err := admin.AlterTopicConfigs(within, []kadm.AlterConfig{{Name: "segment.ms", Value: &two}}, "made")
			if err == nil {
				err = answers[0].Err
			}
			return err
		}},
		{"bad config", func() error {
			answers, err := admin.AlterTopicConfigs(within, []kadm.AlterConfig{{Name: "nosuch", Value: &two}}, "made")
			if err == nil {
				err = answers[0].Err
			}
			return err
		}},
		{"offsets of a group", func() error {
			return admin.CommitAllOffsets(within, "idle", offsets("orders", 0, 7))
		}},
		{"offsets of a group with members", func() error {
			answers, err := admin.CommitOffsets(within, "classic", offsets("orders", 0, 7))
			if err == nil {
				err = answers.Error()
			}
			return err
		}},
		{"delete group", func() error { _, err := admin.DeleteGroup(within, "idle"); return err }},
		{"delete", func() error { _, err := admin.DeleteTopic(within, "made"); return err }},
		{"delete again", func() error { _, err := admin.DeleteTopic(within, "made"); return err }},
	}
	done := [][2]string{}
	for _, step := range steps {
		done = append(done, [2]string{step.name, told(step.run())})
	}
	return done
}

func offsets(topic string, partition int32, at int64) kadm.Offsets {
	wanted := kadm.Offsets{}
	wanted.AddOffset(topic, partition, at, -1)
	return wanted
}

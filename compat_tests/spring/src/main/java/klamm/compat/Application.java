package klamm.compat;

import org.apache.kafka.clients.admin.NewTopic;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.kafka.config.TopicBuilder;

/**
 * A Spring Boot application as people write them: topics as beans, listeners by annotation, KafkaTemplate to send.
 * Commands and answers are JSON lines on stdin and stdout (see Commands); it ends with its stdin.
 */
@SpringBootApplication
public class Application {
    public static void main(String[] arguments) {
        SpringApplication.run(Application.class, arguments);
    }

    /** Boot's KafkaAdmin creates it at the start, or finds it as it should be. */
    @Bean
    NewTopic topic(@Value("${klamm.topic}") String name) {
        return TopicBuilder.name(name).partitions(3).replicas(1).config("retention.ms", "123456000").build();
    }
}

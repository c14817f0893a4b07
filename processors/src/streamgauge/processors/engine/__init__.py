"""Everything that knows Faust and Kafka."""

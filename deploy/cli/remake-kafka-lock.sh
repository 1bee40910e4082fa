#!/usr/bin/env bash
# Resolve Kafka with Maven and print the lock: coordinates and SHA-256, no address. Needs Maven and Java; the product does not.
# Usage: deploy/cli/remake-kafka-lock.sh KAFKA_VERSION LOG4J_VERSION > deploy/cli/src/laurel_cli/stack/kafka_jars.lock
set -euo pipefail
kafka=${1:?the version of Kafka, e.g. 4.3.1}
log4j=${2:?the version of log4j-core that this Kafka brings, e.g. 2.25.4}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat > "$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>laurel</groupId><artifactId>kafka-lock</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$kafka</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>$log4j</version></dependency>
  </dependencies>
</project>
POM
mvn -B -q -f "$work/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -Dmdep.useRepositoryLayout=true \
  -DoutputDirectory="$work/jars" >&2

echo "# Apache Kafka $kafka and its logging binding, resolved once by Maven: group:artifact:version sha256."
echo "# No address stands here. Made by deploy/cli/remake-kafka-lock.sh $kafka $log4j"
cd "$work/jars"
find . -name '*.jar' | while read -r jar; do
  version=$(basename "$(dirname "$jar")")
  artifact=$(basename "$(dirname "$(dirname "$jar")")")
  group=$(dirname "$(dirname "$(dirname "$jar")")" | sed 's|^\./||; s|/|.|g')
  echo "$group:$artifact:$version $(sha256sum "$jar" | cut -d' ' -f1)"
done | LC_ALL=C sort

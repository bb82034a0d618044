#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs DynamoDB Local, which the tests of s3+ddb:// run against, into .deps/dynamodb of the repository, and prints the folder
# of its jars. Does nothing when it is there, or when LANCEFS_DYNAMODB names such a folder. Needs mvn; java runs it.
set -euo pipefail

version=2.6.1
root=$(cd "$(dirname "$0")/../.." && pwd)
deps=${LANCEFS_DEPS:-$root/.deps}
folder=$deps/dynamodb-$version

if [ -n "${LANCEFS_DYNAMODB:-}" ]; then
  ls "$LANCEFS_DYNAMODB"/DynamoDBLocal-*.jar >/dev/null || { echo "LANCEFS_DYNAMODB=$LANCEFS_DYNAMODB has no DynamoDBLocal" >&2; exit 1; }
  echo "$LANCEFS_DYNAMODB"
  exit 0
fi
if [ -e "$folder/DynamoDBLocal-$version.jar" ]; then
  echo "$folder"
  exit 0
fi

mkdir -p "$deps"
echo "fetching DynamoDB Local $version" >&2
# Fetched aside and renamed, so that an interrupted run leaves nothing that looks complete.
staging=$(mktemp -d "$deps/dynamodb.XXXXXX")
trap 'rm -rf "$staging"' EXIT
cat >"$staging/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>test</groupId><artifactId>dynamodb</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>com.amazonaws</groupId><artifactId>DynamoDBLocal</artifactId><version>$version</version>
  </dependency></dependencies>
</project>
POM
(cd "$staging" && mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
  -DoutputDirectory=lib -Dmdep.useBaseVersion=true >&2)
mv "$staging/lib" "$folder"
echo "$folder"
